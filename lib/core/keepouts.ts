/** Keepouts: ranges of a device that reads fill with a value and writes skip (nvmem core, nvmem_keepout). */
import { isAligned } from './align.js';
import { NvmemError } from '../base/errors.js';

export interface Keepout {
  /** First byte. */
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
  /** What reads give there, 0 to 255. */
  readonly value: number;
}

/** A stretch of an access: bytes for the provider, or a keepout. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
  /** The keepout's fill value; absent: the provider's bytes. */
  readonly fill?: number;
}

/**
 * The checks of nvmem_validate_keepouts(), in its order: ERANGE for unsorted or overlapping ones, EINVAL for an
 * end before the start, ERANGE for less than a word in one or between two, EINVAL off the stride.
 */
export function validateKeepouts(keepouts: readonly Keepout[], wordSize: number, stride: number): void {
  let cursor = 0;
  keepouts.forEach(({ start, end }, i) => {
    const refuse = (code: 'ERANGE' | 'EINVAL', rule: string): never => {
      throw new NvmemError(code, `keepouts[${String(i)}] (${String(start)} to ${String(end)}) ${rule}`, {
        syscall: 'register',
      });
    };
    if (start < cursor) refuse('ERANGE', `must start at ${String(cursor)} or later: sorted, without overlap`);
    if (end < start) refuse('EINVAL', 'must not end before it starts');
    if (end - start < wordSize) refuse('ERANGE', `must hold at least one word of ${String(wordSize)} bytes`);
    if (start !== cursor && start - cursor < wordSize) {
      refuse('ERANGE', `leaves less than one word of ${String(wordSize)} bytes before it`);
    }
    if (!isAligned(start, stride) || !isAligned(end, stride)) {
      refuse('EINVAL', `must start and end on a multiple of the stride, ${String(stride)}`);
    }
    cursor = end;
  });
}

/**
 * Cuts an access at the keepouts. As in the kernel, an access of no bytes is one segment of no bytes where there
 * are no keepouts, and no segment at all where there are.
 */
export function splitAtKeepouts(keepouts: readonly Keepout[], offset: number, length: number): Segment[] {
  if (keepouts.length === 0) return [{ offset, length }];
  const end = offset + length;
  const segments: Segment[] = [];
  let at = offset;
  for (const keepout of keepouts) {
    if (at >= end || keepout.start >= end) break;
    if (keepout.end <= at) continue;
    if (at < keepout.start) segments.push({ offset: at, length: keepout.start - at });
    const from = Math.max(at, keepout.start);
    const to = Math.min(end, keepout.end);
    segments.push({ offset: from, length: to - from, fill: keepout.value });
    at = to;
  }
  if (at < end) segments.push({ offset: at, length: end - at });
  return segments;
}
