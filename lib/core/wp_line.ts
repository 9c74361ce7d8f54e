/**
 * A write-protect line in JavaScript (the kernel's GPIO "wp" of the parent device). Logical 1 is "protect"; which level
 * of the wire that is, is the line's own affair.
 */
import { Turns } from './turns.js';
import { take } from '../base/foreign.js';
import { checkKeys, checkMethod, checkNeededMethod, checkObject, typeError } from '../base/validate.js';

export interface WpLine {
  /** Called at registration: take the line and protect. What it throws (EBUSY, EPROBE_DEFER) is the answer of register(). */
  request?(): void;
  /** true: protect. What it throws is the line's failure. */
  set(protect: boolean): void | Promise<void>;
  /** Called once the provider is gone for good. */
  release?(): void;
}

/** A line as it was when it was registered. */
export interface CheckedLine {
  /** The object that it is: those who name the same one share it. */
  readonly self: WpLine;
  readonly request: () => void;
  readonly set: (protect: boolean) => unknown;
  readonly release: () => void;
}

export function checkWpLine(line: WpLine): CheckedLine {
  checkKeys('wp', checkObject('wp', line), ['request', 'set', 'release']);
  const set = checkNeededMethod('wp', line, 'set');
  const request = checkMethod('wp', line, 'request');
  const release = checkMethod('wp', line, 'release');
  return {
    self: line,
    request: () => {
      const { pending } = take(request?.());
      if (pending === undefined) return;
      pending.catch(() => undefined);
      throw typeError(
        'wp.request',
        'a function that has done its work when it returns, not an async one',
        request,
      );
    },
    set,
    release: () => {
      release?.();
    },
  };
}

const leases = new WeakMap<WpLine, WpLease>();

/** Everybody who writes behind one line shares one lease, so that one writer's "protect" never cuts another's short. */
export function leaseOf(line: CheckedLine): WpLease {
  let lease = leases.get(line.self);
  if (!lease) leases.set(line.self, (lease = new WpLease(line)));
  return lease;
}

export class WpLease {
  readonly #line: CheckedLine;
  #writers = 0;
  /** The line's changes happen one after another. */
  readonly #turns = new Turns('the write-protect line');

  constructor(line: CheckedLine) {
    this.#line = line;
  }

  /** The line is down when this resolves. Rejects with the line's failure, and then nothing is held. */
  acquire(): Promise<void> {
    return this.#turns.next(async () => {
      if (this.#writers === 0) await this.#line.set(false);
      this.#writers++;
    });
  }

  /** The last one out protects. Rejects with the line's failure. */
  release(): Promise<void> {
    return this.#turns.next(async () => {
      this.#writers--;
      if (this.#writers === 0) await this.#line.set(true);
    });
  }
}
