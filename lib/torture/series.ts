import type { Slope } from './events.js';

/** More points than that are joined two by two. */
const MAX_POINTS = 1024;
/** That share of the samples comes first and is not looked at: caches fill, the heap finds its size. */
const WARM_UP = 1 / 5;
/** A line through fewer says nothing. */
const LEAST_SAMPLES = 3;

/** Some neighbouring samples of one measure. */
interface Part {
  readonly mean: number;
  /** Sum of the products of deviations from the means of x and y. */
  readonly sxy: number;
  readonly min: number;
  readonly max: number;
}

/** Neighbouring samples, joined. */
export interface Point<Name extends string> {
  readonly count: number;
  /** Milliseconds since the start, of the last of them. */
  readonly t: number;
  readonly firstX: number;
  readonly lastX: number;
  readonly meanX: number;
  readonly sxx: number;
  readonly parts: Readonly<Record<Name, Part>>;
}

/**
 * Measures over time in bounded memory: at most 1024 points, each of them a sample or, of a long run, two, four, eight …
 * neighbours as mean, least and greatest value. A fitted line is that through all samples all the same; only the end of the
 * warm-up is then rounded up to the next point.
 */
export class Series<Name extends string> {
  readonly #names: readonly Name[];
  #points: Point<Name>[] = [];
  /** Samples of a point. */
  #stride = 1;
  #count = 0;

  constructor(names: readonly Name[]) {
    this.#names = names;
  }

  get count(): number {
    return this.#count;
  }

  /** How many samples a point stands for. */
  get stride(): number {
    return this.#stride;
  }

  get points(): readonly Point<Name>[] {
    return this.#points;
  }

  /** @param x what the slope is about: the cycle. It never decreases. */
  add(t: number, x: number, values: Readonly<Record<Name, number>>): void {
    this.#count++;
    const point: Point<Name> = {
      count: 1,
      t,
      firstX: x,
      lastX: x,
      meanX: x,
      sxx: 0,
      parts: this.#record((name) => {
        const value = values[name];
        return { mean: value, sxy: 0, min: value, max: value };
      }),
    };
    const last = this.#points.at(-1);
    if (last && last.count < this.#stride) {
      this.#points[this.#points.length - 1] = this.#joined(last, point);
      return;
    }
    if (this.#points.length === MAX_POINTS) {
      this.#stride *= 2;
      this.#points = Array.from({ length: MAX_POINTS / 2 }, (_, i) => {
        const [a, b] = this.#points.slice(2 * i, 2 * i + 2);
        return this.#joined(a ?? point, b ?? point);
      });
    }
    this.#points.push(point);
  }

  /** Least squares through the samples after the first fifth. Null: fewer than three, or all of them at one x. */
  slope(name: Name): Slope | null {
    const skip = Math.floor(this.#count * WARM_UP);
    let before = 0;
    const used = this.#points.filter((point) => {
      const begins = before;
      before += point.count;
      return begins >= skip;
    });
    const [first, ...others] = used;
    if (!first) return null;
    const all = others.reduce((sum, point) => this.#joined(sum, point), first);
    if (all.count < LEAST_SAMPLES || all.sxx === 0) return null;
    const { mean, sxy } = all.parts[name];
    const perCycle = sxy / all.sxx;
    const at = (x: number): number => mean + perCycle * (x - all.meanX);
    return { first: at(all.firstX), last: at(all.lastX), perThousand: perCycle * 1000 };
  }

  /** Moments of two sets are those of both together (Chan, Golub, LeVeque). */
  #joined(a: Point<Name>, b: Point<Name>): Point<Name> {
    const count = a.count + b.count;
    const dx = b.meanX - a.meanX;
    const weight = (a.count * b.count) / count;
    return {
      count,
      t: b.t,
      firstX: a.firstX,
      lastX: b.lastX,
      meanX: a.meanX + (dx * b.count) / count,
      sxx: a.sxx + b.sxx + dx * dx * weight,
      parts: this.#record((name) => {
        const [p, q] = [a.parts[name], b.parts[name]];
        const dy = q.mean - p.mean;
        return {
          mean: p.mean + (dy * b.count) / count,
          sxy: p.sxy + q.sxy + dx * dy * weight,
          min: Math.min(p.min, q.min),
          max: Math.max(p.max, q.max),
        };
      }),
    };
  }

  #record<T>(of: (name: Name) => T): Record<Name, T> {
    return Object.fromEntries(this.#names.map((name) => [name, of(name)])) as Record<Name, T>;
  }
}
