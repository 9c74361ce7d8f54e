/** Drives a provider written in JavaScript. */
import type { NativeHold, NativeSlot } from '../native/index.js';
import type { Backend, PieceOutcome, PieceReadOutcome, WriteHow } from './backend.js';
import { errnoOf } from '../base/errors.js';
import { heldCall } from './held_call.js';
import { Interrupted, type Operation } from './operation.js';
import type { NvmemProvider, ProviderContext } from './provider.js';
import { leaseOf, type WpLease, type WpLine } from './wp_line.js';

const EIO = -5;
const EWOULDBLOCK = -11;
const EOPNOTSUPP = -95;
const EBADMSG = -74;

export class ScriptBackend implements Backend {
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly takesEmpty = true;
  readonly slot = undefined;
  readonly stats = undefined;
  readonly takeTurn = undefined;
  readonly #provider: NvmemProvider;
  readonly #slot: NativeSlot;
  readonly #name: string;
  readonly #line: WpLine | undefined;
  readonly #lease: WpLease | undefined;
  #unregistered: Promise<void> | undefined;
  #writing: Promise<void> | undefined;

  /** `slot`: one without memory of its own; its section is what unregister() waits for. */
  constructor(name: string, provider: NvmemProvider, slot: NativeSlot, line?: WpLine) {
    this.#name = name;
    this.#provider = provider;
    this.#slot = slot;
    this.#line = line;
    this.#lease = line && leaseOf(line);
    this.canRead = provider.read !== undefined;
    this.canWrite = provider.write !== undefined;
  }

  get hasWpLine(): boolean {
    return this.#lease !== undefined;
  }

  get writing(): Promise<void> | undefined {
    return this.#writing;
  }

  readNow(): number {
    return EWOULDBLOCK;
  }

  writeNow(): number {
    return EWOULDBLOCK;
  }

  async read(
    operation: Operation,
    offset: number,
    length: number,
    before: number,
  ): Promise<PieceReadOutcome> {
    if (!this.canRead) return { ...outcome(EOPNOTSUPP), data: new Uint8Array(0) };
    try {
      const data = await this.#call(operation, 'read', (context) =>
        this.#provider.read?.(offset, length, context),
      );
      if (!(data instanceof Uint8Array)) {
        const reason = 'the provider did not give a Uint8Array';
        return { ...outcome(EIO), reason, data: new Uint8Array(0) };
      }
      if (data.length !== length) {
        const reason = `the provider gave ${String(data.length)} bytes instead of ${String(length)}`;
        const good = data.subarray(0, length);
        return { ...outcome(EIO, good.length), reason, data: good };
      }
      operation.progressFrom(before)?.(length);
      return { ...outcome(0, length), data };
    } catch (error) {
      return { ...failed(error), data: new Uint8Array(0) };
    }
  }

  async write(
    operation: Operation,
    offset: number,
    data: Uint8Array,
    { verify }: WriteHow,
    before: number,
  ): Promise<PieceOutcome> {
    if (!this.canWrite) return outcome(EOPNOTSUPP);
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
      if (!wp.started && !(error instanceof Interrupted)) return failed(error);
      const stored = storedBytes(error, data.length);
      return { ...failed(error), transferred: stored, uncertain: data.length - stored };
    }
    if (verify && this.canRead && data.length > 0) {
      const back = await this.read(operation, offset, data.length, before);
      if (back.status !== 0) return { ...back, transferred: 0, uncertain: data.length };
      const mismatch = compare(offset, data, back.data);
      if (mismatch) return mismatch;
    } else {
      operation.progressFrom(before)?.(data.length);
    }
    return outcome(0, data.length);
  }

  hold(label: string): NativeHold | number {
    return this.#slot.hold(label);
  }

  unregister(): Promise<void> {
    this.#unregistered ??= this.#slot.unregister().then(() => {
      this.#line?.release?.();
    });
    return this.#unregistered;
  }

  /**
   * The provider's write with the line down. It is one call to the core, so that a caller that gives up, or a device
   * that goes, never leaves the line down behind it.
   */
  #unprotected(offset: number, data: Uint8Array, context: ProviderContext, wp: WpEnd): void | Promise<void> {
    const lease = this.#lease;
    if (!lease) return this.#provider.write?.(offset, data, context);
    return (async () => {
      await lease.acquire();
      wp.started = true;
      try {
        await this.#provider.write?.(offset, data, context);
      } finally {
        // Never instead of the write's own result (docs/defects.md, D11).
        await lease.release().catch((error: unknown) => {
          wp.protectStatus = errnoOf(error);
        });
      }
    })();
  }

  #call<T>(
    operation: Operation,
    what: 'read' | 'write',
    invoke: (context: ProviderContext) => T | Promise<T>,
  ): Promise<T> {
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

function outcome(status: number, transferred = 0): PieceOutcome {
  return {
    status,
    transferred,
    uncertain: 0,
    protectStatus: 0,
    mismatchOffset: 0,
    mismatchCount: 0,
    reason: '',
  };
}

function failed(error: unknown): PieceOutcome {
  if (error instanceof Interrupted) return outcome(error.status);
  const reason = error instanceof Error ? error.message : '';
  return { ...outcome(errnoOf(error)), cause: error, reason };
}

function storedBytes(error: unknown, length: number): number {
  const stored = (error as { bytesTransferred?: unknown } | null | undefined)?.bytesTransferred;
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
    ...outcome(EBADMSG, first),
    uncertain: data.length - first,
    mismatchOffset: offset + first,
    mismatchCount: count,
  };
}
