/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
/**
 * The in-kernel functions of nvmem by their names, with the kernel's answers where the rest of this library is kinder:
 * what lies beyond the end of a device goes to its provider, writes are not read back, and results are counts, also a
 * number of its own that a provider answers (an error with a positive `errno`).
 *
 * Its defects are not kept: see docs/kernel-map.md.
 */
import { NvmemCell } from '../core/cell.js';
import { isBitCell, makeCellEntry } from '../core/cell_entry.js';
import type { NvmemConfig } from '../core/config.js';
import { orCount, readOrCount } from './count_answer.js';
import { type AdHocCellInfo, coreOf, type NvmemDevice } from '../core/device.js';
import type { DeviceCore, NvmemWriteResult } from '../core/device_core.js';
import { NvmemError } from '../base/errors.js';
import type { NvmemCellLookup } from '../core/lookups.js';
import { checkNaming } from '../core/naming.js';
import type { NvmemNotifier } from '../core/notifier.js';
import { hostNumber, variableNumber } from '../core/numbers.js';
import type { Registry } from '../core/registry.js';
import { checkBytes, checkInteger, checkObject, rangeError } from '../base/validate.js';
import { needZeros } from '../base/memory.js';

const RAW = { unbounded: true, verify: false } as const;
const UINT_MAX = 0xffffffff;

export class NvmemKernelApi {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /**
   * nvmem_register(). Without a name id 'auto' makes "(null)0", as printk's "%s" has it; an empty one makes "0". Rejects with
   * EINVAL where the name comes to nothing, ENOMEM where there is none (id 'none') or a cell has none.
   */
  async nvmemRegister(config: NvmemConfig): Promise<NvmemDevice> {
    const nameless = config.name === undefined && (config.id === 'auto' || config.id === -2);
    return Promise.resolve(
      this.#registry.registerAs(nameless ? { ...config, name: '(null)' } : config, 'kernel'),
    );
  }

  /** nvmem_unregister(); null is nothing to do. */
  nvmemUnregister(device: NvmemDevice | null): Promise<void> {
    return this.#registry.unregister(device);
  }

  /** nvmem_device_get() of a consumer without a device tree. @throws NvmemError EPROBE_DEFER */
  nvmemDeviceGet(_consumer: string, name: string): NvmemDevice {
    checkNaming('name', name, 'kernel');
    return this.nvmemDeviceFind((device) => device.name === name);
  }

  /** nvmem_device_find() @throws NvmemError EPROBE_DEFER */
  nvmemDeviceFind(match: (device: NvmemDevice) => boolean): NvmemDevice {
    const device = this.#registry.findDevice(match);
    if (device) return device;
    throw new NvmemError('EPROBE_DEFER', 'no such device is registered', { syscall: 'find' });
  }

  /** nvmem_device_put(): a handle keeps nothing, so nothing happens. */
  nvmemDevicePut(device: NvmemDevice): void {
    coreOf(device);
  }

  /** nvmem_dev_name() */
  nvmemDevName(device: NvmemDevice): string {
    return device.name;
  }

  /** nvmem_dev_size() */
  nvmemDevSize(device: NvmemDevice): number {
    return device.size;
  }

  /**
   * nvmem_device_read(): the bytes, in `into` if that is given. Rejects with EINVAL for null, EOPNOTSUPP, ENODEV, what the
   * provider says.
   */
  async nvmemDeviceRead(
    device: NvmemDevice | null,
    offset: number,
    bytes: number,
    into?: Uint8Array,
  ): Promise<Buffer> {
    const core = present(device);
    checkInteger('offset', offset, 0, UINT_MAX);
    checkInteger('bytes', bytes, 0, UINT_MAX);
    const room = roomFor(into, bytes);
    const call = core.read(offset, bytes, RAW, NvmemKernelApi.prototype.nvmemDeviceRead);
    const data = await readOrCount(call, () => room ?? needZeros(bytes));
    room?.set(data);
    return room?.subarray(0, data.length) ?? data;
  }

  /** nvmem_device_write(): the count. A read-only device refuses with EPERM (docs/defects.md, D19). */
  async nvmemDeviceWrite(device: NvmemDevice | null, offset: number, data: Uint8Array): Promise<number> {
    const core = present(device);
    checkInteger('offset', offset, 0, UINT_MAX);
    const bytes = checkBytes('data', data);
    return written(core.write(offset, bytes, RAW, NvmemKernelApi.prototype.nvmemDeviceWrite), bytes.length);
  }

  /**
   * nvmem_device_cell_read(): `bytes` bytes, in `into` if that is given; what lies beyond a shorter rawLength stays in it
   * as it was.
   */
  async nvmemDeviceCellRead(
    device: NvmemDevice | null,
    info: AdHocCellInfo,
    into?: Uint8Array,
  ): Promise<Buffer> {
    const core = present(device);
    const entry = adHoc(core, info);
    const { bytes, rawLength } = entry;
    const room = roomFor(into, bytes);
    const call = core.readCell(entry, undefined, 0, RAW, NvmemKernelApi.prototype.nvmemDeviceCellRead);
    const value = await readOrCount(call, () => room ?? needZeros(Math.max(bytes, rawLength)));
    if (room === undefined) return value;
    value.copy(room, 0, 0, isBitCell(entry) ? bytes : Math.min(rawLength, bytes));
    return room.subarray(0, value.length);
  }

  /** nvmem_device_cell_write(): the cell's length, which `data` is cut or filled up to. */
  async nvmemDeviceCellWrite(
    device: NvmemDevice | null,
    info: AdHocCellInfo,
    data: Uint8Array,
  ): Promise<number> {
    const core = present(device);
    const entry = adHoc(core, info);
    const whole = needZeros(entry.bytes);
    whole.set(checkBytes('data', data).subarray(0, entry.bytes));
    const call = core.writeCell(entry, whole, RAW, NvmemKernelApi.prototype.nvmemDeviceCellWrite);
    return written(call, entry.bytes);
  }

  /** nvmem_cell_get() of a consumer without a device tree. @throws NvmemError EINVAL, ENOENT, EPROBE_DEFER */
  nvmemCellGet(consumer: string, conId: string | null): NvmemCell {
    return this.#registry.lookupAs(consumer, conId, 'kernel');
  }

  /** nvmem_cell_put(): a handle keeps nothing, so nothing happens. */
  nvmemCellPut(cell: NvmemCell): void {
    NvmemCell.partsOf(cell);
  }

  /** nvmem_cell_read() */
  async nvmemCellRead(cell: NvmemCell): Promise<Buffer> {
    const { core, entry, id } = NvmemCell.partsOf(cell);
    return core.readCell(entry, id, 0, RAW, NvmemKernelApi.prototype.nvmemCellRead);
  }

  /** nvmem_cell_write(): the count. */
  async nvmemCellWrite(cell: NvmemCell, data: Uint8Array): Promise<number> {
    const { core, entry } = NvmemCell.partsOf(cell);
    const bytes = checkBytes('data', data);
    return written(core.writeCell(entry, bytes, RAW, NvmemKernelApi.prototype.nvmemCellWrite), bytes.length);
  }

  /** nvmem_cell_read_u8() */
  async nvmemCellReadU8(consumer: string, conId: string | null): Promise<number> {
    return Number(await this.#host(consumer, conId, 1));
  }

  /** nvmem_cell_read_u16() */
  async nvmemCellReadU16(consumer: string, conId: string | null): Promise<number> {
    return Number(await this.#host(consumer, conId, 2));
  }

  /** nvmem_cell_read_u32() */
  async nvmemCellReadU32(consumer: string, conId: string | null): Promise<number> {
    return Number(await this.#host(consumer, conId, 4));
  }

  /** nvmem_cell_read_u64() */
  async nvmemCellReadU64(consumer: string, conId: string | null): Promise<bigint> {
    return this.#host(consumer, conId, 8);
  }

  /** nvmem_cell_read_variable_le_u32() */
  async nvmemCellReadVariableLeU32(consumer: string, conId: string | null): Promise<number> {
    return Number(await this.#variable(consumer, conId, 4));
  }

  /** nvmem_cell_read_variable_le_u64() */
  async nvmemCellReadVariableLeU64(consumer: string, conId: string | null): Promise<bigint> {
    return this.#variable(consumer, conId, 8);
  }

  /** nvmem_add_cell_lookups() */
  nvmemAddCellLookups(...lookups: NvmemCellLookup[]): void {
    this.#registry.lookups.add(lookups, 'kernel');
  }

  /** nvmem_del_cell_lookups() */
  nvmemDelCellLookups(...lookups: NvmemCellLookup[]): void {
    this.#registry.lookups.remove(lookups, 'kernel');
  }

  /** nvmem_register_notifier() @throws NvmemError EEXIST */
  nvmemRegisterNotifier(notifier: NvmemNotifier): void {
    this.#registry.registerNotifier(notifier);
  }

  /** nvmem_unregister_notifier() @throws NvmemError ENOENT */
  nvmemUnregisterNotifier(notifier: NvmemNotifier): void {
    this.#registry.unregisterNotifier(notifier);
  }

  async #host(consumer: string, conId: string | null, width: 1 | 2 | 4 | 8): Promise<bigint> {
    const cell = this.nvmemCellGet(consumer, conId);
    const { core, entry } = NvmemCell.partsOf(cell);
    return hostNumber(entry, await this.nvmemCellRead(cell), width, core.facts.name);
  }

  async #variable(consumer: string, conId: string | null, width: 4 | 8): Promise<bigint> {
    const cell = this.nvmemCellGet(consumer, conId);
    const { core, entry } = NvmemCell.partsOf(cell);
    return variableNumber(entry, await this.nvmemCellRead(cell), width, core.facts.name);
  }
}

function present(device: NvmemDevice | null): DeviceCore {
  if (device !== null) return coreOf(device);
  throw new NvmemError('EINVAL', 'there is no device', { syscall: 'read' });
}

/** The memory that a caller wants an answer in. */
function roomFor(into: Uint8Array | undefined, bytes: number): Buffer | undefined {
  if (into === undefined) return undefined;
  const { buffer, byteOffset, length } = checkBytes('into', into);
  if (length < bytes) throw rangeError('into', `at least ${String(bytes)} bytes long`, length);
  return Buffer.from(buffer, byteOffset, bytes);
}

/** The count of a write: what was asked for, unless the provider said a number of its own. */
async function written(call: Promise<NvmemWriteResult>, asked: number): Promise<number> {
  const end = await orCount(call);
  return typeof end === 'number' ? end : asked;
}

function adHoc(core: DeviceCore, info: AdHocCellInfo): ReturnType<typeof makeCellEntry> {
  checkObject('info', info);
  const { wordSize, stride } = core.facts;
  return makeCellEntry('info', { ...info, name: info.name ?? 'cell' }, wordSize, stride);
}
