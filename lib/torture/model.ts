/**
 * What every byte of a memory may be, from what its operations have answered. It knows nothing of how the driver works: a write is
 * something that may be stored from the moment it is asked for, is stored once it is acknowledged, and what it says of itself
 * when it fails is taken at its word.
 */
import type { ByteRange } from '../base/errors.js';

/** A byte that may be anything: a write was cut off in it. */
const ANY = -1;
/** A byte that may be one of a few values: they are in `sets`. */
const FEW = -2;

/** A byte that is not what it may be. */
export interface WrongByte {
  readonly offset: number;
  readonly found: number;
  /** In words. */
  readonly expected: string;
  /** The value that it had before the last write that was acknowledged. */
  readonly isEarlier: boolean;
}

/** How a write changes one byte; `index` counts from its start. */
type Change = (index: number, old: number) => number;

interface Write {
  readonly offset: number;
  readonly length: number;
  readonly change: Change;
  /** What each byte may have been before. */
  readonly before: readonly (ReadonlySet<number> | undefined)[];
  /** Bytes for which another write was under way at the same time: their order is nobody's knowledge. */
  readonly contested: Set<number>;
}

interface Read {
  readonly offset: number;
  readonly length: number;
  /** What each byte may have been since it began; undefined: anything. */
  readonly possible: (Set<number> | undefined)[];
  /** Nobody has written there since it began. */
  quiet: boolean;
}

/** How a write has ended. */
export interface WriteEnd {
  readonly committed: readonly ByteRange[];
  readonly uncertain: readonly ByteRange[];
}

export class MemoryModel {
  readonly size: number;
  readonly #value: Int16Array;
  readonly #few = new Map<number, ReadonlySet<number>>();
  /** Values before the last write that was acknowledged; ANY: not known. */
  readonly #earlier: Int16Array;
  readonly #writes = new Map<number, Write>();
  readonly #reads = new Map<number, Read>();

  /** @param content what it holds now */
  constructor(content: Uint8Array) {
    this.size = content.length;
    this.#value = Int16Array.from(content);
    this.#earlier = new Int16Array(content.length).fill(ANY);
  }

  /** A read begins; `id` is no other operation's. */
  beginRead(id: number, offset: number, length: number): void {
    const possible = Array.from({ length }, (_, i) => {
      const set = this.#possible(offset + i);
      return set === undefined ? undefined : new Set(set);
    });
    const quiet = ![...this.#writes.values()].some((write) => overlap(write, { offset, length }));
    this.#reads.set(id, { offset, length, possible, quiet });
  }

  /**
   * It has ended with `data`, which are good bytes from its start. What may have been one of several values is known from now on.
   * @returns the bytes that cannot be so
   */
  endRead(id: number, data: Uint8Array): WrongByte[] {
    const read = this.#reads.get(id);
    if (read === undefined) throw new Error(`there is no read ${String(id)}`);
    this.#reads.delete(id);
    const wrong: WrongByte[] = [];
    for (let i = 0; i < data.length; i++) {
      const offset = read.offset + i;
      const found = data[i] ?? 0;
      const possible = read.possible[i];
      if (i >= read.length)
        wrong.push({ offset, found, expected: 'nothing: it is beyond the end', isEarlier: false });
      else if (possible !== undefined && !possible.has(found)) {
        wrong.push({
          offset,
          found,
          expected: inWords(possible),
          isEarlier: this.#earlier[offset] === found,
        });
      }
      if (read.quiet && i < read.length) this.#set(offset, new Set([found]));
    }
    return wrong;
  }

  /** A read of some bits of one byte has ended with `bits`, those of `mask`. @returns the byte, where it cannot be so */
  endBits(id: number, mask: number, bits: number): WrongByte | undefined {
    const read = this.#reads.get(id);
    if (read === undefined) throw new Error(`there is no read ${String(id)}`);
    this.#reads.delete(id);
    const [possible] = read.possible;
    if (possible === undefined || [...possible].some((value) => (value & mask) === bits)) return undefined;
    const expected = `${inWords(new Set([...possible].map((value) => value & mask)))} in the bits ${mask.toString(16)}`;
    return {
      offset: read.offset,
      found: bits,
      expected,
      isEarlier: (this.#earlier[read.offset] ?? ANY) === bits,
    };
  }

  /** A write of `data` begins. */
  beginWrite(id: number, offset: number, data: Uint8Array): void {
    this.#begin(id, offset, data.length, (index) => data[index] ?? 0);
  }

  /** A write of some bits of one byte begins: those set in `mask`, as they are in `bits`. */
  beginBits(id: number, offset: number, mask: number, bits: number): void {
    this.#begin(id, offset, 1, (_, old) => (old & ~mask) | (bits & mask));
  }

  endWrite(id: number, { committed, uncertain }: WriteEnd): void {
    const write = this.#writes.get(id);
    if (write === undefined) throw new Error(`there is no write ${String(id)}`);
    this.#writes.delete(id);
    for (let i = 0; i < write.length; i++) {
      const offset = write.offset + i;
      const before = write.before[i];
      if (isIn(uncertain, offset)) this.#set(offset, undefined);
      else if (write.contested.has(i)) continue;
      else if (isIn(committed, offset)) {
        const after = changed(before, (old) => write.change(i, old));
        if (before?.size === 1 && after?.size === 1) {
          const [old = ANY] = before;
          if (!after.has(old)) this.#earlier[offset] = old;
        }
        this.#set(offset, after);
      } else this.#set(offset, before);
    }
  }

  /** Those bytes may be anything from now on. */
  forget(range: ByteRange): void {
    for (let i = range.offset; i < Math.min(range.offset + range.length, this.size); i++)
      this.#set(i, undefined);
  }

  /** What is there for certain; undefined where a byte of it is not. */
  certain(offset: number, length: number): Buffer | undefined {
    const values = this.#value.subarray(offset, offset + length);
    const busy = [...this.#writes.values()].some((write) => overlap(write, { offset, length }));
    return busy || values.length < length || values.some((value) => value < 0)
      ? undefined
      : Buffer.from(values);
  }

  /** Nobody has written there since that read began. */
  isQuiet(id: number): boolean {
    return this.#reads.get(id)?.quiet ?? false;
  }

  #begin(id: number, offset: number, length: number, change: Change): void {
    const before = Array.from({ length }, (_, i) => this.#possible(offset + i));
    const write: Write = { offset, length, change, before, contested: new Set() };
    for (const other of this.#writes.values()) contest(write, other);
    this.#writes.set(id, write);
    for (let i = 0; i < length; i++) {
      const both = this.#anyOrder(offset + i, before[i]);
      this.#set(offset + i, both);
      for (const read of this.#reads.values()) {
        if (!overlap(read, { offset: offset + i, length: 1 })) continue;
        read.quiet = false;
        read.possible[offset + i - read.offset] = union(read.possible[offset + i - read.offset], both);
      }
    }
  }

  /** What a byte may become by the writes that are under way, in whatever order they come and whichever of them do. */
  #anyOrder(offset: number, from: ReadonlySet<number> | undefined): ReadonlySet<number> | undefined {
    let all = from;
    for (let size = -1; all !== undefined && all.size !== size;) {
      ({ size } = all);
      for (const { offset: start, length, change } of this.#writes.values()) {
        const index = offset - start;
        if (index >= 0 && index < length)
          all = union(
            all,
            changed(all, (old) => change(index, old)),
          );
      }
    }
    return all;
  }

  /** Undefined: anything. */
  #possible(offset: number): ReadonlySet<number> | undefined {
    const value = this.#value[offset] ?? ANY;
    if (value === FEW) return this.#few.get(offset);
    return value === ANY ? undefined : new Set([value]);
  }

  #set(offset: number, possible: ReadonlySet<number> | undefined): void {
    this.#few.delete(offset);
    if (possible === undefined || possible.size === 0) this.#value[offset] = ANY;
    else if (possible.size === 1) [this.#value[offset] = ANY] = possible;
    else {
      this.#value[offset] = FEW;
      this.#few.set(offset, possible);
    }
    // What a read that is under way may meet has only become more.
    for (const read of this.#reads.values()) {
      const at = offset - read.offset;
      if (at >= 0 && at < read.length) read.possible[at] = union(read.possible[at], possible);
    }
  }
}

/** Both have begun before either has ended: which of them came last is not known. */
function contest(a: Write, b: Write): void {
  const from = Math.max(a.offset, b.offset);
  const to = Math.min(a.offset + a.length, b.offset + b.length);
  for (let offset = from; offset < to; offset++) {
    a.contested.add(offset - a.offset);
    b.contested.add(offset - b.offset);
  }
}

function changed(
  before: ReadonlySet<number> | undefined,
  change: (old: number) => number,
): ReadonlySet<number> | undefined {
  // Of a byte that may be anything, a write of whole bytes makes one value, and one of bits makes several.
  const from = before ?? EVERY;
  const after = new Set([...from].map(change));
  return after.size === EVERY.size ? undefined : after;
}

const EVERY: ReadonlySet<number> = new Set(Array.from({ length: 256 }, (_, value) => value));

function union(
  a: ReadonlySet<number> | undefined,
  b: ReadonlySet<number> | undefined,
): Set<number> | undefined {
  return a === undefined || b === undefined ? undefined : new Set([...a, ...b]);
}

export function overlap(a: ByteRange, b: ByteRange): boolean {
  return a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}

export function isIn(ranges: readonly ByteRange[], offset: number): boolean {
  return ranges.some((range) => offset >= range.offset && offset < range.offset + range.length);
}

function inWords(possible: ReadonlySet<number>): string {
  const hex = [...possible].sort((a, b) => a - b).map((value) => value.toString(16).padStart(2, '0'));
  return hex.length > 6 ? `one of ${String(hex.length)} values` : hex.join(' or ');
}
