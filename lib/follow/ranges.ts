/** Ranges of bytes as sets. */
import type { ByteRange } from '../base/errors.js';

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
