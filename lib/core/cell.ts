/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import type { CellEntry } from './cell_entry.js';
import type { DeviceCore, NvmemWriteResult, WriteOptions } from './device_core.js';
import { checkOperationOptions, checkString, type OperationOptions } from './validate.js';

export interface CellReadOptions extends OperationOptions {
  /** Handed to the cell's readPostProcess: the name under which it is read. */
  readonly id?: string | undefined;
}

/**
 * A consumer's handle on a named cell (struct nvmem_cell). It may be kept for ever: once the provider is gone every
 * operation gives ENODEV.
 */
export class NvmemCell {
  readonly #core: DeviceCore;
  readonly #entry: CellEntry;

  /** @internal */
  constructor(core: DeviceCore, entry: CellEntry) {
    this.#core = core;
    this.#entry = entry;
  }

  get name(): string {
    return this.#entry.name;
  }

  /** Name of the device it belongs to. */
  get device(): string {
    return this.#core.facts.name;
  }

  /** Device offset, bytes. */
  get offset(): number {
    return this.#entry.offset;
  }

  /** Length of what read() gives, bytes. */
  get bytes(): number {
    return this.#entry.bytes;
  }

  /** First bit of a bit cell, counted from the least significant bit of its first byte. */
  get bitOffset(): number {
    return this.#entry.bitOffset;
  }

  /** Width of a bit cell; 0: whole bytes. */
  get nbits(): number {
    return this.#entry.nbits;
  }

  /**
   * The cell's value: `bytes` bytes, a bit cell's field moved down to bit 0, after its readPostProcess.
   *
   * Rejects with NvmemError: ENODEV, ABORT_ERR, ETIMEDOUT, EOPNOTSUPP, what the provider says, what the hook says
   * (EIO where it says nothing); RangeError EINVAL where the cell lies beyond the end of the device.
   */
  async read(options: CellReadOptions = {}): Promise<Buffer> {
    checkOperationOptions(options, ['signal', 'timeoutMs', 'id']);
    if (options.id !== undefined) checkString('options.id', options.id);
    return this.#core.readCell(this.#entry, options.id, 0, options, NvmemCell.prototype.read);
  }

  /**
   * Writes the cell: `bytes` bytes or, for a bit cell, as few as its bits take. A bit cell is one read-modify-write,
   * alone on the device; all neighbouring bits stay (the kernel's own is wrong there, fact sheet defect D20).
   *
   * Rejects with NvmemError: EINVAL as the kernel (wrong length, read-only device, or a cell with readPostProcess),
   * EBADMSG where what is read back differs, ENODEV, ABORT_ERR, ETIMEDOUT, EOPNOTSUPP, what the provider says.
   */
  async write(data: Uint8Array, options: Omit<WriteOptions, 'onProgress'> = {}): Promise<NvmemWriteResult> {
    checkOperationOptions(options, ['signal', 'timeoutMs', 'verify']);
    return this.#core.writeCell(this.#entry, data, options, NvmemCell.prototype.write);
  }
}
