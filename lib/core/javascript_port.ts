/** Drives a provider written in JavaScript. */
import { EBADMSG, EIO, EOPNOTSUPP } from '../base/errno.js';
import type { NativeHold, NativeSlot, NativeStats, NativeTurn } from '../native/index.js';
import { type ProviderPort, type PieceOutcome, settled, store, type WriteHow } from './provider_port.js';
import { errnoOf } from '../base/errors.js';
import { bytesOf, isA, propertyOf, show } from '../base/foreign.js';
import { heldCall } from './held_call.js';
import { Destination, type Place } from '../base/memory.js';
import { failureOf, Interrupted, type Operation } from './operation.js';
import type { ClaimedPart, ProviderContext } from './provider.js';
import type { Method } from '../base/validate.js';
import { callUser } from './report.js';
import { leaseOf, type CheckedLine, type WpLease } from './wp_line.js';

/** A provider as it was when it was registered: what its properties say later is not asked. */
export interface ProviderCalls {
  readonly read: Method | undefined;
  readonly write: Method | undefined;
}

export class JavaScriptPort implements ProviderPort {
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly immediate = false;
  readonly takesEmpty = true;
  readonly isPart = false;
  readonly slot = undefined;
  readonly takeTurn: (() => NativeTurn) | undefined;
  readonly #provider: ProviderCalls;
  readonly #slot: NativeSlot;
  readonly #name: string;
  readonly #line: CheckedLine | undefined;
  readonly #claimed: ClaimedPart | undefined;
  readonly #lease: WpLease | undefined;
  #unregistered: Promise<void> | undefined;
  #writing: Promise<void> | undefined;

  /** `slot`: one without memory of its own; its section is what unregister() waits for. */
  constructor(
    name: string,
    provider: ProviderCalls,
    slot: NativeSlot,
    line?: CheckedLine,
    claimed?: ClaimedPart,
  ) {
    this.#name = name;
    this.#provider = provider;
    this.#slot = slot;
    this.#line = line;
    this.#claimed = claimed;
    this.takeTurn = claimed && (() => claimed.takeTurn());
    this.#lease = line && leaseOf(line);
    this.canRead = provider.read !== undefined;
    this.canWrite = provider.write !== undefined;
  }

  get stats(): NativeStats | undefined {
    return this.#slot.stats();
  }

  get hasWpLine(): boolean {
    return this.#lease !== undefined;
  }

  get writing(): Promise<void> | undefined {
    return this.#writing;
  }

  readNow(): number {
    return EOPNOTSUPP;
  }

  writeNow(): number {
    return EOPNOTSUPP;
  }

  async read(operation: Operation, offset: number, into: Place, before: number): Promise<PieceOutcome> {
    const { read } = this.#provider;
    if (read === undefined) return settled(EOPNOTSUPP);
    const { length } = into;
    try {
      const answer = await this.#call(operation, 'read', (context) => read(offset, length, context));
      // Copied at once: the array, and its memory, stay the provider's.
      const data = bytesOf(answer);
      if (data === undefined) {
        return wrongAnswer(`the provider gave ${show(answer)} instead of a Uint8Array`);
      }
      if (data.length !== length) {
        const reason = `the provider gave ${String(data.length)} bytes instead of ${String(length)}`;
        const good = Math.min(data.length, length);
        return store(data, into, wrongAnswer(reason, good));
      }
      const stored = store(data, into, settled(0, length));
      if (stored.status === 0) operation.progressFrom(before)?.(length);
      return stored;
    } catch (error) {
      return failed(error);
    }
  }

  async write(
    operation: Operation,
    offset: number,
    data: Uint8Array,
    { verify }: WriteHow,
    before: number,
  ): Promise<PieceOutcome> {
    if (!this.canWrite) return settled(EOPNOTSUPP);
    const wp: WpEnd = { started: this.#lease === undefined, protectStatus: 0 };
    const end = await this.#store(operation, offset, data, verify, before, wp);
    return wp.protectStatus === 0 ? end : { ...end, protectStatus: wp.protectStatus };
  }

  async #store(
    operation: Operation,
    offset: number,
    data: Uint8Array,
    verify: boolean,
    before: number,
    wp: WpEnd,
  ): Promise<PieceOutcome> {
    try {
      await this.#call(operation, 'write', (context) => this.#unprotected(offset, data, context, wp));
    } catch (error) {
      if (!wp.started && !isA(error, Interrupted)) return failed(error);
      const stored = storedBytes(error, data.length);
      return { ...failed(error), transferred: stored, uncertain: data.length - stored };
    }
    if (verify && this.canRead && data.length > 0) {
      const back = new Destination(data.length);
      const end = await this.read(operation, offset, back.place(0, data.length), before);
      if (end.status !== 0) return { ...end, transferred: 0, uncertain: data.length };
      const mismatch = compare(offset, data, back.take() ?? data);
      if (mismatch) return mismatch;
    } else {
      operation.progressFrom(before)?.(data.length);
    }
    return settled(0, data.length);
  }

  hold(label: string): NativeHold | number {
    return this.#slot.hold(label);
  }

  unregister(): Promise<void> {
    this.#unregistered ??= this.#slot.unregister().then(() => {
      if (this.#line) callUser(this.#line.release);
      this.#claimed?.release();
    });
    return this.#unregistered;
  }

  /**
   * The provider's write with the line down. It is one call to the core, so that a caller that gives up, or a device
   * that goes, never leaves the line down behind it.
   */
  #unprotected(offset: number, data: Uint8Array, context: ProviderContext, wp: WpEnd): unknown {
    const { write } = this.#provider;
    const lease = this.#lease;
    if (write === undefined) return undefined;
    // Its own copy: what it does to it, or with its memory, changes nothing in what is verified and told.
    const call = (): unknown => write(offset, new Uint8Array(data), context);
    if (!lease) return call();
    return (async () => {
      await lease.acquire();
      wp.started = true;
      try {
        await call();
      } finally {
        // Never instead of the write's own result (docs/defects.md, D11).
        await lease.release().catch((error: unknown) => {
          wp.protectStatus = errnoOf(error);
        });
      }
    })();
  }

  #call(
    operation: Operation,
    what: 'read' | 'write',
    invoke: (context: ProviderContext) => unknown,
  ): Promise<unknown> {
    return heldCall(
      this,
      `${this.#name}: ${what} by the provider`,
      operation,
      (signal) => invoke({ signal }),
      what === 'write' ? this.#track : undefined,
    );
  }

  readonly #track = (call: Promise<unknown>): void => {
    const end = (): void => {
      if (this.#writing === running) this.#writing = undefined;
    };
    const running: Promise<void> = call.then(end, end);
    this.#writing = running;
  };
}

/** What became of the line around one write. */
interface WpEnd {
  /** The line is down: the provider may have been called. */
  started: boolean;
  protectStatus: number;
}

/** An answer that the core cannot take: the provider's fault, whatever it drives. */
function wrongAnswer(reason: string, good = 0): PieceOutcome {
  return {
    ...settled(EIO, good),
    reason,
    hint: 'Mend the provider: read() has to give exactly that many bytes.',
  };
}

function failed(error: unknown): PieceOutcome {
  if (isA(error, Interrupted)) return settled(error.status);
  const { status, reason = '', ...more } = failureOf(error);
  return { ...settled(status), ...more, reason };
}

function storedBytes(error: unknown, length: number): number {
  const stored = propertyOf(error, 'bytesTransferred');
  return typeof stored === 'number' && Number.isInteger(stored) && stored >= 0 && stored <= length
    ? stored
    : 0;
}

function compare(offset: number, data: Uint8Array, back: Uint8Array): PieceOutcome | undefined {
  let first = -1;
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === back[i]) continue;
    if (first < 0) first = i;
    count++;
  }
  if (first < 0) return undefined;
  return {
    ...settled(EBADMSG, first),
    uncertain: data.length - first,
    mismatchOffset: offset + first,
    mismatchCount: count,
  };
}
