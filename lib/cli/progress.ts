import { readFileSync } from 'node:fs';

import { visible } from '../base/visible.js';
import type { FollowProgress } from '../follow/options.js';
import { progressBar, waitingBar } from './format.js';
import type { Output } from './output.js';

const SHOW_AFTER_MS = 1000;
const EVERY_MS = 100;

/** A bar on the terminal's standard error for anything that takes longer than a second; elsewhere nothing. */
export class Progress {
  readonly #err: Output;
  readonly #label: string;
  readonly #showAfterMs: number;
  readonly #began = performance.now();
  #drawn = -Infinity;
  #isWaiting = false;

  constructor({ err }: { readonly err: Output }, label: string, showAfterMs = SHOW_AFTER_MS) {
    this.#err = err;
    this.#label = label;
    this.#showAfterMs = showAfterMs;
  }

  readonly update = (done: number, total: number, progress?: FollowProgress): void => {
    const { waiting = false } = progress ?? {};
    const now = performance.now();
    const ms = now - this.#began;
    // That it waits, and that it goes on, is shown at once.
    const isNews = waiting !== this.#isWaiting;
    this.#isWaiting = waiting;
    if (!isNews && (ms < this.#showAfterMs || now - this.#drawn < EVERY_MS)) return;
    if (!this.#err.isTTY) return;
    this.#drawn = now;
    // Drawn from the background it would stand in somebody else's way, and `stty tostop` would stop us in the middle of a write.
    if (isInBackground()) return;
    // A terminal that does not know its width says 0.
    const width = this.#err.columns > 0 ? this.#err.columns - 1 : 79;
    const bar = waiting
      ? waitingBar(this.#label, done, total, width)
      : progressBar(this.#label, done, total, ms, width);
    this.#err.push(`\r\x1b[K${bar}`);
  };

  /** A line that stays until something else is shown, as far as there is room for it. False: this is no terminal. */
  hold(text: string): boolean {
    if (!this.#err.isTTY) return false;
    this.#drawn = performance.now();
    if (isInBackground()) return true;
    const width = this.#err.columns > 0 ? this.#err.columns - 1 : 79;
    this.#err.push(`\r\x1b[K${visible(text).slice(0, width)}`);
    return true;
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#drawn > 0 && !isInBackground()) this.#err.push('\r\x1b[K');
    this.#drawn = -Infinity;
  }
}

/** Whether another job has our terminal. */
export function isInBackground(): boolean {
  try {
    // proc(5): the name in parentheses may hold anything; after it come the state, the parent, our group, the session, the
    // terminal and the group that has it.
    const [, , group, , , foreground] = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return foreground !== undefined && Number(foreground) > 0 && foreground !== group;
  } catch {
    return false;
  }
}
