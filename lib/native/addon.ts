import { inPackage, packageFolder } from '../base/package.js';
import { loadFailure } from './load_failure.js';
import type {
  At24Config,
  BoundPiece,
  HidrawOptions,
  I2cOptions,
  KernelFileConfig,
  NativeBusStats,
  NativeCounts,
  NativeGracePeriods,
  NativeReadOutcome,
  NativeStats,
  PartClaim,
  SysfsOptions,
  UsbipOptions,
  UsbOptions,
} from './types.js';

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
  openUsbip(options: UsbipOptions): number;
  openUsb(options: UsbOptions): number;
  openHidraw(options: HidrawOptions): number;
  openI2c(options: I2cOptions): number;
  openSysfs(options: SysfsOptions): number;
  closeBus(bus: number): number | undefined;
  gpioLine(bus: number, chip: string, line: number | string): number;
  at24(bus: number, config: At24Config): number;
  /** The claim's number, the holder's name, or a negative errno. */
  claim(bus: number, claim: PartClaim): number | string;
  nameClaim(claim: number, holder: string): void;
  kernelFile(bus: number, config: KernelFileConfig): number;
  pins(bus: number): number;
  memory(image: Uint8Array): number;
  javascriptProvider(): number;
  readNow(slot: number, offset: number, into: Uint8Array): number;
  writeNow(slot: number, offset: number, data: Uint8Array): number;
  /** A request's number, or a negative errno. `what`: the length to read, or the data to write. */
  submit(
    slot: number,
    operation: Operation,
    offset: number,
    what: number | Uint8Array,
    options?: SubmitOptions,
  ): number;
  cancel(request: number, reason: number): void;
  hold(slot: number, label: string): number;
  releaseHold(hold: number): void;
  unregister(slot: number, reason: string): number | undefined;
  /** A token under which attach() finds the slot in any environment of the process, or a negative errno. */
  share(slot: number, facts: string): string | number;
  /** The slot's number here and the facts given to share(); -ENOENT: no such token, or none any more. */
  attach(token: string): readonly [slot: number, facts: string] | number;
  /** A place among the slot's writers in all environments, which has to wait while others write; or a negative errno. */
  takeTurn(slot: number): { readonly turn: number; readonly waits: boolean } | number;
  giveTurn(turn: number): void;
  /** `into` must lie in a SharedArrayBuffer. The function gives undefined, or the negative errno it failed with. */
  bind(slot: number, pieces: readonly BoundPiece[], into: Uint8Array): BoundFunction | number;
  alive(slot: number): boolean;
  immediate(slot: number): boolean;
  /** Undefined where the slot has gone. */
  stats(slot: number): NativeStats | undefined;
  /** Undefined where the bus has closed. */
  busStats(bus: number): NativeBusStats | undefined;
  processStats(): NativeGracePeriods;
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

/** What is left out is false, and no limit. */
export interface SubmitOptions {
  /** Milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly verify?: boolean | undefined;
  readonly progress?: boolean | undefined;
  readonly skipEqual?: boolean | undefined;
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

/** Of a request, what is not 0 (native/slot/request.h, Outcome). */
export type DispatchedOutcome = Partial<Omit<NativeReadOutcome, 'status' | 'reason' | 'lent'>> & {
  readonly lent?: 1;
};

/** One message. `text`: a reason, or an identity; `outcome`: of a request that completed, or has come some way. */
export type Dispatch = (
  kind: Kind,
  id: number,
  status: number,
  text: string,
  outcome: DispatchedOutcome | undefined,
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
