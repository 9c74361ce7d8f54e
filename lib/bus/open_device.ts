/** Devices that are opened, whatever is behind them: registered, and let go of when they are closed. */
/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import { Deadline, settledWithin } from '../base/deadline.js';
import { NvmemError } from '../base/errors.js';
import { LoopHold } from '../base/loop_hold.js';
import {
  checkBoolean,
  checkKeys,
  checkObject,
  checkOperationOptions,
  checkSignal,
  checkTimeout,
  type OperationOptions,
} from '../base/validate.js';
import type { NvmemCellInfo } from '../core/cell_entry.js';
import { coreOf, NvmemDevice } from '../core/device.js';
import type { Keepout } from '../core/keepouts.js';
import type { NvmemId } from '../core/naming.js';
import { nvmem, type Nvmem } from '../core/registry.js';
import type { NvmemGeometry } from './geometry.js';
import type { Opened } from './opened.js';
import { type PageLock, refuseLock, type LockOptions } from './page_lock.js';

export interface OpenOptions {
  /** Name in the registry. Default: bus and address ('1-1-0050'), 'mem' or 'file', with a number. */
  readonly name?: string | undefined;
  /** Default: 'none' with a name, else 'auto'. */
  readonly id?: NvmemId | undefined;
  /** Refuse every write. Default false: opening is the explicit act that lets writes through, WP line or not. */
  readonly readOnly?: boolean | undefined;
  readonly cells?: readonly NvmemCellInfo[] | undefined;
  readonly keepouts?: readonly Keepout[] | undefined;
  /** Limit for connecting, configuring the bridge and finding the part, milliseconds. Default 5000. */
  readonly openTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * The part is what the URI says, whatever it looks like. Default false: before the first write (and behind a CP2112 of
   * version 1 before the first two address bytes, in open() already) it is asked with reads that change no part, and one of
   * another width or a smaller size is EMEDIUMTYPE; what a blank part does not tell, its first page does, before the second.
   */
  readonly forceGeometry?: boolean | undefined;
  /** Where the device is registered. Default: `nvmem`. */
  readonly registry?: Nvmem | undefined;
}

const KEYS = [
  ...['name', 'id', 'readOnly', 'cells', 'keepouts', 'openTimeoutMs', 'signal', 'registry'],
  ...['forceGeometry'],
];
/** Limit for opening, milliseconds. */
export const DEFAULT_OPEN_TIMEOUT_MS = 5000;
/** What limits itself (the addon, the pool of buses) knows better what it was waiting for, and gets the time to say so. */
const GRACE_MS = 500;
/** An error does not wait for longer than this until what was opened is let go of; that then goes on by itself. */
export const LET_GO_MS = 1000;

/**
 * A device that open() has opened and that its caller closes. As a socket does, it holds the event loop open until it is
 * closed or gone, unless unref() says otherwise.
 */
export class OpenDevice extends NvmemDevice {
  /** As it was given to open(). */
  readonly uri: string;
  /** What is behind it, as key and value: of a bridge its part, version, serial number and clock. */
  readonly identity: ReadonlyMap<string, string>;
  readonly #close: () => Promise<void>;
  readonly #pageLock: PageLock | undefined;
  readonly #hold = new LoopHold();
  readonly #geometry: Opened['geometry'];

  /** @internal */
  constructor(
    device: NvmemDevice,
    uri: string,
    opened: Pick<Opened, 'identity' | 'pageLock' | 'geometry'>,
    close: () => Promise<void>,
  ) {
    super(coreOf(device));
    this.uri = uri;
    this.identity = opened.identity;
    this.#pageLock = opened.pageLock;
    this.#close = close;
    this.#geometry = opened.geometry;
    this.#hold.needed = true;
  }

  /**
   * Whether the lockable page of a part (ST's -D, -A125 and E types, opened at 0x58 to 0x5f) is locked for ever. Undefined:
   * this bus cannot ask without writing, for it has no repeated START. True also where WC (WP) is high and nobody lowers it,
   * because a part then answers the same. Nothing is written: the byte sent is the one that is there, and no STOP follows.
   *
   * Rejects with NvmemError: EOPNOTSUPP (no such page), ENODEV, ETIMEDOUT, ABORT_ERR, and what the bus says.
   */
  async isLocked(options: LockOptions = {}): Promise<boolean | undefined> {
    if (!this.#pageLock) return refuseLock(this.name, 'lock-state', options, OpenDevice.prototype.isLocked);
    return this.#pageLock.isLocked(this.name, options, OpenDevice.prototype.isLocked);
  }

  /**
   * Makes the lockable page read-only FOR EVER: nothing undoes it. Resolves with true where the part says afterwards that it
   * is locked, and with false where it has taken the command and cannot be asked.
   *
   * Rejects with NvmemError: EOPNOTSUPP (no such page), EPERM (locked already, write-protected, or opened read-only: nothing
   * was changed), ENODEV, ETIMEDOUT, ABORT_ERR, EIO, and what the bus says; the message tells whether it may be locked.
   */
  async lockPermanently(options: LockOptions = {}): Promise<boolean> {
    if (!this.#pageLock) return refuseLock(this.name, 'lock', options, OpenDevice.prototype.lockPermanently);
    return this.#pageLock.lock(this.name, this.forceRo, options, OpenDevice.prototype.lockPermanently);
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
    return this.#geometry?.(this.name, options);
  }

  /**
   * Unregisters the device, raises write protect, and lets go of the bridge with its last device. Pending operations
   * reject with ENODEV. Idempotent; never rejects. A bridge that the kernel does not let go of is waited for up to two
   * seconds; the next open() of it waits for the rest.
   */
  close(): Promise<void> {
    // What it still has to wait for holds the loop by itself.
    this.#hold.needed = false;
    return this.#close();
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
  override [Symbol.dispose](): void {
    void this.close();
  }

  /** `await using device = await open(…)` closes it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  override announceRemoved(reason: string): void {
    this.#hold.needed = false;
    super.announceRemoved(reason);
  }
}

/** Registers what has been opened. Nothing of it stays after a failure. */
export async function registerOpened(
  opening: Promise<Opened>,
  uri: string,
  options: OpenOptions,
): Promise<OpenDevice> {
  const { signal, registry = nvmem } = options;
  const opened = await withinLimit(opening, options.openTimeoutMs ?? DEFAULT_OPEN_TIMEOUT_MS, signal, uri);
  try {
    throwIfAborted(signal, uri);
    const device = registry.registerNow(
      {
        provider: opened.provider,
        name: options.name ?? opened.name,
        id: options.id ?? (options.name === undefined ? 'auto' : 'none'),
        type: opened.type,
        readOnly: opened.readOnly || options.readOnly === true,
        cells: opened.cells ? [...opened.cells, ...(options.cells ?? [])] : options.cells,
        keepouts: options.keepouts,
      },
      () => opened.free(),
      uri,
    );
    opened.named?.(device.name);
    if (options.readOnly !== true && coreOf(device).readOnly === 'wp') device.forceRo = false;
    const handle = new OpenDevice(device, uri, opened, () => registry.unregister(device, 'closed'));
    registry.addHandle(device, handle);
    void opened.gone?.then((reason) => registry.unplugged(device, reason === '' ? 'unplugged' : reason));
    return handle;
  } catch (error) {
    await settledWithin(opened.discard(), LET_GO_MS);
    throw error;
  }
}

export function checkOpenOptions(options: OpenOptions): void {
  checkKeys('options', checkObject('options', options), KEYS);
  if (options.readOnly !== undefined) checkBoolean('options.readOnly', options.readOnly);
  if (options.openTimeoutMs !== undefined) checkTimeout('options.openTimeoutMs', options.openTimeoutMs);
  if (options.signal !== undefined) checkSignal('options.signal', options.signal);
  if (options.forceGeometry !== undefined) checkBoolean('options.forceGeometry', options.forceGeometry);
  if (options.registry !== undefined) checkObject('options.registry', options.registry);
}

export function throwIfAborted(signal: AbortSignal | undefined, uri: string): void {
  if (!signal?.aborted) return;
  throw new NvmemError('ABORT_ERR', `the operation was aborted, open of ${uri}`, {
    syscall: 'open',
    device: uri,
    cause: signal.reason,
  });
}

/** Gives up waiting when the time limit or the signal says so; what then still opens is let go of. */
async function withinLimit(
  opening: Promise<Opened>,
  openTimeoutMs: number,
  signal: AbortSignal | undefined,
  uri: string,
): Promise<Opened> {
  const deadline = new Deadline(openTimeoutMs + GRACE_MS, signal);
  const first = await deadline.wait(opening, (opened) => opened.discard());
  if ('value' in first) return first.value;
  throwIfAborted(signal, uri);
  throw new NvmemError('ETIMEDOUT', `cannot open ${uri}: it is not open after ${String(openTimeoutMs)} ms`, {
    syscall: 'open',
    device: uri,
  });
}
