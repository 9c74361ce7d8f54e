/** The operations of one device, in one thread, that have not ended. */
import { ENOBUFS } from '../base/errno.js';
import { bytesIn } from './diagnostics.js';
import type { Failure, Operation } from './operation.js';
import type { OperationCounts } from './stats.js';

/** Operations of one device that may be pending at a time, in each thread, and bytes that the writes among them may keep. */
const MAX_PENDING = 32_768;
const MAX_HELD = 64 * 1024 * 1024;

export class PendingOperations {
  readonly #pending = new Map<Operation, Promise<void>>();
  /** Bytes of the writes among them. */
  #held = 0;

  /** @param counts Of those that have ended. */
  constructor(private readonly counts: OperationCounts) {}

  /** Runs `body`; its promise is one that idle() waits for. */
  track<T>(
    operation: Operation,
    body: (operation: Operation) => Promise<T>,
    bytesOf: (value: T) => number,
  ): Promise<T> {
    // Listed before it runs: a provider may unregister the device from inside its very first call.
    this.#pending.set(operation, Promise.resolve());
    const promise = body(operation);
    const end = (bytes: number): void => {
      operation.dispose();
      this.#pending.delete(operation);
      this.#held -= operation.held;
      this.counts.operations++;
      this.counts[operation.syscall.endsWith('write') ? 'bytesWritten' : 'bytesRead'] += bytes;
    };
    this.#pending.set(
      operation,
      promise.then(
        (value) => {
          end(bytesOf(value));
        },
        (error: unknown) => {
          end(bytesIn(error));
          this.counts.failures++;
        },
      ),
    );
    return promise;
  }

  /**
   * Why there is no room for an operation, which is pending already, with the bytes that it is to keep; else they are taken into
   * account. Alone a write may be as long as it likes.
   */
  admit(operation: Operation, held: number): Failure | undefined {
    const hint = 'Await what was started before starting more.';
    if (this.#pending.size > MAX_PENDING)
      return { status: ENOBUFS, reason: `${String(MAX_PENDING)} of this device are pending`, hint };
    if (held > 0 && this.#held > 0 && this.#held + held > MAX_HELD)
      return { status: ENOBUFS, reason: `writes of ${String(this.#held)} bytes are pending`, hint };
    operation.held = held;
    this.#held += held;
    return undefined;
  }

  /** Whoever of them waits in JavaScript learns it now. */
  deviceGone(): void {
    for (const operation of this.#pending.keys()) operation.deviceGone();
  }

  /** Resolves when none is pending. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending.values());
  }
}
