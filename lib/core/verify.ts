/** Comparing a memory with what it should hold. */
import type { ByteRange } from '../base/errors.js';

export interface NvmemVerifyResult {
  readonly equal: boolean;
  /** Device offset of the first byte that differs; undefined: none does. */
  readonly mismatchOffset: number | undefined;
  /** How many bytes differ. */
  readonly mismatchCount: number;
  /** Where, in device offsets, in order: neighbouring bytes that differ are one stretch. */
  readonly differs: readonly ByteRange[];
}

/** @param offset where `found` begins in the device */
export function compare(wanted: Uint8Array, found: Uint8Array, offset: number): NvmemVerifyResult {
  const differs: { offset: number; length: number }[] = [];
  let mismatchCount = 0;
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === found[i]) continue;
    mismatchCount++;
    const last = differs.at(-1);
    if (last && last.offset + last.length === offset + i) last.length++;
    else differs.push({ offset: offset + i, length: 1 });
  }
  return { equal: mismatchCount === 0, mismatchOffset: differs[0]?.offset, mismatchCount, differs };
}
