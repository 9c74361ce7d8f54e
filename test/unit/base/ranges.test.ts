import { bytesIn, joined, without } from '../../../lib/base/ranges.js';

const range = (from: number, to: number) => ({ offset: from, length: to - from });

test('ranges that touch or overlap become one, in order; empty ones are nothing', () => {
  expect(joined([range(8, 12), range(0, 4)], [range(4, 6), range(5, 5), range(10, 16)])).toEqual([
    range(0, 6),
    range(8, 16),
  ]);
  expect(joined()).toEqual([]);
  expect(bytesIn([range(0, 6), range(8, 16)])).toBe(14);
});

test('what is taken away leaves the ends, and what it does not touch', () => {
  expect(without([range(0, 16), range(20, 24)], [range(4, 8), range(14, 21)])).toEqual([
    range(0, 4),
    range(8, 14),
    range(21, 24),
  ]);
  expect(without([range(2, 4)], [range(0, 8)])).toEqual([]);
});
