import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 50;

/**
 * Waits until `condition` gives something true, and gives that. The kernel's sysfs and proc files announce
 * nothing, so it looks again and again; after `limitMs` it throws.
 */
export async function until(what, limitMs, condition) {
  const end = performance.now() + limitMs;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`no ${what} within ${limitMs / 1000} s`);
    await pause(LOOK_EVERY_MS);
  }
}
