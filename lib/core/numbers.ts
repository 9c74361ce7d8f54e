/** Cell values as numbers. */
import { endianness } from 'node:os';

import { bytesForBits } from './bits.js';
import type { CellEntry } from './cell_entry.js';
import { NvmemError } from '../base/errors.js';

const LITTLE = endianness() === 'LE';

function refuse(code: 'EINVAL' | 'ERANGE', cell: CellEntry, device: string, says: string): never {
  throw new NvmemError(code, `cell ${cell.name} of ${device} ${says}`, { syscall: 'cell-read', device });
}

/** In the order of the host, from a cell of exactly `width` bytes. @throws NvmemError EINVAL */
export function hostNumber(cell: CellEntry, value: Buffer, width: 1 | 2 | 4 | 8, device: string): bigint {
  if (value.length !== width) {
    refuse('EINVAL', cell, device, `has ${String(value.length)} bytes, not ${String(width)}`);
  }
  return littleEndian(LITTLE ? value : Buffer.from(value).reverse());
}

/** A cell of at most `width` bytes, zero extended. @throws NvmemError ERANGE */
export function variableNumber(cell: CellEntry, value: Buffer, width: 4 | 8, device: string): bigint {
  const length = cell.nbits === 0 ? value.length : bytesForBits(cell.nbits);
  if (length > width) {
    refuse('ERANGE', cell, device, `has ${String(length)} bytes, more than ${String(width)}`);
  }
  return littleEndian(value.subarray(0, length));
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}
