/** An I2C bus that is open: whoever is on it is found and opened here. */
import { EventEmitter } from 'node:events';

import { NvmemError } from '../base/errors.js';
import { LoopHold } from '../base/loop_hold.js';
import { nextTurn } from '../base/timers.js';
import {
  checkBoolean,
  checkFunction,
  checkKeys,
  checkObject,
  checkSignal,
  checkString,
  checkTimeout,
  type OperationOptions,
} from '../base/validate.js';
import type { NvmemDevice } from '../core/device.js';
import { callUser } from '../core/report.js';
import { thisMachine } from '../machine/machine.js';
import { partUriOf, type PartSpec } from '../uri/part_spec.js';
import { parseBusUri, parsePartUri, type BusUri } from '../uri/uri.js';
import {
  checkOpenOptions,
  DEFAULT_OPEN_TIMEOUT_MS,
  registerOpened,
  throwIfAborted,
  type OpenOptions,
} from './open_device.js';
import { BusGpio } from './gpio.js';
import { openPartOn } from './part_device.js';
import { leaseBus, type BusLease } from './pool.js';
import type { BusStats } from './stats.js';
import { probeWidth, type WidthProposal } from './probe_width.js';
import { scanBus, type ScannedPart } from './scan/scan.js';

export interface OpenBusOptions {
  /** Limit for connecting to the bridge and configuring it, milliseconds. Default 5000. */
  readonly openTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BusScanOptions {
  /** Also 0x08 to 0x4f and 0x60 to 0x77, without 0x30 to 0x37. Default false: 0x50 to 0x5f, where EEPROMs are. */
  readonly all?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Limit for each address, milliseconds. Default: none but those of the bus. */
  readonly timeoutMs?: number | undefined;
  /** Called after each address that was asked. */
  readonly onProgress?: ((asked: number, of: number) => void) | undefined;
}

/** Why a bus can be used no more. */
export interface BusEnd {
  readonly cause: 'unplugged' | 'closed';
  /** The same in a sentence. */
  readonly reason: string;
}

export interface BusEvents {
  /** It has gone or was closed, and so have its devices. */
  removed: [end: BusEnd];
}

/**
 * An I2C bus that openBus() has opened and that its caller closes. As a socket does, it holds the event loop open until it is
 * closed or gone, unless unref() says otherwise. Who opens the same bus elsewhere in this program shares it.
 *
 * @example
 * await using bus = await openBus('cp2112://');
 * for (const { address, guess, reason } of await bus.scan()) console.log(address, guess, reason);
 * const eeprom = await bus.device({ address: 0x50, chip: '24c256' });
 */
export class Bus extends EventEmitter<BusEvents> {
  /** As it was given to openBus(). */
  readonly uri: string;
  /** What leads to it: of a bridge its part, version, serial number and clock. */
  readonly identity: Readonly<Record<string, string>>;
  /** Resolves when it can be used no more; never rejects. */
  readonly gone: Promise<BusEnd>;
  /** The pins of the bridge; of other buses everything there is EOPNOTSUPP. */
  readonly gpio: BusGpio;
  readonly #parsed: BusUri;
  readonly #lease: BusLease;
  readonly #devices = new Set<NvmemDevice>();
  readonly #hold = new LoopHold();
  #over: (end: BusEnd) => void = () => undefined;
  #end: BusEnd | undefined;
  #finishing: Promise<void> | undefined;

  /** @internal */
  constructor(uri: string, parsed: BusUri, lease: BusLease) {
    super();
    this.uri = uri;
    this.#parsed = parsed;
    this.#lease = lease;
    this.gpio = new BusGpio(lease.bus, uri, () => {
      this.#check('gpio');
    });
    this.identity = Object.freeze(Object.fromEntries(lease.bus.identity));
    this.gone = new Promise((resolve) => {
      this.#over = resolve;
    });
    this.#hold.needed = true;
    void lease.bus.gone.then(async (reason) => {
      // Its devices are told by the same message, and give it as the cause of their own end.
      await nextTurn();
      await this.#finish({ cause: 'unplugged', reason: reason === '' ? 'unplugged' : reason });
    });
  }

  /**
   * Who answers, and what it may be. Nothing is written: each address is asked for one byte, and guesses come from reading.
   * Addresses at which a driver of the kernel has a part are not asked (`held`).
   *
   * Rejects with NvmemError: ENODEV (closed or gone), EBUSY (SDA or SCL held low), ETIMEDOUT, ABORT_ERR; TypeError, RangeError.
   */
  async scan(options: BusScanOptions = {}): Promise<ScannedPart[]> {
    checkKeys('options', checkObject('options', options), ['all', 'signal', 'timeoutMs', 'onProgress']);
    const { all = false, signal, timeoutMs, onProgress } = options;
    checkBoolean('options.all', all);
    if (signal !== undefined) checkSignal('options.signal', signal);
    if (timeoutMs !== undefined) checkTimeout('options.timeoutMs', timeoutMs);
    if (onProgress !== undefined) checkFunction('options.onProgress', onProgress);
    this.#check('scan');
    throwIfAborted(signal, this.uri);
    const on = { lease: this.#lease, bus: this.#parsed, uri: this.uri };
    return scanBus(thisMachine, on, all, { signal, timeoutMs, onProgress });
  }

  /**
   * What has happened on it since this program opened it, whoever uses it: a snapshot that does not change; the last numbers when
   * it can be used no more. BusStats says what each kind of bus can see.
   */
  get stats(): BusStats {
    return Object.freeze({ ...this.#lease.bus.stats() });
  }

  /** @internal The same for every URI that means this bus. */
  get key(): string {
    return this.#lease.access.key;
  }

  /**
   * Opens a part and registers it, as open() does; the bus closes it with itself.
   *
   * Rejects with NvmemError as open() says, and ENODEV where the bus is closed or gone.
   */
  async device(part: PartSpec, options: OpenOptions = {}): Promise<NvmemDevice> {
    const uri = partUriOf(this.#parsed, part);
    checkOpenOptions(options);
    const parsed = parsePartUri(uri);
    this.#check('open');
    throwIfAborted(options.signal, uri);
    const { openTimeoutMs = DEFAULT_OPEN_TIMEOUT_MS, signal, forceGeometry } = options;
    const opening = openPartOn(this.#lease.share(), parsed.part, {
      uri,
      openTimeoutMs,
      signal,
      forceGeometry,
    });
    const device = await registerOpened(opening, uri, options);
    this.#devices.add(device);
    device.once('removed', () => this.#devices.delete(device));
    if (this.#end !== undefined) await device.close();
    return device;
  }

  /**
   * Proposes the `addressWidth` of the EEPROM at a device address (0x50 to 0x57) by reading alone.
   *
   * Rejects with NvmemError: ENXIO (nobody there), EOPNOTSUPP (another address), ENODEV, ETIMEDOUT, ABORT_ERR.
   */
  async probeWidth(
    address: number,
    options: Omit<OperationOptions, 'onProgress'> = {},
  ): Promise<WidthProposal> {
    this.#check('probe');
    return probeWidth(this.#lease.bus, address, options);
  }

  /** Closes the devices that were opened on it, and lets go of it. Idempotent; never rejects. */
  close(): Promise<void> {
    return this.#finish({ cause: 'closed', reason: 'closed' });
  }

  #finish(end: BusEnd): Promise<void> {
    this.#end ??= end;
    this.#finishing ??= this.#letGo(this.#end);
    return this.#finishing;
  }

  async #letGo(end: BusEnd): Promise<void> {
    this.#hold.needed = false;
    await Promise.all([...this.#devices].map((device) => device.close()));
    await this.#lease.release();
    this.#over(end);
    for (const listener of this.rawListeners('removed'))
      callUser(() => {
        listener.call(this, end);
      });
  }

  /** The bus no longer keeps the program, or the worker, from ending; its devices and what is under way do. */
  unref(): this {
    this.#hold.allowed = false;
    return this;
  }

  /** Takes unref() back. */
  ref(): this {
    this.#hold.allowed = true;
    return this;
  }

  /** `await using bus = await openBus(…)` closes it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(syscall: string): void {
    if (this.#end === undefined) return;
    throw new NvmemError('ENODEV', `the bus ${this.uri} cannot be used any more: ${this.#end.reason}`, {
      syscall,
      device: this.uri,
    });
  }
}

/**
 * Opens the I2C bus behind a URI (`cp2112://`, `hidraw://`, `i2c://`, `usbip://` without an address). Where this program has it
 * open already, it is shared.
 *
 * Rejects with NvmemError: EINVAL (bad URI, or one that names a part), ENOENT (no such bridge, bus id or node), EACCES, EBUSY
 * (somebody else has it, or it is open with another clock), EOPNOTSUPP (no CP2112), ECONNREFUSED, EHOSTUNREACH, EPROTO (no USB/IP
 * server), ENODEV, ETIMEDOUT, ABORT_ERR; TypeError and RangeError for bad options.
 */
export async function openBus(uri: string, options: OpenBusOptions = {}): Promise<Bus> {
  checkString('uri', uri);
  checkKeys('options', checkObject('options', options), ['openTimeoutMs', 'signal']);
  const { openTimeoutMs = DEFAULT_OPEN_TIMEOUT_MS, signal } = options;
  checkTimeout('options.openTimeoutMs', openTimeoutMs);
  if (signal !== undefined) checkSignal('options.signal', signal);
  const parsed = parseBusUri(uri);
  throwIfAborted(signal, uri);
  return new Bus(uri, parsed, await leaseBus(parsed, { uri, openTimeoutMs, signal }));
}
