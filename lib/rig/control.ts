import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { resolve as resolvePath } from 'node:path';
import type { VirtualBench } from './bench.js';
import { answerJson, commandOf, type Request } from './command_json.js';
import { answerLines, looksLikeCommand, parseCommand } from './command_text.js';
import { runCommand, type CommandRules } from './commands.js';
import type { FaultSpec } from './fault_kinds.js';
import { formatFault } from './fault_text.js';
import { messageOf } from './problem.js';
import { clearTimeout, setTimeout } from './timers.js';

/**
 * The control port of a running bench: one command a line, as text for a person (`unplug 1-1 rst`) or as a JSON object for a program
 * (`{"cmd":"unplug","device":"1-1","how":"rst"}`), answered in order and in kind.
 *
 * The first line has the token that whoever started the bench was told: `token TOKEN`, or `token` in a JSON object (which may be a
 * command at the same time). A web page and another user of the machine can reach the port, and not know that. A connection ends at a
 * wrong token. One that began with JSON takes nothing but JSON, and ends at the first line that is no JSON object: an HTTP request
 * begins with one. One that began as text takes both.
 *
 * | text | JSON: `cmd` and | answer in JSON |
 * |---|---|---|
 * | `list` | | `devices`: bus id, serial, version, plugged, attached, EEPROMs |
 * | `unplug [BUSID] [fin\|rst]`, `sag …` | `how`: "fin" or "rst" | `plugged` |
 * | `plug [BUSID]` | | `plugged` |
 * | `fault [BUSID] FAULT` | `add`: text as for `--fault` | `fault` (its number), `faults` |
 * | `faults [BUSID]` | | `faults` |
 * | `release [BUSID] NUMBER\|KIND\|all` | `fault`: number, kind or "all" (or `cmd` "fault" and `release`) | `faults` |
 * | `image [BUSID] ADDRESS` | `address` | `size`, `data` (base64) |
 * | … `load FILE`, `save FILE`, `set HEX`, `at OFFSET HEX` | `load`, `save`: FILE of those in `files`; `set`: base64, `at` | `size` |
 * | `gpio [BUSID] [PIN low\|high\|float]` | `pin` and `level`: 0, 1 or null | `levels` |
 * | `stats [BUSID]` | | `stats` |
 * | `silent [on\|off]` | `on`: true or false | `silent` |
 * | `events [on\|off]` | `on` | from now on lines with `event`, `device`, `args` as they happen |
 * | `help` | | `commands` |
 * | `quit` | | the bench ends |
 *
 * In JSON `device` is the bus id (the first device when left out), an `id` comes back, and every answer has `ok`; with `ok: false`
 * there is an `error` sentence. In text the lines of an answer end with `ok`, or there is one that begins with `error: `.
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
  /** How its token came; a JSON connection stays one. */
  #face: Face | undefined;
  #isTrusted = false;
  #ended = false;

  constructor(bench: VirtualBench, socket: Socket, rules: Rules, quit: () => void, closed: () => void) {
    this.#socket = socket;
    this.#rules = rules;
    this.#session = new Session(bench, rules.files, {
      line: (line) => {
        this.#write(line);
      },
      event: (device, event, args) => {
        this.#event(device, event, args);
      },
      quit,
    });
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
    if (this.#face === 'json' || !this.#isText(line)) this.#jsonLine(line);
    else this.#textLine(line);
  }

  /** Text is what begins as a person's line does; anything else is answered as a program would want it. */
  #isText(line: string): boolean {
    if (this.#face === 'text') return !line.trimStart().startsWith('{');
    return /^\s*token\b/.test(line) || looksLikeCommand(line);
  }

  #textLine(line: string): void {
    const token = TOKEN_LINE.exec(line)?.[1];
    if (token !== undefined || !this.#isTrusted) {
      if (!isToken(token, this.#rules.token)) {
        this.#refuse('the first line has to be the token that nvmem rig printed: token TOKEN', 'text');
        return;
      }
      this.#trust('text');
      this.#write('ok');
      return;
    }
    this.#session.text(line);
  }

  #jsonLine(line: string): void {
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
      this.#trust('json');
    }
    this.#session.json(request as Request);
  }

  #trust(face: Face): void {
    this.#face ??= face;
    this.#isTrusted = true;
    clearTimeout(this.#late);
  }

  #refuse(error: string, face: Face = 'json'): void {
    this.#write(face === 'json' ? JSON.stringify({ ok: false, error }) : `error: ${error}`);
    this.end();
  }

  #write(line: string): void {
    if (this.#socket.writable) this.#socket.write(`${line}\n`);
  }

  /** Nobody asked for these. */
  #event(device: string, event: string, args: readonly unknown[]): void {
    if (this.#socket.writableLength > MAX_UNREAD_EVENTS) {
      this.drop();
      return;
    }
    if (this.#face === 'json') this.#write(JSON.stringify({ event, device, args }));
    else this.#write(['event', device, event, ...args.map(eventWord)].join(' '));
  }
}

/** What a person reads of an event's argument: `{"type":"start","offset":16}` as type=start offset=16. */
function eventWord(value: unknown): string {
  if (isFault(value)) return formatFault(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, field]) => `${name}=${String(field)}`)
    .join(' ');
}

function isFault(value: unknown): value is FaultSpec {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** Compared in a time that tells nothing of where they differ. */
function isToken(given: unknown, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(token));
}

type Face = 'text' | 'json';

const TOKEN_LINE = /^\s*token\s+(\S+)\s*$/;

/** The way back to the client. */
interface SessionPorts {
  line(text: string): void;
  event(device: string, event: string, args: readonly unknown[]): void;
  quit(): void;
}

const EVENTS = [
  ...(['attached', 'detached', 'plugged', 'unplugged', 'reset'] as const),
  ...(['gpio', 'wp', 'eeprom', 'fault'] as const),
] as const;

class Session {
  readonly #bench: VirtualBench;
  readonly #rules: CommandRules;
  readonly #ports: SessionPorts;
  #unsubscribe: (() => void)[] = [];

  constructor(bench: VirtualBench, files: ReadonlySet<string>, ports: SessionPorts) {
    this.#bench = bench;
    this.#ports = ports;
    this.#rules = {
      files,
      events: (on) => {
        if (on) this.#subscribe();
        else this.close();
      },
      // Once it is answered.
      quit: () => undefined,
      origin: 'control port',
    };
  }

  close(): void {
    for (const off of this.#unsubscribe.splice(0)) off();
  }

  /** Nothing but the token is looked at where a request has no `cmd`. */
  json(request: Request): void {
    const { id } = request;
    try {
      const command = request['cmd'] === undefined ? undefined : commandOf(request);
      this.#ports.line(answerJson(id, command ? runCommand(this.#bench, command, this.#rules) : {}));
      if (command?.cmd === 'quit') this.#ports.quit();
    } catch (error) {
      this.#ports.line(JSON.stringify({ id, ok: false, error: messageOf(error) }));
    }
  }

  text(line: string): void {
    try {
      const command = parseCommand(line);
      const answer = runCommand(this.#bench, command, this.#rules);
      this.#ports.line([...answerLines(command, answer), 'ok'].join('\n'));
      if (command.cmd === 'quit') this.#ports.quit();
    } catch (error) {
      this.#ports.line(`error: ${messageOf(error)}`);
    }
  }

  #subscribe(): void {
    if (this.#unsubscribe.length > 0) return;
    for (const device of this.#bench.devices) {
      for (const event of EVENTS) {
        const listener = (...args: unknown[]): void => {
          this.#ports.event(device.busid, event, args);
        };
        device.on(event, listener);
        this.#unsubscribe.push(() => device.off(event, listener));
      }
    }
  }
}
