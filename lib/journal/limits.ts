/** What bounds a call that consists of several operations, and whose turn it is on a device. */
import { NvmemError } from '../base/errors.js';
import type { OperationOptions } from '../base/validate.js';

type Bounds = Pick<OperationOptions, 'signal' | 'timeoutMs'>;

/** One time limit and one signal for everything that a call does. */
export class Limits {
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number | undefined;

  constructor(
    { signal, timeoutMs }: Bounds,
    /** For the error: 'recover of board'. */
    readonly what: string,
    readonly device: string,
  ) {
    this.#signal = signal;
    this.#deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  }

  /** For the next operation: what is left. @throws NvmemError ABORT_ERR, ETIMEDOUT: nothing is left. */
  next(): { signal?: AbortSignal; timeoutMs?: number } {
    const left = this.#left();
    return {
      ...(this.#signal && { signal: this.#signal }),
      ...(left !== undefined && { timeoutMs: left }),
    };
  }

  /** `promise`, unless the time is over or the signal comes first. @throws NvmemError ABORT_ERR, ETIMEDOUT */
  async waitFor(promise: Promise<void>): Promise<void> {
    const left = this.#left();
    const signal = this.#signal;
    let timer: NodeJS.Timeout | undefined;
    let onAbort!: () => void;
    const over = new Promise<never>((_resolve, reject) => {
      onAbort = () => {
        reject(this.#aborted(signal?.reason));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      if (left === undefined) return;
      timer = setTimeout(() => {
        reject(this.#error('ETIMEDOUT', 'it took too long'));
      }, left);
    });
    try {
      await Promise.race([promise, over]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #left(): number | undefined {
    if (this.#signal?.aborted) throw this.#aborted(this.#signal.reason);
    if (this.#deadline === undefined) return undefined;
    const left = this.#deadline - performance.now();
    if (left <= 0) throw this.#error('ETIMEDOUT', 'it took too long');
    return left;
  }

  #aborted(reason: unknown): NvmemError {
    return this.#error('ABORT_ERR', 'the operation was aborted', reason);
  }

  #error(code: string, says: string, cause?: unknown): NvmemError {
    const [syscall] = this.what.split(' ');
    return new NvmemError(code, `${says}, ${this.what}`, { syscall, device: this.device, cause });
  }
}

const tails = new WeakMap<object, Promise<void>>();

/** Runs `body` when all that came before it on the same key have ended. Whoever gives up waiting leaves the queue as it was. */
export async function inTurn<T>(key: object, limits: Limits, body: () => Promise<T>): Promise<T> {
  const before = tails.get(key);
  let end!: () => void;
  const mine = new Promise<void>((resolve) => {
    end = resolve;
  });
  tails.set(key, before ? before.then(() => mine) : mine);
  try {
    if (before) await limits.waitFor(before);
    return await body();
  } finally {
    end();
  }
}
