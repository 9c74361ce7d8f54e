/** From a consumer's own name for a cell to the cell. */
import { NvmemError } from '../base/errors.js';
import { NvmemCell } from './cell.js';
import type { LookupTable } from './lookups.js';
import { checkNaming, type Names } from './naming.js';
import type { Registration } from './registration.js';

/**
 * nvmem_cell_get() without a device tree.
 *
 * @throws NvmemError EINVAL, ENOENT, EPROBE_DEFER: as Registry.lookupCell() says.
 */
export function lookUpCell(
  lookups: LookupTable,
  registered: (name: string) => Registration | undefined,
  devId: string,
  conId: string | null | undefined,
  names: Names,
): NvmemCell {
  checkNaming('devId', devId, names);
  if (conId === null || conId === undefined) throw refusal('EINVAL', 'conId is missing');
  checkNaming('conId', conId, names);
  const lookup = lookups.matching(devId, conId);
  if (!lookup) {
    const says = `no lookup says what ${devId} means by ${JSON.stringify(conId)}`;
    throw refusal('ENOENT', says, 'Say it with addCellLookups().');
  }
  const { nvmemName, cellName } = lookup;
  const registration = registered(nvmemName);
  if (!registration) throw refusal('EPROBE_DEFER', `no device called ${nvmemName} is registered`);
  const { core, layout, layoutDone } = registration;
  const entry = core.cells.find(({ name }) => name === cellName);
  if (entry) return new NvmemCell(core, entry, conId);
  const mayCome = layout !== undefined && !layoutDone;
  const says = `${nvmemName} has no cell ${cellName}`;
  throw mayCome
    ? refusal('EPROBE_DEFER', says, `Add its layout ${layout}, or wait for layout-add.`)
    : refusal('ENOENT', says, 'Correct cellName of the lookup, or add the cell with addCell().');
}

function refusal(code: NvmemError['code'], message: string, hint?: string): NvmemError {
  return new NvmemError(code, message, { syscall: 'lookupCell', hint });
}
