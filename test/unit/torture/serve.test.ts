/** The page of a run that goes on: what it tells, to whom, and what it refuses. */
import { EventEmitter, once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';

import { ReportCollector } from '../../../lib/torture/report/collector';
import { Audience, parseServe, serveReport, type ReportServer } from '../../../lib/torture/serve';
import { operationOf, runOf, verdictOf } from './events';

interface News {
  readonly title: string;
  readonly ended: boolean;
  readonly sections: Readonly<Record<string, string>>;
  readonly plots: Readonly<Record<string, unknown>>;
}

let collector: ReportCollector;
let server: ReportServer;

beforeEach(async () => {
  collector = new ReportCollector();
  for (const event of runOf({ cycles: 4, withoutVerdict: true })) collector.add(event);
  server = await serveReport(collector, { everyMs: 5 });
});
afterEach(() => server.close());

async function ask(
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<IncomingMessage> {
  const asked = request(new URL(path, server.url), { method, headers, agent: false });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return response;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return text;
}

/** The states that an event stream tells. */
async function* newsOf(response: IncomingMessage): AsyncGenerator<News> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk);
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, data] = /^data: (.*)$/m.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (data !== undefined) yield JSON.parse(data) as News;
    }
  }
}

async function next(news: AsyncGenerator<News>): Promise<News> {
  const { value } = await news.next();
  if (value === undefined) throw new Error('the stream has ended');
  return value as News;
}

test('the page is live, and may ask nobody but its own server', async () => {
  const response = await ask('/');
  const page = await textOf(response);
  expect(response.statusCode).toBe(200);
  expect(page).toContain('data-live="yes"');
  const policy = String(response.headers['content-security-policy']);
  expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-/);
  expect(policy).toContain("connect-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  expect(response.headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  expect(page).toContain('Running');
});

test('the report so far can be kept as a file of its own', async () => {
  const page = await textOf(await ask('/report.html'));
  expect(page).not.toContain('data-live');
  expect(page).toContain('without a verdict');
});

test('all of it on connect, then what is new, then the end; and after the end the page is the report', async () => {
  const response = await ask('/events', { headers: { 'Last-Event-ID': '99' } });
  expect(response.headers['content-type']).toMatch(/^text\/event-stream/);
  const news = newsOf(response);
  const first = await next(news);
  expect(Object.keys(first.sections)).toContain('environment');
  expect(first.sections['verdict']).toContain('data-key="cycles">4<');
  expect(Object.keys(first.plots)).toContain('timeline');
  expect(first.ended).toBe(false);

  collector.add(operationOf({ t: 5000 }));
  const second = await next(news);
  expect(Object.keys(second.sections)).toContain('verdict');
  expect(Object.keys(second.sections)).not.toContain('environment');
  expect(Object.keys(second.plots)).not.toContain('samples');

  collector.add(verdictOf({ t: 6000 }));
  const last = await next(news);
  expect(last).toMatchObject({ ended: true });
  expect(last.title).toMatch(/^Passed/);
  response.destroy();

  const again = await next(newsOf(await ask('/events')));
  expect(again).toMatchObject({ ended: true });
  expect(Object.keys(again.sections)).toEqual(Object.keys(first.sections));
  expect(await textOf(await ask('/'))).not.toContain('data-live');
});

test('who looks when the server closes has the end, and then the end of the stream', async () => {
  const news = newsOf(await ask('/events'));
  await next(news);
  collector.add(verdictOf());
  const closing = server.close();
  expect(await next(news)).toMatchObject({ ended: true });
  expect((await news.next()).done).toBe(true);
  await closing;
});

test.each([
  ['POST', '/', {}, 405],
  ['PUT', '/events', {}, 405],
  ['OPTIONS', '/', {}, 405],
  ['GET', '/../../etc/passwd', {}, 404],
  ['GET', '/page.js', {}, 404],
  ['GET', '/report', {}, 404],
  ['GET', '/', { Host: 'attacker.example' }, 421],
  ['GET', '/', { Host: '127.0.0.1.attacker.example' }, 421],
  ['GET', '/', { Host: '192.0.2.1' }, 421],
  ['GET', '/events', { Host: 'attacker.example' }, 421],
  ['GET', '/events', { 'Sec-Fetch-Site': 'cross-site' }, 403],
  ['HEAD', '/', {}, 200],
  ['HEAD', '/events', {}, 200],
  ['GET', '/?x=1', {}, 200],
  ['GET', '/', { Host: 'localhost:1' }, 200],
  ['GET', '/', { Host: '[::1]:80' }, 200],
] as const)('%s %s with %j is answered with %i', async (method, path, headers, status) => {
  const response = await ask(path, { method, headers: headers });
  const text = await textOf(response);
  expect(response.statusCode).toBe(status);
  if (method === 'HEAD') expect(text).toBe('');
  if (status === 405) expect(response.headers.allow).toBe('GET, HEAD');
  const { headers: has }: { headers: IncomingHttpHeaders } = response;
  expect(has['access-control-allow-origin']).toBeUndefined();
});

test('no more than sixteen at a time; a place is free again when one goes', async () => {
  const all = await Promise.all(Array.from({ length: 16 }, () => ask('/events')));
  expect(all.map(({ statusCode }) => statusCode)).toEqual(Array.from({ length: 16 }, () => 200));
  expect((await ask('/events')).statusCode).toBe(503);
  expect((await ask('/')).statusCode).toBe(200);
  all[0]?.destroy();
  let status: number | undefined = 503;
  for (let i = 0; i < 100 && status === 503; i++) ({ statusCode: status } = await ask('/events'));
  expect(status).toBe(200);
});

describe('who does not read', () => {
  let now = 0;
  /** A connection that takes what it is sent when it says so. */
  class Slow extends EventEmitter {
    readonly told: string[] = [];
    isGone = false;
    isSlow = false;

    write = (text: string): boolean => {
      this.told.push(text);
      return !this.isSlow;
    };

    destroy = (): this => {
      this.isGone = true;
      this.emit('close');
      return this;
    };

    end = (): this => this;
  }

  const audienceOf = (...all: readonly Slow[]): Audience => {
    const audience = new Audience(collector, 1e6, () => now);
    for (const one of all) audience.add(one as unknown as ServerResponse);
    return audience;
  };
  const something = (): void => {
    collector.add(operationOf({ t: 7000 + now++ }));
  };
  const isAll = (text = ''): boolean => text.includes('"environment"');

  test('is sent nothing meanwhile, and all of it once it reads again', () => {
    const [slow, quick] = [new Slow(), new Slow()];
    slow.isSlow = true;
    const audience = audienceOf(slow, quick);
    const before = slow.told.length;
    something();
    audience.look();
    expect(slow.told).toHaveLength(before);
    expect(isAll(quick.told.at(-1))).toBe(false);
    slow.emit('drain');
    audience.look();
    expect(slow.told).toHaveLength(before + 1);
    expect(isAll(slow.told.at(-1))).toBe(true);
    audience.end();
  });

  test('is cut off after twenty seconds, and nobody else', () => {
    const [slow, quick] = [new Slow(), new Slow()];
    slow.isSlow = true;
    const audience = audienceOf(slow, quick);
    now += 19_000;
    audience.look();
    expect(slow.isGone).toBe(false);
    now += 2000;
    audience.look();
    expect([slow.isGone, quick.isGone]).toEqual([true, false]);
    audience.end();
  });

  test('and hears nothing new, hears a heartbeat', () => {
    const one = new Slow();
    const audience = audienceOf(one);
    now += 16_000;
    audience.look();
    expect(one.told.at(-1)).toBe(': \n\n');
    audience.end();
  });
});

test('an address that is taken is refused', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(serveReport(collector, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  other.close();
});

test('addresses', () => {
  expect(parseServe('8080')).toEqual({ host: '127.0.0.1', port: 8080 });
  expect(parseServe(':8080')).toEqual({ host: '127.0.0.1', port: 8080 });
  expect(parseServe('0.0.0.0:80')).toEqual({ host: '0.0.0.0', port: 80 });
  expect(parseServe('[::1]:80')).toEqual({ host: '::1', port: 80 });
  expect(parseServe('::1')).toEqual({ host: '::1', port: 0 });
  expect(parseServe('rig.example')).toEqual({ host: 'rig.example', port: 0 });
  for (const wrong of ['127.0.0.1:99999', 'a b:1', 'http://x:1', '[::1', '70000']) {
    expect(() => parseServe(wrong)).toThrow(/EINVAL/);
  }
});
