import type { Clock, Timer } from './clock.js';
import type { FaultBox } from './faults.js';

/** The way back onto the bus after the cable is in: at once, unless a `slow-return` fault holds it up. */
export class Comeback {
  readonly #faults: FaultBox;
  readonly #clock: Clock;
  readonly #arrive: () => void;
  #timer: Timer | undefined;
  /** Counts the ways begun: one that was given up does not arrive. */
  #way = 0;
  #waiting = false;

  constructor(faults: FaultBox, clock: Clock, arrive: () => void) {
    this.#faults = faults;
    this.#clock = clock;
    this.#arrive = arrive;
  }

  /** The cable is in. */
  begin(): void {
    if (this.#waiting) return;
    const slow = this.#faults.takeHolding('slow-return', () => true);
    if (!slow) {
      this.#arrive();
      return;
    }
    this.#waiting = true;
    const way = ++this.#way;
    const arrive = (): void => {
      if (way !== this.#way) return;
      this.cancel();
      this.#arrive();
    };
    if (slow.spec.ms === undefined) slow.hold(arrive);
    else this.#timer = this.#clock.at(this.#clock.now() + slow.spec.ms * 1000, arrive);
  }

  /** The cable is out again. */
  cancel(): void {
    this.#way++;
    this.#waiting = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
