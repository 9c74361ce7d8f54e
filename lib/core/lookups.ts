/** The machine's table of cells by consumer (struct nvmem_cell_lookup). */
import { checkNaming, type Names } from './naming.js';
import { checkKeys, checkObject } from '../base/validate.js';

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
  add(lookups: readonly NvmemCellLookup[], names: Names): void {
    // Copied, all of them before the first is there: what the caller's objects say later is not asked.
    this.#entries.push(...lookups.map((lookup) => checkLookup(lookup, names)));
  }

  /** nvmem_del_cell_lookups(): equal ones. One that is not there is no error. */
  remove(lookups: readonly NvmemCellLookup[], names: Names): void {
    for (const lookup of lookups.map((one) => checkLookup(one, names))) {
      const at = this.#entries.findIndex((entry) => same(entry, lookup));
      if (at >= 0) this.#entries.splice(at, 1);
    }
  }

  /** In the order in which they were added: the first that fits is the one. */
  matching(devId: string, conId: string): NvmemCellLookup | undefined {
    return this.#entries.find((entry) => entry.devId === devId && entry.conId === conId);
  }
}

function checkLookup(lookup: NvmemCellLookup, names: Names): NvmemCellLookup {
  const keys = ['nvmemName', 'cellName', 'devId', 'conId'] as const;
  checkKeys('lookup', checkObject('lookup', lookup), keys);
  const [nvmemName, cellName, devId, conId] = keys.map((key) =>
    checkNaming(`lookup.${key}`, lookup[key], names),
  ) as [string, string, string, string];
  return { nvmemName, cellName, devId, conId };
}

function same(a: NvmemCellLookup, b: NvmemCellLookup): boolean {
  return (
    a.nvmemName === b.nvmemName && a.cellName === b.cellName && a.devId === b.devId && a.conId === b.conId
  );
}
