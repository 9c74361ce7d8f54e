/** Runs the command line inside the test. */
import { Readable, Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';

import { runCli } from '../../../lib/cli/program.js';
import type { Machine } from '../../../lib/machine/machine.js';

class Sink extends Writable {
  text = '';
  constructor(
    readonly isTTY: boolean,
    readonly columns: number,
  ) {
    super();
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface CliRun {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export async function nvmemOn(
  machine: Machine,
  args: readonly string[],
  { tty = false, columns = 80 } = {},
): Promise<CliRun> {
  const [stdout, stderr] = [new Sink(tty, columns), new Sink(tty, columns)];
  const status = await runCli(args, {
    stdin: Readable.from([]),
    stdout,
    stderr,
    signal: new AbortController().signal,
    machine,
  });
  // Whether there are colours is the environment's affair (NO_COLOR, CI), and nothing a width depends on.
  const [out, err] = [stdout.text, stderr.text].map((text) => stripVTControlCharacters(text));
  return { status, out: out ?? '', err: err ?? '' };
}

/** The one JSON document of a run. */
export async function jsonOn(
  machine: Machine,
  args: readonly string[],
): Promise<{ status: number; document: Record<string, unknown> }> {
  const { status, out, err } = await nvmemOn(machine, [...args, '--json']);
  expect(err).toBe('');
  expect(out.trim().split('\n')).toHaveLength(1);
  return { status, document: JSON.parse(out) as Record<string, unknown> };
}
