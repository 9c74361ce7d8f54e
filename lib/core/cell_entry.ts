/** Cells as the provider declares them, checked and completed as nvmem_cell_info_to_nvmem_cell_entry_nodup() does. */
import { alignUp, isAligned } from './align.js';
import { bytesForBits } from './bits.js';
import { checkNaming, type Names } from './naming.js';
import { NvmemError } from '../base/errors.js';
import { checkBytes, checkFunction, checkInteger, checkKeys, checkObject } from '../base/validate.js';

export interface PostProcessContext {
  /** Name under which the consumer asked for the cell, where it gave one. */
  readonly id: string | undefined;
  /** Argument of the consumer's reference; 0 where it has none. */
  readonly index: number;
  /** Device offset of the cell, bytes. */
  readonly offset: number;
  /** The raw bytes, to be changed in place; the consumer gets the first `bytes` of them. */
  readonly data: Buffer;
}

/** A named range of a device (struct nvmem_cell_info). */
export interface NvmemCellInfo {
  readonly name: string;
  /** Bytes from the start of the device; a multiple of the stride. */
  readonly offset: number;
  /** Length that the consumer sees, bytes. For a bit cell it is computed from the two below. */
  readonly bytes?: number | undefined;
  /** First bit; 0 is the least significant bit of the byte at `offset`. */
  readonly bitOffset?: number | undefined;
  /** Width in bits; 0 or absent: whole bytes. */
  readonly nbits?: number | undefined;
  /** Bytes read from the device before readPostProcess; a multiple of the word size. Default: `bytes`. */
  readonly rawLength?: number | undefined;
  /** Changes what was read before the consumer sees it. A cell that has one is read-only. */
  readonly readPostProcess?: ((context: PostProcessContext) => void | Promise<void>) | undefined;
}

/** A cell as the core keeps it (struct nvmem_cell_entry): nothing of the provider's own objects but the hook. */
export interface CellEntry {
  readonly name: string;
  readonly offset: number;
  readonly rawLength: number;
  readonly bytes: number;
  readonly bitOffset: number;
  readonly nbits: number;
  readonly readPostProcess: NvmemCellInfo['readPostProcess'];
}

const KEYS = ['name', 'offset', 'bytes', 'bitOffset', 'nbits', 'rawLength', 'readPostProcess'];

/**
 * @throws TypeError, RangeError naming the field.
 * @throws NvmemError EINVAL: offset off the stride, or rawLength no multiple of the word size; ENOMEM, by the kernel's answers:
 *   no name.
 */
export function makeCellEntry(
  field: string,
  info: NvmemCellInfo,
  wordSize: number,
  stride: number,
  names: Names = 'checked',
): CellEntry {
  checkKeys(field, checkObject(field, info), KEYS);
  const given: unknown = info.name;
  const isNameless = names === 'kernel' && (given === undefined || given === null);
  const name = isNameless ? '' : checkNaming(`${field}.name`, given, names);
  const offset = checkInteger(`${field}.offset`, info.offset, 0);
  const bitOffset = checkInteger(`${field}.bitOffset`, info.bitOffset ?? 0, 0, 0xffff);
  const nbits = checkInteger(`${field}.nbits`, info.nbits ?? 0, 0, 0xffff);
  const { readPostProcess } = info;
  if (readPostProcess !== undefined) checkFunction(`${field}.readPostProcess`, readPostProcess);
  const bytes =
    nbits !== 0 ? bytesForBits(nbits + bitOffset) : checkInteger(`${field}.bytes`, info.bytes, 0, 0x7fffffff);
  const asked = checkInteger(`${field}.rawLength`, info.rawLength ?? 0, 0, 0x7fffffff);
  // A bit cell's own length is rounded up to words, whatever was asked for, as is one that nobody asked for.
  const rawLength = nbits !== 0 || asked === 0 ? alignUp(bytes, wordSize) : asked;
  const refuse = (rule: string): never => {
    throw new NvmemError('EINVAL', `${field} (${name}): ${rule}`, { syscall: 'register' });
  };
  if (!isAligned(offset, stride)) refuse(`offset must be a multiple of the stride, ${String(stride)}`);
  if (!isAligned(rawLength, wordSize))
    refuse(`rawLength must be a multiple of the word size, ${String(wordSize)}`);
  // kstrdup_const() of no name, after the rules above.
  if (isNameless)
    throw new NvmemError('ENOMEM', `${field} has no name`, { syscall: 'register', hint: 'Give it one.' });
  return { name, offset, rawLength, bytes, bitOffset, nbits, readPostProcess };
}

export function isBitCell({ bitOffset, nbits }: CellEntry): boolean {
  return bitOffset !== 0 || nbits !== 0;
}

/**
 * The value to write as exactly `bytes` bytes, its field still at bit 0.
 *
 * @throws NvmemError EINVAL, as nvmem_cell_write(): a length that is not the cell's, or a cell with readPostProcess.
 */
export function checkCellData(cell: CellEntry, value: unknown, device: string): Buffer {
  const data = checkBytes('data', value);
  const refuse = (rule: string): never => {
    throw new NvmemError('EINVAL', `cell ${cell.name} of ${device} ${rule}`, {
      syscall: 'cell-write',
      device,
    });
  };
  if (cell.readPostProcess) refuse('is read-only: it has a readPostProcess');
  const fits = data.length === cell.bytes || (isBitCell(cell) && data.length === bytesForBits(cell.nbits));
  if (!fits) refuse(`takes ${String(cell.bytes)} bytes, got ${String(data.length)}`);
  const whole = Buffer.alloc(cell.bytes);
  whole.set(data);
  return whole;
}
