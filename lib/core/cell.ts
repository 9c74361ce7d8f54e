/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import type { CellEntry } from './cell_entry.js';
import type { DeviceCore, NvmemWriteResult, WriteOptions } from './device_core.js';
import { hostNumber, variableNumber } from './numbers.js';
import { makeCellReader, type NvmemReader } from './reader.js';
import {
  checkBytes,
  checkInteger,
  checkOperationOptions,
  checkString,
  checkWriteOptions,
  type OperationOptions,
  typeError,
} from '../base/validate.js';

export interface CellReadOptions extends OperationOptions {
  /** Handed to the cell's readPostProcess: the name under which it is read. */
  readonly id?: string | undefined;
  /** Handed to the cell's readPostProcess: the argument of the reference (a MAC address's number); default 0. */
  readonly index?: number | undefined;
}

/** @internal What is behind a handle. */
export interface CellParts {
  readonly core: DeviceCore;
  readonly entry: CellEntry;
  readonly id: string | undefined;
}

/**
 * A consumer's handle on a named cell (struct nvmem_cell). It may be kept for ever: once the provider is gone every
 * operation gives ENODEV.
 */
export class NvmemCell {
  readonly #core: DeviceCore;
  readonly #entry: CellEntry;
  readonly #id: string | undefined;
  #reader: NvmemReader | undefined;

  /** @internal `id`: the name under which a consumer got it. */
  constructor(core: DeviceCore, entry: CellEntry, id?: string) {
    this.#core = core;
    this.#entry = entry;
    this.#id = id;
  }

  /** @internal */
  static partsOf(cell: NvmemCell): CellParts {
    if (!(cell instanceof NvmemCell)) throw typeError('cell', 'a cell of this library', cell);
    return { core: cell.#core, entry: cell.#entry, id: cell.#id };
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
    checkOperationOptions(options, ['signal', 'timeoutMs', 'id', 'index']);
    const { id = this.#id, index = 0 } = options;
    if (id !== undefined) checkString('options.id', id);
    checkInteger('options.index', index, 0, 0x7fffffff);
    return this.#core.readCell(this.#entry, id, index, options, NvmemCell.prototype.read);
  }

  /**
   * The cell's value, synchronously; see NvmemDevice.reader(). The buffer is the caller's to keep.
   *
   * @throws NvmemError as reader(), and ENODEV.
   */
  readSync(): Buffer {
    this.#reader ??= makeCellReader(this.#core, this.#entry, NvmemCell.prototype.readSync);
    return Buffer.from(this.#reader.readSync());
  }

  /**
   * A synchronous read of the cell that is prepared once: its readSync() fills the same buffer every time.
   *
   * @throws NvmemError EOPNOTSUPP: the provider has to be waited for, or the cell has a readPostProcess, which may be; ENODEV.
   */
  reader(): NvmemReader {
    return makeCellReader(this.#core, this.#entry, NvmemCell.prototype.reader);
  }

  /**
   * The value of a cell of exactly one byte, in the host's byte order like the next three (nvmem_cell_read_u8()).
   *
   * Rejects as read(), and with NvmemError EINVAL where the cell has another length.
   */
  async readU8(options: CellReadOptions = {}): Promise<number> {
    return Number(hostNumber(this.#entry, await this.read(options), 1, this.device));
  }

  /** As readU8(), two bytes. */
  async readU16(options: CellReadOptions = {}): Promise<number> {
    return Number(hostNumber(this.#entry, await this.read(options), 2, this.device));
  }

  /** As readU8(), four bytes. */
  async readU32(options: CellReadOptions = {}): Promise<number> {
    return Number(hostNumber(this.#entry, await this.read(options), 4, this.device));
  }

  /** As readU8(), eight bytes. */
  async readU64(options: CellReadOptions = {}): Promise<bigint> {
    return hostNumber(this.#entry, await this.read(options), 8, this.device);
  }

  /**
   * The value of a cell of up to four bytes, little-endian whatever the host; of a bit cell, its bits
   * (nvmem_cell_read_variable_le_u32()).
   *
   * Rejects as read(), and with NvmemError ERANGE where the value takes more bytes.
   */
  async readVariableLeU32(options: CellReadOptions = {}): Promise<number> {
    return Number(variableNumber(this.#entry, await this.read(options), 4, this.device));
  }

  /** As readVariableLeU32(), up to eight bytes. */
  async readVariableLeU64(options: CellReadOptions = {}): Promise<bigint> {
    return variableNumber(this.#entry, await this.read(options), 8, this.device);
  }

  /** Nothing to do (nvmem_cell_put()): a handle keeps nothing alive. It is there for `using`. */
  [Symbol.dispose](): void {
    // The kernel counts references here; a handle of this library has none.
  }

  /**
   * Writes the cell: `bytes` bytes or, for a bit cell, as few as its bits take. A bit cell is one read-modify-write,
   * alone on the device; all neighbouring bits stay (the kernel's own is wrong there, docs/defects.md, D20).
   *
   * Rejects with NvmemError: EINVAL as the kernel (wrong length, read-only device, or a cell with readPostProcess),
   * EBADMSG where what is read back differs, ENODEV, ABORT_ERR, ETIMEDOUT, EOPNOTSUPP, what the provider says.
   */
  async write(data: Uint8Array, options: Omit<WriteOptions, 'onProgress'> = {}): Promise<NvmemWriteResult> {
    const bytes = checkBytes('data', data);
    checkWriteOptions(options, ['signal', 'timeoutMs', 'verify', 'skipEqual']);
    return this.#core.writeCell(this.#entry, bytes, options, NvmemCell.prototype.write);
  }
}
