import {
  ManualClock,
  VirtualBench,
  VirtualDevice,
  type BenchOptions,
  type DeviceSetup,
  type Urb,
} from '../../lib/rig/index';
import { Client, decodeStatus, setupPacket, type Status } from './client';

/** Runs a bench without time (unless told otherwise) for the length of `body`. */
export async function withBench(
  options: BenchOptions,
  body: (bench: VirtualBench, attach: (busid?: string) => Promise<Client>) => Promise<void>,
): Promise<void> {
  const bench = await VirtualBench.start({ time: 'off', ...options });
  const clients: Client[] = [];
  try {
    await body(bench, async (busid) => {
      const client = await Client.attach(bench.port, busid);
      clients.push(client);
      return client;
    });
  } finally {
    for (const client of clients) client.close();
    await bench.close();
  }
}

/** One bridge, one client. */
export function withDevice(
  setup: DeviceSetup,
  body: (client: Client, device: VirtualDevice, bench: VirtualBench) => Promise<void>,
): Promise<void> {
  return withBench({ devices: [setup] }, async (bench, attach) => {
    await body(await attach(), bench.device(setup.busid), bench);
  });
}

/** Bytes that tell their own position. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8) * 13 + seed) & 0xff);
}

/** The next time an event of that name comes, with its arguments. */
export function next(emitter: NodeJS.EventEmitter, event: string): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.once(event, (...args: unknown[]) => {
      resolve(args);
    });
  });
}

export interface Completion {
  readonly id: number;
  readonly status: number;
  readonly data: Uint8Array;
  readonly at: number;
}

/** A host without a network, on a clock that stands still until told. */
export class DirectHost {
  readonly clock = new ManualClock();
  readonly device: VirtualDevice;
  readonly completions: Completion[] = [];
  goneAt: number | undefined;
  #id = 0;
  readonly #attachment;

  constructor(setup: DeviceSetup) {
    this.device = new VirtualDevice(setup, this.clock, 'real');
    const attachment = this.device.attach({
      complete: (urb: Urb, status: number, data: Uint8Array) => {
        this.completions.push({ id: urb.id, status, data: data.slice(), at: this.clock.now() });
      },
      gone: () => {
        this.goneAt = this.clock.now();
      },
    });
    if (typeof attachment === 'string') throw new Error(attachment);
    this.#attachment = attachment;
  }

  submit(
    endpoint: number,
    isIn: boolean,
    data: readonly number[],
    length: number,
    setup?: Uint8Array,
  ): number {
    const id = ++this.#id;
    this.#attachment.submit({
      id,
      endpoint,
      isIn,
      setup: setup ?? new Uint8Array(8),
      data: Uint8Array.from(data),
      length,
    });
    return id;
  }

  unlink(id: number): boolean {
    return this.#attachment.unlink(id);
  }

  out(...report: number[]): number {
    return this.submit(1, false, report, report.length);
  }

  in(): number {
    return this.submit(1, true, [], 64);
  }

  setFeature(...report: number[]): number {
    return this.submit(
      0,
      false,
      report,
      report.length,
      setupPacket(0x21, 9, 0x0300 + (report[0] ?? 0), 0, report.length),
    );
  }

  /** What became of a URB, or undefined while it is pending. */
  done(id: number): Completion | undefined {
    return this.completions.find((completion) => completion.id === id);
  }

  /** Lets time pass frame by frame until the URB is completed. */
  wait(id: number): Completion {
    for (let frame = 0; frame < 100_000; frame++) {
      const completion = this.done(id);
      if (completion) return completion;
      this.clock.advance(1000);
    }
    throw new Error('never completed');
  }

  /** A status request and its answer: takes two frames. */
  status(): Status {
    this.out(0x15, 1);
    return decodeStatus(Buffer.from(this.wait(this.in()).data));
  }

  /** SMBus configuration with everything explicit. */
  configure(config: {
    hz?: number;
    autoSend?: boolean;
    write?: number;
    read?: number;
    scl?: boolean;
    retries?: number;
  }): void {
    this.wait(this.setFeature(...smbusReport(config)));
  }
}

export function smbusReport(config: {
  hz?: number;
  own?: number;
  autoSend?: boolean | number;
  write?: number;
  read?: number;
  scl?: boolean | number;
  retries?: number;
}): number[] {
  const bytes = Buffer.alloc(14);
  bytes[0] = 0x06;
  bytes.writeUInt32BE(config.hz ?? 100_000, 1);
  bytes[5] = config.own ?? 0x02;
  bytes[6] = Number(config.autoSend ?? 0);
  bytes.writeUInt16BE(config.write ?? 0, 7);
  bytes.writeUInt16BE(config.read ?? 0, 9);
  bytes[11] = Number(config.scl ?? 0);
  bytes.writeUInt16BE(config.retries ?? 0, 12);
  return [...bytes];
}
