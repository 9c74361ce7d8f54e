/** Ranges of bytes as sets. */
import type { ByteRange } from './errors.js';

export function bytesIn(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

/** In order; those that touch or overlap become one. */
export function joined(...lists: (readonly ByteRange[])[]): ByteRange[] {
  const all = lists.flat().sort((a, b) => a.offset - b.offset);
  const list: { offset: number; length: number }[] = [];
  for (const { offset, length } of all) {
    const last = list.at(-1);
    if (last && offset <= last.offset + last.length) {
      last.length = Math.max(last.length, offset + length - last.offset);
    } else if (length > 0) list.push({ offset, length });
  }
  return list;
}

/** What lies in `ranges` and not in `others`. */
export function without(ranges: readonly ByteRange[], others: readonly ByteRange[]): ByteRange[] {
  let left = joined(ranges);
  for (const { offset, length } of others) {
    const end = offset + length;
    left = left.flatMap((range) => {
      const rangeEnd = range.offset + range.length;
      const head = { offset: range.offset, length: Math.min(offset, rangeEnd) - range.offset };
      const from = Math.max(end, range.offset);
      return [head, { offset: from, length: rangeEnd - from }].filter((piece) => piece.length > 0);
    });
  }
  return left;
}
