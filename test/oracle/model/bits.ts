/** Bit cells, as the kernel's C has them. */
import type { ModelCell } from './device.js';

/** BITS_TO_BYTES() */
export function bytesForBits(nbits: number): number {
  return Math.floor((nbits + 7) / 8);
}

/** nvmem_shift_read_buffer_in_place() */
export function shiftDown({ bitOffset, nbits, bytes }: ModelCell, buffer: Buffer): void {
  const at = (i: number): number => buffer[i] ?? 0;
  const shift = bitOffset % 8;
  let p = 0;
  let b = Math.floor(bitOffset / 8);
  if (shift !== 0) {
    buffer[p] = at(b++) >> shift;
    for (let i = 1; i < bytes; i++) {
      buffer[p] = at(p) | ((at(b) << (8 - shift)) & 0xff);
      p++;
      buffer[p] = at(b++) >> shift;
    }
  } else {
    if (b !== 0) buffer.copyWithin(0, b, bytes);
    p = bytes - 1;
  }
  for (let extra = bytes - bytesForBits(nbits); extra > 0; extra--) buffer[p--] = 0;
  if (nbits % 8 !== 0) buffer[p] = at(p) & ((1 << (nbits % 8)) - 1);
}

/**
 * What nvmem_cell_prepare_write_buffer() makes of the first and last byte as they are. Shifts by more than 31 go by their low
 * five bits, as the processor has them.
 */
export function shiftUp({ bitOffset, nbits }: ModelCell, buffer: Buffer, first: number): number {
  const at = (i: number): number => buffer[i] ?? 0;
  let p = 0;
  let carry = at(0);
  buffer[0] = (at(0) << bitOffset) & 0xff;
  buffer[0] = at(0) | (first & (bitOffset >= 8 ? 0xff : (1 << bitOffset) - 1));
  for (let i = 1; i < buffer.length; i++) {
    const bits = carry >> (7 - bitOffset);
    carry = at(i);
    p = i;
    buffer[i] = ((at(i) << bitOffset) | bits) & 0xff;
  }
  return nbits === 0 && bitOffset === 0 ? 0 : p;
}

/** Defect D20 mended: the low `nbits` bits of `value` in `whole` at `bitOffset`, bit by bit. */
export function putBits(whole: Buffer, { bitOffset, nbits }: ModelCell, value: Buffer): void {
  for (let i = 0; i < nbits; i++) {
    const bit = ((value[i >> 3] ?? 0) >> (i & 7)) & 1;
    const to = bitOffset + i;
    const mask = 1 << (to & 7);
    whole[to >> 3] = bit ? (whole[to >> 3] ?? 0) | mask : (whole[to >> 3] ?? 0) & ~mask;
  }
}
