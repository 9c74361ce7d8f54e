/** The machine's table of cells by consumer (struct nvmem_cell_lookup). */
import { checkKeys, checkObject, checkString } from '../base/validate.js';

export interface NvmemCellLookup {
  /** Name of the device that has the cell. */
  readonly nvmemName: string;
  readonly cellName: string;
  /** Name of the consumer. */
  readonly devId: string;
  /** What the consumer calls the cell. */
  readonly conId: string;
}

export class LookupTable {
  #entries: NvmemCellLookup[] = [];

  /** nvmem_add_cell_lookups() */
  add(lookups: readonly NvmemCellLookup[]): void {
    lookups.forEach(checkLookup);
    this.#entries.push(...lookups);
  }

  /** nvmem_del_cell_lookups(): the same objects, or equal ones. One that is not there is no error. */
  remove(lookups: readonly NvmemCellLookup[]): void {
    lookups.forEach(checkLookup);
    for (const lookup of lookups) {
      const at = this.#entries.findIndex((entry) => entry === lookup || same(entry, lookup));
      if (at >= 0) this.#entries.splice(at, 1);
    }
  }

  /** In the order in which they were added: the first that fits is the one. */
  matching(devId: string, conId: string): NvmemCellLookup | undefined {
    return this.#entries.find((entry) => entry.devId === devId && entry.conId === conId);
  }
}

function checkLookup(lookup: NvmemCellLookup): void {
  const keys = ['nvmemName', 'cellName', 'devId', 'conId'] as const;
  checkKeys('lookup', checkObject('lookup', lookup), keys);
  for (const key of keys) checkString(`lookup.${key}`, lookup[key]);
}

function same(a: NvmemCellLookup, b: NvmemCellLookup): boolean {
  return (
    a.nvmemName === b.nvmemName && a.cellName === b.cellName && a.devId === b.devId && a.conId === b.conId
  );
}
