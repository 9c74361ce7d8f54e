/** What the addon is to the library: outcomes, slots, buses and how they are opened. */
import type { UsbIds } from '../base/usb_ids.js';
import type { Finding } from './finding.js';

/** How a native read, write or probe ended (native/slot/request.h, Outcome). */
export interface NativeOutcome {
  /** 0, or a negative errno (-19 is ENODEV). */
  readonly status: number;
  /** Read: good bytes from the start. Write: committed bytes from the start. */
  readonly transferred: number;
  /** Write that failed: bytes after the committed ones that may hold old data, new data or a mixture. */
  readonly uncertain: number;
  /** Write with skipEqual: of the committed bytes those that held the data already and were not written. Absent: 0. */
  readonly unchanged?: number;
  /**
   * Write: result of putting write protect back up (0 or a negative errno), apart from `status`. Probe: `status` again where
   * it is the line that failed.
   */
  readonly protectStatus: number;
  /** Verify mismatch: device offset of the first byte that differs, and how many do. */
  readonly mismatchOffset: number;
  readonly mismatchCount: number;
  /** What the bytes themselves tell about it; absent: nothing. */
  readonly finding?: Finding | undefined;
  /** Bytes; what they are depends on `finding` (native/slot/request.h). */
  readonly found?: number | undefined;
  /** Why, in a few words for a person, as the transport saw it; may be empty. */
  readonly reason: string;
}

export interface NativeReadOutcome extends NativeOutcome {
  /** What was read: `transferred` bytes of it are good. Sized to `transferred`. */
  readonly data: Buffer;
  /** `data` is memory of the addon's, which cannot be transferred to another thread: not for users. Default false. */
  readonly lent?: boolean | undefined;
}

export interface IoOptions {
  /** Ends the operation with -ECANCELED. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the operation with -ETIMEDOUT. Milliseconds from now; absent: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Good (or committed) bytes so far. Coalesced: not every chunk is reported. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

export interface WriteIoOptions extends IoOptions {
  readonly verify?: boolean | undefined;
  /** Read first, and write only what differs. */
  readonly skipEqual?: boolean | undefined;
}

/** Grace periods that have ended (native/srcu/domain.h). */
export interface NativeGracePeriods {
  readonly gracePeriods: number;
  readonly longestGracePeriodMs: number;
}

/** Of a slot. */
export type NativeStats = NativeGracePeriods & { readonly longestHoldMs: number } & Partial<NativeCounters>;

/** native/slot/counters.h */
export interface NativeCounters {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly writeCycles: number;
  readonly pagesSkipped: number;
  readonly retries: number;
  readonly verifyFailures: number;
  readonly wireBytesRead: number;
  readonly wireBytesWritten: number;
  readonly naks: number;
}

/** native/bus/counters.h */
export interface NativeBusStats {
  readonly transfers: number;
  readonly wireBytesRead: number;
  readonly wireBytesWritten: number;
  readonly naks: number;
  readonly arbitrationsLost: number;
  readonly retries: number;
  readonly resets: number;
  readonly longestTransferMs: number;
}

/** A section that JavaScript holds open (srcu_down_read): the provider is not freed before release(). */
export interface NativeHold {
  /** Idempotent. */
  release(): void;
}

/** A refcounted slot: the provider pointer under SRCU. */
export interface NativeSlot {
  /** The provider answers at once: readNow() and writeNow() are of use. */
  readonly immediate: boolean;
  /** 0 or a negative errno; -EWOULDBLOCK (-11) where the slot is not immediate: use read(). */
  readNow(offset: number, into: Uint8Array): number;
  writeNow(offset: number, data: Uint8Array): number;
  read(offset: number, length: number, io?: IoOptions): Promise<NativeReadOutcome>;
  write(offset: number, data: Uint8Array, io?: WriteIoOptions): Promise<NativeOutcome>;
  /** Claims the write-protect line (protecting) and reads one byte at offset 0, as at24's probe does. */
  probe(io?: IoOptions): Promise<NativeOutcome>;
  /**
   * How many word address bytes the part takes, found out without changing what it holds: `transferred` is 1, 2 or, where
   * its contents do not tell, 0. -EOPNOTSUPP (-95): outside of 0x50 to 0x57.
   */
  probeWidth(io?: IoOptions): Promise<NativeOutcome>;
  /** Locks the part's page for ever (ST's Lock ID): `transferred` is 1 where the part says so afterwards. */
  lock(io?: IoOptions): Promise<NativeOutcome>;
  /** Whether it is locked: `transferred` is 1 or 0. -EOPNOTSUPP (-95): it cannot be asked. */
  lockState(io?: IoOptions): Promise<NativeOutcome>;
  /**
   * Whether the part is the one that was configured, as far as reading tells: `finding` and `found`, and `transferred` as of
   * probeWidth(). What contradicts is no failure.
   */
  probeGeometry(io?: IoOptions): Promise<NativeOutcome>;
  /**
   * What was counted of the slot so far, and by its provider where that counts; after unregister() at the end. Undefined: there
   * never was one.
   */
  stats(): NativeStats | undefined;
  /** A hold on the provider, or -ENODEV (-19) once it is gone. `label` names the holder in stall warnings. */
  hold(label: string): NativeHold | number;
  /** A token for attach() in any environment of the process, the same every time, or a negative errno. */
  share(facts: string): string | number;
  /** A place among the writers of all environments; -ENODEV (-19). */
  takeTurn(): NativeTurn | number;
  /**
   * A function that reads the pieces into `into`, which must lie in a SharedArrayBuffer, on the caller's thread, and gives
   * undefined or a negative errno. -EOPNOTSUPP (-95): this provider has to be waited for.
   */
  bind(pieces: readonly BoundPiece[], into: Uint8Array): (() => number | undefined) | number;
  /**
   * Swap to null, stop, grace period, free. Resolves when the provider is freed; repeatable. `reason` is for the other
   * environments.
   */
  unregister(reason?: string): Promise<void>;
  /** Whether the provider pointer is still there. */
  readonly alive: boolean;
}

/** `length` bytes from `offset`, or that many of the value `fill`. */
export interface BoundPiece {
  readonly offset: number;
  readonly length: number;
  readonly fill?: number | undefined;
}

export interface NativeTurn {
  /** Resolves when the turn comes; undefined: it has come. */
  readonly granted: Promise<void> | undefined;
  /** Ends it, or gives up waiting for it. Idempotent. */
  give(): void;
}

/** A slot whose provider belongs to another environment. unregister() is for its owner. */
export interface AttachedSlot extends NativeSlot {
  /** Resolves with the reason when the provider is taken away; never after letGo(). */
  readonly detached: Promise<string>;
  /** Resolves after it, when the provider is freed and every operation of this environment has settled. */
  readonly freed: Promise<void>;
  /** This environment uses it no more. Idempotent. */
  letGo(): void;
}

/** native/bus/claims.h */
export interface PartClaim {
  /** The same for every bus that leads to these wires. */
  readonly wire: string;
  /** Each device address, and the geometry it is used with; one that begins with '*' belongs to several parts. */
  readonly uses: readonly { readonly address: number; readonly as: string }[];
  readonly holder: string;
}

export interface At24Config {
  /** Seven-bit device address of the first block. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  /** Word address bytes on the wire: 1 or 2. */
  readonly addressBytes: 1 | 2;
  /** Write page, bytes. */
  readonly pageSize: number;
  /** Upper limit of the self-timed write cycle (tWR), milliseconds. */
  readonly writeCycleMs: number;
  /** Block select bits sit at this bit of the device address: 0, or 2 for 24c1025. */
  readonly blockShift: number;
  /** Added to every offset: serial number and MAC windows. */
  readonly offsetAdd: number;
  /** Sequential reads may cross a block border of the device address (at24 property no-read-rollover is the opposite). */
  readonly readRollover: boolean;
  /** GPIO wired to the WP pin: one of the bridge, or what gpioLine() gave; or -1. */
  readonly wpLine: number;
  /** 'ee1004': page selected at 0x36 and 0x37 for the whole bus; 'spd5118': page selected in its register MR11. */
  readonly paging: 'none' | 'ee1004' | 'spd5118';
  /** The line protects when it is low. Default false. */
  readonly wpInverted?: boolean | undefined;
  /** False: nothing is ever written (EPERM). Default true. */
  readonly writable?: boolean | undefined;
  /** Word address of the command that locks the page for ever; -1, the default: it has none. */
  readonly lockWord?: number | undefined;
  /** Of NativeBus.claim(); the slot holds it from now on. 0, the default: none. */
  readonly claim?: number | undefined;
  /** Neither width nor size are looked at before the first write. Default false. */
  readonly forceGeometry?: boolean | undefined;
}

export interface OpenBusOptions {
  /** Limit for connecting and configuring, milliseconds. */
  readonly openTimeoutMs: number;
}

export interface UsbipOptions extends OpenBusOptions {
  readonly host: string;
  readonly port: number;
  readonly busid: string;
  /** SCL, hertz. */
  readonly clockHz: number;
  /** What the device has to have. Default: a CP2112's, or others with a CP2112's HID report descriptor. */
  readonly ids?: UsbIds | undefined;
}

export interface UsbOptions extends OpenBusOptions {
  /** Bus and ports as in sysfs: '1-1.4'. */
  readonly bridge: string;
  /** SCL, hertz. */
  readonly clockHz: number;
  /** What the device there has to have. Default: a CP2112's. */
  readonly ids?: UsbIds | undefined;
}

export interface HidrawOptions extends OpenBusOptions {
  /** /dev/hidrawN */
  readonly path: string;
  /** SCL, hertz. */
  readonly clockHz: number;
}

export interface SysfsOptions extends OpenBusOptions {
  /** /sys/bus/nvmem/devices/NAME */
  readonly folder: string;
  /** Clears the device's force_ro, where it is set, until the bus is closed or the process exits. */
  readonly writable: boolean;
}

export interface KernelFileConfig {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly writable: boolean;
}

export interface I2cOptions extends OpenBusOptions {
  /** /dev/i2c-N */
  readonly path: string;
  /** Also talk to addresses that a driver of the kernel has. */
  readonly force: boolean;
}

/** What opening a bus came to. */
export type BusOpening =
  | { readonly status: 0; readonly bus: NativeBus }
  | { readonly status: number; readonly bus?: undefined; readonly reason: string };

/** An open I2C bus with its owner thread. */
export interface NativeBus {
  /** key=value facts: part, version, serial, vid, pid, clock_hz … */
  readonly identity: ReadonlyMap<string, string>;
  /** Resolves with the reason when the bridge goes by itself; never rejects; never settles after close(). */
  readonly gone: Promise<string>;
  /**
   * Claims device addresses in the whole process, for a slot of at24() to hold. A number; the name of who uses one of them as
   * something else; or a negative errno where the bus has gone. Absent: nobody else can reach them.
   */
  claim?(claim: PartClaim): number | string;
  /** Says who has the claim. */
  nameClaim?(claim: number, holder: string): void;
  /**
   * A slot whose provider is an EEPROM on this bus. Does no I/O; see NativeSlot.probe(). Of a bus that has closed, a slot
   * whose provider has gone already.
   */
  at24(config: At24Config): NativeSlot;
  /**
   * A number for a line of a Linux gpiochip, good wherever a GPIO of the bridge is. The chip is opened at the first use, on
   * the bus thread, and the line released with the bus. Negative: the bus is closed (-EBADF), or no memory (-ENOMEM); at24()
   * takes that as well, and gives a slot without a provider.
   *
   * @param chip Name ('gpiochip0') or label.
   * @param line Offset or name.
   */
  gpioLine(chip: string, line: number | string): number;
  /** A slot whose provider is a file of the kernel's nvmem subsystem. Does no I/O; see NativeSlot.probe(). */
  kernelFile(config: KernelFileConfig): NativeSlot;
  /** A slot of three bytes, a bit for each pin of the bridge: levels, directions (1: out), special functions. Only for reading. */
  pins(): NativeSlot;
  /** What was counted so far, and after close() at the end. */
  stats(): NativeBusStats;
  /** Ends every request with -ENODEV, puts write protect up, lets go of the bridge, joins the thread. Idempotent. */
  close(): Promise<void>;
}

/** Who says when to look what is plugged in (native/hotplug/lookout.h). It holds no event loop. */
export interface NativeLookout {
  /** Whether the kernel's own messages would come; no error where they would not. */
  readonly hearsKernel: boolean;
  /** Also for what happens in that folder: 0 or a negative errno. Again for the same folder: does nothing. */
  watchFolder(path: string): number;
  /** Nothing is said after it. Idempotent. */
  stop(): void;
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

export interface Native {
  /** A CP2112 that another machine exports. */
  openUsbip(options: UsbipOptions): Promise<BusOpening>;
  /** A CP2112 of this machine, taken away from the kernel's driver while it is open. */
  openUsb(options: UsbOptions): Promise<BusOpening>;
  /** A CP2112 that the kernel's driver keeps. */
  openHidraw(options: HidrawOptions): Promise<BusOpening>;
  /** An I2C adapter of the kernel. */
  openI2c(options: I2cOptions): Promise<BusOpening>;
  /** A thread for the files of one of the kernel's own nvmem devices; `gone` when the kernel has removed it. */
  openSysfs(options: SysfsOptions): Promise<BusOpening>;
  /** Volatile memory, a copy of `image`; -ENOMEM (-12). */
  memory(image: Uint8Array): NativeSlot | number;
  /** A slot for a provider written in JavaScript: read/write give -EOPNOTSUPP, holds and unregister() work; -ENOMEM (-12). */
  javascriptProvider(): NativeSlot | number;
  /** The slot behind a token; -ENOENT (-2): no such token, or none any more; -ENODEV (-19): just gone. */
  attach(token: string): { readonly slot: AttachedSlot; readonly facts: string } | number;
  /** `look` is called when there may be something new, once for much that happens at once; or a negative errno. */
  lookout(look: () => void, options?: { readonly uevents?: boolean }): NativeLookout | number;
  /** What this environment still owns; all zero when everything is closed. */
  counts(): NativeCounts;
  /** Of the whole process. */
  processStats(): NativeGracePeriods;
}
