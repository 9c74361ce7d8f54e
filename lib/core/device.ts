/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import { EventEmitter } from 'node:events';

import { NvmemCell } from './cell.js';
import { makeCellEntry, type NvmemCellInfo } from './cell_entry.js';
import type { DeviceCore, NvmemType, NvmemWriteResult, WriteOptions } from './device_core.js';
import { NvmemError } from '../base/errors.js';
import { makeReader, type NvmemReader } from './reader.js';
import { callUser } from './report.js';
import { shareDevice, type SharedToken } from './share_token.js';
import { deviceFiles, type NvmemFiles } from '../kernel/user_files.js';
import {
  checkBoolean,
  checkIsBytes,
  checkInteger,
  checkObject,
  boundsError,
  checkOperationOptions,
  checkString,
  checkWriteOptions,
  type OperationOptions,
  typeError,
} from '../base/validate.js';

/** Counters of a device, from its opening on; see NvmemDevice.stats. */
export interface NvmemDeviceStats {
  /** Bytes read from the part, those of verification and of skipEqual's comparison among them. */
  readonly bytesRead: number;
  /** Bytes sent to the part in page writes that it took. */
  readonly bytesWritten: number;
  /** Page writes that it took; each wears its page once. */
  readonly writeCycles: number;
  /** Pages that held the data already and were left alone (skipEqual). */
  readonly pagesSkipped: number;
  /** Transfers tried again: the part was busy with an earlier write, or arbitration was lost. */
  readonly retries: number;
  /** Writes that read back differently. */
  readonly verifyFailures: number;
}

export interface NvmemDeviceEvents {
  /** Once, after every pending operation has settled: the provider is gone, and why in a few words. */
  removed: [reason: string];
}

/** A cell that is not registered: where it lies, without a name. */
export type AdHocCellInfo = Omit<NvmemCellInfo, 'name'> & { readonly name?: string | undefined };

const cores = new WeakMap<NvmemDevice, DeviceCore>();

/** The device behind a handle; for the core's own modules. */
export function coreOf(device: NvmemDevice): DeviceCore {
  const core = cores.get(device);
  if (!core) throw typeError('device', 'a device of this library', device);
  return core;
}

/**
 * A handle on a registered memory. It may be kept for ever and never blocks an unplug: once the provider is gone
 * every operation gives ENODEV.
 *
 * Reads overlap each other; writes to one device take turns. A failed operation rejects once, with everything that
 * is known in the error (see NvmemError); bad arguments reject with TypeError or RangeError before any I/O.
 */
export class NvmemDevice extends EventEmitter<NvmemDeviceEvents> {
  readonly #core: DeviceCore;

  /** @internal Devices come from Nvmem.register(), Nvmem.get() and open(). */
  constructor(core: DeviceCore) {
    super();
    this.#core = core;
    cores.set(this, core);
  }

  /** As the registry knows it. */
  get name(): string {
    return this.#core.facts.name;
  }

  /** Bytes. */
  get size(): number {
    return this.#core.facts.size;
  }

  /** What it is, in the kernel's words. */
  get type(): NvmemType {
    return this.#core.facts.type;
  }

  /** Smallest access of the provider, bytes. */
  get wordSize(): number {
    return this.#core.facts.wordSize;
  }

  /** Offsets at the user boundary and of cells are multiples of it, bytes. */
  get stride(): number {
    return this.#core.facts.stride;
  }

  /** Only its owner may read it at the user boundary. */
  get rootOnly(): boolean {
    return this.#core.facts.rootOnly;
  }

  /** Whether its provider is still there. */
  get alive(): boolean {
    return this.#core.gone === undefined;
  }

  /**
   * The kernel's force_ro: whether cells and the user boundary refuse writes. A device with a write-protect line
   * begins with true (as from Linux 7.3) though write() itself works and leases the line; setting it to true makes
   * write() refuse as well (EPERM), setting it to false lets every write through.
   *
   * @throws NvmemError EOPNOTSUPP: set to false on a provider that cannot write.
   */
  get forceRo(): boolean {
    return this.#core.readOnly !== 'no';
  }

  set forceRo(value: boolean) {
    checkBoolean('forceRo', value);
    if (!value && !this.#core.backend.canWrite) {
      throw new NvmemError('EOPNOTSUPP', `the provider of ${this.name} cannot write`, {
        syscall: 'forceRo',
        device: this.name,
        hint: 'Give the provider a write function, or leave forceRo true.',
      });
    }
    this.#core.readOnly = value ? 'yes' : 'no';
  }

  /**
   * `length` bytes from `offset`; keepouts read as their fill value.
   *
   * Rejects with NvmemError: ENODEV (gone, before or during the read), ABORT_ERR, ETIMEDOUT, EOPNOTSUPP, and what the
   * bus or provider says (ENXIO, EIO, EBUSY …), each with the good bytes in `partial`; RangeError with code EINVAL
   * beyond the end of the device.
   */
  async read(offset: number, length: number, options: OperationOptions = {}): Promise<Buffer> {
    checkInteger('offset', offset, 0);
    checkInteger('length', length, 0);
    checkOperationOptions(options, ['signal', 'timeoutMs', 'onProgress']);
    return this.#core.read(offset, length, options, NvmemDevice.prototype.read);
  }

  /**
   * Writes all of `data` at `offset`, which may be changed as soon as the call has returned; keepouts are skipped.
   * What was written is read back and compared unless `verify` is false. A write-protect line is leased for the
   * time of the write, and raised again whatever happens.
   *
   * Rejects with NvmemError: EPERM (read-only, or write control high on ST parts), EBADMSG (reads back differently:
   * most often WP is high), ENODEV, ABORT_ERR, ETIMEDOUT, EOPNOTSUPP, and what the bus or provider says, each with the
   * committed, uncertain and untouched ranges; RangeError with code EINVAL beyond the end of the device.
   */
  async write(offset: number, data: Uint8Array, options: WriteOptions = {}): Promise<NvmemWriteResult> {
    checkInteger('offset', offset, 0);
    checkIsBytes('data', data);
    checkWriteOptions(options, ['signal', 'timeoutMs', 'onProgress', 'verify', 'skipEqual']);
    return this.#core.write(offset, data, options, NvmemDevice.prototype.write);
  }

  /**
   * Fills `length` bytes from `offset`, all of them unless told, with 0xff, as parts come from their makers. An EEPROM needs
   * no erasing before a write; this is for leaving nothing behind. With `skipEqual` what is blank already is not worn.
   * Rejects as write().
   */
  async erase(
    offset = 0,
    length = this.size - offset,
    options: WriteOptions = {},
  ): Promise<NvmemWriteResult> {
    checkInteger('offset', offset, 0);
    checkInteger('length', length, 0);
    checkWriteOptions(options, ['signal', 'timeoutMs', 'onProgress', 'verify', 'skipEqual']);
    if (length > this.size - offset) throw boundsError(this.name, this.size, offset, length);
    const blank = new Uint8Array(length).fill(0xff);
    return this.#core.write(offset, blank, options, NvmemDevice.prototype.erase);
  }

  /**
   * What has been done to the memory since it was opened, counted where it is done: wear and trouble of an EEPROM. A
   * snapshot, also after the provider has gone. Undefined: a provider that counts nothing (memory, files, JavaScript).
   */
  get stats(): NvmemDeviceStats | undefined {
    return this.#core.backend.stats;
  }

  /**
   * A read of `length` bytes from `offset` that is prepared once and then carried out synchronously, as often as wanted and
   * at the price of a function call. Instead of a length there may be memory to read into, in a SharedArrayBuffer.
   *
   * @throws NvmemError EOPNOTSUPP: the provider has to be waited for (an EEPROM, JavaScript); ENODEV. TypeError, RangeError
   *   (code EINVAL beyond the end of the device).
   *
   * @example
   * const reader = device.reader(0x10, 6);
   * for (;;) use(reader.readSync()); // the same buffer every time
   */
  reader(offset: number, length: number | Uint8Array): NvmemReader {
    return makeReader(this.#core, offset, length, NvmemDevice.prototype.reader);
  }

  /**
   * A token for attachShared() in any thread of this process, the same every time. It can be posted, and keeps nothing
   * alive: when the device is unregistered, or this thread ends, it is worth nothing.
   *
   * @throws NvmemError EOPNOTSUPP: the provider is JavaScript, which stays in its thread; ENODEV.
   */
  share(): SharedToken {
    return shareDevice(this.#core);
  }

  /**
   * The cell of that name.
   *
   * @throws NvmemError ENOENT: the device has no such cell.
   */
  cell(name: string): NvmemCell {
    checkString('name', name);
    const entry = this.#core.cells.find((cell) => cell.name === name);
    if (entry) return new NvmemCell(this.#core, entry);
    const names = this.#core.cells.map((cell) => cell.name).join(', ') || 'none';
    throw new NvmemError('ENOENT', `${this.name} has no cell ${JSON.stringify(name)}; it has ${names}`, {
      syscall: 'cell',
      device: this.name,
      hint: 'Name one of these, or give the device its cells when it is opened or registered.',
    });
  }

  /**
   * Reads a cell that nobody has registered (nvmem_device_cell_read()). Rejects as NvmemCell.read(), and with NvmemError
   * EINVAL where its offset is off the stride or its rawLength off the word size.
   */
  async cellRead(info: AdHocCellInfo, options: OperationOptions = {}): Promise<Buffer> {
    return this.#adHoc(info).read(options);
  }

  /** Writes one (nvmem_device_cell_write()). Rejects as NvmemCell.write() and cellRead(). */
  async cellWrite(
    info: AdHocCellInfo,
    data: Uint8Array,
    options: Omit<WriteOptions, 'onProgress'> = {},
  ): Promise<NvmemWriteResult> {
    return this.#adHoc(info).write(data, options);
  }

  #adHoc(info: AdHocCellInfo): NvmemCell {
    checkObject('info', info);
    const { wordSize, stride } = this.#core.facts;
    const entry = makeCellEntry('info', { ...info, name: info.name ?? 'cell' }, wordSize, stride);
    return new NvmemCell(this.#core, entry);
  }

  /** The user boundary: what sysfs shows of the device (`nvmem`, `type`, `force_ro`, `cells/NAME@OFFSET,BIT`). */
  get files(): NvmemFiles {
    return deviceFiles(this.#core);
  }

  /** Nothing to do (nvmem_device_put()): a handle keeps nothing alive. It is there for `using`. */
  [Symbol.dispose](): void {
    // The kernel counts references here; a handle of this library has none.
  }

  /** All cells, in the order in which they were added. */
  cells(): NvmemCell[] {
    return this.#core.cells.map((entry) => new NvmemCell(this.#core, entry));
  }

  /** @internal Tells this handle's listeners that the provider is gone. */
  announceRemoved(reason: string): void {
    for (const listener of this.rawListeners('removed')) {
      callUser(() => {
        listener.call(this, reason);
      });
    }
  }
}
