import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { VirtualBench } from './bench.js';
import type { VirtualDevice } from './device.js';
import type { FaultHandle } from './faults.js';
import { messageOf } from './problem.js';
import { parseFault } from './spec.js';

/**
 * The control port of a running bench: one JSON object per line, one answering line each, in order.
 *
 * A request has `cmd`, optionally `id` (echoed) and `device` (bus id; the first device when left out):
 *
 * | cmd | more | answer |
 * |---|---|---|
 * | `list` | | `devices`: bus id, serial, version, plugged, attached, EEPROMs |
 * | `unplug` | `how`: "fin" or "rst" | `plugged` |
 * | `plug` | | `plugged` |
 * | `fault` | `add`: text as for `--fault`; or `release`: number, or "all" | `faults`, and `fault` (its number) for `add` |
 * | `image` | `address`; nothing, or `load`: FILE, `save`: FILE, `set`: base64 | `size`, and `data` (base64) when nothing was given |
 * | `gpio` | nothing, or `pin` and `level`: 0, 1 or null | `levels` |
 * | `stats` | | `stats` |
 * | `silent` | `on`: true or false | `silent` |
 * | `events` | | from now on lines with `event`, `device`, `args` as they happen |
 * | `quit` | | the bench ends |
 *
 * Every answer has `ok`; with `ok: false` there is an `error` sentence.
 */
export interface ControlPort {
  readonly port: number;
  close(): Promise<void>;
}

type Request = Readonly<Record<string, unknown>>;

const MAX_LINE = 1 << 20;

export async function startControl(
  bench: VirtualBench,
  port: number,
  quit: () => void,
): Promise<ControlPort> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    const session = new Session(bench, socket, quit);
    let input = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      input += text;
      const lines = input.split('\n');
      input = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') session.handle(line);
      if (input.length > MAX_LINE) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      session.close();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        // What was answered last still goes out.
        for (const socket of sockets) socket.destroySoon();
      }),
  };
}

const EVENTS = [
  ...(['attached', 'detached', 'plugged', 'unplugged', 'reset'] as const),
  ...(['gpio', 'wp', 'eeprom', 'fault'] as const),
] as const;

class Session {
  readonly #bench: VirtualBench;
  readonly #socket: Socket;
  readonly #quit: () => void;
  #unsubscribe: (() => void)[] = [];

  constructor(bench: VirtualBench, socket: Socket, quit: () => void) {
    this.#bench = bench;
    this.#socket = socket;
    this.#quit = quit;
  }

  close(): void {
    for (const off of this.#unsubscribe.splice(0)) off();
  }

  handle(line: string): void {
    let id: unknown;
    try {
      const request: unknown = JSON.parse(line);
      if (typeof request !== 'object' || request === null || Array.isArray(request)) {
        throw new Error('a request is a JSON object');
      }
      id = (request as Request)['id'];
      this.#say({ id, ok: true, ...this.#execute(request as Request) });
      if ((request as Request)['cmd'] === 'quit') this.#quit();
    } catch (error) {
      this.#say({ id, ok: false, error: messageOf(error) });
    }
  }

  #say(message: object): void {
    // An undefined id is left out by JSON.
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  #execute(request: Request): object {
    const device = this.#device(request);
    switch (request['cmd']) {
      case 'list':
        return { devices: this.#bench.devices.map(summary) };
      case 'unplug':
        device.unplug(request['how'] === 'rst' ? 'rst' : 'fin', 'control port');
        return { plugged: device.plugged };
      case 'plug':
        device.plug();
        return { plugged: device.plugged };
      case 'fault':
        return this.#fault(device, request);
      case 'image':
        return image(device, request);
      case 'gpio':
        return gpio(device, request);
      case 'stats':
        return { stats: device.stats };
      case 'silent':
        this.#bench.silent = request['on'] !== false;
        return { silent: this.#bench.silent };
      case 'events':
        this.#subscribe();
        return {};
      case 'quit':
        return {};
      default:
        throw new Error(
          `unknown command ${JSON.stringify(request['cmd'])}; known are list, unplug, plug, fault, image, gpio, ` +
            'stats, silent, events, quit',
        );
    }
  }

  #device(request: Request): VirtualDevice {
    const busid = request['device'];
    const first = this.#bench.devices[0]?.busid;
    return this.#bench.device(typeof busid === 'string' ? busid : first);
  }

  #fault(device: VirtualDevice, request: Request): object {
    const { add, release } = request as { add?: unknown; release?: unknown };
    let added: FaultHandle | undefined;
    if (typeof add === 'string') added = device.faults.add(parseFault(add));
    if (release === 'all') device.faults.clear();
    else if (typeof release === 'number') {
      const fault = device.faults.get(release);
      if (!fault) throw new Error(`there is no fault ${String(release)}`);
      fault.release();
    }
    const faults = device.faults.list().map(({ id, spec, remaining, fired }) => ({
      id,
      ...spec,
      // JSON has no Infinity.
      ...('count' in spec ? { count: Number.isFinite(spec.count) ? spec.count : 'forever' } : {}),
      remaining: Number.isFinite(remaining) ? remaining : 'forever',
      fired,
    }));
    return { ...(added ? { fault: added.id } : {}), faults };
  }

  #subscribe(): void {
    if (this.#unsubscribe.length > 0) return;
    for (const device of this.#bench.devices) {
      for (const event of EVENTS) {
        const listener = (...args: unknown[]): void => {
          this.#say({ event, device: device.busid, args });
        };
        device.on(event, listener);
        this.#unsubscribe.push(() => device.off(event, listener));
      }
    }
  }
}

/** What a bridge is and what is behind it, for people and programs. */
export function summary(device: VirtualDevice): object {
  return {
    busid: device.busid,
    serial: device.serial,
    version: device.version,
    plugged: device.plugged,
    attached: device.attached,
    eeproms: device.eeproms.map((eeprom) => ({
      address: eeprom.address,
      chip: eeprom.model.name,
      size: eeprom.model.size,
      page: eeprom.pageSize,
      maker: eeprom.maker,
    })),
  };
}

function image(device: VirtualDevice, request: Request): object {
  const address = Number(request['address']);
  const eeprom = device.eeprom(address);
  const { load, save, set } = request as { load?: unknown; save?: unknown; set?: unknown };
  const size = eeprom.model.size;
  if (typeof load === 'string') eeprom.image = readFileSync(load);
  else if (typeof set === 'string') eeprom.image = Buffer.from(set, 'base64');
  else if (typeof save === 'string') writeFileSync(save, eeprom.image);
  else return { size, data: Buffer.from(eeprom.image).toString('base64') };
  return { size };
}

function gpio(device: VirtualDevice, request: Request): object {
  const { pin, level } = request as { pin?: unknown; level?: unknown };
  if (pin !== undefined) {
    if (level !== 0 && level !== 1 && level !== null) throw new Error('level is 0, 1 or null');
    device.driveGpio(Number(pin), level);
  }
  return { levels: device.gpioLevels };
}
