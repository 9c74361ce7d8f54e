/**
 * What a memory holds, page by page, beside what a journal says of it.
 *
 * A page is what a power cut may change together: the part erases and programs it in one write cycle, also those of its
 * bytes that were not written (24LC256: the rest of the page is refreshed). A process that dies takes no power from the part,
 * so all that it leaves behind is old, new, or in one page some bytes of each.
 */
import type { ByteRange } from '../base/errors.js';
import type { Journal } from './format.js';
import { pageOf } from './memory.js';

export interface PageFinding {
  /** In the memory, cut where the memory ends. */
  readonly start: number;
  readonly end: number;
  /** Every byte of the write in it is as it was, or as it was to become. Both where nothing was to change. */
  readonly isOld: boolean;
  readonly isNew: boolean;
  /** Bytes of the write that are neither. */
  readonly foreign: readonly number[];
  /** Bytes beside the write that are not as they were. */
  readonly beside: readonly number[];
}

/** The whole pages that a write of `length` bytes at `offset` touches: where they begin and end. */
export function wholePages(
  offset: number,
  length: number,
  page: number,
  size: number,
): { start: number; end: number } {
  return {
    start: Math.floor(offset / page) * page,
    end: Math.min(Math.ceil((offset + length) / page) * page, size),
  };
}

/** `now`: what those pages hold, from `journal.start` on. */
export function examine(journal: Journal, now: Uint8Array): PageFinding[] {
  const { start, old, offset, content } = journal;
  const page = pageOf(journal.memory);
  const reached = reachable(journal);
  const findings: PageFinding[] = [];
  for (let from = start; from < start + old.length;) {
    const end = Math.min((Math.floor(from / page) + 1) * page, start + old.length);
    const found = {
      start: from,
      end,
      isOld: true,
      isNew: true,
      foreign: [] as number[],
      beside: [] as number[],
    };
    for (let at = from; at < end; at++) {
      if (!reached(at)) continue;
      const byte = now[at - start];
      const was = old[at - start];
      if (at < offset || at >= offset + content.length) {
        if (byte !== was) found.beside.push(at);
        continue;
      }
      const becomes = content[at - offset];
      if (byte !== was) found.isOld = false;
      if (byte !== becomes) found.isNew = false;
      if (byte !== was && byte !== becomes) found.foreign.push(at);
    }
    findings.push(found);
    from = end;
  }
  return findings;
}

/**
 * Whether the pages look as a power cut in the write cycle of `pages[index]` leaves them: everything before it is new and
 * everything after it old. Writing goes upwards and undoing downwards, so that this holds however often either is cut off.
 */
export function isFrontier(pages: readonly PageFinding[], index: number): boolean {
  return pages.every((page, at) => at === index || (at < index ? page.isNew : page.isOld));
}

/** Whether a write can reach a byte: none of them lies in a keepout. */
export function reachable({ holes }: Journal): (at: number) => boolean {
  if (holes.length === 0) return () => true;
  return (at) => !holes.some(({ offset, length }) => at >= offset && at < offset + length);
}

/** Ascending offsets as ranges. */
export function rangesOf(offsets: readonly number[]): ByteRange[] {
  const ranges: { offset: number; length: number }[] = [];
  for (const offset of offsets) {
    const last = ranges.at(-1);
    if (last && last.offset + last.length === offset) last.length++;
    else ranges.push({ offset, length: 1 });
  }
  return ranges;
}

/** The stretches of [from, to) without its holes, each from the first byte in which `now` and `wanted` differ to the last. */
export function differing(
  journal: Journal,
  now: Uint8Array,
  wanted: Uint8Array,
  from: number,
  to: number,
): ByteRange[] {
  const { start } = journal;
  const inside = journal.holes.filter(({ offset, length }) => offset < to && offset + length > from);
  const stretches: ByteRange[] = [];
  let at = from;
  for (const { offset, length } of [...inside, { offset: to, length: 0 }]) {
    let [first, last] = [at, Math.min(offset, to)];
    while (first < last && now[first - start] === wanted[first - start]) first++;
    while (last > first && now[last - 1 - start] === wanted[last - 1 - start]) last--;
    if (first < last) stretches.push({ offset: first, length: last - first });
    at = Math.max(at, offset + length);
  }
  return stretches;
}
