/** The end of patience: one time limit and one signal for all the waits of an operation. */
import { clearTimeout, monotonicMs, nextTurn, setTimeout } from './timers.js';

/** What ended a wait before its time. */
export type Ended = 'timeout' | 'aborted';

export class Deadline {
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;

  constructor(ms: number, signal?: AbortSignal) {
    this.#end = monotonicMs() + ms;
    this.#signal = signal;
  }

  /** Milliseconds left; at least one, so that who gets it as a limit of its own still says what it waited for. */
  get remainingMs(): number {
    return Math.max(this.#end - monotonicMs(), 1);
  }

  /**
   * What `promise` comes to, or what ended the wait for it. What it comes to later goes to `late`; that it fails later is
   * nobody's business any more.
   */
  async wait<T>(
    promise: Promise<T>,
    late?: (value: T) => unknown,
  ): Promise<{ readonly value: T } | { readonly ended: Ended }> {
    const signal = this.#signal;
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    const ended = new Promise<{ ended: Ended }>((resolve) => {
      onAbort = () => {
        resolve({ ended: 'aborted' });
      };
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
      timer = setTimeout(() => {
        // A loop that was busy runs its timers first. What has arrived meanwhile is not late: it comes in the next turn,
        // and what follows from it in the one after that.
        void nextTurn()
          .then(nextTurn)
          .then(() => {
            resolve({ ended: 'timeout' });
          });
      }, this.remainingMs);
    });
    try {
      const first = await Promise.race([promise.then((value) => ({ value })), ended]);
      if ('ended' in first) promise.then(late).catch(() => undefined);
      return first;
    } finally {
      clearTimeout(timer);
      if (onAbort) signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** Resolves with `promise`, or after `ms` milliseconds without it. Never rejects: for letting go of things. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  const settled = promise.then(
    () => undefined,
    () => undefined,
  );
  await new Deadline(ms).wait(settled);
}
