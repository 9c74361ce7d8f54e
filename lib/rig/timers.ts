/**
 * Timers as they were when the bench was loaded. Programs put fake ones in their place to test themselves, and the bench is
 * the other machine: its time goes on.
 */
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

export const { setTimeout, clearTimeout, setImmediate, clearImmediate } = timers;

const monotonic = performance.now.bind(performance);

/** Milliseconds on a clock that never goes back. */
export function monotonicMs(): number {
  return monotonic();
}
