/**
 * Cells as a board file or device tree describes them: the counterpart of `add_legacy_fixed_of_cells` and of a
 * "fixed-layout" node (nvmem_add_cells_from_dt()).
 */
import type { NvmemCellInfo } from './cell_entry.js';
import { NvmemError } from '../base/errors.js';
import { checkKeys, checkObject, checkString, checkInteger, typeError } from '../base/validate.js';

/** A child node of the device. */
export interface BoardCell {
  /** The node's name; a unit address ("@1a") is left out of the cell's name, as in the kernel. */
  readonly name: string;
  /** Offset and length, bytes. A node without it is no cell and is skipped. */
  readonly reg?: readonly number[] | undefined;
  /** First bit and number of bits. */
  readonly bits?: readonly number[] | undefined;
}

/** @throws NvmemError EINVAL: `reg` without a length, or `bits` outside the cell. */
export function boardCellInfo(field: string, node: BoardCell): NvmemCellInfo | undefined {
  checkKeys(field, checkObject(field, node), ['name', 'reg', 'bits']);
  const name = checkString(`${field}.name`, node.name).replace(/@.*$/s, '');
  if (node.reg === undefined) return undefined;
  const refuse = (rule: string): never => {
    throw new NvmemError('EINVAL', `${field} (${node.name}): ${rule}`, { syscall: 'register' });
  };
  const [offset, bytes] = numbers(`${field}.reg`, node.reg);
  if (offset === undefined || bytes === undefined) return refuse('reg must hold an offset and a length');
  if (node.bits === undefined) return { name, offset, bytes };
  const [bitOffset, nbits] = numbers(`${field}.bits`, node.bits);
  if (bitOffset === undefined || nbits === undefined) return refuse('bits must hold a first bit and a count');
  if (bitOffset >= 8 * bytes || nbits < 1 || bitOffset + nbits > 8 * bytes) {
    return refuse(`bits must lie within the ${String(8 * bytes)} bits of the cell`);
  }
  return { name, offset, bytes, bitOffset, nbits };
}

function numbers(field: string, value: readonly number[]): readonly number[] {
  const list: unknown = value;
  if (!Array.isArray(list)) throw typeError(field, 'an array of integers', value);
  value.forEach((number, i) => checkInteger(`${field}[${String(i)}]`, number, 0, 0xffffffff));
  return value;
}
