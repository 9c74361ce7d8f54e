import { LoopHold } from '../base/loop_hold.js';

/** What is under way at a follower: it holds the program, also while it waits for a replug, and hears of every change. */
export class UnderWay {
  readonly #hold = new LoopHold();
  readonly #watching = new Set<() => void>();
  #count = 0;

  began(): void {
    this.#count++;
    this.#hold.needed = true;
  }

  ended(): void {
    this.#count--;
    this.#hold.needed = this.#count > 0;
  }

  /** Calls `again` after every change of the state; gives what ends that. */
  onChange(again: () => void): () => void {
    this.#watching.add(again);
    return () => this.#watching.delete(again);
  }

  changed(): void {
    for (const again of [...this.#watching]) again();
  }
}
