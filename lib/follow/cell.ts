/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import { checkBytes, checkInteger, checkString } from '../base/validate.js';
import { insertBits } from '../core/bits.js';
import { NvmemCell } from '../core/cell.js';
import { checkCellData, isBitCell, type CellEntry } from '../core/cell_entry.js';
import { coreOf, type NvmemDevice } from '../core/device.js';
import type { Below, NvmemWriteResult } from '../core/device_core.js';
import { hostNumber, variableNumber } from '../core/numbers.js';
import type { NvmemReader } from '../core/reader.js';
import { Call, type Surroundings } from './call.js';
import {
  checkFollowWriteOptions,
  checkReadOptions,
  type FollowCellReadOptions,
  type FollowCellWriteOptions,
} from './options.js';
import { Writing } from './write.js';

/** Which cell it is: on each device another object, and the same place. */
export interface CellPlace {
  /** @throws NvmemError ENOENT: the memory has no such cell (any more). */
  on(device: NvmemDevice): CellEntry;
  /** As last seen, or as it was declared. */
  readonly entry: CellEntry;
}

/**
 * A handle on a cell of a followed memory. One that was taken once serves for ever, over unplugs and replugs: while the memory is
 * absent operations give ENODEV, or wait for it (`onUnplug: 'wait'`).
 */
export class FollowedCell {
  readonly #around: Surroundings;
  readonly #place: CellPlace;

  /** @internal Cells come from FollowedDevice.cell(). */
  constructor(around: Surroundings, place: CellPlace) {
    this.#around = around;
    this.#place = place;
  }

  get name(): string {
    return this.#place.entry.name;
  }

  /** Name of the device it belongs to. */
  get device(): string {
    return this.#around.name();
  }

  /** Device offset, bytes. */
  get offset(): number {
    return this.#place.entry.offset;
  }

  /** Length of what read() gives, bytes. */
  get bytes(): number {
    return this.#place.entry.bytes;
  }

  /** First bit of a bit cell; see NvmemCell. */
  get bitOffset(): number {
    return this.#place.entry.bitOffset;
  }

  /** Width of a bit cell; 0: whole bytes. */
  get nbits(): number {
    return this.#place.entry.nbits;
  }

  /** As NvmemCell.read(). Rejects as that, and with ESTALE; a read that was unplugged begins again. */
  async read(options: FollowCellReadOptions = {}): Promise<Buffer> {
    checkReadOptions(options, ['id', 'index']);
    if (options.id !== undefined) checkString('options.id', options.id);
    if (options.index !== undefined) checkInteger('options.index', options.index, 0, 0x7fffffff);
    return readCell(this.#around, this.#place, options, FollowedCell.prototype.read);
  }

  /** As NvmemCell.write(). Rejects as that, and with ESTALE. */
  async write(data: Uint8Array, options: FollowCellWriteOptions = {}): Promise<NvmemWriteResult> {
    const value = checkBytes('data', data);
    checkFollowWriteOptions(options, []);
    return writeCell(this.#around, this.#place, value, options, FollowedCell.prototype.write);
  }

  /** @throws NvmemError as NvmemCell.readSync(); ENODEV while it is absent. */
  readSync(): Buffer {
    return this.#now('cell-read', FollowedCell.prototype.readSync).readSync();
  }

  /**
   * As NvmemCell.reader(), of the device that is there now: it serves until that has gone.
   *
   * @throws NvmemError as that; ENODEV while it is absent.
   */
  reader(): NvmemReader {
    return this.#now('cell-read', FollowedCell.prototype.reader).reader();
  }

  /** As NvmemCell.readU8(). */
  async readU8(options: FollowCellReadOptions = {}): Promise<number> {
    return Number(hostNumber(this.#place.entry, await this.read(options), 1, this.device));
  }

  /** As NvmemCell.readU16(). */
  async readU16(options: FollowCellReadOptions = {}): Promise<number> {
    return Number(hostNumber(this.#place.entry, await this.read(options), 2, this.device));
  }

  /** As NvmemCell.readU32(). */
  async readU32(options: FollowCellReadOptions = {}): Promise<number> {
    return Number(hostNumber(this.#place.entry, await this.read(options), 4, this.device));
  }

  /** As NvmemCell.readU64(). */
  async readU64(options: FollowCellReadOptions = {}): Promise<bigint> {
    return hostNumber(this.#place.entry, await this.read(options), 8, this.device);
  }

  /** As NvmemCell.readVariableLeU32(). */
  async readVariableLeU32(options: FollowCellReadOptions = {}): Promise<number> {
    return Number(variableNumber(this.#place.entry, await this.read(options), 4, this.device));
  }

  /** As NvmemCell.readVariableLeU64(). */
  async readVariableLeU64(options: FollowCellReadOptions = {}): Promise<bigint> {
    return variableNumber(this.#place.entry, await this.read(options), 8, this.device);
  }

  /** Nothing to do: a handle keeps nothing alive. It is there for `using`. */
  [Symbol.dispose](): void {
    // As NvmemCell.
  }

  #now(syscall: string, below: Below): NvmemCell {
    const { offset, bytes } = this.#place.entry;
    const device = new Call(this.#around, syscall, offset, bytes, { onUnplug: 'fail' }, below).deviceNow();
    return new NvmemCell(coreOf(device), this.#place.on(device));
  }
}

/** The cell's value, from the beginning each time. */
export function readCell(
  around: Surroundings,
  place: CellPlace,
  { onUnplug, ...options }: FollowCellReadOptions,
  below: Below,
): Promise<Buffer> {
  const { offset, rawLength } = place.entry;
  const limits = { onUnplug, signal: options.signal, timeoutMs: options.timeoutMs };
  const call = new Call(around, 'cell-read', offset, rawLength, limits, below);
  const { id, index } = options;
  const asked = { ...(id !== undefined && { id }), ...(index !== undefined && { index }) };
  return call.run((device, rest) =>
    new NvmemCell(coreOf(device), place.on(device)).read({ ...rest(), ...asked }),
  );
}

/**
 * The device's own cell write, as long as no unplug has caught any of it. From then on bytes that were worked out once are
 * written: what a torn page holds in the place of a field's neighbours is not to be kept.
 */
export async function writeCell(
  around: Surroundings,
  place: CellPlace,
  value: Uint8Array,
  options: FollowCellWriteOptions,
  below: Below,
): Promise<NvmemWriteResult> {
  const { entry } = place;
  const isBits = isBitCell(entry);
  const whole = checkCellData(entry, value, around.name());
  const { verify = true, skipEqual = false } = options;
  const writing = new Writing(around, 'cell-write', entry.offset, whole, options, below);
  const { call } = writing;
  return call.inTurn(
    () =>
      call.run(async (device, rest) => {
        const piece = writing.whole;
        if (piece === undefined) return writing.attempt(device, rest);
        if (isBits && call.waits && !device.forceRo) {
          const bytes = await device.read(entry.offset, entry.bytes, rest());
          insertBits(bytes, entry.bitOffset, entry.nbits, whole);
          writing.use(bytes);
        }
        const cell = new NvmemCell(coreOf(device), place.on(device));
        return writing.piece(device, piece, () => cell.write(value, { ...rest(), verify, skipEqual }));
      }, writing.told),
    writing.told,
  );
}
