import {
  Kind,
  loadAddon,
  Operation,
  type Addon,
  type BoundFunction,
  type Dispatch,
  type NativeCounts,
} from './addon.js';
import { setTimeout } from '../base/timers.js';
import { DeadSlot, failed } from './dead_slot.js';
import type {
  At24Config,
  BusOpening,
  IoOptions,
  AttachedSlot,
  BoundPiece,
  Native,
  NativeBus,
  NativeHold,
  NativeLookout,
  NativeOutcome,
  NativeReadOutcome,
  NativeSlot,
  NativeStats,
  NativeTurn,
  HidrawOptions,
  I2cOptions,
  KernelFileConfig,
  PartClaim,
  SysfsOptions,
  UsbipOptions,
  UsbOptions,
  WriteIoOptions,
} from './types.js';
import type { UsbIds } from '../base/usb_ids.js';

const ENODEV = 19;
const EBADF = 9;
const ECANCELED = 125;
const EMPTY = Buffer.alloc(0);
/** native/at24/at24.h, enum Paged. */
const PAGED: readonly At24Config['paging'][] = ['none', 'ee1004', 'spd5118'];

type Settle = (outcome: NativeReadOutcome) => void;

interface Pending {
  readonly settle: Settle;
  readonly onProgress: ((done: number) => void) | undefined;
}

/** Whom completions belong to. Entries leave when their one completion has come. */
class Desk {
  readonly requests = new Map<number, Pending>();
  readonly opening = new Map<number, (opening: BusOpening) => void>();
  readonly buses = new Map<number, Bus>();
  readonly unregistering = new Map<number, () => void>();
  readonly turns = new Map<number, () => void>();
  readonly attached = new Map<number, Attached>();
  readonly lookouts = new Map<number, () => void>();
  /** The addon itself holds it weakly while nothing is under way. */
  readonly dispatch: Dispatch;
  /** Frees slots whose handle was collected without unregister(). */
  readonly forgotten: FinalizationRegistry<number>;

  constructor(readonly addon: Addon) {
    this.forgotten = new FinalizationRegistry((slot) => {
      addon.forgetSlot(slot);
    });
    this.dispatch = (
      kind,
      id,
      status,
      transferred,
      uncertain,
      unchanged,
      protectStatus,
      mismatchOffset,
      mismatchCount,
      text,
      data,
      finding,
      found,
    ) => {
      switch (kind) {
        case Kind.Completed: {
          const pending = this.requests.get(id);
          this.requests.delete(id);
          pending?.settle({
            status,
            transferred,
            uncertain,
            unchanged,
            protectStatus,
            mismatchOffset,
            mismatchCount,
            finding,
            found,
            reason: text,
            data: data ?? EMPTY,
          });
          break;
        }
        case Kind.Progress:
          this.requests.get(id)?.onProgress?.(transferred);
          break;
        case Kind.BusOpened:
          this.#opened(id, status, text);
          break;
        case Kind.BusGone:
          this.buses.get(id)?.wentAway(text);
          break;
        case Kind.BusClosed:
          this.buses.get(id)?.wasClosed();
          this.buses.delete(id);
          break;
        case Kind.Unregistered:
          this.unregistering.get(id)?.();
          this.unregistering.delete(id);
          break;
        case Kind.Turn:
          this.turns.get(id)?.();
          this.turns.delete(id);
          break;
        case Kind.Detached:
          this.attached.get(id)?.wasDetached(text);
          break;
        case Kind.Freed:
          this.attached.get(id)?.wasFreed();
          this.attached.delete(id);
          break;
        case Kind.Look:
          this.lookouts.get(id)?.();
          break;
      }
    };
    addon.start(this.dispatch);
  }

  #opened(id: number, status: number, text: string): void {
    const settle = this.opening.get(id);
    this.opening.delete(id);
    // Of another realm.
    if (!settle) return;
    if (status !== 0) {
      settle({ status, reason: text });
      return;
    }
    const bus = new Bus(this, id, parseIdentity(text));
    this.buses.set(id, bus);
    settle({ status: 0, bus });
  }
}

/** "part=0x0c version=2": space-separated pairs, values percent-encoded where they need it. */
function parseIdentity(text: string): Map<string, string> {
  const pairs = text.split(' ').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), decodeURIComponent(pair.slice(at + 1))] as const;
    }),
  );
}

const AGAIN_MS = 50;

/** For what nobody can be refused: where the addon has no memory for it (-ENOMEM), it is asked again. */
function insist(call: () => number | undefined): void {
  if (call() !== undefined) setTimeout(insist, AGAIN_MS, call);
}

class Slot implements NativeSlot {
  #unregistered: Promise<void> | undefined;
  #stats: NativeStats | undefined;

  constructor(
    readonly desk: Desk,
    readonly id: number,
  ) {
    desk.forgotten.register(this, id, this);
  }

  get alive(): boolean {
    return this.desk.addon.alive(this.id);
  }

  stats(): NativeStats | undefined {
    const counted = this.desk.addon.stats(this.id);
    if (counted) {
      const [
        bytesRead = 0,
        bytesWritten = 0,
        writeCycles = 0,
        pagesSkipped = 0,
        retries = 0,
        verifyFailures = 0,
      ] = counted;
      this.#stats = { bytesRead, bytesWritten, writeCycles, pagesSkipped, retries, verifyFailures };
    }
    return this.#stats;
  }

  readNow(offset: number, into: Uint8Array): number {
    return this.desk.addon.readNow(this.id, offset, into);
  }

  writeNow(offset: number, data: Uint8Array): number {
    return this.desk.addon.writeNow(this.id, offset, data);
  }

  read(offset: number, length: number, io: IoOptions = {}): Promise<NativeReadOutcome> {
    return this.#submit(Operation.Read, offset, length, io);
  }

  write(offset: number, data: Uint8Array, io: WriteIoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.Write, offset, data, io);
  }

  probe(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.Probe, 0, 1, io);
  }

  probeWidth(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.ProbeWidth, 0, 0, io);
  }

  lock(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.Lock, 0, 0, io);
  }

  lockState(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.LockState, 0, 0, io);
  }

  probeGeometry(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.ProbeGeometry, 0, 0, io);
  }

  #submit(
    operation: Operation,
    offset: number,
    what: number | Uint8Array,
    io: WriteIoOptions,
  ): Promise<NativeReadOutcome> {
    const { signal, timeoutMs, onProgress, verify = false, skipEqual = false } = io;
    if (signal?.aborted) return Promise.resolve(failed(-ECANCELED));
    const { addon, requests } = this.desk;
    const id = addon.submit(
      this.id,
      operation,
      offset,
      what,
      timeoutMs ?? -1,
      verify,
      onProgress !== undefined,
      skipEqual,
    );
    if (id < 0) return Promise.resolve(failed(id));
    return new Promise((resolve) => {
      if (signal === undefined) {
        requests.set(id, { settle: resolve, onProgress });
        return;
      }
      const abort = (): void => {
        addon.cancel(id, -ECANCELED);
      };
      signal.addEventListener('abort', abort, { once: true });
      requests.set(id, {
        onProgress,
        settle: (outcome) => {
          signal.removeEventListener('abort', abort);
          resolve(outcome);
        },
      });
    });
  }

  hold(label: string): NativeHold | number {
    const { addon } = this.desk;
    const id = addon.hold(this.id, label);
    if (id < 0) return id;
    return {
      release(): void {
        addon.releaseHold(id);
      },
    };
  }

  share(facts: string): string | number {
    return this.desk.addon.share(this.id, facts);
  }

  takeTurn(): NativeTurn | number {
    const { addon, turns } = this.desk;
    const answer = addon.takeTurn(this.id);
    if (answer < 0) return answer;
    const turn = Math.floor(answer / 2);
    const granted =
      answer % 2 === 0
        ? undefined
        : new Promise<void>((resolve) => {
            turns.set(turn, resolve);
          });
    return {
      granted,
      give(): void {
        turns.delete(turn);
        addon.giveTurn(turn);
      },
    };
  }

  bind(pieces: readonly BoundPiece[], into: Uint8Array): BoundFunction | number {
    const list = pieces.flatMap(({ offset, length, fill = -1 }) => [offset, length, fill]);
    return this.desk.addon.bind(this.id, list, into);
  }

  unregister(reason = ''): Promise<void> {
    this.#unregistered ??= new Promise((resolve) => {
      const { addon, forgotten, unregistering } = this.desk;
      forgotten.unregister(this);
      unregistering.set(this.id, () => {
        this.stats();
        resolve();
      });
      insist(() => addon.unregister(this.id, reason));
    });
    return this.#unregistered;
  }
}

/** A slot of another environment. The desk knows it until its provider has gone, or it is let go of. */
class Attached extends Slot implements AttachedSlot {
  readonly detached: Promise<string>;
  readonly freed: Promise<void>;
  wasDetached!: (reason: string) => void;
  wasFreed!: () => void;

  constructor(desk: Desk, id: number) {
    super(desk, id);
    this.detached = new Promise((resolve) => {
      this.wasDetached = resolve;
    });
    this.freed = new Promise((resolve) => {
      this.wasFreed = () => {
        this.stats();
        resolve();
      };
    });
    desk.attached.set(id, this);
  }

  letGo(): void {
    this.desk.attached.delete(this.id);
    this.desk.addon.forgetSlot(this.id);
  }
}

/** A bus that has closed meanwhile (its number is worth nothing) is to its users a device that has gone. */
function refused(status: number): NativeSlot {
  return new DeadSlot(status === -EBADF ? -ENODEV : status);
}

class Bus implements NativeBus {
  readonly gone: Promise<string>;
  #wentAway!: (reason: string) => void;
  #closing: Promise<void> | undefined;
  #resolveClosing: (() => void) | undefined;
  #isClosed = false;

  constructor(
    readonly desk: Desk,
    readonly id: number,
    readonly identity: ReadonlyMap<string, string>,
  ) {
    this.gone = new Promise((resolve) => {
      this.#wentAway = resolve;
    });
  }

  at24(config: At24Config): NativeSlot {
    const {
      address,
      size,
      addressBytes,
      pageSize,
      writeCycleMs,
      blockShift,
      offsetAdd,
      readRollover,
      wpLine,
      paging,
      wpInverted = false,
      writable = true,
      lockWord = -1,
      claim = 0,
      forceGeometry = false,
    } = config;
    // The line could not be had: never a part without its write protect.
    if (wpLine < -1) return refused(wpLine);
    const id = this.desk.addon.at24(
      this.id,
      address,
      size,
      addressBytes,
      pageSize,
      writeCycleMs,
      blockShift,
      offsetAdd,
      readRollover,
      wpLine,
      PAGED.indexOf(paging),
      wpInverted,
      writable,
      lockWord,
      claim,
      forceGeometry,
    );
    return id < 0 ? refused(id) : new Slot(this.desk, id);
  }

  kernelFile({ path, size, writable }: KernelFileConfig): NativeSlot {
    const id = this.desk.addon.kernelFile(this.id, path, size, writable);
    return id < 0 ? refused(id) : new Slot(this.desk, id);
  }

  claim({ wire, uses, holder }: PartClaim): number | string {
    const list = uses.flatMap(({ address, as }) => [address, as]);
    return this.desk.addon.claim(this.id, wire, list, holder);
  }

  nameClaim(claim: number, holder: string): void {
    this.desk.addon.nameClaim(claim, holder);
  }

  gpioLine(chip: string, line: number | string): number {
    return this.desk.addon.gpioLine(this.id, chip, line);
  }

  wentAway(reason: string): void {
    this.#wentAway(reason);
  }

  /** Also comes without close(): a bus whose bridge has gone closes by itself. */
  wasClosed(): void {
    this.#isClosed = true;
    this.#resolveClosing?.();
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#closing ??= new Promise((resolve) => {
      this.#resolveClosing = resolve;
      insist(() => this.desk.addon.closeBus(this.id));
    });
    return this.#closing;
  }
}

class Client implements Native {
  readonly #desk: Desk;

  constructor(addon: Addon) {
    this.#desk = new Desk(addon);
  }

  openUsbip({ host, port, busid, clockHz, openTimeoutMs, ids }: UsbipOptions): Promise<BusOpening> {
    return this.#opening(
      this.#desk.addon.openUsbip(host, port, busid, clockHz, openTimeoutMs, idNumber(ids)),
    );
  }

  openUsb({ bridge, clockHz, openTimeoutMs, ids }: UsbOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openUsb(bridge, clockHz, openTimeoutMs, idNumber(ids)));
  }

  openHidraw({ path, clockHz, openTimeoutMs }: HidrawOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openHidraw(path, clockHz, openTimeoutMs));
  }

  openI2c({ path, force, openTimeoutMs }: I2cOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openI2c(path, force, openTimeoutMs));
  }

  openSysfs({ folder, writable, openTimeoutMs }: SysfsOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openSysfs(folder, writable, openTimeoutMs));
  }

  #opening(id: number): Promise<BusOpening> {
    if (id < 0) return Promise.resolve({ status: id, reason: '' });
    return new Promise((resolve) => {
      this.#desk.opening.set(id, resolve);
    });
  }

  memory(image: Uint8Array): NativeSlot | number {
    return this.#slot(this.#desk.addon.memory(image));
  }

  script(): NativeSlot | number {
    return this.#slot(this.#desk.addon.script());
  }

  #slot(id: number): NativeSlot | number {
    return id < 0 ? id : new Slot(this.#desk, id);
  }

  attach(token: string): { slot: AttachedSlot; facts: string } | number {
    const attached = this.#desk.addon.attach(token);
    if (typeof attached === 'number') return attached;
    const [id, facts] = attached;
    return { slot: new Attached(this.#desk, id), facts };
  }

  lookout(look: () => void, { uevents = true }: { readonly uevents?: boolean } = {}): NativeLookout | number {
    const { addon, lookouts } = this.#desk;
    const id = addon.startLookout(uevents);
    if (id < 0) return id;
    lookouts.set(id, look);
    return {
      get hearsKernel(): boolean {
        return addon.hearsKernel(id);
      },
      watchFolder: (path) => addon.watchFolder(id, path),
      stop(): void {
        lookouts.delete(id);
        addon.stopLookout(id);
      },
    };
  }

  counts(): NativeCounts {
    return this.#desk.addon.counts();
  }
}

/** As the addon takes them; 0: none. */
function idNumber(ids: UsbIds | undefined): number {
  return ids === undefined ? 0 : ids.vid * 0x10000 + ids.pid;
}

let client: Client | undefined;

/** The addon, loaded at the first call. @throws Error `ERR_NVMEM_ADDON`, see addon.ts. */
export function native(): Native {
  client ??= new Client(loadAddon());
  return client;
}
