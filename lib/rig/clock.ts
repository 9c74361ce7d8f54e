/**
 * Time for the bench: instants are microseconds since the clock was made (a double, so 0.1 µs is kept for years).
 *
 * The model is evaluated at absolute instants; a timer only has to notice that an instant has passed. A late timer
 * makes an answer late on the socket, it never shifts the model's own time line.
 */
import { availableParallelism } from 'node:os';

import { clearImmediate, clearTimeout, monotonicMs, setImmediate, setTimeout } from './timers.js';

/** A running timer; cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/** What the model needs of time. {@link RealClock} in use, {@link ManualClock} in tests. */
export interface Clock {
  /** Microseconds since the clock's beginning; never goes back. */
  now(): number;
  /**
   * Calls `fn` once, at or after the instant `at` (µs).
   * A `coarse` timer may be some milliseconds late and never keeps the processor busy.
   */
  at(at: number, fn: () => void, coarse?: boolean): Timer;
  /** Cancels every timer; the clock makes no calls after this. */
  dispose(): void;
}

interface Entry extends Timer {
  readonly due: number;
  readonly order: number;
  readonly coarse: boolean;
  readonly fn: () => void;
}

/** Timers in order of due time, first come first served at the same instant. */
class TimerList {
  readonly #entries: Entry[] = [];
  #order = 0;

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  add(due: number, fn: () => void, coarse: boolean): Entry {
    const entry: Entry = {
      due,
      order: this.#order++,
      coarse,
      fn,
      cancel: () => {
        const at = this.#entries.indexOf(entry);
        if (at >= 0) this.#entries.splice(at, 1);
      },
    };
    let index = this.#entries.length;
    while (index > 0 && (this.#entries[index - 1]?.due ?? 0) > due) index--;
    this.#entries.splice(index, 0, entry);
    return entry;
  }

  shift(): Entry | undefined {
    return this.#entries.shift();
  }

  /** The earliest timer that wants to be exact. */
  firstPrecise(): Entry | undefined {
    return this.#entries.find((entry) => !entry.coarse);
  }

  clear(): void {
    this.#entries.length = 0;
  }
}

/** Node's timers are good to a millisecond and may be one late: the last stretch before a precise instant is polled. */
const POLL_US = 2000;
/**
 * Where there is one processor, polling would take it from whoever the bench is waiting for: then it naps between two looks,
 * and what arrives meanwhile is seen that much later.
 */
const NAP_US = 100;
const NAPS = availableParallelism() === 1;
const napping = new Int32Array(new SharedArrayBuffer(4));

/** The machine's monotonic clock. Polls (setImmediate) only in the last two milliseconds before a precise timer is due. */
export class RealClock implements Clock {
  readonly #timers = new TimerList();
  readonly #origin = monotonicMs();
  #sleep: NodeJS.Timeout | undefined;
  #poll: NodeJS.Immediate | undefined;
  #disposed = false;

  now(): number {
    return (monotonicMs() - this.#origin) * 1000;
  }

  at(at: number, fn: () => void, coarse = false): Timer {
    if (this.#disposed) return { cancel: () => undefined };
    const timer = this.#timers.add(at, fn, coarse);
    this.#arm();
    return timer;
  }

  dispose(): void {
    this.#disposed = true;
    this.#timers.clear();
    this.#disarm();
  }

  #disarm(): void {
    if (this.#sleep) clearTimeout(this.#sleep);
    if (this.#poll) clearImmediate(this.#poll);
    this.#sleep = undefined;
    this.#poll = undefined;
  }

  #arm(): void {
    this.#disarm();
    const first = this.#timers.first;
    if (!first) return;
    const precise = this.#timers.firstPrecise();
    const now = this.now();
    const untilPrecise = precise ? precise.due - now : Infinity;
    if (untilPrecise <= POLL_US || first.due <= now) {
      this.#poll = setImmediate(this.#wake);
      return;
    }
    const untilFirst = first.due - now;
    const wait = Math.min(untilPrecise - POLL_US, Math.max(untilFirst, 1000));
    this.#sleep = setTimeout(this.#wake, Math.min(Math.floor(wait / 1000), 0x7fff_ffff));
  }

  readonly #wake = (): void => {
    if (NAPS) this.#nap();
    for (let first = this.#timers.first; first && first.due <= this.now(); first = this.#timers.first) {
      this.#timers.shift();
      first.fn();
    }
    if (!this.#disposed) this.#arm();
  };

  #nap(): void {
    const us = Math.min((this.#timers.firstPrecise()?.due ?? 0) - this.now(), NAP_US);
    if (us > 0) Atomics.wait(napping, 0, 0, us / 1000);
  }
}

/** A clock that stands still until told: for tests of the time model, and for stepping through a transfer. */
export class ManualClock implements Clock {
  readonly #timers = new TimerList();
  #now = 0;

  now(): number {
    return this.#now;
  }

  at(at: number, fn: () => void, coarse = false): Timer {
    return this.#timers.add(at, fn, coarse);
  }

  /** Lets `us` microseconds pass; timers run in order, each at exactly its own instant. */
  advance(us: number): void {
    const end = this.#now + us;
    for (let first = this.#timers.first; first && first.due <= end; first = this.#timers.first) {
      this.#timers.shift();
      this.#now = Math.max(this.#now, first.due);
      first.fn();
    }
    this.#now = end;
  }

  dispose(): void {
    this.#timers.clear();
  }
}
