import { EventEmitter } from 'node:events';

import { native } from '../native/index.js';
import { type Backend, providerOfSlot, SlotBackend, takeSlot } from './backend.js';
import { insideCallbackOf } from './callback_scope.js';
import { NvmemCell } from './cell.js';
import { type CellEntry, makeCellEntry, type NvmemCellInfo } from './cell_entry.js';
import { checkConfig, type CheckedConfig, type NvmemConfig } from './config.js';
import { coreOf, NvmemDevice } from './device.js';
import { DeviceCore } from './device_core.js';
import { NvmemError } from './errors.js';
import { deviceName, NumberPool } from './naming.js';
import { NativeProvider } from './provider.js';
import { callUser } from './report.js';
import { ScriptBackend } from './script_backend.js';
import { checkBytes, checkInteger, checkString, typeError } from './validate.js';

/**
 * In this order for every device: add, cell-add for each cell, remove, cell-remove for each cell, removed.
 * Listeners run synchronously; what they throw becomes an uncaught exception and changes nothing here.
 */
export interface NvmemEvents {
  /** Registered: it can be found and used. */
  add: [device: NvmemDevice];
  'cell-add': [cell: NvmemCell, device: NvmemDevice];
  /** It can no longer be found, and is about to lose its provider. */
  remove: [device: NvmemDevice];
  'cell-remove': [cell: NvmemCell, device: NvmemDevice];
  /** The provider is gone and every operation has settled. */
  removed: [device: NvmemDevice, reason: string];
}

interface Registration {
  readonly core: DeviceCore;
  readonly device: NvmemDevice;
  readonly number: number;
  /** Other handles that announce 'removed' as well. */
  readonly handles: Set<NvmemDevice>;
  /** Lets go of what the provider stood on (a bus, a file), once nothing uses it any more. */
  readonly free: (() => Promise<void>) | undefined;
  unregistering: Unregistering | undefined;
}

interface Unregistering {
  /** The provider pointer is gone and every operation has settled. */
  readonly detached: Promise<void>;
  /** The grace period is over as well, and 'removed' has been announced. */
  readonly done: Promise<void>;
}

/** A registry of memories: the kernel's nvmem bus. Most programs use the one called `nvmem`. */
export class Nvmem extends EventEmitter<NvmemEvents> {
  readonly #byName = new Map<string, Registration>();
  readonly #byCore = new WeakMap<DeviceCore, Registration>();
  readonly #numbers = new NumberPool();

  /**
   * Registers a memory (nvmem_register()). Everything is checked first, so a refused one leaves no trace.
   *
   * Rejects with TypeError or RangeError naming the field; NvmemError EINVAL (no read and no write; an end before a
   * start; off the stride or word size), ERANGE (keepouts unsorted, overlapping or too small), EEXIST (name taken).
   */
  async register(config: NvmemConfig): Promise<NvmemDevice> {
    return Promise.resolve(this.registerNow(config));
  }

  /** @internal `free` lets go of what the provider stands on; it runs before 'removed'. */
  registerNow(config: NvmemConfig, free?: () => Promise<void>): NvmemDevice {
    const checked = checkConfig(config);
    const number = this.#numbers.take();
    const name = deviceName(checked.name, checked.id, number);
    let backend: Backend;
    try {
      if (this.#byName.has(name)) {
        throw new NvmemError('EEXIST', `a device called ${name} is registered`, {
          syscall: 'register',
          device: name,
        });
      }
      backend = makeBackend(name, checked);
    } catch (error) {
      this.#numbers.give(number);
      throw error;
    }
    const { type, size, wordSize, stride, rootOnly, keepouts } = checked;
    const lineProtects = backend.hasWpLine && !checked.ignoreWp;
    const core = new DeviceCore(
      { name, type, size, wordSize, stride, rootOnly, keepouts },
      backend,
      checked.readOnly ? 'yes' : lineProtects ? 'wp' : 'no',
    );
    const device = new NvmemDevice(core);
    const registration: Registration = {
      core,
      device,
      number,
      handles: new Set([device]),
      free,
      unregistering: undefined,
    };
    this.#byName.set(name, registration);
    this.#byCore.set(core, registration);
    core.cells.push(...checked.cells);
    this.#announce('add', device);
    for (const cell of checked.cells) this.#announce('cell-add', new NvmemCell(core, cell), device);
    return device;
  }

  /**
   * Adds a cell to a registered device (nvmem_add_one_cell()).
   *
   * @throws TypeError, RangeError naming the field; NvmemError EINVAL (off the stride or word size), ENODEV.
   */
  addCell(device: NvmemDevice, info: NvmemCellInfo): NvmemCell {
    const { core } = this.#registrationOf(device);
    const { name, wordSize, stride } = core.facts;
    const entry: CellEntry = makeCellEntry('info', info, wordSize, stride);
    if (this.#byName.get(name)?.core !== core) {
      throw new NvmemError('ENODEV', `${name} is not registered any more`, {
        syscall: 'addCell',
        device: name,
      });
    }
    core.cells.push(entry);
    const cell = new NvmemCell(core, entry);
    this.#announce('cell-add', cell, device);
    return cell;
  }

  /**
   * Takes a device out of the registry and its provider away (nvmem_unregister()): it can no longer be found, pending
   * operations reject with ENODEV, and when the promise resolves no call into the provider runs or will ever run.
   *
   * It never rejects. Repeated and concurrent calls get the same end; null is nothing to do. From inside a call of
   * the device's own provider (or readPostProcess) it resolves as soon as every operation has settled, because that
   * call itself is what the rest waits for. A provider whose promise never settles is waited for without end.
   */
  async unregister(device: NvmemDevice | null | undefined, reason = 'unregistered'): Promise<void> {
    if (device === null || device === undefined) return;
    const registration = this.#registrationOf(device);
    const { core } = registration;
    const nested = insideCallbackOf(core.backend);
    const { detached, done } = (registration.unregistering ??= this.#unregister(registration, reason));
    await (nested ? detached : done);
  }

  /**
   * The device of that name (nvmem_device_get()).
   *
   * @throws NvmemError EPROBE_DEFER: nobody has registered it (yet).
   */
  get(name: string): NvmemDevice {
    const device = this.find(name);
    if (device) return device;
    throw new NvmemError('EPROBE_DEFER', `no device called ${JSON.stringify(name)} is registered`, {
      syscall: 'get',
      device: name,
    });
  }

  /** The device of that name, or undefined. */
  find(name: string): NvmemDevice | undefined {
    checkString('name', name);
    return this.#byName.get(name)?.device;
  }

  /** All registered devices, oldest first. */
  devices(): NvmemDevice[] {
    return [...this.#byName.values()].map(({ device }) => device);
  }

  /** @internal One more handle on the same device, which announces 'removed' as well. */
  addHandle(device: NvmemDevice, handle: NvmemDevice): void {
    this.#registrationOf(device).handles.add(handle);
  }

  #unregister(registration: Registration, reason: string): Unregistering {
    let onDetached!: () => void;
    let onDone!: () => void;
    const detached = new Promise<void>((resolve) => {
      onDetached = resolve;
    });
    const done = new Promise<void>((resolve) => {
      onDone = resolve;
    });
    // Known before any listener runs: one that unregisters the same device again must find it under way.
    registration.unregistering = { detached, done };
    void this.#tearDown(registration, reason, onDetached).then(onDone);
    return registration.unregistering;
  }

  async #tearDown(
    { core, device, number, handles, free }: Registration,
    reason: string,
    onDetached: () => void,
  ): Promise<void> {
    const { name } = core.facts;
    // Hidden first: a new consumer gets EPROBE_DEFER and never a dead handle (D15), and a replugged device finds its
    // old name and number free at once (D18).
    this.#byName.delete(name);
    this.#numbers.give(number);
    this.#announce('remove', device);
    const freed = core.backend.unregister();
    core.detach(reason);
    await core.idle();
    onDetached();
    await freed;
    await core.idle();
    // Nothing depends on it any more, so a failure to let go of it concerns nobody.
    await free?.().catch(() => undefined);
    // The consumers' own continuations run before anybody hears that the device is gone.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    for (const cell of core.cells) this.#announce('cell-remove', new NvmemCell(core, cell), device);
    this.#announce('removed', device, reason);
    for (const handle of handles) handle.announceRemoved(reason);
  }

  #registrationOf(device: NvmemDevice): Registration {
    if (!(device instanceof NvmemDevice)) throw typeError('device', 'a device of this registry', device);
    const registration = this.#byCore.get(coreOf(device));
    if (!registration) throw typeError('device', 'a device of this registry', device);
    return registration;
  }

  #announce<E extends keyof NvmemEvents>(event: E, ...args: NvmemEvents[E]): void {
    for (const listener of this.rawListeners(event)) {
      callUser(() => {
        (listener as (this: Nvmem, ...args: NvmemEvents[E]) => unknown).apply(this, args);
      });
    }
  }
}

function makeBackend(name: string, { provider }: CheckedConfig): Backend {
  if (!(provider instanceof NativeProvider)) return new ScriptBackend(name, provider, native().script());
  const taken = takeSlot(provider);
  if (taken) return new SlotBackend(taken.slot, taken.info);
  throw new NvmemError('EBUSY', 'this provider is registered already; make another', {
    syscall: 'register',
    device: name,
  });
}

/**
 * A provider for volatile memory inside the addon, of that many bytes (all 0), or with a copy of `image` in it.
 * Reads and writes of it settle at once.
 */
export function memoryProvider(image: number | Uint8Array): NativeProvider {
  const bytes =
    typeof image === 'number'
      ? new Uint8Array(checkInteger('image', image, 0, 2 ** 31 - 1))
      : checkBytes('image', image);
  return providerOfSlot(native().memory(bytes), bytes.length, { hasWpLine: false });
}

/** The registry that a program shares: the one that open() uses unless told otherwise. */
export const nvmem = new Nvmem();
