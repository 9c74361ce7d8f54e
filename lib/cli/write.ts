import { NvmemError } from '../base/errors.js';
import type { NvmemWriteResult } from '../core/device_core.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { bytes, duration, range } from './format.js';
import { checkFits, loadInput, type InputOptions } from './input.js';
import type { MemoryOptions } from './memory.js';
import { writePausable } from './pausable.js';
import { Progress } from './progress.js';
import { describe, sha256, since } from './read.js';
import type { Session } from './session.js';

export interface WriteCommandOptions extends InputOptions {
  readonly offset?: number;
  /** Commander's form of --no-verify. */
  readonly verify?: boolean;
  readonly forceGeometry?: boolean;
  readonly skipEqual?: boolean;
}

export async function writeCommand(
  session: Session,
  uri: string,
  source: string | undefined,
  { offset = 0, verify = true, skipEqual = false, forceGeometry = false, ...input }: WriteCommandOptions,
): Promise<void> {
  const { name, file, data } = await loadInput(session, uri, source, offset, input);
  await session.withMemory(uri, { forceGeometry }, async (device, facts) => {
    checkFits(name, data.length, offset, device.size, uri);
    const began = performance.now();
    const progress = new Progress(session, 'writing');
    const about = withoutUndefined({ ...facts, file, offset, bytes: data.length, verify });
    try {
      const how = { verify, skipEqual, onProgress: progress.update };
      const write = (options: MemoryOptions): Promise<NvmemWriteResult> =>
        device.write(offset, data, options);
      const result = await writePausable(session, data.length, how, write);
      const { bytesSkipped, bytesUnchanged, protectError } = result;
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
      const kept =
        skipEqual && bytesUnchanged !== undefined
          ? `, ${bytes(bytesUnchanged)} of them were there already`
          : '';
      await session.tell(
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
