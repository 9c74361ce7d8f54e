import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { resolve as resolvePath } from 'node:path';
import type { VirtualBench } from './bench.js';
import type { VirtualDevice } from './device.js';
import type { FaultHandle } from './faults.js';
import { messageOf } from './problem.js';
import { parseFault } from './fault_text.js';
import { clearTimeout, setTimeout } from './timers.js';

/**
 * The control port of a running bench: one JSON object per line, one answering line each, in order.
 *
 * The first request has `token`, the one that whoever started the bench was told; later ones need not have it. A web page and
 * another user of the machine can reach the port, and not know that. A connection ends at a wrong token, and at the first line
 * that is no JSON object: an HTTP request begins with one.
 *
 * A request has `cmd` (left out: nothing but the token is looked at), optionally `id` (echoed) and `device` (bus id; the first device when left out):
 *
 * | cmd | more | answer |
 * |---|---|---|
 * | `list` | | `devices`: bus id, serial, version, plugged, attached, EEPROMs |
 * | `unplug` | `how`: "fin" or "rst" | `plugged` |
 * | `plug` | | `plugged` |
 * | `fault` | `add`: text as for `--fault`; or `release`: number, or "all" | `faults`, and `fault` (its number) for `add` |
 * | `image` | `address`; nothing, or `load`: FILE, `save`: FILE (of those in `files`), `set`: base64 | `size`, and `data` (base64) when nothing was given |
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
  /** What the first request of every connection has to have. */
  readonly token: string;
  close(): Promise<void>;
}

export interface ControlOptions {
  /** The only files that `image` loads and saves. Default: none. */
  readonly files?: readonly string[];
  /** Default: a new one that nobody can guess. */
  readonly token?: string;
}

type Request = Readonly<Record<string, unknown>>;

/** Base64 of the largest part, and more. */
const MAX_LINE = 1 << 20;
/** Before the token has come. */
const MAX_FIRST_LINE = 4096;
const TOKEN_WITHIN_MS = 10_000;
/** Answers that nobody has read: beyond it no further request is looked at. */
const MAX_UNREAD = 1 << 20;
/** Events come without being asked for: who does not read that many is cut off. */
const MAX_UNREAD_EVENTS = 4 << 20;
const MAX_CONNECTIONS = 16;

/**
 * Listens on 127.0.0.1.
 * @param port 0: a free one
 * @param quit called when a client asks the bench to end
 */
export async function startControl(
  bench: VirtualBench,
  port: number,
  quit: () => void,
  options: ControlOptions = {},
): Promise<ControlPort> {
  const token = options.token ?? randomBytes(16).toString('hex');
  const rules = { token, files: new Set((options.files ?? []).map((file) => resolvePath(file))) };
  const connections = new Set<Connection>();
  const server = createServer({ noDelay: true }, (socket) => {
    if (connections.size >= MAX_CONNECTIONS) {
      // Who has not shown a token has no claim to a place.
      const idle = [...connections].find(({ isTrusted }) => !isTrusted);
      if (idle === undefined) {
        socket.destroy();
        return;
      }
      idle.drop();
    }
    const connection = new Connection(bench, socket, rules, quit, () => connections.delete(connection));
    connections.add(connection);
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
    token,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        // What was answered last still goes out, to those who read it.
        for (const connection of connections) connection.end();
      }),
  };
}

interface Rules {
  readonly token: string;
  /** Absolute paths. */
  readonly files: ReadonlySet<string>;
}

/** One client: its lines in, answers out, no more of either than it takes. */
class Connection {
  readonly #socket: Socket;
  readonly #rules: Rules;
  readonly #session: Session;
  readonly #late: NodeJS.Timeout;
  #input = '';
  #isTrusted = false;
  #ended = false;

  constructor(bench: VirtualBench, socket: Socket, rules: Rules, quit: () => void, closed: () => void) {
    this.#socket = socket;
    this.#rules = rules;
    this.#session = new Session(
      bench,
      rules.files,
      (message) => {
        this.#tell(message);
      },
      quit,
    );
    this.#late = setTimeout(() => {
      this.#refuse('the first request has to come soon, with the token');
    }, TOKEN_WITHIN_MS);
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#input += text;
      this.#take();
    });
    socket.on('drain', () => {
      this.#take();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      clearTimeout(this.#late);
      this.#session.close();
      closed();
    });
  }

  get isTrusted(): boolean {
    return this.#isTrusted;
  }

  drop(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  /** Nothing more is taken; what was answered goes out, unless nobody reads it. */
  end(): void {
    this.#ended = true;
    this.#input = '';
    if (this.#socket.writableLength > MAX_UNREAD) this.#socket.destroy();
    else this.#socket.destroySoon();
    // A client that never reads does not keep the bench.
    setTimeout(() => this.#socket.destroy(), 1000).unref();
  }

  /** The lines that are there, as long as the client reads what it is answered. */
  #take(): void {
    while (!this.#ended) {
      if (this.#socket.writableLength > MAX_UNREAD) {
        this.#socket.pause();
        return;
      }
      const end = this.#input.indexOf('\n');
      const most = this.#isTrusted ? MAX_LINE : MAX_FIRST_LINE;
      if ((end < 0 ? this.#input.length : end) > most) {
        this.#refuse(`a line has at most ${String(most)} characters`);
        return;
      }
      if (end < 0) break;
      const line = this.#input.slice(0, end);
      this.#input = this.#input.slice(end + 1);
      if (line.trim() !== '') this.#line(line);
    }
    if (!this.#ended) this.#socket.resume();
  }

  #line(line: string): void {
    let request: unknown;
    try {
      request = JSON.parse(line);
    } catch {
      request = undefined;
    }
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      this.#refuse('a request is a JSON object in one line');
      return;
    }
    const { token } = request as Request;
    if (token !== undefined || !this.#isTrusted) {
      if (!isToken(token, this.#rules.token)) {
        this.#refuse(
          'the first request has to have the token that nvmem rig printed: {"token":"…","cmd":"list"}',
        );
        return;
      }
      this.#isTrusted = true;
      clearTimeout(this.#late);
    }
    this.#session.handle(request as Request);
  }

  #refuse(error: string): void {
    this.#tell({ ok: false, error });
    this.end();
  }

  #tell(message: Readonly<Record<string, unknown>>): void {
    if (!this.#socket.writable) return;
    if (message['event'] !== undefined && this.#socket.writableLength > MAX_UNREAD_EVENTS) {
      this.drop();
      return;
    }
    // An undefined id is left out by JSON.
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }
}

/** Compared in a time that tells nothing of where they differ. */
function isToken(given: unknown, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(token));
}

const EVENTS = [
  ...(['attached', 'detached', 'plugged', 'unplugged', 'reset'] as const),
  ...(['gpio', 'wp', 'eeprom', 'fault'] as const),
] as const;

class Session {
  readonly #bench: VirtualBench;
  readonly #files: ReadonlySet<string>;
  readonly #say: (message: Readonly<Record<string, unknown>>) => void;
  readonly #quit: () => void;
  #unsubscribe: (() => void)[] = [];

  constructor(
    bench: VirtualBench,
    files: ReadonlySet<string>,
    say: (message: Readonly<Record<string, unknown>>) => void,
    quit: () => void,
  ) {
    this.#bench = bench;
    this.#files = files;
    this.#say = say;
    this.#quit = quit;
  }

  close(): void {
    for (const off of this.#unsubscribe.splice(0)) off();
  }

  handle(request: Request): void {
    const { id, cmd } = request;
    try {
      this.#say({ id, ok: true, ...(cmd === undefined ? {} : this.#execute(request)) });
      if (cmd === 'quit') this.#quit();
    } catch (error) {
      this.#say({ id, ok: false, error: messageOf(error) });
    }
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
        return this.#image(device, request);
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

  #image(device: VirtualDevice, request: Request): object {
    const address = Number(request['address']);
    const eeprom = device.eeprom(address);
    const { load, save, set } = request as { load?: unknown; save?: unknown; set?: unknown };
    const size = eeprom.model.size;
    if (load !== undefined) eeprom.image = readFileSync(this.#file(load));
    else if (typeof set === 'string') eeprom.image = Buffer.from(set, 'base64');
    else if (save !== undefined) writeFileSync(this.#file(save), eeprom.image);
    else return { size, data: Buffer.from(eeprom.image).toString('base64') };
    return { size };
  }

  /** @throws for a file that whoever started the bench has not named */
  #file(name: unknown): string {
    const path = typeof name === 'string' ? resolvePath(name) : undefined;
    if (path !== undefined && this.#files.has(path)) return path;
    throw new Error(
      `${JSON.stringify(name)} is none of the files that this bench was started with (image=FILE, save=FILE)`,
    );
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

function gpio(device: VirtualDevice, request: Request): object {
  const { pin, level } = request as { pin?: unknown; level?: unknown };
  if (pin !== undefined) {
    if (level !== 0 && level !== 1 && level !== null) throw new Error('level is 0, 1 or null');
    device.driveGpio(Number(pin), level);
  }
  return { levels: device.gpioLevels };
}
