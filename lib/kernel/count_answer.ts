/** What a provider answers above zero. */
import { NvmemError } from '../base/errors.js';

/**
 * The kernel's core takes what a callback returns above zero neither for success nor for an error: it hands the number to its
 * own caller, who takes it for a count. A provider in JavaScript says so by an error with a positive `errno`. This is that
 * number; undefined: `error` is an error.
 */
export function countAnswer(error: unknown): number | undefined {
  if (!(error instanceof NvmemError)) return undefined;
  const { cause } = error;
  if (typeof cause !== 'object' || cause === null) return undefined;
  const { errno } = cause as { errno?: unknown };
  return typeof errno === 'number' && Number.isInteger(errno) && errno > 0 ? errno : undefined;
}

/** The result of `call`, or the number that its provider answered above zero. */
export async function orCount<T>(call: Promise<T>): Promise<T | number> {
  try {
    return await call;
  } catch (error) {
    const count = countAnswer(error);
    if (count === undefined) throw error;
    return count;
  }
}

/** The first `count` bytes of a room of `length`, with what had been read before the provider answered so. */
export async function readOrCount(call: Promise<Buffer>, room: () => Buffer): Promise<Buffer> {
  try {
    return await call;
  } catch (error) {
    const count = countAnswer(error);
    if (count === undefined) throw error;
    const data = room();
    data.set((error as NvmemError).partial?.subarray(0, data.length) ?? []);
    return data.subarray(0, count);
  }
}
