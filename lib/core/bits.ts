/**
 * Bit cells. Bit 0 is the least significant bit of the first byte, and a field runs upwards through the bytes.
 *
 * Reading is nvmem_shift_read_buffer_in_place() as it is meant; writing is right where the kernel is not (docs/defects.md,
 * D20): carries between bytes, neighbours in the last byte, bit offsets of 8 and more, and bits of the
 * caller's data above the field.
 */

/** Bytes that a value of `nbits` bits takes. */
export function bytesForBits(nbits: number): number {
  return Math.ceil(nbits / 8);
}

/**
 * Moves the field at `bitOffset` down to bit 0, in place, and clears everything above its `nbits` bits. With a bit
 * offset but no `nbits` everything is cleared, as in the kernel.
 */
export function extractBits(data: Uint8Array, bitOffset: number, nbits: number): void {
  const skip = bitOffset >> 3;
  const shift = bitOffset & 7;
  const used = bytesForBits(nbits);
  for (let i = 0; i < data.length; i++) {
    if (i >= used) {
      data[i] = 0;
      continue;
    }
    const low = data[i + skip] ?? 0;
    const high = data[i + skip + 1] ?? 0;
    data[i] = ((low | (high << 8)) >> shift) & 0xff;
  }
  const rest = nbits & 7;
  if (rest !== 0 && used <= data.length) data[used - 1] = (data[used - 1] ?? 0) & ((1 << rest) - 1);
}

/** Puts the low `nbits` bits of `value` into `cell` at `bitOffset`, in place; all other bits of `cell` stay. */
export function insertBits(cell: Uint8Array, bitOffset: number, nbits: number, value: Uint8Array): void {
  const first = bitOffset >> 3;
  const shift = bitOffset & 7;
  const last = bytesForBits(bitOffset + nbits);
  for (let i = first; i < last; i++) {
    const from = i - first;
    const bits = (((value[from] ?? 0) << shift) | ((value[from - 1] ?? 0) >> (8 - shift))) & 0xff;
    const mask = fieldMask(i, bitOffset, nbits);
    cell[i] = ((cell[i] ?? 0) & ~mask) | (bits & mask);
  }
}

/** The bits of byte `i` that belong to the field. */
function fieldMask(i: number, bitOffset: number, nbits: number): number {
  const low = Math.max(bitOffset - 8 * i, 0);
  const high = Math.min(bitOffset + nbits - 8 * i, 8);
  return high <= low ? 0 : ((1 << high) - 1) & ~((1 << low) - 1);
}
