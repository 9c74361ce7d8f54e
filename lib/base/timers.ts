/**
 * Timers and clocks, as they were when the library was loaded: programs that put fake ones in their place (jest, vitest,
 * node:test) mean their own code, and a device that waits for a fake clock would never be closed.
 *
 * From the modules and not from the global object, which fake clocks replace first: jest installs them before it loads
 * anything where its configuration says so.
 */
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

// What the tests of a program replace is this module as well (node:test does), so everything is taken now.
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = timers;

const monotonic = performance.now.bind(performance);
const wall = Date.now.bind(Date);

/** Milliseconds on a clock that never goes back. */
export function monotonicMs(): number {
  return monotonic();
}

/** Milliseconds since 1970, comparable with times of files. */
export function wallMs(): number {
  return wall();
}

/** Resolves after `ms` milliseconds. It holds the event loop meanwhile. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Resolves on the next turn of the event loop: what is settled already has run its continuations by then. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
