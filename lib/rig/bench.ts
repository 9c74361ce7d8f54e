import { EventEmitter } from 'node:events';
import { RealClock, type Clock } from './clock.js';
import { VirtualDevice } from './device.js';
import { UsbipServer } from './server.js';
import type { DeviceSetup, TimeMode } from './setup.js';

export interface BenchOptions {
  /** Address to listen on. USB/IP has no login: leave it at 127.0.0.1 unless you know better. */
  readonly host?: string;
  /** TCP port; 0 (default): a free one. The registered port of USB/IP is 3240. */
  readonly port?: number;
  /** Default `real`. */
  readonly time?: TimeMode;
  /** Default: one bridge "1-1" without EEPROMs. */
  readonly devices?: readonly DeviceSetup[];
  /** For tests of the time model. */
  readonly clock?: Clock;
}

export interface BenchEvents {
  connection: [remote: string];
  protocolError: [remote: string, what: string];
}

/**
 * A bench of virtual CP2112 bridges with EEPROMs, exported over USB/IP.
 *
 * ```ts
 * const bench = await VirtualBench.start({ devices: [{ eeproms: [{ address: 0x50, chip: '24c02', wp: 0 }] }] });
 * bench.device('1-1').faults.add({ kind: 'unplug', on: 'wire', n: 100 });
 * // … attach to usbip://127.0.0.1:PORT/1-1/0x50?chip=24c02 with PORT = bench.port …
 * await bench.close();
 * ```
 */
export class VirtualBench extends EventEmitter<BenchEvents> {
  readonly host: string;
  readonly devices: readonly VirtualDevice[];
  readonly #server: UsbipServer;
  readonly #clock: Clock;
  #closing: Promise<void> | undefined;

  private constructor(options: BenchOptions) {
    super();
    this.host = options.host ?? '127.0.0.1';
    this.#clock = options.clock ?? new RealClock();
    const setups = options.devices ?? [{}];
    this.devices = setups.map(
      (setup, index) => new VirtualDevice(setup, this.#clock, options.time ?? 'real', 2 + index),
    );
    const busids = new Set(this.devices.map((device) => device.busid));
    if (busids.size !== this.devices.length) throw new RangeError('two devices have the same bus id');
    this.#server = new UsbipServer(this.devices, {
      connection: (remote) => {
        this.emit('connection', remote);
      },
      protocolError: (remote, what) => {
        this.emit('protocolError', remote, what);
      },
    });
  }

  /**
   * Sets up the devices and listens.
   * @throws RangeError for a setup that cannot be; the socket's own error (EADDRINUSE, EACCES) when it cannot listen
   */
  static async start(options: BenchOptions = {}): Promise<VirtualBench> {
    const bench = new VirtualBench(options);
    await bench.#server.listen(bench.host, options.port ?? 0);
    return bench;
  }

  /** The time of the bench, µs. */
  get clock(): Clock {
    return this.#clock;
  }

  /** The TCP port it listens on. */
  get port(): number {
    return this.#server.port;
  }

  /** True: the server takes connections and says nothing, on any of them. */
  get silent(): boolean {
    return this.#server.silent;
  }

  set silent(on: boolean) {
    this.#server.silent = on;
  }

  /**
   * The device with that bus id.
   * @throws RangeError when there is none
   */
  device(busid = '1-1'): VirtualDevice {
    const device = this.devices.find((candidate) => candidate.busid === busid);
    if (!device) throw new RangeError(`there is no device "${busid}" on this bench`);
    return device;
  }

  /** Unplugs everything and stops listening. Resolves when no socket and no timer is left. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    for (const device of this.devices) device.dispose();
    await this.#server.close();
    this.#clock.dispose();
  }
}
