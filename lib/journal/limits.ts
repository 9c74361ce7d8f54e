/** What bounds a call that consists of several operations, and whose turn it is on a device. */
import { Deadline, type Ended } from '../base/deadline.js';
import { NvmemError } from '../base/errors.js';
import { monotonicMs } from '../base/timers.js';
import { MAX_TIMEOUT_MS, type OperationOptions } from '../base/validate.js';

type Bounds = Pick<OperationOptions, 'signal' | 'timeoutMs'>;

/** One time limit and one signal for everything that a call does. */
export class Limits {
  readonly #signal: AbortSignal | undefined;
  readonly #end: number | undefined;

  constructor(
    { signal, timeoutMs }: Bounds,
    /** For the error: 'recover of board'. */
    readonly what: string,
    readonly device: string,
  ) {
    this.#signal = signal;
    this.#end = timeoutMs === undefined ? undefined : monotonicMs() + timeoutMs;
  }

  /** For the next operation: what is left. @throws NvmemError ABORT_ERR, ETIMEDOUT: nothing is left. */
  next(): { signal?: AbortSignal; timeoutMs?: number } {
    if (this.#signal?.aborted) throw this.#error('aborted');
    const left = this.#end === undefined ? undefined : this.#end - monotonicMs();
    if (left !== undefined && left <= 0) throw this.#error('timeout');
    return {
      ...(this.#signal && { signal: this.#signal }),
      ...(left !== undefined && { timeoutMs: left }),
    };
  }

  /** `promise`, unless the time is over or the signal comes first. @throws NvmemError ABORT_ERR, ETIMEDOUT */
  async waitFor(promise: Promise<void>): Promise<void> {
    const { timeoutMs = MAX_TIMEOUT_MS, signal } = this.next();
    const outcome = await new Deadline(timeoutMs, signal).wait(promise);
    if ('ended' in outcome) throw this.#error(outcome.ended);
  }

  #error(ended: Ended): NvmemError {
    const [syscall] = this.what.split(' ');
    const [code, says] =
      ended === 'aborted' ? ['ABORT_ERR', 'the operation was aborted'] : ['ETIMEDOUT', 'it took too long'];
    const cause: unknown = ended === 'aborted' ? this.#signal?.reason : undefined;
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
