/**
 * What a provider answers above zero. The kernel's core takes that neither for success nor for an error: it hands the number to
 * its own caller, who takes it for a count. A provider in JavaScript says so by an error with a positive `errno`.
 */
import type { NvmemError } from '../base/errors.js';
import { answerOf } from '../core/operation.js';

/** The result of `call`, or the number that its provider answered above zero. */
export async function orCount<T>(call: Promise<T>): Promise<T | number> {
  try {
    return await call;
  } catch (error) {
    const count = answerOf(error);
    if (count === undefined) throw error;
    return count;
  }
}

/** The first `count` bytes of a room of `length`, with what had been read before the provider answered so. */
export async function readOrCount(call: Promise<Buffer>, room: () => Buffer): Promise<Buffer> {
  try {
    return await call;
  } catch (error) {
    const count = answerOf(error);
    if (count === undefined) throw error;
    const data = room();
    data.set((error as NvmemError).partial?.subarray(0, data.length) ?? []);
    return data.subarray(0, count);
  }
}
