import { readFileSync, readdirSync } from 'node:fs';
import { until } from './wait.mjs';

/** Every thread that sleeps uninterruptibly (state D), and every kworker at work on USB hubs. */
export function suspects() {
  const found = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const tid of entries(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${tid}`;
      const stat = text(`${folder}/stat`);
      const name = text(`${folder}/comm`).trim();
      const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
      // A kworker's name ends in "+QUEUE" while it works for that queue, in "-QUEUE" when it only did so last.
      if (state !== 'D' && !name.includes('+usb_hub_wq')) continue;
      found.push({ tid, name, state, wchan: text(`${folder}/wchan`), stack: text(`${folder}/stack`) });
    }
  }
  return found;
}

/**
 * Waits until no thread is blocked and the hub workers are idle. A thread may be in state D for a moment in the
 * ordinary course of I/O, so only what stays there for all of `limitMs` is stuck.
 */
export async function assertNoStuckTasks(limitMs = 8000) {
  let stuck = [];
  try {
    await until('idle hub workers and no blocked thread', limitMs, () => {
      stuck = suspects();
      return stuck.length === 0;
    });
  } catch {
    const lines = stuck.map(({ tid, name, state, wchan, stack }) => {
      const calls = stack
        .replaceAll(/^\[<0>\] /gm, '')
        .trim()
        .split('\n')
        .slice(0, 8)
        .join(' < ');
      return `  ${tid} ${name} state ${state} in ${wchan}: ${calls}`;
    });
    throw new Error(`stuck for ${limitMs / 1000} s:\n${lines.join('\n')}`);
  }
}

/** The hub worker's own stack, where it is blocked. */
export function blockedHubWorker() {
  return suspects().find(({ name, state }) => name.includes('usb_hub_wq') && state === 'D');
}

function entries(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return []; // it ended meanwhile
  }
}

function text(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
