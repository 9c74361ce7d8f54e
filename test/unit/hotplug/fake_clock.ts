import type { Clock } from '../../../lib/hotplug/clock.js';

interface Timer {
  readonly at: number;
  readonly call: () => void;
}

/** Time that a test lets pass. */
export class FakeClock implements Clock {
  time = 0;
  /** What random() gives next, again and again. */
  chance = 0.5;
  readonly timers = new Set<Timer>();

  now(): number {
    return this.time;
  }

  date(): number {
    return 1_700_000_000_000 + this.time;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.time + ms, call };
    this.timers.add(timer);
    return () => {
      this.timers.delete(timer);
    };
  }

  /** When the next timer is due, milliseconds from now. */
  get next(): number | undefined {
    const times = [...this.timers].map(({ at }) => at);
    return times.length === 0 ? undefined : Math.min(...times) - this.time;
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [due] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (due === undefined) break;
      this.time = due.at;
      this.timers.delete(due);
      due.call();
    }
    this.time = end;
  }
}
