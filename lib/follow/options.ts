/** What following, and the operations of a followed memory, may be told. */
import {
  checkBoolean,
  checkFunction,
  checkKeys,
  checkObject,
  checkOperationOptions,
  checkSignal,
  checkTimeout,
  checkWriteOptions,
  rangeError,
  typeError,
  type OperationOptions,
} from '../base/validate.js';
import type { CellReadOptions } from '../core/cell.js';
import type { DeviceWriteOptions, WriteOptions } from '../base/write_options.js';
import type { NvmemCellLookup } from '../core/lookups.js';
import type { OpenOptions } from '../bus/open_device.js';
import type { FollowIdentity } from './prove.js';

/** `fail`: ENODEV at once, as any device. `wait`: until the same memory is back, and then the operation goes on. */
export type OnUnplug = 'fail' | 'wait';

export interface FollowOptions extends Omit<OpenOptions, 'signal'> {
  /** What operations do that say nothing themselves. Default 'fail'. */
  readonly onUnplug?: OnUnplug | undefined;
  /** How a memory that came back is known to be the same. Default 'content'. */
  readonly identity?: FollowIdentity | undefined;
  /** Lookups for consumers, in the registry from now until close(); `name` is needed for them. */
  readonly lookups?: readonly Omit<NvmemCellLookup, 'nvmemName'>[] | undefined;
  /** Closes it. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly onUnplug?: OnUnplug | undefined;
}

export interface FollowProgress {
  /** It has gone, and is waited for. */
  readonly waiting: boolean;
}

interface Telling {
  /** Never fewer bytes than before. */
  readonly onProgress?: ((done: number, total: number, progress: FollowProgress) => void) | undefined;
}

export type FollowReadOptions = Omit<OperationOptions, 'onProgress'> & Waiting & Telling;
export type FollowWriteOptions = Omit<DeviceWriteOptions, 'onProgress'> & Waiting & Telling;
export type FollowEraseOptions = Omit<FollowWriteOptions, 'journal'>;
export type FollowCellReadOptions = CellReadOptions & Waiting;
export type FollowCellWriteOptions = Omit<WriteOptions, 'onProgress'> & Waiting;

const OWN_KEYS = ['onUnplug', 'identity', 'lookups'];
const OPEN_KEYS = [
  ...['name', 'id', 'readOnly', 'cells', 'keepouts', 'openTimeoutMs', 'signal', 'registry'],
  ...['forceGeometry'],
];

/** @throws TypeError, RangeError naming the field; what only open() knows is found out by it. */
export function checkFollowOptions(options: FollowOptions): void {
  checkKeys('options', checkObject('options', options), [...OWN_KEYS, ...OPEN_KEYS]);
  const { id, identity, lookups, name, onUnplug, openTimeoutMs, forceGeometry, signal, registry } = options;
  checkOnUnplug(onUnplug);
  if (openTimeoutMs !== undefined) checkTimeout('options.openTimeoutMs', openTimeoutMs);
  if (forceGeometry !== undefined) checkBoolean('options.forceGeometry', forceGeometry);
  if (signal !== undefined) checkSignal('options.signal', signal);
  if (registry !== undefined) checkObject('options.registry', registry);
  if (identity !== undefined && typeof identity !== 'function') {
    const rule = "'bridge', 'content', 'unique' or a function";
    if (typeof identity !== 'string') throw typeError('options.identity', rule, identity);
    if (!['bridge', 'content', 'unique'].includes(identity))
      throw rangeError('options.identity', rule, identity);
  }
  if (lookups === undefined) return;
  if (!Array.isArray(lookups)) throw typeError('options.lookups', 'an array', lookups);
  if (lookups.length === 0) return;
  if (name === undefined) throw rangeError('options.name', 'given where there are lookups', name);
  if (id !== undefined && id !== 'none') throw rangeError('options.id', "'none' where there are lookups", id);
}

/** @param known Beyond those that every operation has. */
export function checkReadOptions(options: FollowReadOptions, known: readonly string[]): void {
  const { onUnplug, ...rest } = checkObject('options', options) as FollowReadOptions;
  checkOnUnplug(onUnplug);
  checkOperationOptions(rest as OperationOptions, [...known, 'signal', 'timeoutMs']);
}

export function checkFollowWriteOptions(options: FollowWriteOptions, known: readonly string[]): void {
  const { onUnplug, ...rest } = checkObject('options', options) as FollowWriteOptions;
  checkOnUnplug(onUnplug);
  checkWriteOptions(rest as DeviceWriteOptions, [...known, 'signal', 'timeoutMs', 'verify', 'skipEqual']);
}

export function checkProgress(onProgress: unknown): void {
  if (onProgress !== undefined) checkFunction('options.onProgress', onProgress);
}

export function checkOnUnplug(onUnplug: unknown): void {
  if (onUnplug === undefined || onUnplug === 'fail' || onUnplug === 'wait') return;
  if (typeof onUnplug !== 'string') throw typeError('options.onUnplug', "'fail' or 'wait'", onUnplug);
  throw rangeError('options.onUnplug', "'fail' or 'wait'", onUnplug);
}
