import { createHash } from 'node:crypto';

import { NvmemError } from '../base/errors.js';
import type { OpenDevice } from '../bus/open_device.js';
import { CliError, CommandFailure, withoutUndefined } from './failure.js';
import { checkWritable, writeWhole } from './files.js';
import { bytes, duration, hexdump } from './format.js';
import { writeOut } from './io.js';
import { Progress } from './progress.js';
import type { DeviceFacts, Session } from './session.js';

export interface ReadCommandOptions {
  readonly output?: string;
  readonly offset?: number;
  readonly length?: number;
}

export async function readCommand(session: Session, uri: string, options: ReadCommandOptions): Promise<void> {
  const { output } = options;
  if (output !== undefined && output !== '-') await checkWritable(output);
  await session.withDevice(uri, { readOnly: true }, async (device, facts) => {
    const { offset, length } = window(device, options);
    const began = performance.now();
    const data = await readWithProgress(session, device, offset, length).catch((error: unknown) =>
      failRead(error, { ...facts, offset, bytes: length, ms: since(began) }, output),
    );
    const document = {
      ...facts,
      offset,
      bytes: data.length,
      sha256: sha256(data),
      ms: since(began),
    };
    if (output !== undefined && output !== '-') {
      await writeWhole(output, data);
      session.answer({ ...document, file: output });
      await session.say(
        `read ${bytes(data.length)} from ${describe(facts)} into ${output} in ${duration(document.ms)}`,
      );
      await session.say(`sha256 ${document.sha256}`);
    } else if (session.json) {
      session.answer({ ...document, hex: data.toString('hex') });
    } else if (output === undefined && session.io.stdout.isTTY === true) {
      await writeOut(session.io.stdout, hexdump(data, offset));
    } else {
      await writeOut(session.io.stdout, data);
    }
  });
}

/** The part of the device that --offset and --length name; all of it without them. */
export function window(
  device: OpenDevice,
  { offset = 0, length }: { readonly offset?: number; readonly length?: number },
): { offset: number; length: number } {
  const { size } = device;
  if (offset > size || (length !== undefined && length > size - offset)) {
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
  device: OpenDevice,
  offset: number,
  length: number,
): Promise<Buffer> {
  const progress = new Progress(session.io, 'reading');
  try {
    using file = device.files.open('nvmem');
    return await file.read(offset, length, { ...session.limits, onProgress: progress.update });
  } finally {
    progress.end();
  }
}

/** Keeps what is good, and says how much that is. */
async function failRead(
  error: unknown,
  facts: DeviceFacts & { readonly bytes: number; readonly ms: number; readonly offset: number },
  output: string | undefined,
): Promise<never> {
  if (!(error instanceof NvmemError) || error.partial === undefined)
    throw new CommandFailure(error, { ...facts });
  const { partial } = error;
  const kept = { ...facts, bytesTransferred: partial.length, sha256: sha256(partial) };
  const good = `${String(partial.length)} of ${bytes(facts.bytes)} are good`;
  if (output === undefined || output === '-') {
    throw new CommandFailure(error, { ...kept, hex: partial.toString('hex') }, [
      `${good}; with -o FILE they are kept in FILE.part`,
    ]);
  }
  const file = `${output}.part`;
  await writeWhole(file, partial);
  throw new CommandFailure(error, withoutUndefined({ ...kept, file }), [`${good} and kept in ${file}`]);
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
