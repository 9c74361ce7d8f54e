/** CRC-32C (Castagnoli): what journals and atomic cells are checked with. */

/** The polynomial 0x1EDC6F41 with its bits in reverse, as the algorithm shifts to the right. */
const POLYNOMIAL = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1;
  return rest;
});

/**
 * The CRC-32C of `data`, 0 to 2^32 - 1. With `before`, the CRC of what stands in front of `data`, that of both together.
 * Of the nine characters 123456789 it is 0xE3069283.
 */
export function crc32c(data: Uint8Array, before = 0): number {
  let rest = ~before;
  for (const byte of data) rest = (rest >>> 8) ^ (table[(rest ^ byte) & 0xff] ?? 0);
  return ~rest >>> 0;
}
