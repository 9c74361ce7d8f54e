import type { Clock } from './clock.js';

export interface RoundsOptions {
  /** One look. Never rejects. */
  readonly look: () => Promise<void>;
  /** After a look: milliseconds until the next without being told to; undefined: only when told to. */
  readonly pause: () => number | undefined;
  /** Between the beginnings of two looks, however often it is told to look, milliseconds. */
  readonly gapMs: number;
}

/** Looks, one at a time: when it is told to, and by itself now and then. What tells it may tell it as often as it likes. */
export class Rounds {
  #isRunning = false;
  #isWanted = false;
  #isStopped = false;
  #began = -Infinity;
  #dueAt = Infinity;
  #cancel: () => void = () => undefined;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly options: RoundsOptions,
  ) {}

  /** A look that begins after this, soon. */
  soon(): void {
    this.#isWanted = true;
    if (!this.#isRunning) this.#begin(this.#began + this.options.gapMs);
  }

  /** A look that begins now, or after the one that is under way; resolves after it, or when it is stopped. */
  now(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#isRunning) this.#begin(-Infinity);
    });
  }

  /** No look begins any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    for (const done of this.#waiting.splice(0)) done();
  }

  /** At that time, or earlier where that was meant before. */
  #begin(at: number): void {
    const now = this.clock.now();
    if (this.#isStopped || (at >= this.#dueAt && at > now)) return;
    this.#cancel();
    if (at <= now) {
      void this.#run();
      return;
    }
    this.#dueAt = at;
    this.#cancel = this.clock.after(at - now, () => void this.#run());
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#isWanted = false;
    this.#dueAt = Infinity;
    this.#cancel = () => undefined;
    this.#began = this.clock.now();
    const served = this.#waiting.splice(0);
    await this.options.look();
    this.#isRunning = false;
    for (const done of served) done();
    this.#next();
  }

  #next(): void {
    if (this.#waiting.length > 0) this.#begin(-Infinity);
    else if (this.#isWanted) this.#begin(this.#began + this.options.gapMs);
    else {
      const pause = this.options.pause();
      if (pause !== undefined) this.#begin(this.clock.now() + pause);
    }
  }
}
