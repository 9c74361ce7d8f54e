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

// As they are now: a program's own tests may replace them later.
const { setTimeout, clearTimeout, Date, performance, Math } = globalThis;

export const realClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  random: () => Math.random(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms).unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
