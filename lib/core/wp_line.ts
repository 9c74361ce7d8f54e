/**
 * A write-protect line in JavaScript (the kernel's GPIO "wp" of the parent device). Logical 1 is "protect"; which level
 * of the wire that is, is the line's own affair.
 */
import { checkFunction, checkKeys, checkObject } from '../base/validate.js';

export interface WpLine {
  /** Called at registration: take the line and protect. What it throws (EBUSY, EPROBE_DEFER) is the answer of register(). */
  request?(): void;
  /** true: protect. What it throws is the line's failure. */
  set(protect: boolean): void | Promise<void>;
  /** Called once the provider is gone for good. */
  release?(): void;
}

export function checkWpLine(line: WpLine): WpLine {
  checkKeys('wp', checkObject('wp', line), ['request', 'set', 'release']);
  checkFunction('wp.set', Reflect.get(line, 'set'));
  for (const name of ['request', 'release'] as const) {
    const method: unknown = Reflect.get(line, name);
    if (method !== undefined) checkFunction(`wp.${name}`, method);
  }
  return line;
}

const leases = new WeakMap<WpLine, WpLease>();

/** Everybody who writes behind one line shares one lease, so that one writer's "protect" never cuts another's short. */
export function leaseOf(line: WpLine): WpLease {
  let lease = leases.get(line);
  if (!lease) leases.set(line, (lease = new WpLease(line)));
  return lease;
}

export class WpLease {
  readonly #line: WpLine;
  #writers = 0;
  /** The line's changes happen one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(line: WpLine) {
    this.#line = line;
  }

  /** The line is down when this resolves. Rejects with the line's failure, and then nothing is held. */
  acquire(): Promise<void> {
    return this.#next(async () => {
      if (this.#writers === 0) await this.#line.set(false);
      this.#writers++;
    });
  }

  /** The last one out protects. Rejects with the line's failure. */
  release(): Promise<void> {
    return this.#next(async () => {
      this.#writers--;
      if (this.#writers === 0) await this.#line.set(true);
    });
  }

  #next(change: () => Promise<void>): Promise<void> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
