/** One read or write from the call to its end: what can end it early, and the error it ends with. */
import { ECANCELED, ENODEV, ETIMEDOUT } from '../base/errno.js';
import { diagnosed } from '../base/diagnosis.js';
import { callUser } from './report.js';
import { clearTimeout, monotonicMs, setTimeout } from '../base/timers.js';
import type { Finding } from '../native/finding.js';
import type { OperationOptions } from '../base/validate.js';
import { isA, messageOf, propertyOf } from '../base/foreign.js';
import {
  type CallSite,
  codeOf,
  errnoOf,
  NvmemError,
  type NvmemErrorDetails,
  saysOf,
} from '../base/errors.js';

const INT_MAX = 0x7fffffff;

/** Thrown inside the core by Operation.waitFor(); never leaves it. */
export class Interrupted extends Error {
  constructor(readonly status: number) {
    super('interrupted');
  }
}

/** A failure on its way to becoming an NvmemError. */
export interface Failure {
  /** Negative errno. */
  readonly status: number;
  readonly reason?: string | undefined;
  readonly cause?: unknown;
  /** What happened, where more is known than the code says. */
  readonly says?: string | undefined;
  /** What to do about it, where that is known here. */
  readonly hint?: string | undefined;
  /** The number above zero that a provider in JavaScript answered instead of an error. */
  readonly answered?: number | undefined;
  /** What the bytes themselves tell (lib/native). */
  readonly finding?: Finding | undefined;
  readonly found?: number | undefined;
}

const answers = new WeakMap<NvmemError, number>();

/** The number above zero that the provider answered, of an error that an operation ended with; see NvmemProvider. */
export function answerOf(error: unknown): number | undefined {
  return isA(error, NvmemError) ? answers.get(error) : undefined;
}

/** What user code threw, read once. */
export function failureOf(cause: unknown): Failure {
  const errno = propertyOf(cause, 'errno');
  const isCount = typeof errno === 'number' && Number.isInteger(errno) && errno > 0 && errno <= INT_MAX;
  return {
    status: errnoOf(cause),
    cause,
    reason: isA(cause, NvmemError) ? messageOf(cause).slice(cause.code.length + 2) : messageOf(cause),
    hint: hintIn(cause),
    answered: isCount ? errno : undefined,
  };
}

/** Of an NvmemError that comes through a provider: who made it knew what to do. */
function hintIn(cause: unknown): string | undefined {
  const hint = isA(cause, NvmemError) ? cause.hint : undefined;
  return hint === '' ? undefined : hint;
}

export class Operation {
  readonly #site: CallSite;
  readonly #options: OperationOptions;
  readonly #deadline: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  /** Bytes to write that it keeps while it waits. */
  held = 0;
  #status = 0;
  #wake: (() => void) | undefined;

  constructor(
    readonly device: string,
    readonly syscall: string,
    readonly offset: number,
    readonly length: number,
    site: CallSite,
    options: OperationOptions,
  ) {
    this.#site = site;
    this.#options = options;
    const { signal, timeoutMs } = options;
    if (signal?.aborted) this.interrupt(ECANCELED);
    else signal?.addEventListener('abort', this.#aborted, { once: true });
    if (timeoutMs !== undefined) {
      this.#deadline = monotonicMs() + timeoutMs;
      this.#timer = setTimeout(() => {
        this.interrupt(ETIMEDOUT);
      }, timeoutMs);
    }
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /** 0, or the negative errno that ends every wait of this operation. The first one stays. */
  get status(): number {
    return this.#status;
  }

  /** Milliseconds left for a piece of native I/O; at least a little, so that the native side says ETIMEDOUT. */
  get remainingMs(): number | undefined {
    return this.#deadline === undefined ? undefined : Math.max(this.#deadline - monotonicMs(), 0.001);
  }

  readonly #aborted = (): void => {
    this.interrupt(ECANCELED);
  };

  /** Ends waits in JavaScript (a queue, a provider's promise). Native I/O is ended by the native side itself. */
  interrupt(status: number): void {
    if (this.#status !== 0) return;
    this.#status = status;
    this.#wake?.();
  }

  /** The device has gone: as interrupt(), and it says so rather than what came before. */
  deviceGone(): void {
    this.interrupt(ENODEV);
  }

  /** `promise`, unless the operation is interrupted first. @throws Interrupted */
  async waitFor<T>(promise: PromiseLike<T>): Promise<T> {
    if (this.#status !== 0) throw new Interrupted(this.#status);
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#wake = () => {
          reject(new Interrupted(this.#status));
        };
        promise.then(resolve, reject);
      });
    } finally {
      this.#wake = undefined;
    }
  }

  /** What the native side or a provider is told to call with the bytes done so far, counted from `before`. */
  progressFrom(before: number): ((done: number) => void) | undefined {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return undefined;
    return (done) => {
      callUser(onProgress, before + done, this.length);
    };
  }

  error(failure: Failure, details: NvmemErrorDetails = {}): NvmemError {
    const aborted = failure.status === ECANCELED;
    const code = aborted ? 'ABORT_ERR' : codeOf(failure.status);
    const error = new NvmemError(code, this.#sentence(code, failure, details), {
      errno: failure.status,
      syscall: this.syscall,
      device: this.device,
      offset: this.offset,
      cause: aborted && this.signal?.aborted ? propertyOf(this.signal, 'reason') : failure.cause,
      hint: failure.hint,
      ...diagnosed(failure),
      ...details,
    });
    if (failure.answered !== undefined) answers.set(error, failure.answered);
    return this.#site.adopt(error);
  }

  #sentence(code: string, failure: Failure, details: NvmemErrorDetails): string {
    const aborted = code === 'ABORT_ERR';
    const { bytesTransferred, mismatchOffset, mismatchCount } = details;
    const { device, syscall, length, offset } = this;
    const what = `${syscall} of ${String(length)} bytes at ${String(offset)}`;
    const done =
      bytesTransferred === undefined
        ? ''
        : `; ${String(bytesTransferred)} of ${String(length)} bytes are ${syscall.endsWith('write') ? 'committed' : 'good'}`;
    const mismatch =
      mismatchOffset === undefined
        ? ''
        : `; ${String(mismatchCount)} differ, the first at 0x${mismatchOffset.toString(16)}`;
    const reason = aborted || (failure.reason ?? '') === '' ? '' : ` (${failure.reason ?? ''})`;
    return `${failure.says ?? saysOf(code)}${reason}, ${what} of ${device}${done}${mismatch}`;
  }

  /** Always, at the end. */
  dispose(): void {
    clearTimeout(this.#timer);
    try {
      this.signal?.removeEventListener('abort', this.#aborted);
    } catch {
      // A signal of somebody else's making; what it has against us is not what became of the operation.
    }
  }
}
