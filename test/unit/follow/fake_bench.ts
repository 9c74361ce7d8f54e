/** A place where boards are plugged in and pulled, whose transfers a test lets pass piece by piece. */
import { EventEmitter } from 'node:events';

import { NvmemError, type ByteRange } from '../../../lib/base/errors.js';
import { CLOSED } from '../../../lib/core/device_end.js';
import { coreOf, NvmemDevice } from '../../../lib/core/device.js';
import type { NvmemWriteResult } from '../../../lib/core/device_core.js';
import { Registry } from '../../../lib/core/registry.js';
import type { Attached, Attachment, PresencePort } from '../../../lib/follow/attach.js';
import type { PresenceEvents } from '../../../lib/hotplug/presence.js';
import type { PresenceCause } from '../../../lib/hotplug/observation.js';
import type { PresenceState } from '../../../lib/hotplug/judge.js';
import type { OpenOptions } from '../../../lib/bus/open_device.js';
import { FakeClock } from '../hotplug/fake_clock.js';

export const URI = 'usbip://bench/1-1/0x50?chip=24c02';
export const SIZE = 256;
/** Bytes of one transfer, and of a write page. */
export const PIECE = 16;

export interface FakeBoard {
  readonly name: string;
  readonly image: Buffer;
}

/** Every byte of it differs from every byte of boards of other seeds. */
export function board(seed: number): FakeBoard {
  return {
    name: `board ${String(seed)}`,
    image: Buffer.from(Array.from({ length: SIZE }, (_, i) => ((i * 4) & 0xfc) | seed)),
  };
}

class Pulled extends Error {}

class FakePresence extends EventEmitter<PresenceEvents> {
  current: PresenceState = {
    present: false,
    since: 0,
    cause: 'unknown',
    reason: 'nobody has looked yet',
    place: undefined,
  };
  isClosed = false;
  readonly noted: string[] = [];

  become(present: boolean, cause: PresenceCause): void {
    this.current = {
      present,
      since: 0,
      cause,
      reason: present ? 'it is plugged in' : `it is ${cause}`,
      place: undefined,
    };
    if (!this.isClosed) this.emit('change', this.current);
  }
  noteOpen(): void {
    this.noted.push('open');
  }
  noteGone(): void {
    this.noted.push('gone');
  }
  noteClosed(): void {
    this.noted.push('closed');
  }
  unref(): this {
    return this;
  }
  close(): void {
    this.isClosed = true;
    this.removeAllListeners();
  }
}

export class FakeBench {
  readonly clock = new FakeClock();
  readonly registry = new Registry();
  readonly presence = new FakePresence();
  /** What is thrown by the next calls of open(). */
  readonly openFailures: Error[] = [];
  opens = 0;
  plugged: FakeBoard | undefined;
  /** Pieces that wait until they are let pass; null: all pass. */
  #gates: { pass: () => void; fail: () => void }[] | null = null;
  #device: FakeDevice | undefined;
  readonly #ends = new Set<Promise<void>>();
  /** Of pieces that a cable pulled in the middle of them has left as they were to be. */
  tornIsStored = false;

  readonly attach: Attachment = {
    watch: () => this.presence as unknown as PresencePort,
    open: (options) => this.#open(options),
    openBeside: () => Promise.reject(new Error('there is nothing beside')),
  };

  plug(what: FakeBoard, isTold = true): void {
    this.plugged = what;
    if (isTold) this.presence.become(true, 'plugged');
  }

  /** The cable is pulled; settle() waits until that has been noticed. */
  unplug(isTold = true): void {
    this.plugged = undefined;
    for (const gate of this.#gates?.splice(0) ?? []) gate.fail();
    const device = this.#device;
    this.#device = undefined;
    if (device)
      void this.#ending(
        this.registry.unregister(device.registered, { cause: 'unplugged', reason: 'unplugged' }),
      );
    if (isTold) this.presence.become(false, 'unplugged');
  }

  /** Pieces wait from now on. */
  hold(): void {
    this.#gates ??= [];
  }

  /** That many of those that wait. */
  pass(count: number): void {
    for (const gate of this.#gates?.splice(0, count) ?? []) gate.pass();
  }

  flow(): void {
    this.pass(Infinity);
    this.#gates = null;
  }

  get waiting(): number {
    return this.#gates?.length ?? 0;
  }

  /** Until all that follows by itself has followed: grace periods end on threads of their own. */
  async settle(): Promise<void> {
    do {
      await Promise.all(this.#ends);
      for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
    } while (this.#ends.size > 0);
  }

  close(registered: NvmemDevice): Promise<void> {
    return this.#ending(this.registry.unregister(registered, CLOSED));
  }

  #ending(promise: Promise<void>): Promise<void> {
    const end = promise.then(() => {
      this.#ends.delete(end);
    });
    this.#ends.add(end);
    return end;
  }

  /** One transfer. @throws Pulled */
  async transfer(device: FakeDevice): Promise<void> {
    if (!device.alive) throw new Pulled();
    const gates = this.#gates;
    if (gates === null) return;
    await new Promise<void>((resolve, reject) => {
      gates.push({
        pass: resolve,
        fail: () => {
          reject(new Pulled());
        },
      });
    });
  }

  async #open(options: OpenOptions): Promise<Attached> {
    this.opens++;
    const { name, id, cells, signal } = options;
    await Promise.resolve();
    const failure = this.openFailures.shift();
    if (failure) throw failure;
    const { plugged } = this;
    if (!plugged)
      throw new NvmemError('ENODEV', 'it went away while it was being opened', { syscall: 'open' });
    if (signal?.aborted) throw new NvmemError('ABORT_ERR', 'aborted');
    const registered = this.registry.registerNow(
      {
        provider: { size: SIZE, read: () => new Uint8Array(0), write: () => undefined },
        name: name ?? 'fake',
        id: id ?? (name === undefined ? 'auto' : 'none'),
        cells,
      },
      undefined,
      URI,
      'checked',
      true,
    );
    const device = new FakeDevice(this, plugged, registered);
    this.registry.addHandle(registered, device);
    this.#device = device;
    return {
      device,
      reveal: () => {
        this.registry.reveal(registered);
      },
    };
  }
}

class FakeDevice extends NvmemDevice {
  constructor(
    private readonly bench: FakeBench,
    readonly board: FakeBoard,
    readonly registered: NvmemDevice,
  ) {
    super(coreOf(registered), { uri: URI, close: () => bench.close(registered) });
    this.unref();
  }

  override async read(
    offset = 0,
    length = SIZE - offset,
    options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
  ): Promise<Buffer> {
    let good = 0;
    const partial = (): Buffer => Buffer.from(this.board.image.subarray(offset, offset + good));
    try {
      while (good < length) {
        await this.#piece(options.signal);
        good = Math.min(good + PIECE, length);
        options.onProgress?.(good, length);
      }
    } catch (reason) {
      throw this.#error(reason, 'read', { bytesTransferred: good, partial: partial() });
    }
    return partial();
  }

  override async write(
    offset: number,
    data: Uint8Array,
    options: {
      signal?: AbortSignal;
      skipEqual?: boolean;
      onProgress?: (done: number, total: number) => void;
    } = {},
  ): Promise<NvmemWriteResult> {
    coreOf(this).wrote?.(offset, data.length);
    const copy = Uint8Array.from(data);
    let done = 0;
    let isBegun = false;
    try {
      while (done < copy.length) {
        isBegun = false;
        if (!this.alive) throw new Pulled();
        isBegun = true;
        await this.#piece(options.signal);
        this.board.image.set(copy.subarray(done, done + PIECE), offset + done);
        done = Math.min(done + PIECE, copy.length);
        options.onProgress?.(done, copy.length);
      }
    } catch (reason) {
      const range = (from: number, to: number): ByteRange[] =>
        to > from ? [{ offset: offset + from, length: to - from }] : [];
      const torn = isBegun ? Math.min(done + PIECE, copy.length) : done;
      if (isBegun && this.bench.tornIsStored) this.board.image.set(copy.subarray(done, torn), offset + done);
      throw this.#error(reason, 'write', {
        bytesTransferred: done,
        committed: range(0, done),
        uncertain: range(done, torn),
        untouched: range(torn, copy.length),
      });
    }
    return { bytesWritten: copy.length, bytesSkipped: 0, bytesUnchanged: 0, protectError: undefined };
  }

  async #piece(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw new NvmemError('ABORT_ERR', 'aborted');
    let abort: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        reject(new NvmemError('ABORT_ERR', 'aborted'));
      };
      signal?.addEventListener('abort', abort);
    });
    try {
      await Promise.race([this.bench.transfer(this), aborted]);
    } finally {
      if (abort) signal?.removeEventListener('abort', abort);
    }
    if (!this.alive) throw new Pulled();
  }

  #error(reason: unknown, syscall: string, details: object): NvmemError {
    const code = reason instanceof NvmemError ? reason.code : 'ENODEV';
    const says = 'the device is gone (unplugged), a part of it';
    return new NvmemError(code, says, { syscall, device: this.name, ...details });
  }
}
