/** Writers to one device take turns, in the order in which they came; readers do not wait for them. */
import type { Operation } from './operation.js';

export class WriterLock {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  /** True, and the lock is held, where nobody has it. */
  tryAcquire(): boolean {
    if (this.#held) return false;
    this.#held = true;
    return true;
  }

  /** @throws Interrupted when the operation ends before its turn; then it has left the queue. */
  async acquire(operation: Operation): Promise<void> {
    if (this.tryAcquire()) return;
    const place = { mine: false, call: (): void => undefined };
    const granted = new Promise<void>((resolve) => {
      place.call = () => {
        place.mine = true;
        resolve();
      };
    });
    this.#waiting.push(place.call);
    try {
      await operation.waitFor(granted);
    } catch (error) {
      const at = this.#waiting.indexOf(place.call);
      if (at >= 0) this.#waiting.splice(at, 1);
      // The turn came in the same tick as the interruption: it goes to the next.
      if (place.mine) this.release();
      throw error;
    }
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }
}
