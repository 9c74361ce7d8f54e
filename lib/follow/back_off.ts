import type { Clock } from '../hotplug/clock.js';

const FIRST_MS = 25;
const LONGEST_MS = 5000;
/** So that many followers do not try in step. */
const JITTER = 0.2;

/** When to try again: soon at first, and less and less often. */
export class BackOff {
  #next = FIRST_MS;

  constructor(private readonly clock: Pick<Clock, 'random'>) {}

  /** Milliseconds until the next try. */
  next(): number {
    const pause = this.#next;
    this.#next = Math.min(pause * 2, LONGEST_MS);
    return pause * (1 + JITTER * (2 * this.clock.random() - 1));
  }

  reset(): void {
    this.#next = FIRST_MS;
  }
}
