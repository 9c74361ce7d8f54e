import type { Clock, Timer } from './clock.js';

/** One coarse timer at a time, so that what ends by itself is noticed although nobody asks. */
export class Housekeeper {
  readonly #clock: Clock;
  readonly #look: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, look: () => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Looks at that instant (µs), and at no other; Infinity: at none. */
  arm(at: number): void {
    this.cancel();
    if (at === Infinity) return;
    this.#timer = this.#clock.at(
      at,
      () => {
        this.#timer = undefined;
        this.#look();
      },
      true,
    );
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
