/** Calls that happen one after another: of one open file, of one line, of one i2c-bus object. */
import { NvmemError } from '../base/errors.js';
import { runCallback, type Turnstile, waitAt, waitsForItself } from './callback_scope.js';

export class Turns implements Turnstile {
  owner: object | undefined;
  #last: Promise<unknown> = Promise.resolve();
  readonly #what: string;

  /** `what`: what has one user at a time, for messages. */
  constructor(what: string) {
    this.#what = what;
  }

  /**
   * Runs `call` when every one before it has ended. `isScoped`: user code may run inside of it, which can come back here.
   *
   * Rejects with NvmemError EDEADLK where its turn could only come after the caller's own end.
   */
  next<T>(call: () => T | Promise<T>, isScoped = true): Promise<T> {
    if (isScoped && waitsForItself(this)) {
      const error = new NvmemError(
        'EDEADLK',
        `${this.#what} is in use by the very call that this one was made from`,
      );
      return Promise.reject(error);
    }
    const before = isScoped
      ? waitAt(
          this,
          this.#last.then(() => undefined),
        )
      : this.#last;
    const result = before.then(() => (isScoped ? this.#scoped(call) : call()));
    this.#last = result.catch(() => undefined);
    return result;
  }

  #scoped<T>(call: () => T | Promise<T>): T | Promise<T> {
    const turn = {};
    this.owner = turn;
    const end = (): void => {
      if (this.owner === turn) this.owner = undefined;
    };
    const taken = runCallback(this, turn, call, end);
    return taken.pending ?? taken.value;
  }
}
