/** Argument checks. Each names the field and the rule, and runs before any I/O. */
import { types } from 'node:util';

import { bytesOf, isDetached, lengthOf, propertyOf, show } from './foreign.js';

/** TypeError with Node's code for it. */
export function typeError(field: string, rule: string, value: unknown): TypeError {
  const error = new TypeError(`${field} must be ${rule}, got ${show(value)}`);
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** RangeError with Node's code for it. */
export function rangeError(field: string, rule: string, value: unknown): RangeError {
  const error = new RangeError(`${field} must be ${rule}, got ${show(value)}`);
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' });
}

export function checkInteger(
  field: string,
  value: unknown,
  low: number,
  high = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number') throw typeError(field, 'a number', value);
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    const rule =
      high === Number.MAX_SAFE_INTEGER
        ? `an integer of at least ${String(low)}`
        : `an integer from ${String(low)} to ${String(high)}`;
    throw rangeError(field, rule, value);
  }
  return value;
}

export function checkBoolean(field: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw typeError(field, 'a boolean', value);
  return value;
}

export function checkString(field: string, value: unknown): string {
  if (typeof value !== 'string') throw typeError(field, 'a string', value);
  if (value === '') throw rangeError(field, 'a string that is not empty', value);
  return value;
}

/** A Uint8Array of any realm or subclass, as a plain one over the same memory. */
export function checkBytes(field: string, value: unknown): Uint8Array {
  const bytes = bytesOf(value);
  if (bytes === undefined) throw typeError(field, 'a Uint8Array (a Buffer is one)', value);
  return bytes;
}

/** checkBytes() for those who hand the array on as it is, to the addon or a copy, and ask it nothing but lengthOf(). */
export function checkIsBytes(field: string, value: unknown): void {
  if (!types.isUint8Array(value) || (lengthOf(value) === 0 && isDetached(value))) {
    throw typeError(field, 'a Uint8Array (a Buffer is one)', value);
  }
}

export function checkFunction(field: string, value: unknown): void {
  if (typeof value !== 'function') throw typeError(field, 'a function', value);
}

/** The method of that name as it is now, bound to its object: what it is later is not asked. Undefined: there is none. */
export function checkMethod(field: string, self: object, name: string): Method | undefined {
  const method: unknown = Reflect.get(self, name);
  if (method === undefined) return undefined;
  if (typeof method !== 'function') throw typeError(`${field}.${name}`, 'a function', method);
  return (...args) => Reflect.apply(method, self, args) as unknown;
}

/** checkMethod() of one that has to be there. */
export function checkNeededMethod(field: string, self: object, name: string): Method {
  const method = checkMethod(field, self, name);
  if (method === undefined) throw typeError(`${field}.${name}`, 'a function', method);
  return method;
}

export type Method = (...args: unknown[]) => unknown;

export function checkObject(field: string, value: unknown): object {
  if (typeof value !== 'object' || value === null) throw typeError(field, 'an object', value);
  return value;
}

/** Every own key of `value` must be one of `known`: a misspelt option must not be silently ignored. */
export function checkKeys(field: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw typeError(`${field}.${key}`, `one of ${known.join(', ')}`, key);
  }
}

export interface OperationOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The longest timer that Node can set, milliseconds. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export function checkTimeout(field: string, value: unknown): void {
  if (typeof value !== 'number') throw typeError(field, 'a number of milliseconds', value);
  if (!(value > 0 && value <= MAX_TIMEOUT_MS)) {
    throw rangeError(field, `above 0 and at most ${String(MAX_TIMEOUT_MS)} milliseconds`, value);
  }
}

/** By what it can do, as Node has it: signals come from other realms and from packages. */
export function checkSignal(field: string, value: unknown): void {
  const can = (name: string): boolean => typeof propertyOf(value, name) === 'function';
  const isSignal =
    typeof propertyOf(value, 'aborted') === 'boolean' &&
    can('addEventListener') &&
    can('removeEventListener');
  if (!isSignal) throw typeError(field, 'an AbortSignal', value);
}

export function checkOperationOptions(options: OperationOptions, known: readonly string[]): void {
  checkKeys('options', checkObject('options', options), known);
  if (options.signal !== undefined) checkSignal('options.signal', options.signal);
  if (options.timeoutMs !== undefined) checkTimeout('options.timeoutMs', options.timeoutMs);
  if (options.onProgress !== undefined) checkFunction('options.onProgress', options.onProgress);
}

/** What a write may be told; `known` are its options. */
export function checkWriteOptions(
  options: OperationOptions & { readonly verify?: unknown; readonly skipEqual?: unknown },
  known: readonly string[],
): void {
  checkOperationOptions(options, known);
  if (options.verify !== undefined) checkBoolean('options.verify', options.verify);
  if (options.skipEqual !== undefined) checkBoolean('options.skipEqual', options.skipEqual);
}
