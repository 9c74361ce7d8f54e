import { existsSync } from 'node:fs';

import { NvmemError } from '../base/errors.js';
import type { NvmemWriteResult } from '../core/device_core.js';
import { recover } from '../journal/recover.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { bytes, duration, range } from './format.js';
import { checkFits, loadInput, type InputOptions } from './input.js';
import type { Memory, MemoryOptions } from './memory.js';
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
  /** Path of a journal, as for the option of NvmemDevice.write(). */
  readonly journal?: string;
}

export async function writeCommand(
  session: Session,
  uri: string,
  source: string | undefined,
  {
    offset = 0,
    verify = true,
    skipEqual = false,
    forceGeometry = false,
    journal,
    ...input
  }: WriteCommandOptions,
): Promise<void> {
  const { name, file, data } = await loadInput(session, uri, source, offset, input);
  await session.withMemory(uri, { forceGeometry }, async (device, facts) => {
    checkFits(name, data.length, offset, device.size, uri);
    const began = performance.now();
    const progress = new Progress(session, 'writing');
    const about = withoutUndefined({ ...facts, file, offset, bytes: data.length, verify });
    try {
      const how = { verify, skipEqual, onProgress: progress.update };
      const write =
        journal === undefined
          ? (options: MemoryOptions) => device.write(offset, data, options)
          : writerWithJournal(device, offset, data, journal);
      const result = await writePausable(session, data.length, how, write);
      const { bytesSkipped, bytesUnchanged, protectError, journalError } = result;
      progress.end();
      session.answer(
        withoutUndefined({
          ...about,
          bytesSkipped,
          bytesUnchanged: skipEqual ? bytesUnchanged : undefined,
          sha256: sha256(data),
          ms: since(began),
          protectError: asWarning(protectError),
          journalError: asWarning(journalError),
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
      for (const warning of [protectError, journalError]) {
        if (warning) await session.note(`warning: ${warning.message}`);
      }
    } catch (error) {
      throw new CommandFailure(error, { ...about, ms: since(began) }, writeNotes(error));
    } finally {
      progress.end();
    }
  });
}

/**
 * A write that Ctrl-Z has interrupted has left its journal, and goes on by it: what is there is compared with it, and the rest
 * written.
 */
function writerWithJournal(
  memory: Memory,
  offset: number,
  data: Uint8Array,
  journal: string,
): (options: MemoryOptions) => Promise<NvmemWriteResult> {
  let isInterrupted = false;
  return async (options) => {
    if (!isInterrupted || !existsSync(journal)) {
      isInterrupted = true;
      return memory.write(offset, data, { ...options, journal });
    }
    const { signal, timeoutMs, onProgress } = options;
    const result = await recover(journal, memory, { signal, timeoutMs, onProgress });
    const { protectError, journalError } = result;
    return { bytesWritten: data.length, bytesSkipped: 0, bytesUnchanged: 0, protectError, journalError };
  };
}

function asWarning(error: NvmemError | undefined): { code: string; message: string } | undefined {
  return error && { code: error.code, message: error.message };
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
