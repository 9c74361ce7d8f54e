/**
 * Writers to one device take turns, in the order in which they came; readers do not wait for them. Of a device that
 * several threads share, each thread has a lock like this one, and its writer queues among those of the others.
 */
import type { NativeTurn } from '../native/index.js';
import { type Turnstile, waitAt } from './callback_scope.js';
import type { Operation } from './operation.js';

/** A place among the writers of all threads; a number where the device has gone and nobody writes any more. */
type TakeTurn = () => NativeTurn | number;

export class WriterLock implements Turnstile {
  /** The operation that writes; undefined as well for one that ends before anybody can ask. */
  owner: Operation | undefined;
  #held = false;
  readonly #waiting: (() => void)[] = [];
  #takeTurn: TakeTurn | undefined;
  #turn: NativeTurn | undefined;

  /** From now on there are writers in other threads as well. Who writes now has the first turn. */
  share(takeTurn: TakeTurn): void {
    if (this.#takeTurn) return;
    this.#takeTurn = takeTurn;
    if (this.#held) void this.#queue();
  }

  /** True, and the lock is held, where nobody has it. */
  tryAcquire(operation?: Operation): boolean {
    if (this.#held) return false;
    if (this.#queue()) {
      this.#leave();
      return false;
    }
    this.#held = true;
    this.owner = operation;
    return true;
  }

  /** @throws Interrupted when the operation ends before its turn; then it has left the queue. */
  async acquire(operation: Operation): Promise<void> {
    if (this.#held) await waitAt(this, this.#wait(operation));
    else this.#held = true;
    this.owner = operation;
    const granted = this.#queue();
    if (!granted) return;
    try {
      await operation.waitFor(granted);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  release(): void {
    this.#leave();
    this.owner = undefined;
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }

  /** For the turn within this thread. */
  async #wait(operation: Operation): Promise<void> {
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

  /** Queues among the threads; a promise where the turn has not come. */
  #queue(): Promise<void> | undefined {
    const turn = this.#takeTurn?.();
    if (typeof turn !== 'object') return undefined;
    this.#turn = turn;
    return turn.granted;
  }

  #leave(): void {
    this.#turn?.give();
    this.#turn = undefined;
  }
}
