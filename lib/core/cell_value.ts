/** What of the bytes around a cell is its value, and what a write of it has to leave as it is. */
import { alignUp } from './align.js';
import { extractBits } from './bits.js';
import { isBitCell, type CellEntry } from './cell_entry.js';

/** The first `bytes` bytes of what was read, a bit cell's field moved down to bit 0 in them. */
export function cellValue(cell: CellEntry, data: Buffer): Buffer {
  const value = data.length === cell.bytes ? data : data.subarray(0, cell.bytes);
  if (isBitCell(cell)) extractBits(value, cell.bitOffset, cell.nbits);
  return value;
}

/**
 * The stretches of a bit cell whose other bits must survive a write, as [from, to) in bytes of the cell: as in the
 * kernel those before the field and then the last byte; whole cells where the provider only does whole words.
 */
export function neighbours(cell: CellEntry, wordSize: number): [number, number][] {
  const { bytes, bitOffset, nbits } = cell;
  if (wordSize > 1 || nbits === 0) return [[0, alignUp(bytes, wordSize)]];
  const stretches: [number, number][] = [];
  if (bitOffset !== 0) stretches.push([0, Math.ceil(bitOffset / 8)]);
  if ((bitOffset + nbits) % 8 !== 0) stretches.push([bytes - 1, bytes]);
  return stretches;
}
