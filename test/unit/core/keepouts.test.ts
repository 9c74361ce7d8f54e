import fc from 'fast-check';

import { splitAtKeepouts, validateKeepouts, type Keepout } from '../../../lib/core/keepouts.js';

const keepout = (start: number, end: number, value = 0): Keepout => ({ start, end, value });

test.each<[string, Keepout[], number, number, string | undefined]>([
  ['none', [], 1, 1, undefined],
  ['two that touch', [keepout(0, 4), keepout(4, 8)], 1, 1, undefined],
  ['unsorted', [keepout(8, 12), keepout(0, 4)], 1, 1, 'ERANGE'],
  ['overlapping', [keepout(0, 4), keepout(3, 8)], 1, 1, 'ERANGE'],
  ['end before start', [keepout(8, 4)], 1, 1, 'EINVAL'],
  ['empty', [keepout(4, 4)], 1, 1, 'ERANGE'],
  ['less than a word', [keepout(0, 2)], 4, 1, 'ERANGE'],
  ['a gap of less than a word', [keepout(0, 4), keepout(6, 10)], 4, 1, 'ERANGE'],
  ['a gap of less than a word at the beginning', [keepout(2, 8)], 4, 1, 'ERANGE'],
  ['start off the stride', [keepout(2, 8)], 1, 4, 'EINVAL'],
  ['end off the stride', [keepout(4, 10)], 1, 4, 'EINVAL'],
  ['unsorted and backwards: the order comes first', [keepout(8, 12), keepout(4, 2)], 1, 1, 'ERANGE'],
  ['too small and off the stride: the size comes first', [keepout(1, 2)], 4, 4, 'ERANGE'],
])('%s', (_name, keepouts, wordSize, stride, code) => {
  const check = (): void => {
    validateKeepouts(keepouts, wordSize, stride);
  };
  if (code === undefined) expect(check).not.toThrow();
  else expect(check).toThrow(expect.objectContaining({ code }) as Error);
});

const SIZE = 64;
/** Sorted keepouts without overlap, as validateKeepouts() lets through for word size and stride 1. */
const keepouts = fc
  .uniqueArray(fc.integer({ min: 0, max: SIZE }), { minLength: 0, maxLength: 10 })
  .map((cuts) => cuts.sort((a, b) => a - b))
  .map((cuts) =>
    Array.from({ length: cuts.length >> 1 }, (_, i) =>
      keepout(cuts[2 * i] ?? 0, cuts[2 * i + 1] ?? 0, 0x80 + i),
    ),
  );

test('the segments are the access, in order, byte for byte', () => {
  fc.assert(
    fc.property(keepouts, fc.nat(SIZE), fc.nat(SIZE), (list, offset, length) => {
      validateKeepouts(list, 1, 1);
      const bytes = splitAtKeepouts(list, offset, length).flatMap((segment) =>
        Array.from({ length: segment.length }, (_, i) => ({ at: segment.offset + i, fill: segment.fill })),
      );
      const model = Array.from({ length }, (_, i) => {
        const at = offset + i;
        return { at, fill: list.find(({ start, end }) => start <= at && at < end)?.value };
      });
      expect(bytes).toEqual(model);
    }),
  );
});

test('no two segments for the provider touch, and none is empty', () => {
  fc.assert(
    fc.property(keepouts, fc.nat(SIZE), fc.integer({ min: 1, max: SIZE }), (list, offset, length) => {
      const segments = splitAtKeepouts(list, offset, length);
      segments.forEach((segment, i) => {
        expect(segment.length).toBeGreaterThan(0);
        if (segment.fill === undefined) expect(segments[i + 1]?.fill ?? 0).not.toBeUndefined();
        if (segment.fill === undefined && i > 0) expect(segments[i - 1]?.fill).toBeDefined();
      });
    }),
  );
});

test('an access of no bytes calls the provider only where there are no keepouts', () => {
  expect(splitAtKeepouts([], 3, 0)).toEqual([{ offset: 3, length: 0 }]);
  expect(splitAtKeepouts([keepout(8, 9)], 3, 0)).toEqual([]);
});
