/** Whether what a process holds grows, from looks at it at quiet moments. */
import type { SampleEvent } from '../events.js';
import type { Breach } from '../state.js';

type Held = 'fds' | 'threads' | 'handles' | 'listeners';

const WORDS = {
  fds: ['leak-fds', 'file descriptors'],
  threads: ['leak-threads', 'threads'],
  handles: ['leak-handles', 'native objects and handles'],
  listeners: ['leak-listeners', 'listeners'],
} as const;

/** Looks that are needed before anything is said; of the first part of a run nothing is: it fills caches. */
const LEAST = 10;
/**
 * Below that growth is the allocator's own: what the heaps hold is measured after a collection, while resident memory
 * includes what each thread's heap has room for.
 */
const TOLERATED = {
  heapUsed: { words: 'what the heaps hold', least: 8 << 20, perCycle: 2048 },
  rss: { words: 'resident memory', least: 128 << 20, perCycle: 4096 },
} as const;

/** @returns what grows */
export function leaks(samples: readonly SampleEvent[]): Breach[] {
  const after = samples.slice(Math.ceil(samples.length / 5));
  if (after.length < LEAST) return [];
  const breaches: Breach[] = [];
  const middle = Math.floor(after.length / 2);
  const [early, late] = [after.slice(0, middle), after.slice(middle)];
  const cycles = (after.at(-1)?.cycle ?? 0) - (after[0]?.cycle ?? 0);
  for (const key of Object.keys(WORDS) as Held[]) {
    const [kind, words] = WORDS[key];
    // Where even the least of the later looks is above the most of the earlier ones, nothing of it ever comes back.
    const [most, least] = [
      Math.max(...early.map((one) => one[key])),
      Math.min(...late.map((one) => one[key])),
    ];
    if (least <= most) continue;
    const [first, last] = [after[0]?.[key] ?? 0, after.at(-1)?.[key] ?? 0];
    breaches.push({
      kind,
      message: `${words} grow: ${String(first)} after the warm-up, ${String(last)} at the end, ${String(cycles)} cycles later`,
    });
  }
  // The least of each part: what had not been given back yet is no leak.
  const quarter = Math.max(1, Math.floor(after.length / 4));
  for (const key of Object.keys(TOLERATED) as (keyof typeof TOLERATED)[]) {
    const { words, least, perCycle } = TOLERATED[key];
    const low = Math.min(...after.slice(0, quarter).map((one) => one[key]));
    const high = Math.min(...after.slice(-quarter).map((one) => one[key]));
    if (high - low <= least || high - low <= cycles * perCycle) continue;
    const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    const message = `${words} grows: ${mib(low)} after the warm-up, ${mib(high)} at the end, ${String(cycles)} cycles later`;
    breaches.push({ kind: 'leak-memory', message });
  }
  return breaches;
}
