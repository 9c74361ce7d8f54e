/** `nvmem watch`: what comes and goes, as a table that lives, or a line of JSON for each change. */
import type { NvmemError } from '../base/errors.js';
import { clearInterval, clearTimeout, setInterval, setTimeout } from '../base/timers.js';
import { jsonLine, visible } from '../base/visible.js';
import { exportedDevices } from '../bus/usbip_devices.js';
import { follow } from '../follow/follow.js';
import { presence } from '../hotplug/presence.js';
import { listOf } from '../machine/list.js';
import { parseBusUri, parseUri } from '../uri/uri.js';
import { CliError } from './failure.js';
import { duration } from './format.js';
import { exportedUri, serverOf, type Server } from './list.js';
import type { Session } from './session.js';
import { columns } from './table.js';
import { checkIsUri } from './uri_argument.js';

export interface WatchCommandOptions {
  /** HOST[:PORT] of a USB/IP server to ask as well. */
  readonly usbip?: string;
}

/** How often sysfs is looked at, and a server asked, milliseconds. */
const LOOK_EVERY_MS = 500;
const ASK_EVERY_MS = 1000;
const REDRAW_EVERY_MS = 1000;

/** @internal */
export interface Row {
  readonly uri: string;
  readonly kind: 'bridge' | 'adapter' | 'nvmem' | 'exported' | 'server' | 'bus' | 'device';
  state: string;
  since: number;
  /** Times that it came, those before the beginning left out. */
  plugs: number;
  reason: string;
  error: NvmemError | undefined;
}

/** What is known of everything, and who shows it. */
class Board {
  readonly rows = new Map<string, Row>();

  constructor(private readonly show: (row: Row) => void) {}

  update(
    kind: Row['kind'],
    uri: string,
    { state, reason = '', since = Date.now(), error }: Partial<Row> & { readonly state: string },
  ): void {
    const key = `${kind} ${uri}`;
    const row = this.rows.get(key);
    if (row?.state === state && row.error?.code === error?.code && row.reason === reason) return;
    const isNew = row?.state !== state;
    const isPlug = isNew && state === 'present' && row !== undefined;
    const now: Row = {
      uri,
      kind,
      state,
      reason,
      since: isNew ? since : row.since,
      plugs: (row?.plugs ?? 0) + (isPlug ? 1 : 0),
      error,
    };
    this.rows.set(key, now);
    this.show(now);
  }

  /** All of a kind that are there now. */
  found(kind: Row['kind'], uris: readonly string[]): void {
    for (const uri of uris) this.update(kind, uri, { state: 'present' });
    for (const row of this.rows.values()) {
      if (row.kind === kind && !uris.includes(row.uri)) this.update(kind, row.uri, { state: 'absent' });
    }
  }
}

/** Ends with the session's signal, or after --timeout. */
export async function watchCommand(
  session: Session,
  uris: readonly string[],
  options: WatchCommandOptions,
): Promise<void> {
  const server = options.usbip === undefined ? undefined : serverOf(options.usbip);
  const ending = new AbortController();
  const { signal } = ending;
  const view = session.json ? jsonView(session) : session.out.isTTY ? tableView(session) : lineView(session);
  const board = new Board(view.show);
  const ends: (() => unknown)[] = [() => view.end?.()];
  const end = (): void => {
    ending.abort();
  };
  try {
    // Whatever is wrong with one of them is said before anything is shown.
    const begins = uris.map((uri) => beginOf(uri, board));
    for (const begin of begins) ends.push(begin());
    const { timeout } = session.options;
    const timer = timeout === undefined ? undefined : setTimeout(end, timeout);
    ends.push(() => {
      clearTimeout(timer);
    });
    if (session.io.signal.aborted) end();
    session.io.signal.addEventListener('abort', end, { once: true });
    const loops = [again(signal, LOOK_EVERY_MS, () => lookAround(session, board))];
    if (server) loops.push(again(signal, ASK_EVERY_MS, () => ask(server, board, signal)));
    view.begin?.(board);
    await Promise.all(loops);
  } finally {
    session.io.signal.removeEventListener('abort', end);
    for (const stop of ends) await stop();
  }
}

/** @throws NvmemError EINVAL; CliError. What is given begins it, and gives what ends it. */
function beginOf(uri: string, board: Board): () => () => unknown {
  checkIsUri(uri, '/0x50?chip=24c02');
  if (/^(mem|file):/i.test(uri)) {
    throw new CliError('EINVAL', `what ${uri} names does not come and go`, 'Leave it out.', 2);
  }
  if (!/^sysfs:/i.test(uri) && !isPart(uri)) {
    parseBusUri(uri);
    return () => {
      const it = presence(uri);
      it.on('change', ({ present, since, reason }) => {
        board.update('bus', uri, { state: present ? 'present' : 'absent', since, reason });
      });
      return () => {
        it.close();
      };
    };
  }
  parseUri(uri);
  return () => {
    const it = follow(uri, { readOnly: true, identity: 'bridge' });
    it.on('change', ({ state, since, reason, error }) => {
      if (state !== 'closed')
        board.update('device', uri, { state, since, reason, error: error ?? it.lastError });
    });
    board.update('device', uri, it.current);
    return () => it.close();
  };
}

function isPart(uri: string): boolean {
  return /\/0x[0-9a-f]+\/?(\?|$)/i.test(uri) || /[?&]chip=/.test(uri);
}

async function again(signal: AbortSignal, everyMs: number, look: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await look();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, everyMs);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }
}

async function lookAround({ machine }: Session, board: Board): Promise<void> {
  const { bridges, adapters, nvmem } = await listOf(machine);
  const urisOf = (all: readonly { readonly uri: string }[]): string[] => all.map(({ uri }) => uri);
  board.found('bridge', urisOf(bridges));
  board.found('adapter', urisOf(adapters));
  board.found('nvmem', urisOf(nvmem));
}

async function ask(server: Server, board: Board, signal: AbortSignal): Promise<void> {
  const { host, port } = server;
  const name = `usbip://${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  try {
    const found = await exportedDevices({ host, port, signal, timeoutMs: 5 * ASK_EVERY_MS });
    board.update('server', name, { state: 'present' });
    board.found(
      'exported',
      found.map((device) => exportedUri(server, device)),
    );
  } catch (error) {
    if (signal.aborted) return;
    const failure = error as NvmemError;
    board.update('server', name, { state: 'absent', reason: failure.message, error: failure });
    board.found('exported', []);
  }
}

interface View {
  readonly show: (row: Row) => void;
  begin?(board: Board): void;
  end?(): void;
}

function jsonView({ out }: Session): View {
  return {
    show: ({ error, since, ...row }) => {
      const about = error && { code: error.code, message: error.message, hint: error.hint };
      const times = { time: new Date().toISOString(), since: new Date(since).toISOString() };
      out.push(`${jsonLine({ ...times, ...row, ...(about && { error: about }) })}\n`);
    },
  };
}

/** A line for each change. */
function lineView({ out }: Session): View {
  return {
    show: (row) => {
      out.push(`${new Date().toISOString()}  ${visible(textOf(row).join('  '))}\n`);
    },
  };
}

/** A table that is drawn over itself: no line of it is longer than the terminal is wide, and it is no longer than that is high. */
function tableView({ out, colors }: Session): View {
  let drawn = 0;
  let all: Board | undefined;
  let timer: NodeJS.Timeout | undefined;
  const paint = (line: string): string =>
    line.replace(/^(present|absent|opening|replaced)\b/, (state) =>
      (state === 'present' ? colors.green : state === 'replaced' ? colors.red : colors.yellow)(state),
    );
  const draw = (): void => {
    if (!all) return;
    // One column stays free: some terminals break a line that is full.
    const width = (out.columns > 0 ? out.columns : 80) - 1;
    const rows = [...all.rows.values()].sort((a, b) => a.uri.localeCompare(b.uri));
    const found = tableOf(rows, width);
    const room = out.rows > 0 ? Math.max(out.rows - 2, 1) : Infinity;
    const lines =
      found.length > room
        ? [...found.slice(0, room - 1), `(${String(found.length - room + 1)} lines more)`.slice(0, width)]
        : found;
    const up = drawn === 0 ? '' : `\x1b[${String(drawn)}A`;
    out.push(`${up}\r\x1b[J${lines.map(paint).join('\n')}\n`);
    drawn = lines.length;
  };
  return {
    show: draw,
    begin: (board) => {
      all = board;
      draw();
      timer = setInterval(draw, REDRAW_EVERY_MS);
    },
    end: () => {
      clearInterval(timer);
      draw();
    },
  };
}

/** Narrower than this, how it is goes before what it is. */
const WIDE = 60;

/** @internal For tests. Lines of at most `width` characters: a row for each, and beneath it why it is not there. */
export function tableOf(rows: readonly Row[], width: number): string[] {
  const isWide = width >= WIDE;
  const facts = rows.map(({ kind, state, since, plugs }) => {
    const how = [state, duration(Math.max(Date.now() - since, 0))];
    return isWide ? [...how, String(plugs), kind, ''] : [...how, ''];
  });
  const head = isWide ? ['STATE', 'FOR', 'PLUGS', 'KIND', 'URI'] : ['STATE', 'FOR', 'URI'];
  // The URI is last, and has what the others leave.
  const [headLine = '', ...lines] = columns([head, ...facts.map((fact) => [...fact.slice(0, -1), '|'])]);
  const room = Math.max(width - headLine.lastIndexOf('URI'), 8);
  return [
    headLine.slice(0, width),
    ...rows.flatMap((row, i) => {
      const [uri = '', , , , why = ''] = textOf(row).map(visible);
      const line = `${lines[i]?.slice(0, -1) ?? ''}${withoutMiddle(uri, room)}`.slice(0, width);
      return why === '' ? [line] : [line, cut(`  ${why}`, width)];
    }),
  ];
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

/** What tells one URI from another is at its end, and what kind it is at its beginning. */
function withoutMiddle(uri: string, width: number): string {
  if (uri.length <= width) return uri;
  const front = Math.floor((width - 1) / 3);
  return `${uri.slice(0, front)}…${uri.slice(uri.length - (width - 1 - front))}`;
}

function textOf({ uri, kind, state, plugs, reason, error }: Row): string[] {
  return [uri, kind, state, String(plugs), error?.message ?? (state === 'present' ? '' : reason)];
}
