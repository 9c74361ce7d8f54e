import type { Finding } from './finding.js';
import { inPackage, packageFolder } from '../base/package.js';
import { loadFailure } from './load_failure.js';

/**
 * The addon's raw surface (native/binding/binding.cc). Handles are numbers that the environment owns: a wrong
 * one gets -EBADF, never a crash. Every function returns at once; what takes time ends in `Dispatch`.
 */
export interface Addon {
  /**
   * First, once for every realm of the environment: where completions go. Those of other realms come too. The function is
   * held weakly while nothing is under way.
   */
  start(dispatch: Dispatch): void;
  openUsbip(
    host: string,
    port: number,
    busid: string,
    clockHz: number,
    openTimeoutMs: number,
    ids: number,
  ): number;
  openUsb(bridge: string, clockHz: number, openTimeoutMs: number, ids: number): number;
  openHidraw(path: string, clockHz: number, openTimeoutMs: number): number;
  openI2c(path: string, force: boolean, openTimeoutMs: number): number;
  openSysfs(folder: string, writable: boolean, openTimeoutMs: number): number;
  closeBus(bus: number): number | undefined;
  gpioLine(bus: number, chip: string, line: number | string): number;
  at24(
    bus: number,
    address: number,
    size: number,
    addressBytes: number,
    pageSize: number,
    writeCycleMs: number,
    blockShift: number,
    offsetAdd: number,
    readRollover: boolean,
    wpLine: number,
    paged: number,
    wpInverted: boolean,
    writable: boolean,
    lockWord: number,
    claim: number,
    forceGeometry: boolean,
  ): number;
  /** `uses`: address and use of each, one after another. The claim's number, the holder's name, or a negative errno. */
  claim(bus: number, wire: string, uses: readonly (number | string)[], holder: string): number | string;
  nameClaim(claim: number, holder: string): void;
  kernelFile(bus: number, path: string, size: number, writable: boolean): number;
  memory(image: Uint8Array): number;
  script(): number;
  readNow(slot: number, offset: number, into: Uint8Array): number;
  writeNow(slot: number, offset: number, data: Uint8Array): number;
  /** A request's number, or a negative errno. `what`: the length to read, or the data to write. */
  submit(
    slot: number,
    operation: Operation,
    offset: number,
    what: number | Uint8Array,
    timeoutMs: number,
    verify: boolean,
    progress: boolean,
    skipEqual: boolean,
  ): number;
  cancel(request: number, reason: number): void;
  hold(slot: number, label: string): number;
  releaseHold(hold: number): void;
  unregister(slot: number, reason: string): number | undefined;
  /** A token under which attach() finds the slot in any environment of the process, or a negative errno. */
  share(slot: number, facts: string): string | number;
  /** The slot's number here and the facts given to share(); -ENOENT: no such token, or none any more. */
  attach(token: string): readonly [slot: number, facts: string] | number;
  /**
   * A place among the slot's writers in all environments: twice its number, plus one while others write; or a negative
   * errno.
   */
  takeTurn(slot: number): number;
  giveTurn(turn: number): void;
  /**
   * `pieces`: offset, length and fill of each, one after another; a negative fill stands for the provider's bytes. `into`
   * must lie in a SharedArrayBuffer. The function gives undefined, or the negative errno it failed with.
   */
  bind(slot: number, pieces: readonly number[], into: Uint8Array): BoundFunction | number;
  alive(slot: number): boolean;
  /** In the order of native/slot/counters.h; undefined where the provider counts nothing or the slot has gone. */
  stats(slot: number): readonly number[] | undefined;
  /** The handle has gone: a slot of this environment is unregistered, one of another let go of. */
  forgetSlot(slot: number): void;
  /** Its number, or a negative errno: there is nothing to wait with. `uevents`: listen to the kernel too. */
  startLookout(uevents: boolean): number;
  hearsKernel(lookout: number): boolean;
  /** 0 or a negative errno. */
  watchFolder(lookout: number, path: string): number;
  stopLookout(lookout: number): void;
  /** What this environment still owns; all zero when everything is closed. */
  counts(): NativeCounts;
}

export interface NativeCounts {
  readonly requests: number;
  readonly holds: number;
  readonly slots: number;
  readonly buses: number;
  /** Places among writers. */
  readonly turns: number;
  /** Tokens of shared slots, in the whole process. */
  readonly shares: number;
  /** Threads that wait for something to be plugged in or pulled. */
  readonly lookouts: number;
}

export type BoundFunction = () => number | undefined;

/** native/slot/request.h, enum Operation. */
export enum Operation {
  Read = 0,
  Write = 1,
  Probe = 2,
  ProbeWidth = 3,
  Lock = 4,
  LockState = 5,
  ProbeGeometry = 6,
}

/** native/binding/mailbox.h, enum Message::Kind. */
export enum Kind {
  Completed = 0,
  Progress = 1,
  BusOpened = 2,
  BusGone = 3,
  BusClosed = 4,
  Unregistered = 5,
  Turn = 6,
  Detached = 7,
  Freed = 8,
  Look = 9,
}

/** One completion. Which arguments mean something depends on `kind`. */
export type Dispatch = (
  kind: Kind,
  id: number,
  status: number,
  transferred: number,
  uncertain: number,
  unchanged: number,
  protectStatus: number,
  mismatchOffset: number,
  mismatchCount: number,
  text: string,
  data: Buffer | undefined,
  finding: Finding,
  found: number,
) => void;

/** Compiled by `npm install`. */
const FILE = inPackage('build', 'Release', 'nvmem.node');

/**
 * @throws Error `ERR_NVMEM_ADDON` when the addon is not there or does not load: its message says which file, why, and what to
 *   do, which is its `hint` as well
 */
export function loadAddon(): Addon {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- the only way to load an addon
    return require(FILE) as Addon;
  } catch (cause) {
    const { message, hint } = loadFailure(FILE, cause, packageFolder);
    const said = `the nvmem addon did not load from ${FILE}: ${message}. ${hint}`;
    throw Object.assign(new Error(said, { cause }), { code: 'ERR_NVMEM_ADDON', hint });
  }
}
