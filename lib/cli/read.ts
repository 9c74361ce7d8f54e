import { createHash } from 'node:crypto';

import { NvmemError } from '../base/errors.js';
import { CliError, CommandFailure, withoutUndefined } from './failure.js';
import { checkWritable, dropPart, isStdout, keepPart, writeWhole } from './files.js';
import { bytes, duration, hexdump } from './format.js';
import { contradiction } from '../bus/geometry.js';
import { geometryWarning } from './geometry.js';
import type { Memory } from './memory.js';
import { readPausable } from './pausable.js';
import { Progress } from './progress.js';
import type { DeviceFacts, Session } from './session.js';

export interface ReadCommandOptions {
  readonly output?: string;
  readonly offset?: number;
  readonly length?: number;
  /** As text, also where it is not for a terminal. */
  readonly hex?: boolean;
}

export async function readCommand(session: Session, uri: string, options: ReadCommandOptions): Promise<void> {
  const { hex = false } = options;
  const toStdout = options.output !== undefined && isStdout(options.output);
  const output = toStdout ? undefined : options.output;
  if (output !== undefined) await checkWritable(output);
  await session.withMemory(uri, { readOnly: true }, async (device, facts) => {
    const { offset, length } = window(device, options);
    const encode = (data: Buffer): Buffer => (hex ? Buffer.from(hexdump(data, offset)) : data);
    const began = performance.now();
    const data = await readWithProgress(session, device, offset, length).catch((error: unknown) =>
      failRead(
        error,
        { ...facts, offset, bytes: length, ms: since(began) },
        output,
        encode,
        session.io.signal,
      ),
    );
    const ms = since(began);
    const isWhole = offset === 0 && data.length === device.size;
    const geometry = isWhole ? await contradiction(device, session.limits) : undefined;
    const document = {
      ...facts,
      offset,
      bytes: data.length,
      sha256: sha256(data),
      ms,
      ...(geometry && { geometry }),
    };
    if (output !== undefined) {
      await writeWhole(output, encode(data), session.io.signal);
      const stale = await dropPart(output, encode(data));
      session.answer({ ...document, file: output });
      await session.tell(
        `read ${bytes(data.length)} from ${describe(facts)} into ${output} in ${duration(document.ms)}`,
      );
      await session.say(`sha256 ${document.sha256}`);
      if (stale !== undefined) await session.tell(`${stale} holds something else, and was left alone`);
    } else if (session.json) {
      session.answer({ ...document, hex: data.toString('hex') });
    } else if (hex || (session.out.isTTY && !toStdout)) {
      await session.out.write(hexdump(data, offset));
    } else {
      await session.out.write(data);
    }
    if (geometry) await session.note(geometryWarning(geometry));
  });
}

/** The part of the device that --offset and --length name; all of it without them. */
export function window(
  device: Pick<Memory, 'size'>,
  { offset = 0, length }: { readonly offset?: number; readonly length?: number },
): { offset: number; length: number } {
  const { size } = device;
  if (offset >= size || (length !== undefined && length > size - offset)) {
    const asked =
      length === undefined ? `--offset ${String(offset)}` : `${bytes(length)} at ${String(offset)}`;
    throw new CliError(
      'EINVAL',
      `${asked} is beyond the end: the device has ${bytes(size)}`,
      'Ask for less.',
      2,
    );
  }
  return { offset, length: length ?? size - offset };
}

export async function readWithProgress(
  session: Session,
  device: Pick<Memory, 'read'>,
  offset: number,
  length: number,
): Promise<Buffer> {
  const progress = new Progress(session, 'reading');
  try {
    return await readPausable(session, device, offset, length, progress.update);
  } finally {
    progress.end();
  }
}

/** Keeps what is good, and says how much that is. */
async function failRead(
  error: unknown,
  facts: DeviceFacts & { readonly bytes: number; readonly ms: number; readonly offset: number },
  output: string | undefined,
  encode: (data: Buffer) => Buffer,
  signal: AbortSignal,
): Promise<never> {
  if (!(error instanceof NvmemError) || error.partial === undefined)
    throw new CommandFailure(error, { ...facts });
  const { partial } = error;
  const kept = { ...facts, bytesTransferred: partial.length, sha256: sha256(partial) };
  const good = `${String(partial.length)} of ${bytes(facts.bytes)} are good`;
  if (output === undefined) {
    throw new CommandFailure(error, { ...kept, hex: partial.toString('hex') }, [
      `${good}; with -o FILE they are kept in FILE.part`,
    ]);
  }
  // With a signal behind it the file is written all the same: it is small, and what it is for.
  const part = await keepPart(
    output,
    encode(partial),
    signal.aborted ? new AbortController().signal : signal,
  );
  const file = part.path;
  const notes = [`${good} and kept in ${file}`];
  if (part.bytes > encode(partial).length)
    notes[0] = `${good}; ${file} holds more of the same, and was left alone`;
  throw new CommandFailure(error, withoutUndefined({ ...kept, file }), notes);
}

export function describe({ device, chip }: DeviceFacts): string {
  return chip === undefined ? device : `${chip} (${device})`;
}

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Milliseconds since `began`, to the microsecond. */
export function since(began: number): number {
  return Math.round((performance.now() - began) * 1000) / 1000;
}
