/**
 * The door for values of other people's code: answers, errors and arrays that may be of another realm, a subclass, a Proxy or
 * spiteful. Everything is looked at once and without calling into it, and what comes out is of this realm and ours to keep.
 */
import { types } from 'node:util';

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** A getter of typed arrays and nothing else, whatever a subclass or the array itself says. */
function getterOf(name: string): (value: Uint8Array) => unknown {
  const descriptor = Object.getOwnPropertyDescriptor(typedArray, name);
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is bound to whatever it is called with
  return Function.prototype.call.bind(descriptor?.get as () => unknown) as (value: Uint8Array) => unknown;
}

/** Its own idea of its length, in bytes. */
export const lengthOf = getterOf('length') as (value: Uint8Array) => number;
const offsetOf = getterOf('byteOffset') as (value: Uint8Array) => number;
const bufferOf = getterOf('buffer') as (value: Uint8Array) => ArrayBufferLike;

/**
 * The memory of a Uint8Array, of any realm and subclass, as a plain one. Undefined: it is none, or its memory is gone
 * (isDetached() tells which).
 */
export function bytesOf(value: unknown): Uint8Array | undefined {
  if (!types.isUint8Array(value)) return undefined;
  const length = lengthOf(value);
  if (length === 0) return isDetached(value) ? undefined : new Uint8Array(0);
  return new Uint8Array(bufferOf(value), offsetOf(value), length);
}

/** A Uint8Array whose memory was transferred (postMessage(), structuredClone()) or shrunk away. */
export function isDetached(value: unknown): boolean {
  if (!types.isUint8Array(value) || lengthOf(value) !== 0) return false;
  try {
    // Every method of a typed array refuses one that is out of bounds.
    // eslint-disable-next-line @typescript-eslint/unbound-method -- applied to an array
    Reflect.apply(Uint8Array.prototype.indexOf, value, [0]);
    return false;
  } catch {
    return true;
  }
}

/** A property of whatever it is; undefined where there is none, or where it cannot be read. */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  try {
    return Reflect.get(value, name) as unknown;
  } catch {
    return undefined;
  }
}

type Then = (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => unknown;

/** An answer as it is, or a promise of this realm for it. */
export type Taken<T> = { readonly pending: undefined; readonly value: T } | { readonly pending: Promise<T> };

/**
 * What a call gave. A promise, or anything else with a `then`, is asked for that once and has it called once.
 *
 * @throws what reading `then` throws.
 */
export function take<T>(value: T | PromiseLike<T>): Taken<T> {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  const then: unknown = isObject ? Reflect.get(value, 'then') : undefined;
  if (typeof then !== 'function') return { pending: undefined, value: value as T };
  const pending = new Promise<T>((resolve, reject) => {
    Reflect.apply(then as Then, value, [resolve, reject]);
  });
  return { pending };
}

/** `instanceof` for what may be a Proxy whose trap throws: that is no error of ours. */
export function isA<T>(value: unknown, kind: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof kind;
  } catch {
    return false;
  }
}

/** What a thrown value says, for people; empty where it says nothing. */
export function messageOf(error: unknown): string {
  if (typeof error === 'string') return error;
  if (typeof error === 'symbol') return String(error);
  const message = propertyOf(error, 'message');
  return typeof message === 'string' ? message : '';
}

/** Names what was given in the place of something else, without touching it. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${String(value)}n`;
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || value === undefined) {
    return String(value);
  }
  if (typeof value === 'symbol') return 'a symbol';
  if (typeof value === 'function') return 'a function';
  if (isDetached(value)) return 'a Uint8Array whose memory was transferred';
  try {
    return Array.isArray(value) ? 'an array' : 'an object';
  } catch {
    return 'an object';
  }
}
