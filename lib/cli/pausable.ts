/** Reads and writes that Ctrl-Z can interrupt, as one operation: what they say at their end is about the whole. */
import type { NvmemError } from '../base/errors.js';
import { bytesIn, joined, without } from '../base/ranges.js';
import type { NvmemWriteResult, WriteOptions } from '../core/device_core.js';
import type { Memory, MemoryOptions, OnProgress } from './memory.js';
import type { Session } from './session.js';

export interface PausableWriteResult extends Omit<NvmemWriteResult, 'bytesUnchanged'> {
  /** Undefined where the write was interrupted: what it wrote before was there already when it went on. */
  readonly bytesUnchanged: number | undefined;
}

/** The bytes from `offset` on. Rejects as NvmemDevice.read(). */
export async function readPausable(
  session: Session,
  memory: Pick<Memory, 'read'>,
  offset: number,
  length: number,
  onProgress: OnProgress,
): Promise<Buffer> {
  const good: Buffer[] = [];
  let done = 0;
  const keep = (part: Buffer): void => {
    good.push(part);
    done += part.length;
  };
  await pausable(session, async (limits, interrupted) => {
    if (interrupted?.partial) keep(interrupted.partial);
    const before = done;
    const told: OnProgress = (count, _total, progress) => {
      onProgress(before + count, length, progress);
    };
    try {
      keep(await memory.read(offset + before, length - before, { ...limits, onProgress: told }));
    } catch (error) {
      throw before === 0 ? error : withGoodBytes(error, good, length);
    }
  });
  return Buffer.concat(good);
}

/**
 * A write of `total` bytes: `write` does it with the options it is given. After an interruption it begins again, and what is
 * there already is compared instead of written: that is where it left off, and nothing stays unverified. Rejects as `write`.
 */
export async function writePausable(
  session: Session,
  total: number,
  options: MemoryOptions,
  write: (options: MemoryOptions) => Promise<NvmemWriteResult>,
): Promise<PausableWriteResult> {
  let before: NvmemError | undefined;
  return pausable(session, async (limits, interrupted) => {
    if (interrupted) before = before ? withRanges(interrupted, before, total) : interrupted;
    try {
      const more = before === undefined ? {} : { skipEqual: true };
      const result = await write({ ...options, ...limits, ...more });
      return before === undefined ? result : { ...result, bytesUnchanged: undefined };
    } catch (error) {
      throw before === undefined ? error : withRanges(error, before, total);
    }
  });
}

/** The time that the process sleeps does not count against --timeout. */
async function pausable<T>(
  session: Session,
  attempt: (limits: WriteOptions, interrupted: NvmemError | undefined) => Promise<T>,
): Promise<T> {
  const { signal, timeoutMs } = session.limits;
  const { stops } = session.io;
  if (stops === undefined) return attempt(session.limits, undefined);
  let left = timeoutMs;
  return stops.run(signal, async (either, interrupted) => {
    const began = performance.now();
    try {
      return await attempt(
        { signal: either, ...(left !== undefined && { timeoutMs: Math.max(left, 1) }) },
        interrupted,
      );
    } finally {
      if (left !== undefined) left -= performance.now() - began;
    }
  });
}

/** Makes an error of the rest speak of the whole read. */
function withGoodBytes(error: unknown, good: readonly Buffer[], total: number): unknown {
  const { partial, message } = error as Partial<NvmemError>;
  if (partial === undefined || message === undefined) return error;
  const whole = Buffer.concat([...good, partial]);
  return amend(error as NvmemError, {
    partial: whole,
    bytesTransferred: whole.length,
    message: countIn(message, whole.length, total),
  });
}

/** Makes an error speak of what was written before the interruption as well. */
function withRanges(error: unknown, before: NvmemError, total: number): NvmemError {
  const { message, committed, uncertain, untouched } = error as NvmemError;
  if (committed === undefined || uncertain === undefined || untouched === undefined)
    return error as NvmemError;
  const doubtful = joined(uncertain, without(before.uncertain ?? [], committed));
  const known = without(joined(committed, before.committed ?? []), doubtful);
  const count = bytesIn(known);
  return amend(error as NvmemError, {
    committed: known,
    uncertain: doubtful,
    untouched: without(without(untouched, known), doubtful),
    bytesTransferred: count,
    message: countIn(message, count, total),
  });
}

function amend(error: NvmemError, fields: Partial<NvmemError>): NvmemError {
  for (const [name, value] of Object.entries(fields)) {
    Object.defineProperty(error, name, { value, configurable: true, enumerable: name !== 'message' });
  }
  return error;
}

function countIn(message: string, count: number, total: number): string {
  return message.replace(
    /; \d+ of \d+ bytes are (committed|good)/,
    (_, what: string) => `; ${String(count)} of ${String(total)} bytes are ${what}`,
  );
}
