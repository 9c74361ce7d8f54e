import type { Clock, Timer } from './clock.js';
import type { DeviceStats } from './events.js';
import type { FaultBox } from './faults.js';
import { random } from './random.js';

export interface Response {
  /** ID first, meaningful bytes only. */
  readonly data: Uint8Array;
  /** µs: when the chip had it ready. */
  readonly readyAt: number;
}

/** More than a chip could hold; only a host that never reads gets here. */
const CAPACITY = 64;
const REPORT_BYTES = 64;

/** The reports waiting at endpoint 0x81, and the faults that befall them on the way there. */
export class ResponseQueue {
  readonly #faults: FaultBox;
  readonly #stats: DeviceStats;
  readonly #clock: Clock;
  /** The bench's instant; stands still without time. */
  readonly #now: () => number;
  /** A report came late, on its own. */
  readonly #arrived: () => void;
  readonly #delays = new Set<Timer>();
  #queue: Response[] = [];
  /** The chip's last report of each ID. */
  readonly #last = new Map<number, Uint8Array>();
  /** Counts up when everything pending is forgotten: a response held back from before does not come. */
  #era = 0;

  constructor(faults: FaultBox, stats: DeviceStats, clock: Clock, now: () => number, arrived: () => void) {
    this.#faults = faults;
    this.#stats = stats;
    this.#clock = clock;
    this.#now = now;
    this.#arrived = arrived;
  }

  get first(): Response | undefined {
    return this.#queue[0];
  }

  shift(): void {
    this.#queue.shift();
  }

  /** The chip has a report for the host. */
  send(fresh: Uint8Array, at: number): void {
    this.inject('next');
    const garbage = this.#faults.take('garbage');
    if (garbage) this.#enqueue(garbageReport(garbage.seed ?? 1, garbage.report), at);
    const matches = (spec: { readonly report?: number }): boolean =>
      spec.report === undefined || spec.report === fresh[0];
    const report = this.#stale(fresh, matches) ?? fresh;
    if (this.#faults.take('lose', matches)) return;
    const delay = this.#faults.takeHolding('delay', matches);
    if (!delay) {
      this.#enqueue(report, at);
      return;
    }
    const era = this.#era;
    const late = (): void => {
      if (era !== this.#era) return;
      this.#enqueue(report, this.#now());
      this.#arrived();
    };
    if (delay.spec.ms === undefined) delay.hold(late);
    else this.later(delay.spec.ms, late);
  }

  /** What the last report of that ID was, where it comes once more. */
  #stale(
    fresh: Uint8Array,
    matches: (spec: { readonly report?: number }) => boolean,
  ): Uint8Array | undefined {
    const id = fresh[0] ?? 0;
    const last = this.#last.get(id);
    this.#last.set(id, fresh);
    if (!last) return undefined;
    return this.#faults.take('stale', (spec) => spec.what !== 'data' && matches(spec)) && last;
  }

  /** Puts the unsolicited reports of that kind of fault into the queue. */
  inject(when: 'now' | 'next'): void {
    for (;;) {
      const spec = this.#faults.take('unsolicited', (fault) => (fault.when ?? 'now') === when);
      if (!spec) return;
      this.#enqueue(Uint8Array.of(spec.report ?? 0x16, 0, 0, 0, 0, 0, 0), this.#now());
    }
  }

  /** Cancel: read responses that wait are dropped. */
  dropReadResponses(): void {
    this.#queue = this.#queue.filter(({ data }) => data[0] !== 0x13);
  }

  /** SET_CONFIGURATION: the endpoint starts anew. */
  flush(): void {
    this.#queue = [];
  }

  /** Reset or unplug: what was held back is gone with the rest. */
  clear(): void {
    this.#queue = [];
    this.#last.clear();
    this.#era++;
    for (const timer of this.#delays) timer.cancel();
    this.#delays.clear();
  }

  /** Calls `fn` after `ms`, unless everything is cleared before. */
  later(ms: number, fn: () => void): void {
    const timer = this.#clock.at(this.#clock.now() + ms * 1000, () => {
      this.#delays.delete(timer);
      fn();
    });
    this.#delays.add(timer);
  }

  #enqueue(data: Uint8Array, readyAt: number): void {
    if (this.#queue.length >= CAPACITY) this.#stats.overruns++;
    else this.#queue.push({ data, readyAt });
  }
}

function garbageReport(seed: number, id: number | undefined): Uint8Array {
  const next = random(seed);
  const report = Uint8Array.from({ length: REPORT_BYTES }, () => Math.floor(next() * 256));
  if (id !== undefined) report[0] = id;
  return report;
}
