/** What the core drives: one face over slots of the addon and over providers in JavaScript. */
import { ENOMEM } from '../base/errno.js';
import type { NativeHold, NativeOutcome, NativeSlot, NativeStats, NativeTurn } from '../native/index.js';
import type { Place } from '../base/memory.js';
import type { Failure, Operation } from './operation.js';
import { NativeProvider } from './provider.js';

/** How a piece of I/O ended; `cause` is what a provider in JavaScript threw. */
export type PieceOutcome = NativeOutcome & Pick<Failure, 'cause' | 'hint' | 'answered'>;

/** What a write is to be, beyond its bytes. */
export interface WriteHow {
  readonly verify: boolean;
  /** Leave bytes alone that are there already. Providers that nothing wears may write them all the same. */
  readonly skipEqual: boolean;
}

export interface ProviderPort {
  readonly canRead: boolean;
  readonly canWrite: boolean;
  /** A write-protect line is leased around every write. */
  readonly hasWpLine: boolean;
  /** A part on an I2C bus is behind it. */
  readonly isPart: boolean;
  /** The provider wants accesses of no bytes as well (the kernel passes them on). */
  readonly takesEmpty: boolean;
  /** A write that its caller has given up but that still runs inside the provider: the next one waits for it. */
  readonly writing: Promise<void> | undefined;
  /** It answers at once: readNow() and writeNow() are what to use. Else they are not. */
  readonly immediate: boolean;
  /** 0 or a negative errno. */
  readNow(offset: number, into: Uint8Array): number;
  writeNow(offset: number, data: Uint8Array): number;
  /** Fills `into`, as far as it comes: `transferred` bytes of it are good. */
  read(operation: Operation, offset: number, into: Place, before: number): Promise<PieceOutcome>;
  write(
    operation: Operation,
    offset: number,
    data: Uint8Array,
    how: WriteHow,
    before: number,
  ): Promise<PieceOutcome>;
  hold(label: string): NativeHold | number;
  /** A place among the writers of every device that reaches the same memory; undefined: no other does. */
  readonly takeTurn: (() => NativeTurn | number) | undefined;
  /** The slot, where it can be used from other threads and synchronously; undefined: JavaScript is in the way. */
  readonly slot: NativeSlot | undefined;
  /** What was counted of the slot, and by its provider where that counts. */
  readonly stats: NativeStats | undefined;
  unregister(reason?: string): Promise<void>;
}

/** An end with nothing uncertain: `status` is 0 or a negative errno, `transferred` bytes are good or committed. */
export function settled(status: number, transferred = 0): PieceOutcome {
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

export interface SlotInfo {
  readonly hasWpLine: boolean;
  /** Other devices reach the same memory: writers take turns with theirs. */
  readonly sharesWriters?: boolean | undefined;
  /** A part on an I2C bus: its errors are told in those words. */
  readonly isPart?: boolean | undefined;
}

const slots = new WeakMap<NativeProvider, NativeSlot>();
const infos = new WeakMap<NativeProvider, SlotInfo>();

/** Wraps a slot so that it can be handed to register() without the public types knowing of the addon. */
export function providerOfSlot(slot: NativeSlot, size: number, info: SlotInfo): NativeProvider {
  const provider = new NativeProvider(size);
  slots.set(provider, slot);
  infos.set(provider, info);
  return provider;
}

/** The slot of a provider that is used for the first time, else undefined. */
export function takeSlot(provider: NativeProvider): { slot: NativeSlot; info: SlotInfo } | undefined {
  const slot = slots.get(provider);
  const info = infos.get(provider);
  slots.delete(provider);
  return slot && info && { slot, info };
}

export class SlotPort implements ProviderPort {
  readonly canRead = true;
  readonly canWrite = true;
  readonly takesEmpty = false;
  // The bus keeps the order of one part's writes by itself, given up or not.
  readonly writing = undefined;
  readonly slot: NativeSlot;
  readonly hasWpLine: boolean;
  readonly takeTurn: (() => NativeTurn | number) | undefined;
  readonly isPart: boolean;
  readonly immediate: boolean;

  constructor(slot: NativeSlot, info: SlotInfo) {
    this.slot = slot;
    this.immediate = slot.immediate;
    this.hasWpLine = info.hasWpLine;
    this.takeTurn = info.sharesWriters === true ? () => slot.takeTurn() : undefined;
    this.isPart = info.isPart ?? false;
  }

  readNow(offset: number, into: Uint8Array): number {
    return this.slot.readNow(offset, into);
  }

  writeNow(offset: number, data: Uint8Array): number {
    return this.slot.writeNow(offset, data);
  }

  async read(operation: Operation, offset: number, into: Place, before: number): Promise<NativeOutcome> {
    const outcome = await this.slot.read(offset, into.length, ioOptions(operation, before));
    return outcome.lent !== true && into.adopt(outcome.data) ? outcome : store(outcome.data, into, outcome);
  }

  write(
    operation: Operation,
    offset: number,
    data: Uint8Array,
    how: WriteHow,
    before: number,
  ): Promise<NativeOutcome> {
    return this.slot.write(offset, data, { ...ioOptions(operation, before), ...how });
  }

  get stats(): NativeStats | undefined {
    return this.slot.stats();
  }

  hold(label: string): NativeHold | number {
    return this.slot.hold(label);
  }

  unregister(reason?: string): Promise<void> {
    return this.slot.unregister(reason);
  }
}

/** Puts `data` where it belongs; what there is no memory for has not been read. */
export function store<T extends PieceOutcome>(data: Uint8Array, into: Place, outcome: T): T {
  if (data.length === 0) return outcome;
  const memory = into.take();
  if (memory === undefined) return { ...outcome, status: outcome.status || ENOMEM, transferred: 0 };
  memory.set(data.subarray(0, into.length));
  return outcome;
}

function ioOptions(
  operation: Operation,
  before: number,
): {
  signal: AbortSignal | undefined;
  timeoutMs: number | undefined;
  onProgress: ((done: number) => void) | undefined;
} {
  return {
    signal: operation.signal,
    timeoutMs: operation.remainingMs,
    onProgress: operation.progressFrom(before),
  };
}
