import type { Quantiles } from './events.js';

/** Up to so many values are kept as they are. */
const EXACT = 16_384;
/** Buckets from one power of two to the next: each is 1/128 of its octave wide. */
const PER_OCTAVE = 128;
const FIRST_OCTAVE = -20;
const OCTAVES = 64;
/** Bins of a tenth of a decade, for the eye: from 10^-6 on. */
const FIRST_BIN = -60;
const BINS = 180;

/** A bin: values from `from` (included) to `to` (left out). */
export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/**
 * How numbers of at least 0 are distributed, in bounded memory. Count, least and greatest value and the bins are exact for any
 * number of values; quantiles are exact for the first 16,384 values and beyond within 0.4 % of themselves.
 */
export class Histogram {
  #count = 0;
  #min = Infinity;
  #max = -Infinity;
  #values: number[] | undefined = [];
  #isSorted = true;
  #buckets: Float64Array | undefined;
  readonly #bins = new Float64Array(BINS);

  get count(): number {
    return this.#count;
  }

  /** What is no number is not counted; what is below 0 (two clocks that differ a little) counts as 0. */
  add(given: number): void {
    if (Number.isNaN(given)) return;
    const value = Math.max(given, 0);
    this.#count++;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    const bin = binOf(value);
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
    if (this.#values && this.#values.length < EXACT) {
      this.#values.push(value);
      this.#isSorted = false;
      return;
    }
    this.#buckets ??= new Float64Array(OCTAVES * PER_OCTAVE);
    for (const old of this.#values ?? []) count(this.#buckets, old);
    this.#values = undefined;
    count(this.#buckets, value);
  }

  /** The least value that at least the share `q` (0 to 1) of all values does not exceed; undefined: there are none. */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined;
    const rank = Math.max(Math.ceil(q * this.#count), 1);
    if (rank === 1) return this.#min;
    if (rank === this.#count) return this.#max;
    if (this.#values) {
      if (!this.#isSorted) this.#values.sort((a, b) => a - b);
      this.#isSorted = true;
      return this.#values[rank - 1];
    }
    let seen = 0;
    const bucket = (this.#buckets ?? []).findIndex((n) => (seen += n) >= rank);
    return Math.min(Math.max(middleOf(bucket), this.#min), this.#max);
  }

  /** Null: there are no values. */
  quantiles(): Quantiles | null {
    if (this.#count === 0) return null;
    const of = (q: number): number => this.quantile(q) ?? 0;
    return {
      count: this.#count,
      min: this.#min,
      p50: of(0.5),
      p90: of(0.9),
      p99: of(0.99),
      p999: of(0.999),
      max: this.#max,
    };
  }

  /** Bins of a tenth of a decade, from the first that is not empty to the last; what is below 10^-6 is in the first of all. */
  bins(): Bin[] {
    const first = this.#bins.findIndex((n) => n > 0);
    if (first < 0) return [];
    const last = this.#bins.findLastIndex((n) => n > 0);
    return Array.from(this.#bins.subarray(first, last + 1), (n, i) => ({
      from: edgeOf(first + i),
      to: edgeOf(first + i + 1),
      count: n,
    }));
  }
}

function count(buckets: Float64Array, value: number): void {
  const bucket = bucketOf(value);
  buckets[bucket] = (buckets[bucket] ?? 0) + 1;
}

function bucketOf(value: number): number {
  const octave = Math.floor(Math.log2(Math.max(value, 2 ** FIRST_OCTAVE)));
  const within = Math.floor((value / 2 ** octave - 1) * PER_OCTAVE);
  // log2() may round up to the next power of two.
  const at = (octave - FIRST_OCTAVE) * PER_OCTAVE + Math.min(within, PER_OCTAVE - 1);
  return Math.min(Math.max(at, 0), OCTAVES * PER_OCTAVE - 1);
}

function middleOf(bucket: number): number {
  const octave = Math.floor(bucket / PER_OCTAVE) + FIRST_OCTAVE;
  return 2 ** octave * (1 + ((bucket % PER_OCTAVE) + 0.5) / PER_OCTAVE);
}

function edgeOf(bin: number): number {
  return Number((10 ** ((bin + FIRST_BIN) / 10)).toPrecision(3));
}

function binOf(value: number): number {
  if (value <= 0) return 0;
  const near = Math.floor(Math.log10(value) * 10) - FIRST_BIN;
  // The edges that are shown are rounded, and a value is on the side of them where it belongs.
  const at = near + (value >= edgeOf(near + 1) ? 1 : value < edgeOf(near) ? -1 : 0);
  return Math.min(Math.max(at, 0), BINS - 1);
}
