/** `nvmem torture` on a bench of its own: real processes and sockets; what it proves, what it finds, and how it ends. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { TortureEvent, VerdictEvent } from '../../lib/torture/events.js';
import type * as api from '../../lib/torture/index.js';
import { Tally } from '../../lib/torture/totals.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { CLI, seedOfRun } from './bench.js';

// The process of the subjects is a file of the build.
const { torture } = createRequire(__filename)(join(dirname(CLI), '../torture/index.js')) as typeof api;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nvmem-torture-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function nvmem(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'torture', ...args], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

const seed = String(seedOfRun());

test('a run in which nothing is lost: log, report and verdict have the same numbers', async () => {
  const { status, stdout } = await nvmem(
    '--bench',
    '--cycles',
    '12',
    '--seed',
    seed,
    '--log',
    'log',
    '--report',
    'report.html',
    '--json',
  );
  expect(status).toBe(0);
  const answer = JSON.parse(stdout) as { ok: boolean; seed: number; verdict: VerdictEvent };
  expect(answer).toMatchObject({
    ok: true,
    seed: Number(seed),
    verdict: { passed: true, ended: 'finished', violations: 0 },
  });
  const lines = readFileSync(join(folder, 'log'), 'utf8').trimEnd().split('\n');
  const events = lines.map((line) => JSON.parse(line) as TortureEvent);
  expect(events[0]).toMatchObject({ type: 'start', seed: Number(seed) });
  expect(events.at(-1)).toEqual(answer.verdict);
  const tally = new Tally();
  for (const event of events) tally.add(event);
  expect(tally.totals()).toEqual(answer.verdict.totals);
  expect(answer.verdict.totals.cycles).toBe(12);
  const page = readFileSync(join(folder, 'report.html'), 'utf8');
  expect(page).toContain('12 cycles');
  expect(page).toContain(answer.verdict.totals.operations.toLocaleString('en'));
});

test('a part that forgets is found, the shortest schedule is kept, and it fails again when it is played', async () => {
  const saved = join(folder, 'again.json');
  const run = await nvmem(
    '--bench',
    '--fault',
    'flip:stored:count=forever:skip=4',
    '--cycles',
    '40',
    '--seed',
    '3',
    '--save-replay',
    saved,
    '--json',
  );
  expect(run.status).toBe(1);
  const answer = JSON.parse(run.stdout) as { violations: { kind: string }[]; verdict: VerdictEvent };
  // Found by reading back, or, where the plug was pulled before that, by the read after the replug.
  const names = ['verify-failed', 'wrong-byte'];
  const [kind] = answer.violations.map((violation) => violation.kind);
  expect(names).toContain(kind);
  expect(answer.verdict.replay).toMatchObject({ file: saved });
  const again = await nvmem('--replay', saved, '--json');
  expect(again.status).toBe(1);
  const played = JSON.parse(again.stdout) as { violations: { kind: string }[] };
  expect(names).toContain(played.violations[0]?.kind);
}, 120_000);

test('who stops taking ends it in order, and Ctrl-C is no failure of the subject', async () => {
  const seen: string[] = [];
  for await (const { type } of torture({ bench: true, cycles: 1000, workers: 2 })) {
    seen.push(type);
    if (type === 'cycle') break;
  }
  expect(seen[0]).toBe('start');
  const stop = new AbortController();
  let verdict: VerdictEvent | undefined;
  for await (const event of torture({ bench: true, cycles: 1000, workers: 2, signal: stop.signal })) {
    if (event.type === 'cycle') stop.abort();
    if (event.type === 'verdict') verdict = event;
  }
  expect(verdict).toMatchObject({ ended: 'interrupted', violations: 0 });
});

describe('on a bench of somebody else', () => {
  let bench: VirtualBench;
  let uri: string;
  beforeEach(async () => {
    bench = await VirtualBench.start({
      time: 'off',
      devices: [{ eeproms: [{ address: 0x50, chip: '24c02' }] }],
    });
    uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c02`;
  });
  afterEach(() => bench.close());

  /** A relay that is a program: it tells this test, which pulls. */
  function relay(body: string): string {
    const file = join(folder, 'relay');
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
    return `command:${file} {off|on}`;
  }

  test('without --region and --allow-writes nothing is written, whatever the mix', async () => {
    const written: string[] = [];
    bench.device('1-1').on('eeprom', ({ type }) => written.push(type));
    const before = bench.device('1-1').eeprom(0x50).image;
    // A switch that switches nothing: the subject is still there, and that is said.
    const { status, stdout } = await nvmem(
      uri,
      '--power',
      relay('exit 0'),
      '--mix',
      'write=9,cell=9',
      '--cycles',
      '1',
      '--json',
    );
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'ERR_TORTURE_RIG', message: expect.stringContaining('is still there') as string },
      verdict: { ended: 'failed', violations: 0 },
    });
    expect(written).toEqual([]);
    expect(bench.device('1-1').eeprom(0x50).image).toEqual(before);
  }, 60_000);

  test.each([
    ['fails', 'echo no such port >&2; exit 3', /could not be switched off: .*status 3: no such port/],
    ['is not there', undefined, /no program/],
  ])('a power command that %s is no violation', async (_, body, message) => {
    const power = body === undefined ? 'command:no-such-relay' : relay(body);
    const { status, stdout } = await nvmem(uri, '--power', power, '--cycles', '2', '--json');
    expect(status).toBe(1);
    const answer = JSON.parse(stdout) as { error: { code: string; message: string }; verdict: VerdictEvent };
    expect(answer.error.code).toBe('ERR_TORTURE_RIG');
    expect(answer.error.message).toMatch(message);
    expect(answer.verdict).toMatchObject({ ended: 'failed', violations: 0 });
    expect(bench.device('1-1').plugged).toBe(true);
  });
});

test.each([
  [[], /nothing to torture/],
  [['--bench', '--fault', 'nonsense'], /nonsense/],
  [['--bench', '--region', '9-3'], /--region 9-3/],
  [['--bench', '--region', '0-4096'], /outside of/],
  [['--bench', '--mix', 'reed=1'], /reed=1/],
  [['--bench', '--when', 'often'], /often/],
  [['--bench', '--duration', '5'], /--duration 5/],
  [['--bench', '--power', 'hope'], /--power hope/],
  [['mem://64', '--power', 'manual'], /has no plug/],
  [['usbip://127.0.0.1:1/1-1/0x50?chip=24c02'], /who pulls the plug/],
  [['usbip://127.0.0.1:1/1-1/0x50?chip=24c02', '--power', 'usb-authorized'], /no such file/],
  [['--fault', 'nak'], /--fault is of a bench/],
])('%j is refused before anything is tortured, with what to write', async (args, message) => {
  const { stdout } = await nvmem(...args, '--json');
  const { error } = JSON.parse(stdout) as { error: { message: string; hint: string } };
  expect(error.message).toMatch(message);
  expect(error.hint).not.toBe('');
});
