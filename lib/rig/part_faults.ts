import type { FlipFault } from './fault_kinds.js';
import type { FaultBox } from './faults.js';
import { random } from './random.js';

/** What a broken part does with a page write that is about to be programmed. */
export interface Mishap {
  /** Bytes stored, in loading order; the others are as they were. */
  readonly keep: number;
  /** A write cycle takes place. */
  readonly cycle: boolean;
  /** Pages between where it belongs and where it goes. */
  readonly pages: number;
  /** The old bytes come back with the next power-up. */
  readonly forget: boolean;
}

/** A part with nothing wrong. */
const SOUND: Mishap = { keep: Infinity, cycle: true, pages: 0, forget: false };

/** What an EEPROM asks before it does what it should: the faults of one part. Offsets are bytes of its array. */
export class PartFaults {
  readonly #box: FaultBox;
  /** Whether a fault for that address is one for this part. */
  readonly #isMine: (address: number | undefined) => boolean;

  constructor(box: FaultBox, isMine: (address: number | undefined) => boolean) {
    this.#box = box;
    this.#isMine = isMine;
  }

  /** The byte as it goes out on the wire. */
  reading(offset: number, byte: number): number {
    return this.#flip('read', offset, byte);
  }

  /** The byte as it is programmed. */
  storing(offset: number, byte: number): number {
    return this.#flip('stored', offset, byte);
  }

  /** A page write is about to be programmed. */
  programming(offsets: readonly number[]): Mishap {
    const hits = this.#match((at) => offsets.includes(at));
    const dropped = this.#box.take('drop-page', hits);
    if (dropped) return { ...SOUND, keep: dropped.keep ?? 0, cycle: dropped.cycle !== 'no-cycle' };
    const strayed = this.#box.take('wrong-page', (spec) => spec.on !== 'read' && hits(spec));
    const forget = this.#box.take('forget', hits) !== undefined;
    return { ...SOUND, pages: strayed ? (strayed.by ?? 1) : 0, forget };
  }

  /** Pages between where a read begins and where it should. */
  misread(offset: number): number {
    const hits = this.#match((at) => at === offset);
    const strayed = this.#box.take('wrong-page', (spec) => spec.on === 'read' && hits(spec));
    return strayed ? (strayed.by ?? 1) : 0;
  }

  /** Whether a write that WP forbids is carried out all the same. */
  ignoresWp(offset: number): boolean {
    return (
      this.#box.take(
        'wp-ignored',
        this.#match((at) => at === offset),
      ) !== undefined
    );
  }

  #flip(on: 'read' | 'stored', offset: number, byte: number): number {
    const hits = this.#match((at) => at === offset);
    const flip = this.#box.take('flip', (spec) => (spec.on ?? 'read') === on && hits(spec));
    return flip ? byte ^ flippedBit(flip) : byte;
  }

  #match(
    holds: (at: number) => boolean,
  ): (spec: { readonly address?: number; readonly at?: number }) => boolean {
    return ({ address, at }) => this.#isMine(address) && (at === undefined || holds(at));
  }
}

/** The bit that is wrong, as a mask. */
export function flippedBit(fault: FlipFault): number {
  if (fault.bit !== undefined) return 1 << fault.bit;
  if (fault.seed === undefined) return 1;
  const next = random(fault.seed);
  next(); // the first number is the position
  return 1 << Math.floor(next() * 8);
}

/** Another content than this one: seeded bytes, all of them or in `bytes` places, where they surely differ. */
export function otherContent(content: Uint8Array, seed: number, bytes = Infinity): Uint8Array {
  const next = random(seed);
  if (bytes >= content.length) return content.map(() => Math.floor(next() * 256));
  const other = content.slice();
  const places = new Set<number>();
  while (places.size < bytes) places.add(Math.floor(next() * content.length));
  for (const place of places) other[place] = (other[place] ?? 0) ^ (1 + Math.floor(next() * 255));
  return other;
}
