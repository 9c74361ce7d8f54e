/** What a part on an I2C bus can do besides being read and written. */
import { CallSite, type NvmemError } from '../base/errors.js';
import type { OperationOptions } from '../base/validate.js';
import type { IoOptions } from '../native/index.js';
import { Operation } from './operation.js';

export type LockOptions = Pick<OperationOptions, 'signal' | 'timeoutMs'>;

export interface NvmemGeometry {
  /**
   * `fits`: width and size are those of the URI. `contradicts`: they are not; write() refuses with EMEDIUMTYPE.
   * `repeats`: what the part holds comes again after `size` bytes, as in a smaller part, or because it holds the same twice;
   * the first page that is written decides. `undecided`: it is blank, or the same everywhere; so does it then.
   */
  readonly verdict: 'fits' | 'contradicts' | 'repeats' | 'undecided';
  /** Bits of the word address that the part takes; undefined: what it holds does not tell. */
  readonly addressWidth: 8 | 16 | undefined;
  /** Bytes that it looks like, where it contradicts or repeats and this shows; else undefined. */
  readonly size: number | undefined;
  /** What it looks like, in a sentence; empty where nothing contradicts. */
  readonly reason: string;
}

/** The method under which a stack trace begins. */
export type Below = (...args: never[]) => unknown;

/** `device`: its name, for messages. */
export interface PartCommands {
  isLocked(device: string, options: LockOptions, below: Below): Promise<boolean | undefined>;
  lock(device: string, readOnly: boolean, options: LockOptions, below: Below): Promise<boolean>;
  geometry(device: string, io: IoOptions): Promise<NvmemGeometry>;
}

/** The error of a memory that is no part, or of a part that has no such page. */
export function noPage(
  operation: Operation,
  hint = "Parts with a lockable page are ST's -D, -A125 and E types, by the name on the part and at 0x58 to 0x5f.",
): NvmemError {
  return operation.error({ status: -95, reason: 'it has no page that a command locks' }, { hint });
}

/** For memories that are no part at all. */
export function refuseLock(device: string, syscall: string, below: Below): never {
  throw noPage(new Operation(device, syscall, 0, 0, new CallSite(below), {}));
}
