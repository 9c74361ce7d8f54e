/** The registry: who is there, by name, and who hears of it. */
import { EventEmitter } from 'node:events';

import { NvmemError } from '../base/errors.js';
import { goneHint } from '../base/part_words.js';
import { nextTurn } from '../base/timers.js';
import {
  checkFunction,
  checkKeys,
  checkObject,
  checkString,
  type OperationOptions,
  typeError,
} from '../base/validate.js';
import { insideCallbackOf } from './callback_scope.js';
import { NvmemCell } from './cell.js';
import { type CellEntry, makeCellEntry, type NvmemCellInfo } from './cell_entry.js';
import { checkCellFiles, checkConfig, checkRanges, fileMode, makeCells, type NvmemConfig } from './config.js';
import { NvmemConsumer } from './consumer.js';
import { coreOf, NvmemDevice } from './device.js';
import { tellDevice, type DeviceMessage } from './diagnostics.js';
import { DeviceCore } from './device_core.js';
import { checkEnd, CLOSED, UNREGISTERED, type NvmemEnd } from './device_end.js';
import { type LayoutContext, LayoutTable, type NvmemLayout } from './layouts.js';
import { lookUpCell } from './lookup_cell.js';
import { LookupTable, type NvmemCellLookup } from './lookups.js';
import { makePort } from './make_port.js';
import { deviceName, type Names, NumberPool } from './naming.js';
import { endsRound, NotifierChain, type NvmemNotification, type NvmemNotifier } from './notifier.js';
import type { ProviderPort } from './provider_port.js';
import type { NvmemEvents, Registration, Unregistering } from './registration.js';
import { callUser } from './report.js';
import { uriKey } from '../uri/uri_key.js';
import { waitForEvent } from './wait_for.js';

/** A registry of memories: the kernel's nvmem bus. Most programs use the one called `nvmem`. */
export class Registry extends EventEmitter<NvmemEvents> {
  readonly #byName = new Map<string, Registration>();
  readonly #byCore = new WeakMap<DeviceCore, Registration>();
  readonly #numbers = new NumberPool();
  readonly #lookups = new LookupTable();
  readonly #layouts = new LayoutTable();
  readonly #notifiers = new NotifierChain();

  /**
   * Registers a memory (nvmem_register()). Everything is checked first, so a refused one leaves no trace.
   *
   * Rejects with TypeError or RangeError naming the field; NvmemError EINVAL (no read and no write; an end before a
   * start; off the stride or word size), ERANGE (keepouts unsorted, overlapping or too small), EEXIST (name taken).
   */
  async register(config: NvmemConfig): Promise<NvmemDevice> {
    return Promise.resolve(this.registerAs(config, 'checked'));
  }

  /** @internal As register(). */
  registerAs(config: NvmemConfig, names: Names): NvmemDevice {
    const device = this.registerNow(config, undefined, undefined, names);
    const owner = new NvmemDevice(coreOf(device), { close: () => this.unregister(device, CLOSED) });
    this.addHandle(device, owner);
    return owner;
  }

  /**
   * @internal `free` lets go of what the provider stands on; it runs before 'removed'. `uri`: where that is; a device that
   * has been unplugged has its number back when what is there is registered again. `isHidden`: it is found by nobody, and
   * nobody hears of it, until reveal().
   */
  registerNow(
    config: NvmemConfig,
    free?: () => Promise<void>,
    uri?: string,
    names: Names = 'checked',
    isHidden = false,
  ): NvmemDevice {
    const checked = checkConfig(config, names);
    const key = uri === undefined ? undefined : uriKey('uri', uri);
    const wasAway = key !== undefined && this.#numbers.isPinned(key);
    const number = this.#numbers.take(key);
    const name = deviceName(checked.name, checked.id, number);
    const line = checked.ignoreWp ? undefined : checked.wp;
    let lineTaken = false;
    let port: ProviderPort;
    const cells: CellEntry[] = [];
    try {
      line?.request();
      lineTaken = true;
      checkRanges(checked);
      makeCells(checked, cells, names);
      // What device_add() says, after the cells.
      if (name === '') throw new NvmemError('EINVAL', 'the name is empty', { syscall: 'register' });
      this.#refuseTaken(name);
      checkCellFiles(cells);
      port = makePort(name, checked, config.provider);
    } catch (error) {
      if (wasAway) this.#numbers.pin(number, key);
      else this.#numbers.give(number);
      // The chain hears of the cells that were there for a moment, as the kernel's does.
      for (const event of ['CELL_ADD', 'CELL_REMOVE'] as const) {
        for (const cell of cells) this.#notify(event, cell.name, name);
      }
      if (lineTaken && line) callUser(line.release);
      throw error;
    }
    const { type, size, wordSize, stride, rootOnly, readOnly, keepouts, layout } = checked;
    const lineProtects = port.hasWpLine && !checked.ignoreWp;
    const mode = fileMode(rootOnly, readOnly, port.canRead, port.canWrite);
    const core = new DeviceCore(
      { name, type, size, wordSize, stride, rootOnly, mode, keepouts },
      port,
      readOnly ? 'yes' : lineProtects ? 'wp' : 'no',
    );
    const device = new NvmemDevice(core);
    const registration: Registration = {
      core,
      device,
      number,
      key,
      isAway: false,
      isHidden,
      handles: new Set([device]),
      free,
      unregistering: undefined,
      layout,
      layoutStarted: false,
      layoutDone: false,
      baseDev: checked.compat ? checked.baseDev : undefined,
    };
    this.#byCore.set(core, registration);
    core.cells.push(...cells);
    if (!isHidden) this.#publish(registration);
    return device;
  }

  /**
   * @internal From now on a device that was registered hidden is there for everybody.
   *
   * @throws NvmemError EEXIST: its name was taken meanwhile.
   */
  reveal(device: NvmemDevice): void {
    const registration = this.#registrationOf(device);
    if (!registration.isHidden) return;
    this.#refuseTaken(device.name);
    registration.isHidden = false;
    this.#publish(registration);
  }

  #refuseTaken(name: string): void {
    if (!this.#byName.has(name)) return;
    throw new NvmemError('EEXIST', `a device called ${name} is registered`, {
      syscall: 'register',
      device: name,
    });
  }

  #publish(registration: Registration): void {
    const { core, device } = registration;
    const { name } = core.facts;
    const cells = [...core.cells];
    this.#byName.set(name, registration);
    for (const cell of cells) this.#notify('CELL_ADD', cell.name, name);
    this.#notify('ADD', name, name);
    this.#announce('add', device);
    tellDevice(() => messageOf(registration, 'added'));
    if (this.listenerCount('cell-add') > 0) {
      for (const cell of cells) this.#announce('cell-add', new NvmemCell(core, cell), device);
    }
    this.#lookInto(registration);
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
        hint: goneHint(core.gone),
      });
    }
    core.cells.push(entry);
    const cell = new NvmemCell(core, entry);
    this.#notify('CELL_ADD', entry.name, name);
    this.#announce('cell-add', cell, device);
    return cell;
  }

  /**
   * Takes a device out of the registry and its provider away (nvmem_unregister()): it can no longer be found, pending
   * operations reject with ENODEV, and when the promise resolves no call into the provider runs or will ever run.
   *
   * `end` is what 'removed' says; of a device that was opened and then unplugged the number is kept until it comes back.
   *
   * It never rejects but for bad arguments. Repeated and concurrent calls get the same end; null is nothing to do. From inside a call of
   * the device's own provider (or readPostProcess) it resolves as soon as every operation has settled, because that
   * call itself is what the rest waits for. A provider whose promise never settles is waited for without end.
   */
  async unregister(device: NvmemDevice | null | undefined, end: NvmemEnd = UNREGISTERED): Promise<void> {
    checkEnd(end);
    if (device === null || device === undefined) return;
    const registration = this.#registrationOf(device);
    const { core } = registration;
    const nested = insideCallbackOf(core.port);
    const { detached, done } = (registration.unregistering ??= this.#unregister(registration, end));
    await (nested ? detached : done);
  }

  /**
   * The device of that name, or the one that was opened by that URI (nvmem_device_get()).
   *
   * @throws NvmemError EPROBE_DEFER: nobody has registered it (yet).
   */
  get(what: string | { readonly uri: string }): NvmemDevice {
    const device = this.find(what);
    if (device) return device;
    const says = typeof what === 'string' ? `called ${JSON.stringify(what)}` : `at ${what.uri}`;
    throw new NvmemError('EPROBE_DEFER', `no device ${says} is registered`, {
      syscall: 'get',
      device: typeof what === 'string' ? what : what.uri,
    });
  }

  /**
   * The device of that name, the one that was opened by that URI, or the first that the function says yes to
   * (nvmem_device_find()); oldest first. Of two URIs that differ only in their parameters each finds the other's device:
   * they are the same memory.
   */
  find(
    what: string | { readonly uri: string } | ((device: NvmemDevice) => boolean),
  ): NvmemDevice | undefined {
    if (typeof what === 'function') return this.findDevice(what);
    if (typeof what !== 'object') return this.#byName.get(checkString('name', what))?.device;
    checkKeys('what', checkObject('what', what), ['uri']);
    const wanted = uriKey('what.uri', what.uri);
    return [...this.#byName.values()].find(({ key }) => key === wanted)?.device;
  }

  /** The first device, oldest first, that `match` says yes to (nvmem_device_find()). */
  findDevice(match: (device: NvmemDevice) => boolean): NvmemDevice | undefined {
    checkFunction('match', match);
    return this.devices().find((device) => match(device));
  }

  /** Cells for consumers, by the consumer's name and what it calls them (nvmem_add_cell_lookups()). */
  addCellLookups(...lookups: NvmemCellLookup[]): void {
    this.#lookups.add(lookups, 'checked');
  }

  /** Takes them away again (nvmem_del_cell_lookups()). */
  removeCellLookups(...lookups: NvmemCellLookup[]): void {
    this.#lookups.remove(lookups, 'checked');
  }

  /** @internal The table itself, for the kernel's names. */
  get lookups(): LookupTable {
    return this.#lookups;
  }

  /** Somebody who uses cells under names of its own: what lookups call `devId`. */
  consumer(devId: string): NvmemConsumer {
    return new NvmemConsumer(this, checkString('devId', devId));
  }

  /**
   * The cell that a consumer calls `conId` (nvmem_cell_get() without a device tree).
   *
   * @throws NvmemError EINVAL: no `conId`; ENOENT: no lookup entry, or the device has no such cell; EPROBE_DEFER: the
   *   device is not there, or its layout has not yet said which cells it has.
   */
  lookupCell(devId: string, conId: string | null | undefined): NvmemCell {
    return this.lookupAs(devId, conId, 'checked');
  }

  /** @internal As lookupCell(). */
  lookupAs(devId: string, conId: string | null | undefined, names: Names): NvmemCell {
    return lookUpCell(this.#lookups, (name) => this.#byName.get(name), devId, conId, names);
  }

  /**
   * The device of that name or URI, or the cell of that lookup, as soon as it is there.
   *
   * Rejects with NvmemError ABORT_ERR, ETIMEDOUT; for a lookup also with what lookupCell() says, but for EPROBE_DEFER.
   */
  waitFor(
    what: string | { readonly uri: string },
    options?: Omit<OperationOptions, 'onProgress'>,
  ): Promise<NvmemDevice>;
  waitFor(
    lookup: { readonly devId: string; readonly conId: string },
    options?: Omit<OperationOptions, 'onProgress'>,
  ): Promise<NvmemCell>;
  async waitFor(
    what: string | { readonly uri: string } | { readonly devId: string; readonly conId: string },
    options: Omit<OperationOptions, 'onProgress'> = {},
  ): Promise<NvmemDevice | NvmemCell> {
    if (typeof what !== 'string') checkObject('what', what);
    const look = (): NvmemDevice | NvmemCell | undefined => {
      if (typeof what === 'string' || 'uri' in what) return this.find(what);
      try {
        return this.lookupCell(what.devId, what.conId);
      } catch (error) {
        if ((error as { code?: unknown }).code === 'EPROBE_DEFER') return undefined;
        throw error;
      }
    };
    const says = typeof what === 'string' ? what : 'uri' in what ? what.uri : `${what.devId}/${what.conId}`;
    return waitForEvent(this, ['add', 'cell-add', 'layout-add'], look, says, options);
  }

  /**
   * In the kernel's order, CELL_ADD of the static cells before ADD (nvmem_register_notifier()).
   *
   * @throws NvmemError EEXIST: it is there already.
   */
  registerNotifier(notifier: NvmemNotifier): void {
    this.#notifiers.add(notifier);
  }

  /** @throws NvmemError ENOENT: it is not there. */
  unregisterNotifier(notifier: NvmemNotifier): void {
    if (this.#notifiers.remove(notifier)) return;
    throw new NvmemError('ENOENT', 'that notifier is not registered', {
      syscall: 'unregisterNotifier',
      hint: 'Give the object that was given to registerNotifier().',
    });
  }

  /** Makes a layout known: devices that name it get their cells now, later ones when they come. */
  addLayout(layout: NvmemLayout): void {
    this.#layouts.add(layout);
    for (const registration of this.#byName.values()) this.#lookInto(registration);
  }

  /** No further device gets cells from it; those that are there stay, as in the kernel. */
  removeLayout(layout: NvmemLayout): void {
    this.#layouts.remove(layout);
  }

  /** @internal The device whose provider has that parent and a compat file in its folder. */
  compatOf(baseDev: string): NvmemDevice | undefined {
    return [...this.#byName.values()].find((one) => one.baseDev === baseDev)?.device;
  }

  /** All registered devices, oldest first. */
  devices(): NvmemDevice[] {
    return [...this.#byName.values()].map(({ device }) => device);
  }

  /** @internal One more handle on the same device, which announces 'removed' as well. */
  addHandle(device: NvmemDevice, handle: NvmemDevice): void {
    this.#registrationOf(device).handles.add(handle);
  }

  #unregister(registration: Registration, end: NvmemEnd): Unregistering {
    registration.isAway = end.cause === 'unplugged';
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
    void this.#tearDown(registration, end, onDetached).then(onDone);
    return registration.unregistering;
  }

  async #tearDown(registration: Registration, end: NvmemEnd, onDetached: () => void): Promise<void> {
    const { core, device, number, key, isAway, isHidden, handles, free, layout, layoutDone } = registration;
    const { name } = core.facts;
    // Hidden first: a new consumer gets EPROBE_DEFER and never a dead handle (D15), and a replugged device finds its
    // old name and number free at once (D18).
    if (!isHidden) this.#byName.delete(name);
    if (isAway && key !== undefined) this.#numbers.pin(number, key);
    else this.#numbers.give(number);
    if (!isHidden) {
      this.#notify('REMOVE', name, name);
      this.#announce('remove', device);
    }
    const freed = core.port.unregister(end.reason);
    core.detach(end.reason);
    await core.idle();
    onDetached();
    await freed;
    await core.idle();
    // Nothing depends on it any more, so a failure to let go of it concerns nobody.
    await free?.().catch(() => undefined);
    // The consumers' own continuations run before anybody hears that the device is gone.
    await nextTurn();
    if (!isHidden) {
      if (layout !== undefined && layoutDone) this.#announce('layout-remove', device, layout);
      for (const cell of core.cells) {
        this.#notify('CELL_REMOVE', cell.name, name);
        this.#announce('cell-remove', new NvmemCell(core, cell), device);
      }
      this.#announce('removed', device, end);
      tellDevice(() => messageOf(registration, 'removed', end));
    }
    for (const handle of handles) handle.announceRemoved(end);
  }

  /** The device's layout, if it has one and that is known, adds its cells. */
  #lookInto(registration: Registration): void {
    const { core, device, layout: name } = registration;
    const layout = name === undefined ? undefined : this.#layouts.get(name);
    if (layout === undefined || name === undefined || registration.layoutStarted) return;
    registration.layoutStarted = true;
    const added: CellEntry[] = [];
    const context: LayoutContext = {
      device,
      addCell: (info) => {
        added.push(NvmemCell.partsOf(this.addCell(device, info)).entry);
      },
    };
    const end = (error: unknown): void => {
      if (core.gone !== undefined) return;
      registration.layoutDone = true;
      this.#announce('layout-add', device, name, error);
    };
    const undo = (error: unknown): void => {
      if (core.gone === undefined) {
        for (const entry of added) {
          core.cells.splice(core.cells.indexOf(entry), 1);
          this.#notify('CELL_REMOVE', entry.name, core.facts.name);
          this.#announce('cell-remove', new NvmemCell(core, entry), device);
        }
      }
      end(error);
    };
    const looked = new Promise<unknown>((resolve) => {
      resolve(layout.addCells(context));
    });
    void looked.then(() => {
      end(undefined);
    }, undo);
  }

  #notify(event: NvmemNotification, name: string, device: string): void {
    for (const notifier of this.#notifiers.all) {
      let answer: unknown;
      callUser(() => {
        answer = notifier.notify(event, name, device);
      });
      if (endsRound(answer)) return;
    }
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
        (listener as (this: Registry, ...args: NvmemEvents[E]) => unknown).apply(this, args);
      });
    }
  }
}

function messageOf(
  { core, key }: Registration,
  event: DeviceMessage['event'],
  end?: NvmemEnd,
): DeviceMessage {
  const reason = end?.reason ?? '';
  return { event, device: core.facts.name, uri: key, follower: false, cause: end?.cause, reason };
}

/** The registry that a program shares: the one that open() uses unless told otherwise. */
export const nvmem = new Registry();
