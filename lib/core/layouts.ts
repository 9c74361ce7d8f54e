/** Layouts: who knows where the cells of a memory are by looking into it (the kernel's nvmem-layout bus). */
import type { NvmemCellInfo } from './cell_entry.js';
import type { NvmemDevice } from './device.js';
import { NvmemError } from '../base/errors.js';
import { checkFunction, checkObject, checkString } from '../base/validate.js';

export interface LayoutContext {
  readonly device: NvmemDevice;
  /** Adds one cell (nvmem_add_one_cell()). @throws NvmemError EINVAL, ENODEV */
  readonly addCell: (info: NvmemCellInfo) => void;
}

/**
 * A layout driver, of anybody's making. It is called once for every device whose configuration names it, when both are
 * there; what it throws or rejects with is announced as 'layout-add' with that error, and the cells it had added go.
 */
export interface NvmemLayout {
  /** What configurations call it ("onie,tlv-layout"). */
  readonly name: string;
  addCells(context: LayoutContext): void | Promise<void>;
}

/** The layouts a registry knows, by name. */
export class LayoutTable {
  readonly #layouts = new Map<string, NvmemLayout>();

  /** @throws NvmemError EINVAL: no addCells; EBUSY: the name is taken. */
  add(layout: NvmemLayout): void {
    checkObject('layout', layout);
    const name = checkString('layout.name', layout.name);
    checkFunction('layout.addCells', Reflect.get(layout, 'addCells'));
    if (this.#layouts.has(name)) {
      throw new NvmemError('EBUSY', `a layout called ${name} is there already`, { syscall: 'addLayout' });
    }
    this.#layouts.set(name, layout);
  }

  remove(layout: NvmemLayout): boolean {
    checkObject('layout', layout);
    return this.#layouts.get(layout.name) === layout && this.#layouts.delete(layout.name);
  }

  get(name: string): NvmemLayout | undefined {
    return this.#layouts.get(name);
  }
}
