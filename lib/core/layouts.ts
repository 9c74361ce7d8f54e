/** Layouts: who knows where the cells of a memory are by looking into it (the kernel's nvmem-layout bus). */
import type { NvmemCellInfo } from './cell_entry.js';
import type { NvmemDevice } from './device.js';
import { NvmemError } from '../base/errors.js';
import { checkNeededMethod, checkObject, checkString } from '../base/validate.js';

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

/** A layout as it was when it was added. */
interface KnownLayout {
  readonly layout: NvmemLayout;
  readonly addCells: (context: LayoutContext) => unknown;
}

/** The layouts a registry knows, by name. */
export class LayoutTable {
  readonly #layouts = new Map<string, KnownLayout>();

  /** @throws NvmemError EINVAL: no addCells; EBUSY: the name is taken. */
  add(layout: NvmemLayout): void {
    checkObject('layout', layout);
    const name = checkString('layout.name', layout.name);
    const addCells = checkNeededMethod('layout', layout, 'addCells');
    if (this.#layouts.has(name)) {
      throw new NvmemError('EBUSY', `a layout called ${name} is there already`, {
        syscall: 'addLayout',
        hint: 'Remove that one first, with removeLayout(), or use another name.',
      });
    }
    this.#layouts.set(name, { layout, addCells });
  }

  remove(layout: NvmemLayout): boolean {
    checkObject('layout', layout);
    for (const [name, known] of this.#layouts) {
      if (known.layout === layout) return this.#layouts.delete(name);
    }
    return false;
  }

  get(name: string): KnownLayout | undefined {
    return this.#layouts.get(name);
  }
}
