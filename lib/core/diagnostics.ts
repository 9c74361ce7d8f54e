/**
 * What the library tells `node:diagnostics_channel`. Where nobody has subscribed nothing is made and nothing is told. What a
 * subscriber throws Node itself catches, and reports as an uncaught exception when the library's own work is done.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel';

import { NvmemError } from '../base/errors.js';
import { isA, propertyOf } from '../base/foreign.js';
import { callUser } from './report.js';
import type { NvmemEndCause } from './device_end.js';

/** What subscribers of `tracing:nvmem:operation:*` get: one object for each operation, the same from its start to its end. */
export interface OperationContext {
  /** The device's name. */
  readonly device: string;
  /** As in errors: 'read', 'write', 'cell-read', 'cell-write', 'lock-state', 'lock', 'geometry'. */
  readonly syscall: string;
  /** Bytes from the beginning of the device. */
  readonly offset: number;
  /** Bytes that were asked for, or given. */
  readonly length: number;
  /** From its end on: 'ok', or the code of the error. */
  outcome?: string;
  /** From its end on: bytes that were delivered or are committed, also of an operation that failed. */
  bytes?: number;
  /** Of one that failed, from its end on: what it rejects with. */
  error?: unknown;
}

/** What subscribers of `nvmem:device` get. */
export interface DeviceMessage {
  /**
   * `added` to its registry and `removed` from it, when all is over; of a follower `present`, `absent`, `replaced` and `closed`,
   * as its events.
   */
  readonly event: 'added' | 'removed' | 'present' | 'absent' | 'replaced' | 'closed';
  /** Its name. */
  readonly device: string;
  /** Undefined: it was registered by a program, without one. */
  readonly uri: string | undefined;
  /** A follower says so. While its memory is there, a device of that name is added and removed as well. */
  readonly follower: boolean;
  /** Of `removed`. */
  readonly cause: NvmemEndCause | undefined;
  /** Why, in a sentence; of `added` empty. */
  readonly reason: string;
}

/** What subscribers of `nvmem:bus` get. */
export interface BusMessage {
  /**
   * `opened`: by the first who uses it. `replaced`: just before that, where the bridge there has another serial number than the
   * last time. `gone`: it went by itself. `closed`: nothing of it is open any more, also after `gone`.
   */
  readonly event: 'opened' | 'replaced' | 'gone' | 'closed';
  /** The same for every URI that means this bus, and the label of its metrics. */
  readonly bus: string;
  /** Of who opened it. */
  readonly uri: string;
  readonly identity: Readonly<Record<string, string>>;
  /** Of `gone` and `replaced`: why, in a sentence; else empty. */
  readonly reason: string;
}

// Kept here: Node forgets channels that nobody refers to.
const operations = tracingChannel<unknown, OperationContext>('nvmem:operation');
const devices = channel('nvmem:device');
const buses = channel('nvmem:bus');

/** Whether anybody wants to hear of operations: to be asked before traced(). */
export function isTraced(): boolean {
  return operations.hasSubscribers;
}

/** How an operation ended. */
type End<T> = { readonly value: T } | { readonly reason: unknown };

/**
 * Runs an operation in the sight of subscribers. What they do to the context, and what they throw, changes nothing in how it ends;
 * its caller hears of the end after them. The data stay the caller's: no subscriber gets them.
 */
export async function traced<T>(
  context: OperationContext,
  run: () => Promise<T>,
  bytesOf: (value: T) => number,
): Promise<T> {
  let end: End<T> | undefined;
  const note = (outcome: string, bytes: number): void => {
    // Nothing says that they leave the object as it is.
    callUser(() => Object.assign(context, { outcome, bytes }));
  };
  const watched = operations.tracePromise(
    () =>
      run().then(
        (value) => {
          end = { value };
          note('ok', bytesOf(value));
        },
        (reason: unknown) => {
          end = { reason };
          note(outcomeOf(reason), bytesIn(reason));
          throw reason;
        },
      ),
    context,
  );
  await watched.then(undefined, () => undefined);
  const ended = end as unknown as End<T>;
  if ('reason' in ended) throw ended.reason;
  return ended.value;
}

/** Bytes that an operation that failed has delivered or committed. */
export function bytesIn(error: unknown): number {
  return isA(error, NvmemError) ? (error.bytesTransferred ?? 0) : 0;
}

function outcomeOf(error: unknown): string {
  if (isA(error, NvmemError)) return error.code;
  const code = propertyOf(error, 'code');
  return typeof code === 'string' ? code : 'ERR_NVMEM';
}

export function tellDevice(message: () => DeviceMessage): void {
  if (devices.hasSubscribers) devices.publish(message());
}

export function tellBus(message: () => BusMessage): void {
  if (buses.hasSubscribers) buses.publish(message());
}
