/** Bytes that are known to be in the memory, by which it is known again. */
import type { ByteRange } from '../base/errors.js';

/** Bytes, and where they lie. */
export interface Known {
  readonly offset: number;
  readonly data: Uint8Array;
}

/** Of one return: bytes read again in all. */
export const MOST_BYTES = 64;
const SAMPLE = 8;
/** Of one operation: both edges, and a place in between. Every byte that is read again is one more on the wire. */
const MOST_SAMPLES = 3;
/** Places looked at for one that tells more than a blank one does. */
const TRIES = 8;

/** What one operation knows: what it has delivered, or stored. */
export class Evidence {
  #known: Known[] = [];

  get known(): readonly Known[] {
    return this.#known;
  }

  add(offset: number, data: Uint8Array): void {
    if (data.length > 0) this.#known.push({ offset, data });
  }

  clear(): void {
    this.#known = [];
  }

  /** Somebody writes there: what is known of it says nothing any more. */
  forget(offset: number, length: number): void {
    const end = offset + length;
    this.#known = this.#known.flatMap((known) => {
      const knownEnd = known.offset + known.data.length;
      if (end <= known.offset || offset >= knownEnd) return [known];
      return [part(known, known.offset, offset), part(known, end, knownEnd)].filter(
        ({ data }) => data.length > 0,
      );
    });
  }
}

/** The pages that a range touches. */
export function wholePages({ offset, length }: ByteRange, pageSize: number): ByteRange {
  const start = offset - (offset % pageSize);
  const end = Math.ceil((offset + length) / pageSize) * pageSize;
  return { offset: start, length: end - start };
}

/** For a memory that is written: what is known there is forgotten. */
export function forgetting(
  evidence: Iterable<Evidence>,
  pageSize: number,
): (offset: number, length: number) => void {
  return (offset, length) => {
    // Where the power goes in a write cycle, the rest of the page goes with it.
    const pages = wholePages({ offset, length }, pageSize);
    for (const known of evidence) known.forget(pages.offset, pages.length);
  };
}

function part({ offset, data }: Known, from: number, to: number): Known {
  return { offset: from, data: data.subarray(Math.max(from - offset, 0), Math.max(to - offset, 0)) };
}

/**
 * What is read again: the edges, and places taken by chance, of as many operations as there is room for; of the places those that
 * are not the same byte over and over, for a blank part is like any other.
 *
 * @param random From 0 up to 1.
 */
export function samplesOf(all: Iterable<Evidence>, random: () => number): Known[] {
  const operations = [...all].map(({ known }) => known).filter((known) => known.length > 0);
  const samples: Known[] = [];
  let left = MOST_BYTES;
  operations.forEach((known, index) => {
    const room = Math.floor(left / (operations.length - index));
    const taken = samplesOfOne(known, Math.min(Math.max(Math.floor(room / SAMPLE), 1), MOST_SAMPLES), random);
    for (const sample of taken) {
      const data = sample.data.subarray(0, left);
      left -= data.length;
      if (data.length > 0) samples.push({ offset: sample.offset, data });
    }
  });
  return samples;
}

function samplesOfOne(known: readonly Known[], count: number, random: () => number): Known[] {
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return [];
  const total = known.reduce((sum, { data }) => sum + data.length, 0);
  const end = last.offset + last.data.length;
  const picked: Known[] = [
    part(last, Math.max(end - SAMPLE, last.offset), end),
    part(first, first.offset, first.offset + Math.min(SAMPLE, first.data.length)),
  ];
  while (picked.length < Math.max(count, 2)) {
    let best: Known | undefined;
    for (let i = 0; i < TRIES; i++) {
      const candidate = at(known, Math.floor(random() * total));
      if (best === undefined || variety(candidate) > variety(best)) best = candidate;
    }
    if (best) picked.push(best);
  }
  return apart(picked.slice(0, count));
}

/** The sample that begins with the n-th byte known, or as near to it as one fits. */
function at(known: readonly Known[], n: number): Known {
  let before = 0;
  for (const one of known) {
    if (n < before + one.data.length) {
      const start = Math.max(Math.min(n - before, one.data.length - SAMPLE), 0);
      return part(one, one.offset + start, one.offset + Math.min(start + SAMPLE, one.data.length));
    }
    before += one.data.length;
  }
  return { offset: 0, data: new Uint8Array(0) };
}

function variety({ data }: Known): number {
  return new Set(data).size;
}

/** Without those that lie in others: nothing is read twice. */
function apart(samples: readonly Known[]): Known[] {
  const kept: Known[] = [];
  for (const sample of samples) {
    const end = sample.offset + sample.data.length;
    const overlaps = kept.some(({ offset, data }) => sample.offset < offset + data.length && offset < end);
    if (!overlaps) kept.push(sample);
  }
  return kept;
}
