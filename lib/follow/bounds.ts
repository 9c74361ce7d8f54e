/** One time limit and one signal for all that a call waits for and does. */
import type { Clock } from '../hotplug/clock.js';

export type Stopped = 'aborted' | 'timeout';

export class Bounds {
  readonly signal: AbortSignal | undefined;
  readonly #clock: Clock;
  readonly #end: number | undefined;
  #isOver = false;

  constructor(
    {
      signal,
      timeoutMs,
    }: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number | undefined },
    clock: Clock,
  ) {
    this.signal = signal;
    this.#clock = clock;
    this.#end = timeoutMs === undefined ? undefined : clock.now() + timeoutMs;
  }

  get stopped(): Stopped | undefined {
    if (this.signal?.aborted) return 'aborted';
    return this.#isOver || (this.#end !== undefined && this.#clock.now() >= this.#end)
      ? 'timeout'
      : undefined;
  }

  /** For an operation of a device: what is left. */
  get rest(): { signal?: AbortSignal; timeoutMs?: number } {
    return {
      ...(this.signal && { signal: this.signal }),
      ...(this.#end !== undefined && { timeoutMs: Math.max(this.#end - this.#clock.now(), 0.001) }),
    };
  }

  /**
   * What `look` finds, now or after something has happened, or what ended the wait.
   *
   * @param subscribe Calls its argument whenever it is worth looking again; gives what ends that.
   */
  until<T extends object>(
    look: () => T | undefined,
    subscribe: (again: () => void) => () => void,
  ): Promise<T | Stopped> {
    const now = this.stopped ?? look();
    if (now !== undefined) return Promise.resolve(now);
    return new Promise((resolve) => {
      const ends: (() => void)[] = [];
      const again = (): void => {
        const found = this.stopped ?? look();
        if (found === undefined) return;
        for (const end of ends.splice(0)) end();
        resolve(found);
      };
      const { signal } = this;
      signal?.addEventListener('abort', again, { once: true });
      ends.push(() => signal?.removeEventListener('abort', again));
      if (this.#end !== undefined) {
        const late = (): void => {
          // By the timer's own word: clocks are rounded.
          this.#isOver = true;
          again();
        };
        ends.push(this.#clock.after(this.#end - this.#clock.now(), late));
      }
      ends.push(subscribe(again));
    });
  }
}
