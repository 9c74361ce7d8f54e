/** A slot's handle, and the operations that are submitted through it. */
import { ECANCELED } from '../base/errno.js';
import { Operation, type BoundFunction, type SubmitOptions } from './addon.js';
import { insist, type Desk } from './desk.js';
import { failed } from './outcome.js';
import type {
  AttachedSlot,
  BoundPiece,
  IoOptions,
  NativeHold,
  NativeOutcome,
  NativeReadOutcome,
  NativeSlot,
  NativeStats,
  NativeTurn,
  WriteIoOptions,
} from './types.js';

/** Undefined where there is nothing to say, which is most of the time, and costs the addon nothing to read. */
function submitOptions({
  timeoutMs,
  onProgress,
  verify,
  skipEqual,
}: WriteIoOptions): SubmitOptions | undefined {
  if (timeoutMs === undefined && !onProgress && !verify && !skipEqual) return undefined;
  return { timeoutMs, verify, skipEqual, progress: onProgress !== undefined };
}

export class Slot implements NativeSlot {
  #unregistered: Promise<void> | undefined;
  #stats: NativeStats | undefined;

  constructor(
    readonly desk: Desk,
    readonly id: number,
  ) {
    desk.forgotten.register(this, id, this);
  }

  get alive(): boolean {
    return this.desk.addon.alive(this.id);
  }

  get immediate(): boolean {
    return this.desk.addon.immediate(this.id);
  }

  stats(): NativeStats | undefined {
    this.#stats = this.desk.addon.stats(this.id) ?? this.#stats;
    return this.#stats;
  }

  readNow(offset: number, into: Uint8Array): number {
    return this.desk.addon.readNow(this.id, offset, into);
  }

  writeNow(offset: number, data: Uint8Array): number {
    return this.desk.addon.writeNow(this.id, offset, data);
  }

  read(offset: number, length: number, io: IoOptions = {}): Promise<NativeReadOutcome> {
    return this.#submit(Operation.Read, offset, length, io);
  }

  write(offset: number, data: Uint8Array, io: WriteIoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.Write, offset, data, io);
  }

  probe(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.Probe, 0, 1, io);
  }

  probeWidth(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.ProbeWidth, 0, 0, io);
  }

  lock(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.Lock, 0, 0, io);
  }

  lockState(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.LockState, 0, 0, io);
  }

  probeGeometry(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit(Operation.ProbeGeometry, 0, 0, io);
  }

  #submit(
    operation: Operation,
    offset: number,
    what: number | Uint8Array,
    io: WriteIoOptions,
  ): Promise<NativeReadOutcome> {
    const { signal, onProgress } = io;
    if (signal?.aborted) return Promise.resolve(failed(ECANCELED));
    const { addon, requests } = this.desk;
    const id = addon.submit(this.id, operation, offset, what, submitOptions(io));
    if (id < 0) return Promise.resolve(failed(id));
    return new Promise((resolve) => {
      if (signal === undefined) {
        requests.set(id, { settle: resolve, onProgress });
        return;
      }
      const abort = (): void => {
        addon.cancel(id, ECANCELED);
      };
      signal.addEventListener('abort', abort, { once: true });
      requests.set(id, {
        onProgress,
        settle: (outcome) => {
          signal.removeEventListener('abort', abort);
          resolve(outcome);
        },
      });
    });
  }

  hold(label: string): NativeHold | number {
    const { addon } = this.desk;
    const id = addon.hold(this.id, label);
    if (id < 0) return id;
    return {
      release(): void {
        addon.releaseHold(id);
      },
    };
  }

  share(facts: string): string | number {
    return this.desk.addon.share(this.id, facts);
  }

  takeTurn(): NativeTurn | number {
    const { addon, turns } = this.desk;
    const taken = addon.takeTurn(this.id);
    if (typeof taken === 'number') return taken;
    const { turn, waits } = taken;
    const granted = waits
      ? new Promise<void>((resolve) => {
          turns.set(turn, resolve);
        })
      : undefined;
    return {
      granted,
      give(): void {
        turns.delete(turn);
        addon.giveTurn(turn);
      },
    };
  }

  bind(pieces: readonly BoundPiece[], into: Uint8Array): BoundFunction | number {
    return this.desk.addon.bind(this.id, pieces, into);
  }

  unregister(reason = ''): Promise<void> {
    this.#unregistered ??= new Promise((resolve) => {
      const { addon, forgotten, unregistering } = this.desk;
      forgotten.unregister(this);
      unregistering.set(this.id, () => {
        this.stats();
        resolve();
      });
      insist(() => addon.unregister(this.id, reason));
    });
    return this.#unregistered;
  }
}

/** A slot of another environment. The desk knows it until its provider has gone, or it is let go of. */
export class Attached extends Slot implements AttachedSlot {
  readonly detached: Promise<string>;
  readonly freed: Promise<void>;
  wasDetached!: (reason: string) => void;
  wasFreed!: () => void;

  constructor(desk: Desk, id: number) {
    super(desk, id);
    this.detached = new Promise((resolve) => {
      this.wasDetached = resolve;
    });
    this.freed = new Promise((resolve) => {
      this.wasFreed = () => {
        this.stats();
        resolve();
      };
    });
    desk.attached.set(id, this);
  }

  letGo(): void {
    this.stats();
    this.desk.attached.delete(this.id);
    this.desk.addon.forgetSlot(this.id);
  }
}
