/** Names of devices, after nvmem_register(): the name given, and a number. */
import { checkInteger, checkString, rangeError } from '../base/validate.js';

/**
 * 'none': the name as it is. 'auto': the name and the lowest number free. A number: the name and that number.
 * The kernel's own constants are understood too: -1 is 'none', -2 is 'auto'.
 */
export type NvmemId = 'none' | 'auto' | number;

/** Things that are away and have their numbers kept; the ones that went first lose them beyond that. */
const MOST_PINS = 4096;

/** Hands out the lowest number that is free, as the kernel's ida does. */
export class NumberPool {
  readonly #taken = new Set<number>();
  /** Numbers of things that are merely away, by what they are. */
  readonly #pins = new Map<string, number>();
  #lowestFree = 0;

  isPinned(key: string): boolean {
    return this.#pins.has(key);
  }

  /** The number that was kept for `key`, else the lowest that is free. */
  take(key?: string): number {
    const pinned = key === undefined ? undefined : this.#pins.get(key);
    if (key !== undefined && pinned !== undefined) {
      this.#pins.delete(key);
      return pinned;
    }
    const number = this.#lowestFree;
    this.#taken.add(number);
    while (this.#taken.has(this.#lowestFree)) this.#lowestFree++;
    return number;
  }

  give(number: number): void {
    if (this.#taken.delete(number)) this.#lowestFree = Math.min(this.#lowestFree, number);
  }

  /** As give(), but nobody else gets it before `key` has come back. */
  pin(number: number, key: string): void {
    const other = this.#pins.get(key);
    if (other !== undefined) this.give(other);
    this.#pins.delete(key);
    this.#pins.set(key, number);
    for (const [first, away] of this.#pins) {
      if (this.#pins.size <= MOST_PINS) return;
      this.#pins.delete(first);
      this.give(away);
    }
  }
}

export function checkId(id: unknown): NvmemId {
  if (id === 'none' || id === 'auto') return id;
  if (typeof id === 'string') throw rangeError('id', "'none', 'auto' or an integer", id);
  const number = checkInteger('id', id, Number.MIN_SAFE_INTEGER);
  return number === -1 ? 'none' : number === -2 ? 'auto' : number;
}

/**
 * How names are taken: 'checked' refuses what can only be a mistake (an empty one), 'kernel' gives the kernel's own answers to
 * it (see NvmemKernelApi).
 */
export type Names = 'checked' | 'kernel';

/** A string; an empty one where the kernel decides. */
export function checkNaming(field: string, value: unknown, names: Names): string {
  return names === 'kernel' && value === '' ? value : checkString(field, value);
}

export function checkName(name: unknown, names: Names = 'checked'): string {
  const text = checkNaming('name', name, names);
  // eslint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\0-\x1f\x7f]/.test(text)) throw rangeError('name', 'free of control characters', name);
  // A kernel object's name has no slash either: kobject_set_name() puts '!' in its place.
  return text.replaceAll('/', '!');
}

/** `number` is the one taken from the pool for this device, whether its name shows it or not. */
export function deviceName(name: string | undefined, id: NvmemId, number: number): string {
  if (name === undefined) return `nvmem${String(number)}`;
  if (id === 'none') return name;
  return `${name}${String(id === 'auto' ? number : id)}`;
}
