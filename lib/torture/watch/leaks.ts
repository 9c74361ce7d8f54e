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
/** Bytes for a cycle, and in all, below which growth is the heap's own. */
const BYTES_A_CYCLE = 512;
const LEAST_BYTES = 24 << 20;

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
  // The least of each part: what the collector had not taken yet is no leak.
  const quarter = Math.max(1, Math.floor(after.length / 4));
  const low = Math.min(...after.slice(0, quarter).map(({ rss }) => rss));
  const high = Math.min(...after.slice(-quarter).map(({ rss }) => rss));
  const grown = high - low;
  if (grown > LEAST_BYTES && grown > cycles * BYTES_A_CYCLE) {
    const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    breaches.push({
      kind: 'leak-memory',
      message: `resident memory grows: ${mib(low)} after the warm-up, ${mib(high)} at the end, ${String(cycles)} cycles later`,
    });
  }
  return breaches;
}
