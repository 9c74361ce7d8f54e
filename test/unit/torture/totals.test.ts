/** The numbers of a run against those that are computed straight from its events. */
import fc from 'fast-check';

import type { OperationEvent, TortureEvent } from '../../../lib/torture/events';
import { Histogram } from '../../../lib/torture/histogram';
import { Series } from '../../../lib/torture/series';
import { Tally } from '../../../lib/torture/totals';
import { operationOf, random, runOf, startOf } from './events';

const SHARES = [0, 0.5, 0.9, 0.99, 0.999, 1];

/** The least value that at least that share does not exceed. */
function exact(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(Math.ceil(q * values.length), 1) - 1] ?? NaN;
}

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram;
}

test('quantiles of few values are exact', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { minLength: 1 }), (values) => {
      const histogram = histogramOf(values);
      for (const q of SHARES) expect(histogram.quantile(q)).toBe(exact(values, q));
    }),
  );
});

test('quantiles of many values are within 0.4 %, least and greatest exact', () => {
  fc.assert(
    fc.property(fc.integer(), fc.double({ min: 0.1, max: 6, noNaN: true }), (seed, spread) => {
      const next = random(seed);
      const values = Array.from({ length: 20_000 }, () => 10 ** ((next() - 0.5) * spread));
      const histogram = histogramOf(values);
      for (const q of SHARES) {
        const [is, should] = [histogram.quantile(q) ?? NaN, exact(values, q)];
        expect(Math.abs(is - should)).toBeLessThanOrEqual(should * 0.004);
      }
      expect(histogram.quantiles()).toMatchObject({
        count: values.length,
        min: exact(values, 0),
        max: exact(values, 1),
      });
    }),
    { numRuns: 6 },
  );
});

test('every value is in its bin', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 1e-5, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 }),
      (values) => {
        const bins = histogramOf(values).bins();
        expect(bins.map(({ count }) => count)).toEqual(
          bins.map(({ from, to }) => values.filter((value) => value >= from && value < to).length),
        );
        expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
      },
    ),
  );
});

test('what is no number, 0 and below 0', () => {
  const histogram = histogramOf([NaN, 0, -0.5]);
  expect(histogram.quantiles()).toMatchObject({ count: 2, min: 0, max: 0, p99: 0 });
  expect(new Histogram().quantiles()).toBeNull();
});

function leastSquares(points: readonly (readonly [number, number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [mx, my] = [mean(([x]) => x), mean(([, y]) => y)];
  return (
    points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) /
    points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0)
  );
}

describe('slopes', () => {
  const seriesOf = (points: readonly (readonly [number, number])[]): Series<'y'> => {
    const series = new Series(['y']);
    for (const [x, y] of points) series.add(x * 10, x, { y });
    return series;
  };

  test('the first fifth is left out', () => {
    const points = Array.from({ length: 100 }, (_, x): [number, number] => [x, x < 20 ? 1e9 : 500 + 3 * x]);
    const slope = seriesOf(points).slope('y');
    expect(slope?.perThousand).toBeCloseTo(3000, 6);
    expect(slope?.first).toBeCloseTo(560, 6);
    expect(slope?.last).toBeCloseTo(797, 6);
  });

  test('of few samples as the formula has it, of very many too, in bounded memory', () => {
    for (const length of [3, 10, 1000, 100_000]) {
      const next = random(length);
      const points = Array.from({ length }, (_, i): [number, number] => [
        i * 5,
        8e7 + i * 0.25 + next() * 1e5,
      ]);
      const series = seriesOf(points);
      expect(series.points.length).toBeLessThanOrEqual(1024);
      expect(series.points.reduce((sum, { count }) => sum + count, 0)).toBe(length);
      // The warm-up ends with a point.
      const warmUp = Math.ceil(Math.floor(length / 5) / series.stride) * series.stride;
      const should = leastSquares(points.slice(warmUp)) * 1000;
      expect(series.slope('y')?.perThousand).toBeCloseTo(should, 4);
      const all = points.map(([, y]) => y);
      expect(Math.max(...series.points.map(({ parts }) => parts.y.max))).toBe(
        all.reduce((a, b) => Math.max(a, b)),
      );
    }
  });

  test('too few samples, and all of one cycle, have none', () => {
    expect(seriesOf([]).slope('y')).toBeNull();
    expect(
      seriesOf([
        [0, 1],
        [1, 2],
      ]).slope('y'),
    ).toBeNull();
    expect(
      seriesOf([
        [4, 1],
        [4, 2],
        [4, 3],
      ]).slope('y'),
    ).toBeNull();
  });
});

describe('a run', () => {
  const lines = [...runOf({ cycles: 120, subjects: 2, seed: 7 })].map((event) => JSON.stringify(event));
  const events = lines.map((line) => JSON.parse(line) as TortureEvent);
  const tally = new Tally();
  for (const event of events) tally.add(event);
  const totals = tally.totals();
  const operations = events.filter((event) => event.type === 'operation');
  const cycles = events.filter((event) => event.type === 'cycle');

  test('is counted', () => {
    const sum = (of: readonly OperationEvent[]): number => of.reduce((all, { bytes }) => all + bytes, 0);
    expect(totals.operations).toBe(operations.length);
    expect(totals.cycles).toBe(120);
    expect(totals.bytesWritten).toBe(sum(operations.filter(({ action }) => action === 'write')));
    expect(totals.bytesRead).toBe(sum(operations.filter(({ action }) => action === 'read')));
    expect(totals.checkedBytes).toBe(cycles.reduce((all, { checkedBytes }) => all + checkedBytes, 0));
    for (const [code, count] of Object.entries(totals.byCode)) {
      expect(count).toBe(operations.filter((one) => one.code === code).length);
    }
    expect(Object.values(totals.byKind).reduce((a, b) => a + b)).toBe(operations.length);
    const rejections = cycles.flatMap(({ rejectionMs }) => (rejectionMs === null ? [] : [rejectionMs]));
    expect(totals.rejection).toMatchObject({ count: rejections.length, p99: exact(rejections, 0.99) });
    const samples = events.filter((event) => event.type === 'sample');
    expect(totals.loopDelay?.p999).toBe(Math.max(...samples.map(({ loopDelay }) => loopDelay.p999)));
    expect(totals.counters).toEqual(samples.at(-1)?.counters);
  });

  test('wears each page that a write has reached', () => {
    const wear = [0, 1].map(() => Array.from({ length: 512 }, () => 0));
    for (const { subject, action, offset, bytes, uncertain = 0 } of operations) {
      if (action !== 'write') continue;
      const touched = new Set(
        Array.from({ length: bytes + uncertain }, (_, i) => Math.floor((offset + i) / 64)),
      );
      for (const page of touched) {
        const pages = wear[subject];
        if (pages) pages[page] = (pages[page] ?? 0) + 1;
      }
    }
    expect(totals.wear).toEqual(wear);
  });
});

test('a write beyond the end, of a subject that is not there, of no byte: nothing of it is counted as wear', () => {
  const tally = new Tally();
  tally.add(startOf());
  const write = { kind: 'write', action: 'write' } as const;
  tally.add(operationOf({ ...write, subject: 3 }));
  tally.add(operationOf({ ...write, bytes: 0 }));
  tally.add(operationOf({ ...write, offset: 32_767, bytes: 100 }));
  const { wear, operations } = tally.totals();
  expect(operations).toBe(3);
  expect(wear[0]).toHaveLength(512);
  expect(wear[0]?.reduce((a, b) => a + b)).toBe(1);
});
