/** Changes of a follower, for those who iterate over them. */
import type { FollowChange } from './life.js';

/** An iterator whose consumer is that many changes behind misses the oldest ones. */
const MOST_WAITING = 256;

export class Changes {
  readonly #iterators = new Set<(change: FollowChange | undefined) => void>();
  #isOver = false;

  tell(change: FollowChange): void {
    for (const tell of this.#iterators) tell(change);
  }

  end(): void {
    this.#isOver = true;
    for (const tell of this.#iterators) tell(undefined);
  }

  /** How many are iterating. */
  get count(): number {
    return this.#iterators.size;
  }

  async *iterate(now: FollowChange): AsyncGenerator<FollowChange, void, undefined> {
    const queue = [now];
    let wake: () => void = () => undefined;
    const tell = (change: FollowChange | undefined): void => {
      if (change) queue.push(change);
      if (queue.length > MOST_WAITING) queue.shift();
      wake();
    };
    this.#iterators.add(tell);
    try {
      for (;;) {
        const next = queue.shift();
        if (next) yield next;
        else if (this.#isOver) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#iterators.delete(tell);
    }
  }
}
