import { NvmemError } from '../base/errors.js';
import { parseUri, sizeOf } from '../uri/uri.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { inputSize, readInput } from './files.js';
import { bytes, duration, range } from './format.js';
import { Progress } from './progress.js';
import { describe, sha256, since } from './read.js';
import type { Session } from './session.js';

export interface WriteCommandOptions {
  readonly offset?: number;
  /** Commander's form of --no-verify. */
  readonly verify?: boolean;
  readonly forceGeometry?: boolean;
  readonly skipEqual?: boolean;
}

export async function writeCommand(
  session: Session,
  uri: string,
  file: string,
  { offset = 0, verify = true, skipEqual = false, forceGeometry = false }: WriteCommandOptions,
): Promise<void> {
  const data = await loadFitting(session, uri, file, offset);
  await session.withDevice(uri, { forceGeometry }, async (device, facts) => {
    checkFits(file, data.length, offset, device.size, uri);
    const began = performance.now();
    const progress = new Progress(session.io, 'writing');
    const about = { ...facts, file, offset, bytes: data.length, verify };
    try {
      const limits = { ...session.limits, verify, skipEqual, onProgress: progress.update };
      using memory = device.files.open('nvmem', { flags: 'w' });
      const { bytesSkipped, bytesUnchanged, protectError } = await memory.write(offset, data, limits);
      progress.end();
      const warning = protectError && { code: protectError.code, message: protectError.message };
      session.answer(
        withoutUndefined({
          ...about,
          bytesSkipped,
          bytesUnchanged: skipEqual ? bytesUnchanged : undefined,
          sha256: sha256(data),
          ms: since(began),
          protectError: warning,
        }),
      );
      const checked = verify ? ', read back and compared' : ', not verified';
      const kept = skipEqual ? `, ${bytes(bytesUnchanged)} of them were there already` : '';
      await session.say(
        `wrote ${bytes(data.length)} at ${String(offset)} to ${describe(facts)} in ${duration(since(began))}${checked}${kept}`,
      );
      if (warning) await session.note(`warning: ${warning.message}`);
    } catch (error) {
      throw new CommandFailure(error, { ...about, ms: since(began) }, writeNotes(error));
    } finally {
      progress.end();
    }
  });
}

/** Which parts of the device hold what, after a write that failed. */
export function writeNotes(error: unknown): string[] {
  if (!(error instanceof NvmemError)) return [];
  const { committed, uncertain, untouched, protectError } = error;
  const notes: string[] = [];
  for (const [name, ranges] of Object.entries({ committed, uncertain, untouched })) {
    if (ranges && ranges.length > 0) notes.push(`${name}: ${ranges.map(range).join(', ')}`);
  }
  if (protectError) notes.push(`warning: ${protectError.message}`);
  return notes;
}

/** The file's bytes; one that is too big is refused before the bridge is touched, where the URI tells the size. */
export async function loadFitting(
  session: Session,
  uri: string,
  file: string,
  offset: number,
): Promise<Buffer> {
  const size = sizeOf(parseUri(uri));
  const length = await inputSize(file);
  if (size !== undefined && length !== undefined) checkFits(file, length, offset, size, uri);
  const room = size === undefined ? Number.MAX_SAFE_INTEGER - 1 : Math.max(size - offset, 0);
  const data = await readInput(file, session.io.stdin, room);
  if (size !== undefined) checkFits(file, data.length, offset, size, uri);
  return data;
}

export function checkFits(file: string, length: number, offset: number, size: number, uri: string): void {
  if (length + offset <= size) return;
  const at = offset === 0 ? '' : ` from offset ${String(offset)} on`;
  const more = length > size - offset && file === '-' ? 'more than fits' : bytes(length);
  throw new CommandFailure(
    new NvmemError(
      'EFBIG',
      `${file} does not fit: it has ${more}, the device ${bytes(Math.max(size - offset, 0))}${at}`,
      {
        syscall: 'write',
        device: uri,
      },
    ),
    { uri, file, offset, bytes: length, size },
    ['nothing was written'],
  );
}
