/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import { EventEmitter } from 'node:events';

import { LoopHold } from '../base/loop_hold.js';
import { needCopy, needZeros } from '../base/memory.js';
import { boundsError, NvmemError } from '../base/errors.js';
import {
  checkBoolean,
  checkInteger,
  checkIsBytes,
  checkBytes,
  checkString,
  type OperationOptions,
} from '../base/validate.js';
import { coreOf, type AdHocCellInfo } from '../core/device.js';
import type { Below, NvmemWriteResult } from '../core/device_core.js';
import type { NvmemType } from '../core/device_facts.js';
import { tellDevice } from '../core/diagnostics.js';
import { compare, type NvmemVerifyResult } from '../core/verify.js';
import type { NvmemReader } from '../core/reader.js';
import { callUser } from '../core/report.js';
import { JOURNALLED, type Journalled } from '../journal/memory.js';
import { Call, type Surroundings } from './call.js';
import { FollowedCell, readCell, writeCell } from './cell.js';
import { Changes } from './events.js';
import { forgetting, type Evidence } from './evidence.js';
import { journalledOf, writeWithJournal } from './journalled.js';
import { forgetFollower, noteFollower } from './known.js';
import { KnownCells } from './known_cells.js';
import type { FollowChange, FollowState, Life } from './life.js';
import {
  checkFollowWriteOptions,
  checkProgress,
  checkReadOptions,
  type FollowCellReadOptions,
  type FollowCellWriteOptions,
  type FollowEraseOptions,
  type FollowReadOptions,
  type FollowWriteOptions,
} from './options.js';
import type { FollowToken } from './token.js';
import { readOn } from './read.js';
import {
  FollowReadStream,
  FollowWriteStream,
  type ReadStreamOptions,
  type WriteStreamOptions,
} from './streams.js';
import type { FollowEvents, FollowSetup, FollowStats } from './setup.js';
import { Tally } from './tally.js';
import { Turns } from './turns.js';
import { UnderWay } from './under_way.js';
import { Writing } from './write.js';

/**
 * A memory that is followed: it has every operation of an NvmemDevice, and each presence of the memory is a new device behind it.
 * Made by follow() and followShared().
 *
 * It holds the event loop until it is closed, unless unref() says otherwise; what is under way holds it in any case.
 */
export class FollowedDevice extends EventEmitter<FollowEvents> {
  /** As it was given to follow(). */
  readonly uri: string;
  readonly #setup: FollowSetup;
  readonly #life: Life;
  readonly #around: Surroundings;
  readonly #hold = new LoopHold();
  readonly #changes = new Changes();
  readonly #underWay = new UnderWay();
  readonly #known: KnownCells;
  #state: FollowState = 'absent';
  #forceRo: boolean | undefined;
  #lastError: NvmemError | undefined;
  #closing: Promise<void> | undefined;
  readonly #tally = new Tally();

  /** @internal */
  constructor(setup: FollowSetup) {
    super();
    this.uri = setup.uri;
    this.#setup = setup;
    this.#known = new KnownCells(setup.cells, this, () => this.#life.lastDevice);
    const evidence = new Set<Evidence>();
    this.#life = setup.makeLife(
      {
        changed: (change) => {
          this.#changed(change);
        },
        failed: (error) => {
          this.#failed(error);
        },
      },
      evidence,
      (device) => {
        this.#tally.add(device);
        if (this.#forceRo !== undefined) device.forceRo = this.#forceRo;
        const core = coreOf(device);
        core.turnKey = this;
        core.wrote = forgetting(evidence, setup.pageSize);
      },
    );
    this.#around = {
      life: this.#life,
      clock: setup.clock,
      turns: new Turns(),
      evidence,
      before: new Set(),
      pageSize: setup.pageSize,
      onUnplug: setup.onUnplug,
      name: () => this.name,
      underWay: this.#underWay,
      resumed: () => {
        this.#tally.resumes++;
      },
    };
    this.#hold.needed = true;
    noteFollower(this, () => this.#life.device);
  }

  get state(): FollowState {
    return this.#life.current.state;
  }

  /** The state, since when, and why. */
  get current(): FollowChange {
    return this.#life.current;
  }

  /** What opening it failed with last; undefined: it has not failed since it was present. */
  get lastError(): NvmemError | undefined {
    return this.#lastError;
  }

  /** As the registry knows it; before it has a name, its URI. */
  get name(): string {
    return this.#setup.name ?? this.#life.lastDevice?.name ?? this.uri;
  }

  /**
   * Bytes.
   *
   * @throws NvmemError EPROBE_DEFER: it is not known, because the memory has not been there yet (sysfs://).
   */
  get size(): number {
    const size = this.#knownSize;
    if (size === undefined) throw this.#unknown('size', 'its size');
    return size;
  }

  /** What it is, in the kernel's words; 'Unknown' until it has been there. */
  get type(): NvmemType {
    return this.#life.lastDevice?.type ?? 'Unknown';
  }

  /** Smallest access of the provider, bytes. */
  get wordSize(): number {
    return this.#life.lastDevice?.wordSize ?? 1;
  }

  /** Offsets of cells are multiples of it, bytes. */
  get stride(): number {
    return this.#life.lastDevice?.stride ?? 1;
  }

  get rootOnly(): boolean {
    return this.#life.lastDevice?.rootOnly ?? false;
  }

  /** Whether it is present. */
  get alive(): boolean {
    return this.state === 'present' && this.#life.device?.alive === true;
  }

  /** As NvmemDevice.forceRo, of every device that is behind it from now on. */
  get forceRo(): boolean {
    return this.#life.device?.forceRo ?? this.#forceRo ?? false;
  }

  set forceRo(value: boolean) {
    checkBoolean('forceRo', value);
    const { device } = this.#life;
    if (device) device.forceRo = value;
    this.#forceRo = value;
  }

  /** As NvmemDevice.stats, of all devices that were behind it together, those that were proved to be others among them. */
  get stats(): FollowStats {
    return this.#tally.stats;
  }

  /**
   * Resolves when it is present: at once where it is.
   *
   * Rejects with NvmemError: ETIMEDOUT, ABORT_ERR, ESTALE (another memory is there, see accept()), ENODEV (it is closed).
   */
  async present(options: Omit<OperationOptions, 'onProgress'> = {}): Promise<void> {
    checkReadOptions(options, []);
    const how = { ...options, onUnplug: 'wait' as const };
    const call = new Call(this.#around, 'present', 0, 0, how, FollowedDevice.prototype.present);
    await call.run(() => Promise.resolve());
  }

  /** The state as it is, then every change of it, until it is closed. */
  changes(): AsyncGenerator<FollowChange, void, undefined> {
    return this.#changes.iterate(this.current);
  }

  /**
   * The memory that is there now is the one to follow from now on.
   *
   * @throws NvmemError EINVAL: nothing was replaced.
   */
  accept(): void {
    this.#life.accept();
  }

  /** As NvmemDevice.read(). Rejects as that, and with ESTALE: another memory is there now; `partial` is of the one before. */
  async read(offset = 0, length?: number, options: FollowReadOptions = {}): Promise<Buffer> {
    checkInteger('offset', offset, 0);
    const count = checkInteger('length', length ?? Math.max(this.size - offset, 0), 0);
    checkReadOptions(options, ['onProgress']);
    this.#checkBounds(offset, count);
    return readOn(this.#around, 'read', offset, count, options, FollowedDevice.prototype.read);
  }

  /**
   * As NvmemDevice.write(). Rejects as that, and with ESTALE: the ranges it tells are those of the memory before.
   *
   * With `journal` the file is there until the write is done, over all unplugs; where the write fails after anything was written,
   * it stays. Until then another memory is also told by the old content.
   */
  async write(offset: number, data: Uint8Array, options: FollowWriteOptions = {}): Promise<NvmemWriteResult> {
    checkInteger('offset', offset, 0);
    checkIsBytes('data', data);
    const bytes = checkBytes('data', data);
    checkFollowWriteOptions(options, ['onProgress', 'journal']);
    const { journal } = options;
    if (journal !== undefined) {
      const mayWait = this.#knownSize === undefined && (options.onUnplug ?? this.#setup.onUnplug) === 'wait';
      return writeWithJournal(this, offset, bytes, { ...options, journal }, mayWait);
    }
    return this.#write('write', offset, bytes, options, FollowedDevice.prototype.write);
  }

  /** As NvmemDevice.erase(). Rejects as write(). */
  async erase(offset = 0, length?: number, options: FollowEraseOptions = {}): Promise<NvmemWriteResult> {
    checkInteger('offset', offset, 0);
    const count = checkInteger('length', length ?? Math.max(this.size - offset, 0), 0);
    checkFollowWriteOptions(options, ['onProgress']);
    this.#checkBounds(offset, count);
    const blank = needZeros(count).fill(0xff);
    return this.#write('write', offset, blank, options, FollowedDevice.prototype.erase);
  }

  /** As NvmemDevice.verify(). Rejects as read(). */
  async verify(
    data: Uint8Array,
    options: FollowReadOptions & { readonly offset?: number | undefined } = {},
  ): Promise<NvmemVerifyResult> {
    const wanted = needCopy(checkBytes('data', data));
    const { offset = 0, ...rest } = options;
    checkReadOptions(rest, ['onProgress']);
    checkInteger('options.offset', offset, 0);
    this.#checkBounds(offset, wanted.length);
    const below = FollowedDevice.prototype.verify;
    const found = await readOn(this.#around, 'verify', offset, wanted.length, rest, below);
    return compare(wanted, found, offset);
  }

  /**
   * A handle on the cell of that name, for ever.
   *
   * @throws NvmemError ENOENT: it has no such cell; EPROBE_DEFER: that is not known yet (sysfs://).
   */
  cell(name: string): FollowedCell {
    checkString('name', name);
    const place = this.#known.place(name);
    if (place) return new FollowedCell(this.#around, place);
    throw this.#knownSize === undefined
      ? this.#unknown('cell', 'which cells it has')
      : this.#known.missing(name);
  }

  /** All cells that are known, in the order in which they were added. */
  cells(): FollowedCell[] {
    return this.#known.places().map((place) => new FollowedCell(this.#around, place));
  }

  /** As NvmemDevice.cellRead(). */
  async cellRead(info: AdHocCellInfo, options: FollowCellReadOptions = {}): Promise<Buffer> {
    checkReadOptions(options, ['id', 'index']);
    return readCell(this.#around, this.#known.adHoc(info), options, FollowedDevice.prototype.cellRead);
  }

  /** As NvmemDevice.cellWrite(). */
  async cellWrite(
    info: AdHocCellInfo,
    data: Uint8Array,
    options: FollowCellWriteOptions = {},
  ): Promise<NvmemWriteResult> {
    const value = checkBytes('data', data);
    checkFollowWriteOptions(options, []);
    return writeCell(
      this.#around,
      this.#known.adHoc(info),
      value,
      options,
      FollowedDevice.prototype.cellWrite,
    );
  }

  /**
   * As NvmemDevice.reader(), of the device that is there now: it serves until that has gone.
   *
   * @throws NvmemError as that; ENODEV while it is absent.
   */
  reader(offset: number, length: number | Uint8Array): NvmemReader {
    const below = FollowedDevice.prototype.reader;
    const call = new Call(this.#around, 'read', 0, 0, { onUnplug: 'fail' }, below);
    return call.deviceNow().reader(offset, length);
  }

  /**
   * The bytes from `start` to `end`, both included as in fs.createReadStream(), all of them unless told. With `onUnplug: 'wait'`
   * it goes on after an unplug at the first byte that is missing.
   */
  readStream(options: ReadStreamOptions = {}): FollowReadStream {
    return new FollowReadStream(this, this.#around.evidence, options);
  }

  /** Writes what it is given from `start` on, in whole pages as far as it goes. 'finish' comes when all is written and verified. */
  writeStream(options: WriteStreamOptions = {}): FollowWriteStream {
    return new FollowWriteStream(this, this.#around.evidence, this.#setup.pageSize, options);
  }

  /**
   * A token for followShared() in any thread of this process, the same every time. It can be posted, outlives replugs, and keeps
   * nothing alive.
   */
  share(): FollowToken {
    return this.#setup.share(this.#around);
  }

  /**
   * Ends it: pending operations reject with ENODEV, the device is closed, the registry has it no longer. Idempotent; never
   * rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes it without waiting for that. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** It no longer keeps the program, or the worker, from ending; operations under way do. */
  unref(): this {
    this.#hold.allowed = false;
    return this;
  }

  /** Takes unref() back. */
  ref(): this {
    this.#hold.allowed = true;
    return this;
  }

  async #close(): Promise<void> {
    // What it still has to wait for holds the loop by itself.
    this.#hold.needed = false;
    await this.#life.close();
    this.#setup.over();
    this.#changes.end();
    forgetFollower(this);
    this.#tell('closed', 'closed');
    callUser(() => this.emit('closed'));
  }

  #changed(change: FollowChange): void {
    const before = this.#state;
    const { state } = change;
    this.#state = state;
    this.#tally.changed(before, state);
    if (state === 'present') this.#lastError = undefined;
    this.#changes.tell(change);
    this.#underWay.changed();
    callUser(() => this.emit('change', change));
    if (state === 'present' || state === 'replaced' || (state === 'absent' && before === 'present')) {
      this.#tell(state, change.reason);
      callUser(() => this.emit(state, change));
    }
    // Also where its owner in another thread has ended. Later: close() may be what has made it so.
    if (state === 'closed') void Promise.resolve().then(() => this.close());
  }

  #tell(event: 'present' | 'absent' | 'replaced' | 'closed', reason: string): void {
    const { name: device, uri } = this;
    tellDevice(() => ({ event, device, uri, follower: true, cause: undefined, reason }));
  }

  #failed(error: NvmemError): void {
    this.#tally.openFailures++;
    this.#lastError = error;
    // Node throws where nobody listens, and this is no reason to end a program.
    if (this.listenerCount('error') > 0) callUser(() => this.emit('error', error));
  }

  #write(
    syscall: string,
    offset: number,
    data: Uint8Array,
    options: FollowWriteOptions,
    below: Below,
  ): Promise<NvmemWriteResult> {
    checkProgress(options.onProgress);
    this.#checkBounds(offset, data.length);
    return new Writing(this.#around, syscall, offset, data, options, below).run();
  }

  /** @internal */
  get [JOURNALLED](): Journalled {
    const device = this.#life.lastDevice;
    const keepouts = device ? coreOf(device).facts.keepouts : this.#setup.keepouts;
    return journalledOf(this, this.#around, keepouts);
  }

  get #knownSize(): number | undefined {
    return this.#life.lastDevice?.size ?? this.#setup.size;
  }

  #checkBounds(offset: number, length: number): void {
    const size = this.#knownSize;
    if (size !== undefined && length > size - offset) throw boundsError(this.name, size, offset, length);
  }

  #unknown(syscall: string, what: string): NvmemError {
    return new NvmemError('EPROBE_DEFER', `${what} is not known: ${this.uri} has not been there yet`, {
      device: this.name,
      syscall,
      hint: 'Wait for it: await present().',
    });
  }
}
