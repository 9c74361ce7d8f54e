/** The report of a run that goes on, for a browser: read-only, a few fixed paths, told what is new by server-sent events. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { BlockList, isIP, type AddressInfo } from 'node:net';

import { NvmemError } from '../base/errors.js';
import { clearTimeout, monotonicMs, setTimeout } from '../base/timers.js';
import type { ReportCollector } from './report/collector.js';
import { pageOf, pageState, type Page, type PageState } from './report/document.js';

export interface ServeOptions {
  /** A name or an address. Default 127.0.0.1: only this machine can look. */
  readonly host?: string | undefined;
  /** 0 (the default): a free one. */
  readonly port?: number | undefined;
  /** What is new is sent this often at most, milliseconds; less often where the page is long. Default 1000. */
  readonly everyMs?: number | undefined;
}

export interface ReportServer {
  /** What to open in a browser. */
  readonly url: string;
  /** Sends how the run has ended to all who look, and listens no more. */
  close(): Promise<void>;
}

/** Who looks at the same time. */
const MAX_CLIENTS = 16;
const MAX_CONNECTIONS = 64;
/** Who has not taken a message after that time is cut off. */
const SLOW_MS = 20_000;
const HEARTBEAT_MS = 15_000;
/** Making the page takes no more than this share of the time. */
const SHARE = 1 / 20;
const CLOSE_MS = 1000;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/**
 * '127.0.0.1:8080', '[::1]:8080', 'rig.example:8080', ':8080' or '8080' (of 127.0.0.1), '127.0.0.1' (a free port).
 * @throws NvmemError EINVAL
 */
export function parseServe(text: string): { readonly host: string; readonly port: number } {
  const found = /^(?:(\[[0-9a-f:.]+\]|[^:[\]\s]*):)?(\d{1,5})$/i.exec(text);
  const host = (found ? (found[1] ?? '') : text).replace(/^\[(.*)\]$/, '$1');
  const port = Number(found?.[2] ?? 0);
  const isHost = isIP(host) !== 0 || /^[a-z0-9.-]*$/i.test(host);
  if (!isHost || port > 65_535) {
    throw new NvmemError('EINVAL', `${text} is no address to serve the report at`, {
      hint: 'Give ADDRESS:PORT, for example 127.0.0.1:8080 or [::1]:8080.',
    });
  }
  return { host: host === '' ? '127.0.0.1' : host, port };
}

/**
 * Serves the report of what `collector` takes. Whoever can reach the address can read it; nobody can change anything.
 * @throws Error of the system (`listen`): EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND
 */
export async function serveReport(
  collector: ReportCollector,
  { host = '127.0.0.1', port = 0, everyMs = 1000 }: ServeOptions = {},
): Promise<ReportServer> {
  const audience = new Audience(collector, everyMs);
  const cache = new PageCache(collector, everyMs);
  let isLocal = true;
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 5000 },
    (request, response) => {
      response.on('error', () => response.destroy());
      if (isLocal && !isLocalName(request.headers.host)) {
        refuse(response, 421, 'This is no name of this machine.');
        return;
      }
      answer(request, response, audience, cache);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', () => undefined); // a connection that could not be accepted: the next one may be
  const address = server.address() as AddressInfo;
  isLocal = LOOPBACK.check(address.address, address.family === 'IPv6' ? 'ipv6' : 'ipv4');
  const shown = address.address.includes(':') ? `[${address.address}]` : address.address;
  return {
    url: `http://${shown}:${String(address.port)}/`,
    close: async () => {
      audience.end();
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        server.closeAllConnections();
      }, CLOSE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

/**
 * Whether a browser that sends this was led here by a name of this machine. A web page may have had its own name lead here
 * (DNS rebinding), and could then read what is answered.
 */
function isLocalName(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (name === 'localhost' || name === '[::1]') return true;
  return isIP(name) === 4 && LOOPBACK.check(name);
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  audience: Audience,
  cache: PageCache,
): void {
  const { method, url = '/', headers } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    refuse(response, 405, 'This can only be read.');
    return;
  }
  const isHead = method === 'HEAD';
  switch (url.replace(/\?.*$/s, '')) {
    case '/':
    case '/report.html': {
      const { html, policy } = url.startsWith('/report') ? cache.file() : cache.page();
      const type = { 'Content-Type': 'text/html; charset=utf-8' };
      const security = { 'Content-Security-Policy': `${policy}; frame-ancestors 'none'` };
      const body = Buffer.from(html);
      response.writeHead(200, { ...HEADERS, ...type, ...security, 'Content-Length': body.length });
      response.end(isHead ? undefined : body);
      return;
    }
    case '/events': {
      // Another site's page cannot read it, and shall not take the place of those who can.
      const site = headers['sec-fetch-site'];
      if (site !== undefined && site !== 'same-origin' && site !== 'none') {
        refuse(response, 403, 'Only for the page itself.');
        return;
      }
      if (!isHead && audience.isFull) {
        response.setHeader('Retry-After', '10');
        refuse(response, 503, 'Too many are looking already.');
        return;
      }
      response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' });
      if (isHead) response.end();
      else audience.add(response);
      return;
    }
    default:
      refuse(response, 404, 'There is nothing here. The report is at /.');
  }
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'",
    Connection: 'close',
  });
  response.end(`${why}\n`);
}

/** The whole page, made anew when something is new, and not for each who asks. */
class PageCache {
  readonly #collector: ReportCollector;
  readonly #everyMs: number;
  readonly #made = new Map<boolean, { readonly page: Page; readonly events: number; readonly at: number }>();

  constructor(collector: ReportCollector, everyMs: number) {
    this.#collector = collector;
    this.#everyMs = everyMs;
  }

  page(): Page {
    return this.#of(this.#collector.verdict === undefined);
  }

  /** The report so far, as a file that can be kept. */
  file(): Page {
    return this.#of(false);
  }

  #of(isLive: boolean): Page {
    const { events, verdict } = this.#collector;
    const known = this.#made.get(isLive);
    const isYoung = known && !verdict && monotonicMs() - known.at < this.#everyMs;
    if (known && (known.events === events || isYoung)) return known.page;
    const page = pageOf(this.#collector, isLive);
    this.#made.set(isLive, { page, events, at: monotonicMs() });
    return page;
  }
}

interface Client {
  readonly response: Sink;
  /** It has everything up to the last state that was made; else it is sent all of the next. */
  isCurrent: boolean;
  /** Since when it has not taken what it was sent; undefined: it has. */
  waitingSince: number | undefined;
}

/** What a client is written to: an answer of the server. */
type Sink = Pick<ServerResponse, 'write' | 'end' | 'destroy' | 'on'>;

/** @internal Those who look. */
export class Audience {
  readonly #collector: ReportCollector;
  readonly #everyMs: number;
  readonly #clients = new Set<Client>();
  readonly #now: () => number;
  readonly #leave: () => void;
  #timer: NodeJS.Timeout | undefined;
  #state: PageState | undefined;
  #plots = new Map<string, string>();
  #made = -1;
  #tookMs = 0;
  #number = 0;
  #told: number;

  constructor(collector: ReportCollector, everyMs: number, now: () => number = monotonicMs) {
    this.#collector = collector;
    this.#everyMs = everyMs;
    this.#now = now;
    this.#told = now();
    this.#leave = collector.onVerdict(() => {
      this.look();
    });
  }

  get isFull(): boolean {
    return this.#clients.size >= MAX_CLIENTS;
  }

  add(response: Sink): void {
    const client: Client = { response, isCurrent: false, waitingSince: undefined };
    this.#clients.add(client);
    response.on('drain', () => {
      client.waitingSince = undefined;
    });
    response.on('close', () => {
      this.#clients.delete(client);
    });
    response.write('retry: 2000\n\n');
    this.look();
  }

  /** Everybody has how it stands, and is sent away. */
  end(): void {
    this.look();
    clearTimeout(this.#timer);
    this.#leave();
    for (const { response } of this.#clients) response.end();
  }

  /** Makes the state where something is new and somebody is there to see it, and sends it. */
  look(): void {
    clearTimeout(this.#timer);
    if (this.#clients.size === 0) return;
    const now = this.#now();
    for (const { response, waitingSince } of this.#clients) {
      if (waitingSince !== undefined && now - waitingSince > SLOW_MS) response.destroy();
    }
    const isNew = this.#collector.events !== this.#made;
    const before = this.#state;
    const plotsBefore = this.#plots;
    if (isNew || !this.#state) this.#make();
    const state = this.#state;
    if (!state) return;
    let message: string | undefined;
    for (const client of this.#clients) {
      if (client.waitingSince !== undefined) {
        client.isCurrent = false;
        continue;
      }
      if (client.isCurrent && !isNew) continue;
      if (client.isCurrent && before) {
        message ??= this.#message(state, before, plotsBefore);
        this.#send(client, message);
      } else this.#send(client, this.#message(state, undefined, new Map()));
      client.isCurrent = true;
    }
    if (now - this.#told > HEARTBEAT_MS) {
      for (const client of this.#clients) if (client.waitingSince === undefined) this.#send(client, ': \n\n');
    }
    const wait = Math.max(this.#everyMs, this.#tookMs / SHARE);
    this.#timer = setTimeout(() => {
      this.look();
    }, wait).unref();
  }

  #make(): void {
    const began = this.#now();
    const { events, verdict } = this.#collector;
    this.#made = events;
    this.#state = pageState(this.#collector, verdict === undefined);
    this.#plots = new Map(Object.entries(this.#state.plots).map(([id, plot]) => [id, JSON.stringify(plot)]));
    this.#number++;
    this.#tookMs = this.#now() - began;
  }

  /** What differs from `before`; all of it where there is no before. */
  #message(
    state: PageState,
    before: PageState | undefined,
    plotsBefore: ReadonlyMap<string, string>,
  ): string {
    const news = {
      title: state.title,
      ended: state.ended,
      alternatives: state.alternatives,
      sections: Object.fromEntries(
        Object.entries(state.sections).filter(([id, text]) => before?.sections[id] !== text),
      ),
      plots: Object.fromEntries(
        Object.entries(state.plots).filter(([id]) => this.#plots.get(id) !== plotsBefore.get(id)),
      ),
    };
    return `id: ${String(this.#number)}\nevent: state\ndata: ${JSON.stringify(news)}\n\n`;
  }

  #send(client: Client, message: string): void {
    this.#told = this.#now();
    if (!client.response.write(message)) client.waitingSince = this.#now();
  }
}
