/** Seeded numbers: the same seed gives the same run, on every machine. */

/** A stream of numbers of its own for every name, so that a choice more in one place moves nothing in another. */
export class Random {
  #state: number;

  constructor(seed: number, ...names: readonly (string | number)[]) {
    let state = seed >>> 0;
    // FNV-1a over the names; each bit of the seed reaches each bit of the state in the first steps.
    for (const character of names.join('/')) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193);
    this.#state = state >>> 0;
  }

  /** From 0 up to, and not including, 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** An integer from `low` to `high`, both of them included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** One of them. @throws RangeError: there is none */
  pick<T>(from: readonly T[]): T {
    const found = from[this.integer(0, from.length - 1)];
    if (found === undefined) throw new RangeError('there is nothing to pick from');
    return found;
  }

  /** One of them, each as often as its weight says; undefined: no weight is above 0. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K | undefined {
    const all = Object.entries<number>(weights) as [K, number][];
    let left = this.next() * all.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of all) {
      left -= weight;
      if (left < 0) return key;
    }
    return undefined;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.integer(0, 255)));
  }
}
