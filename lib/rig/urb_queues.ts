/** What the host has asked of the device and not yet got: three pipes, each with a place in time for every request. */
import type { Urb } from './urb.js';

export const FRAME_US = 1000;

export interface Queued {
  readonly urb: Urb;
  /** µs: the frame in which it goes over the bus; for IN, the submission. */
  readonly at: number;
}

export type Pipe = 'control' | 'out' | 'in';

/** The first USB frame that begins after an instant, µs. */
export function frameAfter(at: number): number {
  return (Math.floor(at / FRAME_US) + 1) * FRAME_US;
}

/** A full-speed bus carries one transaction a frame and interrupt endpoint; control transfers are taken one a frame too. */
export class UrbQueues {
  readonly #queues: Record<Pipe, Queued[]> = { control: [], out: [], in: [] };
  #free: Record<Pipe, number> = { control: 0, out: 0, in: 0 };

  /** The oldest request of a pipe. */
  first(pipe: Pipe): Queued | undefined {
    return this.#queues[pipe][0];
  }

  /** @param now When the host submits it, µs. */
  add(pipe: Pipe, urb: Urb, now: number): void {
    let at = now;
    if (pipe !== 'in') {
      at = Math.max(frameAfter(now), this.#free[pipe]);
      this.#free[pipe] = at + FRAME_US;
    }
    this.#queues[pipe].push({ urb, at });
  }

  /** Takes the oldest request of a pipe off it. */
  shift(pipe: Pipe): void {
    this.#queues[pipe].shift();
  }

  /** The first frame in which the device's next report may go in, µs. */
  get inFree(): number {
    return this.#free.in;
  }

  /** A report went in with the frame that begins `at`. */
  usedIn(at: number): void {
    this.#free.in = at + FRAME_US;
  }

  /** Takes a request back. False: it is not waiting (any more). */
  unlink(id: number): boolean {
    for (const queue of Object.values(this.#queues)) {
      const index = queue.findIndex(({ urb }) => urb.id === id);
      if (index < 0) continue;
      queue.splice(index, 1);
      return true;
    }
    return false;
  }

  clear(): void {
    for (const queue of Object.values(this.#queues)) queue.length = 0;
    this.#free = { control: 0, out: 0, in: 0 };
  }
}
