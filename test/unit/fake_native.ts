/**
 * A stand-in for the addon whose slots a test drives by hand: it decides how each request ends and sees every hold.
 * The rules of native/slot are kept: a request holds its section, unregister() ends what is pending with -ENODEV, and
 * resolves when the last hold is gone.
 */
import type {
  IoOptions,
  Native,
  NativeBusStats,
  NativeHold,
  NativeOutcome,
  NativeReadOutcome,
  NativeSlot,
  NativeStats,
  NativeTurn,
  WriteIoOptions,
} from '../../lib/native/index.js';

const ENODEV = -19;
const ECANCELED = -125;
const EOPNOTSUPP = -95;

export interface FakeRequest {
  readonly kind: 'read' | 'write' | 'probe';
  readonly offset: number;
  readonly length: number;
  readonly data: Uint8Array | undefined;
  readonly io: WriteIoOptions;
  /** Ends it; a read that says nothing gets its bytes from the memory, a write that says nothing is stored. */
  end(outcome?: Partial<NativeReadOutcome>): void;
}

export class FakeSlot implements NativeSlot {
  alive = true;
  holds = 0;
  /** Labels of all holds ever taken, in order. */
  readonly labels: string[] = [];
  /** Requests that wait for the test to end them. */
  readonly pending: FakeRequest[] = [];
  /** Every request ever made. */
  readonly log: string[] = [];
  #unregistered: Promise<void> | undefined;
  #freed: (() => void) | undefined;
  readonly #arrivals: ((request: FakeRequest) => void)[] = [];

  constructor(
    readonly memory: Uint8Array,
    /** Answers at once, as memory inside the addon does. */
    readonly immediate = false,
    /** Ends every request by itself on the next turn. */
    readonly automatic = false,
  ) {}

  readNow(offset: number, into: Uint8Array): number {
    if (!this.alive) return ENODEV;
    if (!this.immediate) throw new Error('asked for at once of what answers later');
    into.set(this.memory.subarray(offset, offset + into.length));
    return 0;
  }

  writeNow(offset: number, data: Uint8Array): number {
    if (!this.alive) return ENODEV;
    if (!this.immediate) throw new Error('asked for at once of what answers later');
    this.memory.set(data, offset);
    return 0;
  }

  read(offset: number, length: number, io: IoOptions = {}): Promise<NativeReadOutcome> {
    return this.#submit('read', offset, length, undefined, io);
  }

  write(offset: number, data: Uint8Array, io: WriteIoOptions = {}): Promise<NativeOutcome> {
    return this.#submit('write', offset, data.length, Uint8Array.from(data), io);
  }

  probeWidth(): Promise<NativeOutcome> {
    return Promise.resolve(outcome({ status: EOPNOTSUPP }));
  }

  lock(): Promise<NativeOutcome> {
    return Promise.resolve(outcome({ status: EOPNOTSUPP }));
  }

  lockState(): Promise<NativeOutcome> {
    return Promise.resolve(outcome({ status: EOPNOTSUPP }));
  }

  probeGeometry(): Promise<NativeOutcome> {
    return Promise.resolve(outcome({ status: EOPNOTSUPP }));
  }

  stats(): NativeStats | undefined {
    return undefined;
  }

  probe(io: IoOptions = {}): Promise<NativeOutcome> {
    return this.#submit('probe', 0, 1, undefined, io);
  }

  share(): string | number {
    return this.alive ? 'fake' : ENODEV;
  }

  takeTurn(): NativeTurn | number {
    return this.alive ? { granted: undefined, give: () => undefined } : ENODEV;
  }

  bind(): number {
    return this.alive ? EOPNOTSUPP : ENODEV;
  }

  hold(label: string): NativeHold | number {
    if (!this.alive) return ENODEV;
    this.labels.push(label);
    this.holds++;
    let held = true;
    return {
      release: () => {
        if (held) this.#release();
        held = false;
      },
    };
  }

  unregister(): Promise<void> {
    this.#unregistered ??= new Promise((resolve) => {
      this.alive = false;
      this.#freed = resolve;
      for (const request of this.pending.splice(0)) request.end({ status: ENODEV, reason: 'stopped' });
      if (this.holds === 0) resolve();
    });
    return this.#unregistered;
  }

  /** The next request that comes in, or the oldest that waits. */
  next(): Promise<FakeRequest> {
    const [first] = this.pending;
    if (first) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#arrivals.push(resolve);
    });
  }

  #release(): void {
    this.holds--;
    if (this.holds === 0) this.#freed?.();
  }

  #submit(
    kind: FakeRequest['kind'],
    offset: number,
    length: number,
    data: Uint8Array | undefined,
    io: FakeRequest['io'],
  ): Promise<NativeReadOutcome> {
    this.log.push(`${kind} ${String(offset)}+${String(length)}`);
    const failed = (status: number): Promise<NativeReadOutcome> => Promise.resolve(outcome({ status }));
    if (!this.alive) return failed(ENODEV);
    if (io.signal?.aborted) return failed(ECANCELED);
    this.holds++;
    return new Promise((resolve) => {
      let ended = false;
      const request: FakeRequest = {
        kind,
        offset,
        length,
        data,
        io,
        end: (result = {}) => {
          if (ended) return;
          ended = true;
          const at = this.pending.indexOf(request);
          if (at >= 0) this.pending.splice(at, 1);
          const ok = (result.status ?? 0) === 0;
          if (ok && data) this.memory.set(data, offset);
          const bytes = Buffer.from(
            this.memory.subarray(offset, offset + (result.transferred ?? (ok ? length : 0))),
          );
          resolve(outcome({ transferred: bytes.length, ...(kind === 'read' && { data: bytes }), ...result }));
          this.#release();
        },
      };
      io.signal?.addEventListener('abort', () => {
        request.end({ status: ECANCELED });
      });
      this.pending.push(request);
      if (this.automatic) {
        setImmediate(() => {
          request.end();
        });
      }
      this.#arrivals.shift()?.(request);
    });
  }
}

function outcome(result: Partial<NativeReadOutcome>): NativeReadOutcome {
  return {
    status: 0,
    transferred: 0,
    uncertain: 0,
    protectStatus: 0,
    mismatchOffset: 0,
    mismatchCount: 0,
    reason: '',
    data: Buffer.alloc(0),
    ...result,
  };
}

/** Of a bus on which nothing has happened. */
export const NO_BUS_STATS: NativeBusStats = {
  transfers: 0,
  wireBytesRead: 0,
  wireBytesWritten: 0,
  naks: 0,
  arbitrationsLost: 0,
  retries: 0,
  resets: 0,
  longestTransferMs: 0,
};

/** What native() gives; remembers its slots. */
export class FakeNative implements Native {
  readonly slots: FakeSlot[] = [];
  opens = 0;
  openUsbip: Native['openUsbip'] = () => {
    this.opens++;
    return Promise.resolve({ status: -111, reason: '' });
  };

  openUsb: Native['openUsb'] = () => Promise.resolve({ status: -2, reason: '' });
  openHidraw: Native['openHidraw'] = () => Promise.resolve({ status: -2, reason: '' });
  openSysfs: Native['openSysfs'] = () => Promise.resolve({ status: -2, reason: '' });
  openI2c: Native['openI2c'] = () => Promise.resolve({ status: -2, reason: '' });

  memory(image: Uint8Array): FakeSlot {
    return this.#add(new FakeSlot(Uint8Array.from(image), true));
  }

  javascriptProvider(): FakeSlot {
    return this.#add(new FakeSlot(new Uint8Array(0)));
  }

  attach(): number {
    return ENODEV;
  }

  lookout(): number {
    return EOPNOTSUPP;
  }

  counts(): ReturnType<Native['counts']> {
    return { requests: 0, holds: 0, slots: 0, buses: 0, turns: 0, shares: 0, lookouts: 0 };
  }

  processStats(): ReturnType<Native['processStats']> {
    return { gracePeriods: 0, longestGracePeriodMs: 0 };
  }

  #add(slot: FakeSlot): FakeSlot {
    this.slots.push(slot);
    return slot;
  }
}

/** The one behind native(). */
export const fake = new FakeNative();

/** Makes this file a stand-in for lib/native: jest.mock('../../../lib/native/index.js', () => jest.requireActual('../fake_native.js')). */
export function native(): Native {
  return fake;
}
