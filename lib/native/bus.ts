/** A bus's handle, and the slots for what is on it. */
import { EBADF, ENODEV } from '../base/errno.js';
import { DeadSlot } from './dead_slot.js';
import { insist, type Desk } from './desk.js';
import { Slot } from './slot.js';
import type {
  At24Config,
  KernelFileConfig,
  NativeBus,
  NativeBusStats,
  NativeSlot,
  PartClaim,
} from './types.js';

const NOTHING: NativeBusStats = {
  transfers: 0,
  wireBytesRead: 0,
  wireBytesWritten: 0,
  naks: 0,
  arbitrationsLost: 0,
  retries: 0,
  resets: 0,
  longestTransferMs: 0,
};

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

/** A bus that has closed meanwhile (its number is worth nothing) is to its users a device that has gone. */
function refused(status: number): NativeSlot {
  return new DeadSlot(status === EBADF ? ENODEV : status);
}

export class Bus implements NativeBus {
  readonly identity: ReadonlyMap<string, string>;
  readonly gone: Promise<string>;
  #wentAway!: (reason: string) => void;
  #closing: Promise<void> | undefined;
  #resolveClosing: (() => void) | undefined;
  #isClosed = false;
  #stats: NativeBusStats = NOTHING;

  constructor(
    readonly desk: Desk,
    readonly id: number,
    /** As the addon has it. */
    identity: string,
  ) {
    this.identity = parseIdentity(identity);
    desk.buses.set(id, this);
    this.gone = new Promise((resolve) => {
      this.#wentAway = resolve;
    });
  }

  at24(config: At24Config): NativeSlot {
    // The line could not be had: never a part without its write protect.
    if (config.wpLine < -1) return refused(config.wpLine);
    const id = this.desk.addon.at24(this.id, config);
    return id < 0 ? refused(id) : new Slot(this.desk, id);
  }

  kernelFile(config: KernelFileConfig): NativeSlot {
    const id = this.desk.addon.kernelFile(this.id, config);
    return id < 0 ? refused(id) : new Slot(this.desk, id);
  }

  pins(): NativeSlot {
    const id = this.desk.addon.pins(this.id);
    return id < 0 ? refused(id) : new Slot(this.desk, id);
  }

  claim(claim: PartClaim): number | string {
    return this.desk.addon.claim(this.id, claim);
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
    this.stats();
    this.#resolveClosing?.();
  }

  stats(): NativeBusStats {
    this.#stats = this.desk.addon.busStats(this.id) ?? this.#stats;
    return this.#stats;
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
