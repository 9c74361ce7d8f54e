import { clearTimeout, monotonicMs, setTimeout, wallMs } from '../base/timers.js';

/** Time and chance for those who wait, so that a test can give its own. */
export interface Clock {
  /** Milliseconds on a clock that only goes forwards. */
  now(): number;
  /** Milliseconds since 1970. */
  date(): number;
  /** From 0 up to 1. */
  random(): number;
  /** Never keeps the process alive. Gives what ends it. */
  after(ms: number, call: () => void): () => void;
}

export const realClock: Clock = {
  now: monotonicMs,
  date: wallMs,
  random: () => Math.random(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms).unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
