/** Argument checks. Each names the field and the rule, and runs before any I/O. */

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${String(value)}n`;
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || value === undefined) {
    return String(value);
  }
  return typeof value === 'function' ? 'a function' : Array.isArray(value) ? 'an array' : 'an object';
}

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

/** RangeError for what lies beyond the end of a device: `code` is EINVAL, as at24 says (nvmem-core: no check there). */
export function boundsError(device: string, size: number, offset: number, length: number): RangeError {
  const error = new RangeError(
    `offset + length must be at most ${String(size)}, the size of ${device} in bytes, ` +
      `got ${String(offset)} + ${String(length)}`,
  );
  return Object.assign(error, { code: 'EINVAL', errno: -22 });
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

export function checkBytes(field: string, value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw typeError(field, 'a Uint8Array (a Buffer is one)', value);
  return value;
}

export function checkFunction(field: string, value: unknown): void {
  if (typeof value !== 'function') throw typeError(field, 'a function', value);
}

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

export function checkSignal(field: string, value: unknown): void {
  if (!(value instanceof AbortSignal)) throw typeError(field, 'an AbortSignal', value);
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
