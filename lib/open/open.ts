/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
import { WRITE_TIMEOUT_MS } from '../chips/chips.js';
import { providerOfSlot } from '../core/backend.js';
import type { NvmemCellInfo } from '../core/cell_entry.js';
import { coreOf, NvmemDevice } from '../core/device.js';
import { Deadline, settledWithin } from '../base/deadline.js';
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { LoopHold } from '../base/loop_hold.js';
import { monotonicMs } from '../base/timers.js';
import { partWords } from '../base/part_words.js';
import type { Keepout } from '../core/keepouts.js';
import type { NvmemId } from '../core/naming.js';
import { memoryProvider, nvmem, type Nvmem } from '../core/registry.js';
import {
  checkBoolean,
  checkKeys,
  checkObject,
  checkSignal,
  checkString,
  checkTimeout,
} from '../base/validate.js';
import type { NativeSlot } from '../native/index.js';
import { parseUri, type BusUri, type FileUri, type MemUri, type NvmemUri } from '../uri/uri.js';
import { claimPart, holderOf } from '../bus/claim.js';
import { leaseBus, type BusLease } from '../bus/pool.js';
import { openFile } from './file_provider.js';
import { PageLock, refuseLock, type LockOptions } from './page_lock.js';
import type { Source } from './source.js';
import { openSysfs } from './sysfs_device.js';
import { wpError, wpLineOf } from '../bus/wp.js';

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
  /** Where the device is registered. Default: `nvmem`. */
  readonly registry?: Nvmem | undefined;
}

const KEYS = ['name', 'id', 'readOnly', 'cells', 'keepouts', 'openTimeoutMs', 'signal', 'registry'];
const DEFAULT_OPEN_TIMEOUT_MS = 5000;
/** What limits itself (the addon, the pool of buses) knows better what it was waiting for, and gets the time to say so. */
const GRACE_MS = 500;
/** An error does not wait for longer than this until what was opened is let go of; that then goes on by itself. */
const LET_GO_MS = 1000;

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

  /** @internal */
  constructor(
    device: NvmemDevice,
    uri: string,
    source: Pick<Source, 'identity' | 'pageLock'>,
    close: () => Promise<void>,
  ) {
    super(coreOf(device));
    this.uri = uri;
    this.identity = source.identity;
    this.#pageLock = source.pageLock;
    this.#close = close;
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

/**
 * Opens the memory behind a URI and registers it. The part is asked for a byte, so an address where nobody answers is
 * an error here; the write-protect line, if there is one, is made to protect. Nothing stays open after a failure.
 *
 * When the bridge goes, its devices are unregistered by themselves and announce 'removed'.
 *
 * Rejects with NvmemError: EINVAL (bad URI, unknown chip), ENOTSUP (scheme not in this version; no CP2112),
 * ECONNREFUSED, EHOSTUNREACH, EPROTO (no USB/IP server), ENOENT (no such bus id, file, or line for wp=), ENXIO (nobody
 * at that address), EMEDIUMTYPE (another part there), EBUSY (bridge or WP line in use, open with another clock, an address
 * of the part in use as another part, or its I2C bus held low), EAGAIN (arbitration lost), ENODEV, ETIMEDOUT, ABORT_ERR, EEXIST (name taken), EACCES, ENOSYS (no
 * gpiochip lines in this kernel);
 * TypeError and RangeError for bad options.
 *
 * @example
 * const eeprom = await open('usbip://127.0.0.1/1-1/0x50?chip=24c256');
 * const data = await eeprom.read(0, eeprom.size);
 * await eeprom.close();
 */
export async function open(uri: string, options: OpenOptions = {}): Promise<OpenDevice> {
  checkString('uri', uri);
  checkOptions(options);
  const { signal, registry = nvmem } = options;
  const parsed = parseUri(uri);
  const openTimeoutMs = options.openTimeoutMs ?? DEFAULT_OPEN_TIMEOUT_MS;
  throwIfAborted(signal, uri);
  const source = await withinLimit(
    openSource(parsed, options.readOnly ?? false, openTimeoutMs, signal),
    openTimeoutMs,
    signal,
    uri,
  );
  try {
    throwIfAborted(signal, uri);
    const device = registry.registerNow(
      {
        provider: source.provider,
        name: options.name ?? source.name,
        id: options.id ?? (options.name === undefined ? 'auto' : 'none'),
        type: source.type,
        readOnly: source.readOnly || options.readOnly === true,
        cells: source.cells ? [...source.cells, ...(options.cells ?? [])] : options.cells,
        keepouts: options.keepouts,
      },
      () => source.free(),
      uri,
    );
    source.named?.(device.name);
    if (options.readOnly !== true && coreOf(device).readOnly === 'wp') device.forceRo = false;
    const handle = new OpenDevice(device, uri, source, () => registry.unregister(device, 'closed'));
    registry.addHandle(device, handle);
    void source.gone?.then((reason) => registry.unplugged(device, reason === '' ? 'unplugged' : reason));
    return handle;
  } catch (error) {
    await settledWithin(source.discard(), LET_GO_MS);
    throw error;
  }
}

function checkOptions(options: OpenOptions): void {
  checkKeys('options', checkObject('options', options), KEYS);
  if (options.readOnly !== undefined) checkBoolean('options.readOnly', options.readOnly);
  if (options.openTimeoutMs !== undefined) checkTimeout('options.openTimeoutMs', options.openTimeoutMs);
  if (options.signal !== undefined) checkSignal('options.signal', options.signal);
  if (options.registry !== undefined) checkObject('options.registry', options.registry);
}

function throwIfAborted(signal: AbortSignal | undefined, uri: string): void {
  if (!signal?.aborted) return;
  throw new NvmemError('ABORT_ERR', `the operation was aborted, open of ${uri}`, {
    syscall: 'open',
    device: uri,
    cause: signal.reason,
  });
}

/** Gives up waiting when the time limit or the signal says so; what then still opens is let go of. */
async function withinLimit(
  opening: Promise<Source>,
  openTimeoutMs: number,
  signal: AbortSignal | undefined,
  uri: string,
): Promise<Source> {
  const deadline = new Deadline(openTimeoutMs + GRACE_MS, signal);
  const first = await deadline.wait(opening, (source) => source.discard());
  if ('value' in first) return first.value;
  throwIfAborted(signal, uri);
  throw new NvmemError('ETIMEDOUT', `cannot open ${uri}: it is not open after ${String(openTimeoutMs)} ms`, {
    syscall: 'open',
    device: uri,
  });
}

function openSource(
  uri: NvmemUri,
  readOnly: boolean,
  openTimeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Source> {
  switch (uri.scheme) {
    case 'mem':
      return Promise.resolve(openMemory(uri));
    case 'file':
      return openImage(uri, readOnly);
    case 'sysfs':
      return openSysfs(uri, readOnly, openTimeoutMs, signal);
    default:
      return openPart(uri, openTimeoutMs, signal);
  }
}

function openMemory(uri: MemUri): Source {
  return {
    name: 'mem',
    provider: memoryProvider(uri.size),
    readOnly: false,
    type: 'Unknown',
    identity: new Map(),
    gone: undefined,
    discard: () => Promise.resolve(),
    free: () => Promise.resolve(),
  };
}

async function openImage(uri: FileUri, readOnly: boolean): Promise<Source> {
  const provider = await openFile(uri, readOnly);
  return {
    name: 'file',
    provider,
    readOnly: !provider.writable,
    type: 'Unknown',
    identity: new Map([['path', uri.path]]),
    gone: undefined,
    discard: () => provider.close(),
    free: () => provider.close(),
  };
}

async function openPart(
  uri: BusUri,
  openTimeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Source> {
  const { part } = uri;
  const deadline = monotonicMs() + openTimeoutMs;
  const lease = await leaseBus(uri, openTimeoutMs);
  let claim: number | undefined;
  try {
    claim = await claimPart(lease, uri);
  } catch (error) {
    await lease.release();
    throw error;
  }
  const slot = lease.bus.at24({
    address: part.address,
    size: part.size,
    addressBytes: part.addressBytes,
    pageSize: part.pageSize,
    writeCycleMs: part.writeCycleMs ?? Math.max(WRITE_TIMEOUT_MS, part.chip.writeCycleMs),
    blockShift: part.chip.blockShift,
    offsetAdd: part.chip.offsetAdd,
    // Not every part of several blocks counts on into the next one, and a new address every block costs nothing.
    readRollover: false,
    ...wpLineOf(lease.bus, part.wp),
    paging: part.chip.paging,
    writable: part.chip.neverWritten ? false : undefined,
    lockWord: part.chip.lockWord,
    claim,
  });
  const discard = async (): Promise<void> => {
    await slot.unregister();
    await lease.release();
  };
  try {
    await probe(uri, slot, lease, Math.max(deadline - monotonicMs(), 1), signal);
  } catch (error) {
    await settledWithin(discard(), LET_GO_MS);
    throw error;
  }
  const address = part.address.toString(16).padStart(4, '0');
  return {
    name: `${lease.source.name(lease.bus.identity)}-${address}`,
    provider: providerOfSlot(slot, part.size, {
      hasWpLine: part.wp !== undefined,
      sharesWriters: true,
      isPart: true,
    }),
    pageLock: new PageLock(slot, part),
    named: (device) => {
      if (claim !== undefined) lease.bus.nameClaim?.(claim, holderOf(uri.uri, device));
    },
    readOnly: part.chip.readOnly,
    type: 'EEPROM',
    identity: lease.bus.identity,
    gone: lease.bus.gone,
    discard,
    free: () => lease.release(),
  };
}

function clockOf(lease: BusLease): string {
  const clockHz = lease.bus.identity.get('clock_hz');
  return clockHz === undefined ? '' : `, at ${clockHz} Hz`;
}

/** Is the part there? at24's probe asks for one byte as well. */
async function probe(
  uri: BusUri,
  slot: NativeSlot,
  lease: BusLease,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { status, protectStatus, reason } = await slot.probe({ timeoutMs, signal });
  if (status === 0) return;
  throwIfAborted(signal, uri.uri);
  const { part } = uri;
  const code = codeOf(status);
  if (part.wp !== undefined && protectStatus !== 0 && code !== 'ENODEV') {
    throw wpError(uri.uri, part.wp, status, reason);
  }
  const at = `0x${part.address.toString(16)} on ${lease.source.what}`;
  const detail = reason === '' || code === 'ENXIO' ? '' : ` (${reason})`;
  const bus = lease.source.what;
  const sentences: Partial<Record<string, string>> = {
    ENXIO: `no part answers at ${at}`,
    ENODEV: `${bus} went away while it was being opened`,
    ETIMEDOUT: `the part at ${at} did not answer in time${clockOf(lease)}`,
    EMEDIUMTYPE: `the part at ${at} is no ${part.chip.name}`,
    EAGAIN: `another master keeps the I2C bus of ${bus}`,
    EBUSY: `the I2C bus of ${bus} is stuck: the part at ${at} cannot be reached`,
  };
  const sentence =
    sentences[code] ?? `the part at ${at} cannot be read: ${partWords(code)?.says ?? saysOf(code)}`;
  throw new NvmemError(code, `${sentence}${detail}`, {
    errno: status,
    syscall: 'open',
    device: uri.uri,
    hint:
      lease.source.partHint?.(code) ??
      (code === 'ENODEV' ? lease.source.hint?.(code) : partWords(code)?.hint),
  });
}
