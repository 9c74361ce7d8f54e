import type { CliIo } from './io.js';
import { progressBar } from './format.js';

const SHOW_AFTER_MS = 1000;
const EVERY_MS = 100;

/** A bar on the terminal's standard error for anything that takes longer than a second; elsewhere nothing. */
export class Progress {
  readonly #io: CliIo;
  readonly #label: string;
  readonly #showAfterMs: number;
  readonly #began = performance.now();
  #drawn = -Infinity;

  constructor(io: CliIo, label: string, showAfterMs = SHOW_AFTER_MS) {
    this.#io = io;
    this.#label = label;
    this.#showAfterMs = showAfterMs;
  }

  readonly update = (done: number, total: number): void => {
    const { stderr } = this.#io;
    const now = performance.now();
    const ms = now - this.#began;
    if (stderr.isTTY !== true || ms < this.#showAfterMs || now - this.#drawn < EVERY_MS) return;
    this.#drawn = now;
    // A terminal that does not know its width says 0.
    const width = (stderr.columns ?? 0) > 0 ? (stderr.columns ?? 0) - 1 : 79;
    stderr.write(`\r\x1b[K${progressBar(this.#label, done, total, ms, width)}`);
  };

  /** Takes the bar away. */
  end(): void {
    if (this.#drawn > 0) this.#io.stderr.write('\r\x1b[K');
    this.#drawn = -Infinity;
  }
}
