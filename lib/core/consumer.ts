/** A consumer: somebody with a name, to whom the lookup table gives cells. */
import type { CellReadOptions, NvmemCell } from './cell.js';
import type { NvmemDevice } from './device.js';

/** Where a consumer finds what it asks for: the registry. */
export interface Finder {
  get(name: string): NvmemDevice;
  lookupCell(devId: string, conId: string): NvmemCell;
}

type Numbers = 'readU8' | 'readU16' | 'readU32' | 'readVariableLeU32';

export class NvmemConsumer {
  readonly #registry: Finder;
  /** What lookups call `devId`. */
  readonly name: string;

  /** @internal Consumers come from Registry.consumer(). */
  constructor(registry: Finder, name: string) {
    this.#registry = registry;
    this.name = name;
  }

  /** nvmem_device_get() @throws NvmemError EPROBE_DEFER: nobody has registered it (yet). */
  device(name: string): NvmemDevice {
    return this.#registry.get(name);
  }

  /** nvmem_cell_get() @throws NvmemError EINVAL, ENOENT, EPROBE_DEFER; see Registry.lookupCell(). */
  cell(conId: string): NvmemCell {
    return this.#registry.lookupCell(this.name, conId);
  }

  /** Get and read in one, as nvmem_cell_read_u8() does. Rejects with what either says. */
  async readU8(conId: string, options?: CellReadOptions): Promise<number> {
    return this.#number('readU8', conId, options);
  }

  /** nvmem_cell_read_u16() */
  async readU16(conId: string, options?: CellReadOptions): Promise<number> {
    return this.#number('readU16', conId, options);
  }

  /** nvmem_cell_read_u32() */
  async readU32(conId: string, options?: CellReadOptions): Promise<number> {
    return this.#number('readU32', conId, options);
  }

  /** nvmem_cell_read_u64() */
  async readU64(conId: string, options?: CellReadOptions): Promise<bigint> {
    return this.cell(conId).readU64(options);
  }

  /** nvmem_cell_read_variable_le_u32() */
  async readVariableLeU32(conId: string, options?: CellReadOptions): Promise<number> {
    return this.#number('readVariableLeU32', conId, options);
  }

  /** nvmem_cell_read_variable_le_u64() */
  async readVariableLeU64(conId: string, options?: CellReadOptions): Promise<bigint> {
    return this.cell(conId).readVariableLeU64(options);
  }

  #number(how: Numbers, conId: string, options?: CellReadOptions): Promise<number> {
    return this.cell(conId)[how](options);
  }
}
