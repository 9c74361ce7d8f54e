/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import { EventEmitter } from 'node:events';

import { onListenersChanged } from '../base/listeners.js';
import { LoopHold } from '../base/loop_hold.js';
import { NvmemCell } from './cell.js';
import { makeCellEntry, type NvmemCellInfo } from './cell_entry.js';
import type { NvmemEnd } from './device_end.js';
import type { DeviceWriteOptions } from '../base/write_options.js';
import type { DeviceCore, NvmemWriteResult, WriteOptions } from './device_core.js';
import type { NvmemType } from './device_facts.js';
import { boundsError, NvmemError } from '../base/errors.js';
import { makeReader, type NvmemReader } from './reader.js';
import { refuseLock, type LockOptions, type NvmemGeometry, type PartCommands } from './part_commands.js';
import { callUser } from './report.js';
import { shareDevice, type SharedToken } from './share_token.js';
import {
  checkBoolean,
  checkBytes,
  checkIsBytes,
  checkInteger,
  checkObject,
  checkOperationOptions,
  checkString,
  checkWriteOptions,
  type OperationOptions,
  typeError,
} from '../base/validate.js';
import { needCopy, needZeros } from '../base/memory.js';
import { JOURNALLED, type Journalled } from '../journal/memory.js';
import { journalledWrite } from '../journal/write.js';
import { deviceStats, type NvmemDeviceStats } from './stats.js';
import { compare, type NvmemVerifyResult } from './verify.js';

export interface NvmemDeviceEvents {
  /** Once, after every pending operation has settled: the provider is gone. */
  removed: [end: NvmemEnd];
}

/** What the maker of a handle knows besides the memory. */
export interface HandleTies {
  /** What close() does; absent: nothing, for the device is another's. */
  readonly close?: () => Promise<void>;
  readonly uri?: string | undefined;
  readonly identity?: Readonly<Record<string, string>> | undefined;
  /** Of a part on an I2C bus. */
  readonly part?: PartCommands | undefined;
  /** Where somebody else may take the provider away. */
  readonly isAlive?: () => boolean;
  /** What keeps the event loop going until the provider is gone; absent: nothing does. */
  readonly holds?: 'open' | 'listeners';
}

const NOTHING_KNOWN: Readonly<Record<string, string>> = Object.freeze({});

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
 * open(), register() and attachShared() give a handle to who has to close it; get(), find() and events give one to who only
 * uses the device. An opened one holds the event loop open until it is closed or gone, as a socket does, one of
 * attachShared() while somebody listens for 'removed', as a MessagePort does; unref() says otherwise.
 *
 * Reads overlap each other; writes to one device take turns. A failed operation rejects once, with everything that
 * is known in the error (see NvmemError); bad arguments reject with TypeError or RangeError before any I/O.
 */
export class NvmemDevice extends EventEmitter<NvmemDeviceEvents> {
  readonly #core: DeviceCore;

  /** As it was given to open(); undefined: it was registered. */
  readonly uri: string | undefined;
  /** What is behind it: of a part the bridge's part, version, serial number and clock, of a file its path. */
  readonly identity: Readonly<Record<string, string>>;
  readonly #ties: HandleTies;
  readonly #hold = new LoopHold();
  #isOver = false;

  /** @internal Devices come from register(), get() and open(). */
  constructor(core: DeviceCore, ties: HandleTies = {}) {
    super();
    this.#core = core;
    this.#ties = ties;
    this.uri = ties.uri;
    this.identity = ties.identity ?? NOTHING_KNOWN;
    cores.set(this, core);
    if (ties.holds === 'open') this.#hold.needed = true;
    if (ties.holds === 'listeners') {
      onListenersChanged(this, () => {
        this.#hold.needed = !this.#isOver && this.listenerCount('removed') > 0;
      });
    }
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
    return this.#core.gone === undefined && (this.#ties.isAlive?.() ?? true);
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
    if (!value && !this.#core.port.canWrite) {
      throw new NvmemError('EOPNOTSUPP', `the provider of ${this.name} cannot write`, {
        syscall: 'forceRo',
        device: this.name,
        hint: 'Give the provider a write function, or leave forceRo true.',
      });
    }
    this.#core.readOnly = value ? 'yes' : 'no';
  }

  /**
   * `length` bytes from `offset`, all of them unless told; keepouts read as their fill value.
   *
   * Rejects with NvmemError: ENODEV (gone, before or during the read), ABORT_ERR, ETIMEDOUT, EOPNOTSUPP, and what the
   * bus or provider says (ENXIO, EIO, EBUSY …), each with the good bytes in `partial`; EINVAL beyond the end of the
   * device.
   */
  async read(
    offset = 0,
    length = Math.max(this.size - offset, 0),
    options: OperationOptions = {},
  ): Promise<Buffer> {
    checkInteger('offset', offset, 0);
    checkInteger('length', length, 0);
    checkOperationOptions(options, ['signal', 'timeoutMs', 'onProgress']);
    return this.#core.read(offset, length, options, NvmemDevice.prototype.read);
  }

  /**
   * Writes all of `data` at `offset`, which may be changed as soon as the call has returned; keepouts are skipped.
   * What was written is read back and compared unless `verify` is false. A write-protect line is leased for the
   * time of the write, and raised again whatever happens. With `journal` it survives the death of the process: see
   * journalledWrite().
   *
   * Rejects with NvmemError: EPERM (read-only, or write control high on ST parts), EBADMSG (reads back differently:
   * most often WP is high), ENODEV, ABORT_ERR, ETIMEDOUT, EOPNOTSUPP, and what the bus or provider says, each with the
   * committed, uncertain and untouched ranges; EINVAL beyond the end of the device. With `journal` as journalledWrite().
   */
  async write(offset: number, data: Uint8Array, options: DeviceWriteOptions = {}): Promise<NvmemWriteResult> {
    checkInteger('offset', offset, 0);
    checkIsBytes('data', data);
    checkWriteOptions(options, ['signal', 'timeoutMs', 'onProgress', 'verify', 'skipEqual', 'journal']);
    const { journal } = options;
    if (journal !== undefined) return journalledWrite(this, offset, data, { ...options, journal });
    return this.#core.write(offset, data, options, NvmemDevice.prototype.write);
  }

  /**
   * Fills `length` bytes from `offset`, all of them unless told, with 0xff, as parts come from their makers. An EEPROM needs
   * no erasing before a write; this is for leaving nothing behind. With `skipEqual` what is blank already is not worn.
   * Rejects as write().
   */
  async erase(
    offset = 0,
    length = Math.max(this.size - offset, 0),
    options: WriteOptions = {},
  ): Promise<NvmemWriteResult> {
    checkInteger('offset', offset, 0);
    checkInteger('length', length, 0);
    checkWriteOptions(options, ['signal', 'timeoutMs', 'onProgress', 'verify', 'skipEqual']);
    if (length > this.size - offset) throw boundsError(this.name, this.size, offset, length);
    const blank = needZeros(length).fill(0xff);
    return this.#core.write(offset, blank, options, NvmemDevice.prototype.erase);
  }

  /**
   * Compares the device with `data` from `offset` on (default 0), and says where it differs.
   *
   * Rejects as read().
   *
   * @example
   * const { equal, differs } = await device.verify(image);
   */
  async verify(
    data: Uint8Array,
    options: OperationOptions & { readonly offset?: number | undefined } = {},
  ): Promise<NvmemVerifyResult> {
    const wanted = needCopy(checkBytes('data', data));
    const { offset = 0, ...rest } = options;
    checkOperationOptions(options, ['offset', 'signal', 'timeoutMs', 'onProgress']);
    checkInteger('options.offset', offset, 0);
    const found = await this.#core.read(offset, wanted.length, rest, NvmemDevice.prototype.verify);
    return compare(wanted, found, offset);
  }

  /**
   * What has been done to the memory since it was opened, counted where it is done: work, wear and trouble. A snapshot that does
   * not change, also after the provider has gone: the last numbers then. Reads of reader() are not counted.
   */
  get stats(): NvmemDeviceStats {
    return deviceStats(this.#core.counts, this.#core.port.stats);
  }

  /**
   * A read of `length` bytes from `offset` that is prepared once and then carried out synchronously, as often as wanted and
   * at the price of a function call. Instead of a length there may be memory to read into, in a SharedArrayBuffer.
   *
   * @throws NvmemError EOPNOTSUPP: the provider has to be waited for (an EEPROM, JavaScript); ENODEV; EINVAL beyond the
   *   end of the device. TypeError, RangeError.
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

  /**
   * Whether the lockable page of a part (ST's -D, -A125 and E types, opened at 0x58 to 0x5f) is locked for ever. Undefined:
   * this bus cannot ask without writing, for it has no repeated START. True also where WC (WP) is high and nobody lowers it,
   * because a part then answers the same. Nothing is written: the byte sent is the one that is there, and no STOP follows.
   *
   * Rejects with NvmemError: EOPNOTSUPP (no such page), ENODEV, ETIMEDOUT, ABORT_ERR, and what the bus says.
   */
  async isLocked(options: LockOptions = {}): Promise<boolean | undefined> {
    checkOperationOptions(options, ['signal', 'timeoutMs']);
    const { part } = this.#ties;
    const below = NvmemDevice.prototype.isLocked;
    return this.#core.asked('lock-state', this.size, () =>
      part ? part.isLocked(this.name, options, below) : refuseLock(this.name, 'lock-state', below),
    );
  }

  /**
   * Makes the lockable page read-only FOR EVER: nothing undoes it. Resolves with true where the part says afterwards that it
   * is locked, and with false where it has taken the command and cannot be asked.
   *
   * Rejects with NvmemError: EOPNOTSUPP (no such page), EPERM (locked already, write-protected, or opened read-only: nothing
   * was changed), ENODEV, ETIMEDOUT, ABORT_ERR, EIO, and what the bus says; the message tells whether it may be locked.
   */
  async lockPermanently(options: LockOptions = {}): Promise<boolean> {
    checkOperationOptions(options, ['signal', 'timeoutMs']);
    const { part } = this.#ties;
    const below = NvmemDevice.prototype.lockPermanently;
    return this.#core.asked('lock', this.size, () =>
      part ? part.lock(this.name, this.forceRo, options, below) : refuseLock(this.name, 'lock', below),
    );
  }

  /**
   * Whether the part is the one that the URI names: by its word address bytes and its size, as far as reading tells. It is asked
   * once, as before the first write; nothing that could change a part is sent. Undefined: no part on an I2C bus.
   *
   * Rejects with NvmemError: ENODEV, ABORT_ERR, ETIMEDOUT, and what the bus says.
   *
   * @example
   * const geometry = await device.geometry();
   * if (geometry?.verdict === 'contradicts') console.warn(geometry.reason); // it looks like a part of one address byte, …
   */
  async geometry(options: Omit<OperationOptions, 'onProgress'> = {}): Promise<NvmemGeometry | undefined> {
    checkOperationOptions(options, ['signal', 'timeoutMs']);
    const { part } = this.#ties;
    if (part === undefined) return undefined;
    return this.#core.asked('geometry', this.size, () => part.geometry(this.name, options));
  }

  /**
   * Of a handle that open() gave: unregisters the device, raises write protect, and lets go of the bridge with its last device;
   * one that the kernel does not let go of is waited for up to two seconds, and the next open() of it waits for the rest. Of one
   * that register() gave: Registry.unregister(). Of attachShared(): lets go of the device in this thread. Else nothing, as
   * nvmem_device_put(): a handle keeps nothing alive.
   *
   * Pending operations reject with ENODEV. Idempotent; never rejects.
   */
  async close(): Promise<void> {
    // What it still has to wait for holds the loop by itself.
    this.#hold.needed = false;
    await this.#ties.close?.();
  }

  /** The device no longer keeps the program, or the worker, from ending; what is under way does. */
  unref(): this {
    this.#hold.allowed = false;
    return this;
  }

  /** Takes unref() back. */
  ref(): this {
    this.#hold.allowed = true;
    return this;
  }

  /** Closes it without waiting for that. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** `await using device = await open(…)` closes it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** All cells, in the order in which they were added. */
  cells(): NvmemCell[] {
    return this.#core.cells.map((entry) => new NvmemCell(this.#core, entry));
  }

  /** @internal */
  get [JOURNALLED](): Journalled {
    const { turnKey: key, facts } = this.#core;
    return { key, keepouts: facts.keepouts };
  }

  /** @internal Tells this handle's listeners that the provider is gone. */
  announceRemoved(end: NvmemEnd): void {
    this.#isOver = true;
    this.#hold.needed = false;
    for (const listener of this.rawListeners('removed')) {
      callUser(() => {
        listener.call(this, end);
      });
    }
  }
}
