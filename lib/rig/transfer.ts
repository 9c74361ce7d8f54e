import type { I2cTarget } from './i2c.js';
import type { SmbusConfig } from './smbus_config.js';

/** status 1 of report 0x16 when a transfer is over (AN495). */
export const Reason = {
  addressNacked: 0,
  busNotFree: 1,
  arbitrationLost: 2,
  readIncomplete: 3,
  writeIncomplete: 4,
  succeeded: 5,
} as const;

/** status 1 of report 0x16 while a transfer runs. */
export const Activity = { addressAcked: 0, addressNacked: 1, reading: 2, writing: 3 } as const;

export interface TransferRequest {
  readonly kind: 'read' | 'write';
  /** 7-bit address. */
  readonly address: number;
  /** Bytes written before the read (report 0x11), or the data of a write. */
  readonly out: Uint8Array;
  /** Bytes to read. */
  readonly length: number;
  /** False on the first silicon: STOP + START where a repeated START belongs. */
  readonly repeatedStart: boolean;
}

/** A trouble that waits at the start of a transfer. */
export type StartTrouble =
  | { readonly kind: 'stuck'; readonly hard: boolean }
  | { readonly kind: 'scl-low'; readonly us: number }
  | { readonly kind: 'arbitration' };

/** What the wire asks its surroundings. */
export interface Wire {
  target(address: number): I2cTarget | undefined;
  startTrouble(): StartTrouble | undefined;
  nakAddress(address: number): boolean;
  nakData(address: number, index: number): boolean;
  /** Around every byte of memory content. False: the power is gone, nothing more happens on this wire. */
  contentByte(moment: 'before' | 'after'): boolean;
  /** After each byte read, with the instant it was complete. */
  received(at: number): void;
}

export interface Outcome {
  readonly error: boolean;
  readonly reason: number;
}

/** The configuration takes any clock but 0; no part of this family drives its bus faster than this. */
const FASTEST_HZ = 1_000_000;

/** How many attempts an endless retry makes at once when the bench runs without time. */
const ATTEMPTS_WITHOUT_TIME = 64;

/**
 * One SMBus transfer on the wire. It is a time line that is unrolled lazily: `advance(t)` does everything that ends at or
 * before `t`, so whoever looks (a status poll, a force send) finds exactly the bytes that had crossed by then.
 */
export class Transfer {
  readonly data: Uint8Array;
  readonly request: TransferRequest;
  count = 0;
  retries = 0;
  activity: number = Activity.addressAcked;
  /** Set when the transfer is over; `cancelled` has no outcome to report. */
  outcome: Outcome | undefined;
  cancelled = false;
  /** Survives even a Cancel (a hung firmware). */
  hard = false;

  readonly #wire: Wire;
  /** What the buffer held before: a byte that arrives does not replace one of them (fault `stale`). */
  readonly #stale: Uint8Array;
  readonly #config: SmbusConfig;
  readonly #bit: number;
  readonly #steps: Generator<number, Outcome | undefined>;
  #deadline: number;
  /** The instant (µs) up to which the wire has been unrolled. */
  #at: number;
  #wait: number | undefined;
  #cancelling = false;
  /** SCL is held down by someone else. */
  #busHeld = false;
  #over = false;
  #selected: I2cTarget | undefined;

  constructor(
    request: TransferRequest,
    config: SmbusConfig,
    wire: Wire,
    at: number,
    stale: Uint8Array = new Uint8Array(),
  ) {
    this.request = request;
    this.data = new Uint8Array(request.length);
    this.#wire = wire;
    this.#stale = stale;
    this.#config = config;
    this.#bit = 1e6 / Math.min(config.clockHz, FASTEST_HZ);
    this.#at = at;
    const timeoutMs = request.kind === 'read' ? config.readTimeoutMs : config.writeTimeoutMs;
    this.#deadline = timeoutMs > 0 ? at + timeoutMs * 1000 : Infinity;
    this.#steps = this.#run();
  }

  get over(): boolean {
    return this.#over;
  }

  /** Microseconds of wire until the end if all goes well from here. */
  get remaining(): number {
    const bytes = this.request.out.length + this.request.length - this.count + 2;
    return bytes * 9 * this.#bit;
  }

  /** The instant the wire has been unrolled to. */
  get at(): number {
    return this.#at;
  }

  /** Unrolls the wire up to the instant `until`; Infinity runs it to its end, but not through an endless retry. */
  advance(until: number): void {
    const attempts = this.retries + ATTEMPTS_WITHOUT_TIME;
    while (!this.#over) {
      if (this.#wait === undefined) {
        const step = this.#steps.next();
        if (step.done) {
          this.#finish(step.value);
          return;
        }
        this.#wait = step.value;
      }
      const end = this.#at + this.#wait;
      if (end > this.#deadline && this.#deadline <= until) {
        this.#timeOut();
        return;
      }
      if (end > until || end === Infinity) return;
      const endless = this.#config.retries === 0 && this.#deadline === Infinity;
      if (until === Infinity && endless && this.retries >= attempts) return;
      this.#at = end;
      this.#wait = undefined;
    }
  }

  /** Report 0x17: the byte on the wire is completed, then STOP. */
  cancel(until: number): void {
    if (this.hard || this.#over) return;
    this.#cancelling = true;
    if (this.#wait === Infinity) {
      this.cancelled = true;
      this.#over = true;
      return;
    }
    this.advance(until);
  }

  /** The chip was reset in the middle: no STOP, what a target had loaded is lost. */
  abandon(): void {
    this.#over = true;
    this.#selected = undefined;
  }

  #finish(outcome: Outcome | undefined): void {
    this.#over = true;
    this.outcome = outcome;
    this.cancelled = outcome === undefined;
  }

  #timeOut(): void {
    this.#at = this.#deadline;
    this.#selected?.stop(this.#at);
    const { kind } = this.request;
    const incomplete = kind === 'read' ? Reason.readIncomplete : Reason.writeIncomplete;
    const nacked = this.activity === Activity.addressNacked;
    const cut = nacked ? Reason.addressNacked : incomplete;
    this.#finish(failure(this.#busHeld ? Reason.busNotFree : cut));
  }

  *#run(): Generator<number, Outcome | undefined> {
    const trouble = this.#wire.startTrouble();
    if (trouble?.kind === 'stuck') {
      this.hard = trouble.hard;
      return yield* this.#hang();
    }
    if (trouble?.kind === 'arbitration') {
      yield 10 * this.#bit;
      return failure(Reason.arbitrationLost);
    }
    if (trouble?.kind === 'scl-low') {
      const limit = this.#config.sclLowTimeout ? 25_000 : Infinity;
      this.#busHeld = true;
      yield Math.min(trouble.us, limit);
      if (trouble.us > limit) return failure(Reason.busNotFree);
      this.#busHeld = false;
    }
    return yield* this.request.kind === 'write' ? this.#write() : this.#read();
  }

  /** Nothing moves: a hung firmware runs no timers either. */
  *#hang(): Generator<number, never> {
    this.#deadline = Infinity;
    for (;;) yield Infinity;
  }

  *#write(): Generator<number, Outcome | undefined> {
    const target = yield* this.#address(false);
    if (typeof target !== 'object') return this.#addressFailed(target);
    this.activity = Activity.writing;
    if (!(yield* this.#send(target))) return yield* this.#broken(target, Reason.writeIncomplete);
    return yield* this.#stop(target);
  }

  *#read(): Generator<number, Outcome | undefined> {
    for (;;) {
      if (this.request.out.length > 0) {
        const written = yield* this.#address(false);
        if (typeof written !== 'object') return this.#addressFailed(written);
        if (!(yield* this.#send(written))) return yield* this.#broken(written, Reason.readIncomplete);
        if (!this.request.repeatedStart) {
          yield this.#bit;
          written.stop(this.#at);
        }
      }
      const target = yield* this.#address(true);
      if (target === 'again') continue;
      if (typeof target !== 'object') return this.#addressFailed(target);
      this.activity = Activity.reading;
      if (!(yield* this.#receive(target))) return undefined;
      return yield* this.#stop(target);
    }
  }

  /**
   * START and device address until acknowledged. 'failed': retries used up; 'gone': cancelled; 'again': the second
   * address of an addressed read was refused, and the transfer begins anew.
   */
  *#address(read: boolean): Generator<number, I2cTarget | 'failed' | 'cancelled' | 'again'> {
    const { address, out } = this.request;
    for (;;) {
      yield 10 * this.#bit;
      const target = this.#wire.target(address);
      if (target && !this.#wire.nakAddress(address) && target.start(address, read, this.#at)) {
        this.activity = Activity.addressAcked;
        this.#selected = target;
        return target;
      }
      this.activity = Activity.addressNacked;
      this.#selected = undefined;
      yield this.#bit;
      if (this.#cancelling) return 'cancelled';
      if (this.#config.retries > 0 && this.retries >= this.#config.retries) return 'failed';
      this.retries++;
      if (read && out.length > 0) return 'again';
    }
  }

  /** Writes the request's bytes; false when one was refused or the transfer was cut. */
  *#send(target: I2cTarget): Generator<number, boolean> {
    const { address, out } = this.request;
    for (const [index, byte] of out.entries()) {
      if (this.#cancelling) return false;
      const content = target.expectsData();
      if (content && !this.#wire.contentByte('before')) return yield* this.#dead();
      yield 9 * this.#bit;
      if (this.#wire.nakData(address, index) || !target.write(byte, this.#at)) return false;
      if (content && !this.#wire.contentByte('after')) return yield* this.#dead();
    }
    return true;
  }

  *#receive(target: I2cTarget): Generator<number, boolean> {
    for (let index = 0; index < this.request.length; index++) {
      if (!this.#wire.contentByte('before')) return yield* this.#dead();
      yield 9 * this.#bit;
      const byte = target.read(this.#at);
      this.data[index] = this.#stale[index] ?? byte;
      this.count = index + 1;
      this.#wire.received(this.#at);
      if (!this.#wire.contentByte('after')) return yield* this.#dead();
      if (this.#cancelling) {
        yield* this.#stop(target);
        return false;
      }
    }
    return true;
  }

  *#stop(target: I2cTarget): Generator<number, Outcome | undefined> {
    yield this.#bit;
    target.stop(this.#at);
    this.#selected = undefined;
    return this.#cancelling ? undefined : { error: false, reason: Reason.succeeded };
  }

  *#broken(target: I2cTarget, reason: number): Generator<number, Outcome | undefined> {
    yield* this.#stop(target);
    return this.#cancelling ? undefined : failure(reason);
  }

  #addressFailed(why: 'failed' | 'cancelled' | 'again'): Outcome | undefined {
    return why === 'failed' ? failure(Reason.addressNacked) : undefined;
  }

  /** The supply went away under the wire. */
  *#dead(): Generator<number, never> {
    this.hard = true;
    return yield* this.#hang();
  }
}

function failure(reason: number): Outcome {
  return { error: true, reason };
}
