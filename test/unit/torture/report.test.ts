/** The page of a run: its numbers, what others wrote on it, its size, and that it asks for nothing. */
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Totals, TortureEvent } from '../../../lib/torture/events';
import { ReportCollector } from '../../../lib/torture/report/collector';
import { renderReport, writeReport } from '../../../lib/torture/report/report';
import { Tally } from '../../../lib/torture/totals';
import { operationOf, runOf, startOf, verdictOf } from './events';

/** The page as a tree of tags: each that is opened is closed, in order. */
function tagsOf(page: string): { readonly name: string; readonly attributes: ReadonlyMap<string, string> }[] {
  const bare = page
    .replace(/<(script|style)([^>]*)>[\s\S]*?<\/\1>/g, '<$1$2></$1>')
    .replace(/^<!doctype html>/, '');
  const empty = new Set(['meta', 'link', 'br']);
  const open: string[] = [];
  const found = [];
  let at = 0;
  const tag = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<]*")?)*)\s*(\/?)>/g;
  for (const match of bare.matchAll(tag)) {
    expect(bare.slice(at, match.index)).not.toMatch(/[<>]/);
    at = match.index + match[0].length;
    const [, end, name = '', rest = ''] = match;
    if (end === '/') expect(`/${name}`).toBe(`/${String(open.pop())}`);
    else {
      if (!empty.has(name)) open.push(name);
      const attributes = new Map(
        [...rest.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)].map(([, key = '', value = '']) => [key, value]),
      );
      found.push({ name, attributes });
    }
  }
  expect(bare.slice(at)).not.toMatch(/[<>]/);
  expect(open).toEqual([]);
  return found;
}

/** What the page says under a key. */
function dataOf(page: string): Map<string, number> {
  return new Map(
    tagsOf(page)
      .filter(({ name }) => name === 'data')
      .map(({ attributes }) => [attributes.get('data-key') ?? '', Number(attributes.get('value'))]),
  );
}

function totalsOf(page: string): Totals {
  const [, text = ''] = /<script type="application\/json" id="totals">([\s\S]*?)<\/script>/.exec(page) ?? [];
  return JSON.parse(text) as Totals;
}

test('the numbers on the page are those of the lines of the log', async () => {
  const lines = [...runOf({ cycles: 150, subjects: 2, seed: 3 })].map((event) => JSON.stringify(event));
  const events = lines.map((line) => JSON.parse(line) as TortureEvent);
  const page = await renderReport(events);
  const data = dataOf(page);
  const operations = events.filter(({ type }) => type === 'operation');
  expect(data.get('cycles')).toBe(events.filter(({ type }) => type === 'cycle').length);
  expect(data.get('operations')).toBe(operations.length);
  expect(data.get('violations')).toBe(0);
  expect(data.get('unplugs')).toBe(
    events.filter((event) => event.type === 'plug' && event.state === 'off').length,
  );
  expect(data.get('removed')).toBe(events.filter(({ type }) => type === 'removed').length);
  for (const code of ['ok', 'ENODEV', 'ETIMEDOUT']) {
    expect(data.get(`byCode.${code}`)).toBe(
      events.filter((event) => event.type === 'operation' && event.code === code).length,
    );
  }
  const returns = events
    .flatMap((event) => (event.type === 'cycle' && event.recoveryMs !== null ? [event.recoveryMs] : []))
    .sort((a, b) => a - b);
  expect(data.get('recovery.max')).toBe(returns.at(-1));
  expect(data.get('recovery.p50')).toBe(returns[Math.ceil(returns.length / 2) - 1]);

  const tally = new Tally();
  for (const event of events) tally.add(event);
  const totals = JSON.parse(JSON.stringify(tally.totals())) as Totals;
  expect(totalsOf(page)).toEqual(totals);
  expect(data.get('bytesWritten')).toBe(totals.bytesWritten);
  expect(data.get('slopes.rss')).toBe(totals.slopes.rss?.perThousand);
  expect(data.get('wear.1.sum')).toBe(totals.wear[1]?.reduce((a, b) => a + b));
  expect(data.get('counters.0.naks')).toBe(totals.counters[0]?.['naks']);
  expect(page).toContain('✓');
  expect(page).toContain('No violation in 150 cycles');
});

test('the page asks for nothing: no address, and a policy that allows none', async () => {
  const page = await renderReport(runOf({ cycles: 10, violationAt: 5 }));
  for (const { name, attributes } of tagsOf(page)) {
    for (const key of attributes.keys()) {
      expect([
        'src',
        'srcset',
        'action',
        'formaction',
        'poster',
        'background',
        'style',
        'data',
      ]).not.toContain(key);
      expect(key).not.toMatch(/^on/);
    }
    expect(['iframe', 'object', 'embed', 'img', 'base', 'form', 'a', 'svg']).not.toContain(name);
    if (attributes.has('href')) expect(attributes.get('href')).toBe('data:,');
  }
  const styles = [...page.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, text = '']) => text).join('');
  expect(styles.length).toBeGreaterThan(2000);
  expect(styles).not.toMatch(/url\(|@import|https?:/);
  expect(page).toMatch(/http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;/);
  expect(page).not.toMatch(/connect-src|unsafe-/);
});

test('what others wrote stays text', async () => {
  const bad = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&\u202e\u0007\u001b[2J<!--';
  const [one] = startOf().subjects;
  const events: TortureEvent[] = [
    startOf({
      at: bad,
      command: bad,
      power: bad,
      subjects: [
        { ...(one ?? { index: 0, size: 8, pageSize: 8, wordSize: 1 }), uri: bad, identity: { [bad]: bad } },
      ],
      environment: {
        ...startOf().environment,
        nvmem: bad,
        node: bad,
        kernel: bad,
        arch: bad,
        libusb: bad,
        blind: [bad],
      },
    }),
    operationOf({ code: bad, action: bad }),
    operationOf({ code: '__proto__', kind: 'constructor' as 'read' }),
    { type: 'plug', t: 3, began: 2, cycle: 0, state: 'off', subjects: [0], where: bad },
    {
      type: 'violation',
      t: 4,
      cycle: 0,
      kind: bad as 'hang',
      message: bad,
      expected: bad,
      found: bad,
      details: `${bad}\n${bad}`,
    },
    { type: 'note', t: 5, cycle: 0, message: bad },
    verdictOf({
      passed: false,
      ended: 'failed',
      reason: bad,
      hint: bad,
      violations: 1,
      totals: { ...new Tally().totals(), counters: [{ [bad]: 1 }] },
      replay: { file: bad, command: bad, cycles: 1 },
    }),
  ];
  const page = await renderReport(events);
  const tags = tagsOf(page);
  expect(tags.filter(({ name }) => name === 'script')).toHaveLength(3);
  expect(tags.filter(({ name }) => name === 'img')).toHaveLength(0);
  expect(page.includes('<!--')).toBe(false);
  for (const one of ['\u202e', '\u0007', '\u001b']) expect(page.includes(one)).toBe(false);
  expect(page).toContain('&lt;img src=x onerror=alert(2)&gt;');
  expect(dataOf(page).get('byCode.__proto__')).toBe(1);
  // Its own scripts have run through nothing: the data elements are JSON still.
  for (const [, text = ''] of page.matchAll(/<script type="application\/json"[^>]*>([\s\S]*?)<\/script>/g)) {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  }
});

describe('the first words', () => {
  const said = async (events: readonly TortureEvent[]): Promise<string> => {
    const [, text = ''] = /<div class="verdict ([\s\S]*?)<\/div>/.exec(await renderReport(events)) ?? [];
    return text;
  };

  test.each([
    ['passed', [verdictOf()], /^passed[\s\S]*✓[\s\S]*Passed/],
    ['interrupted', [verdictOf({ ended: 'interrupted' })], /^incomplete[\s\S]*Interrupted/],
    [
      'failed by the rig',
      [verdictOf({ passed: false, ended: 'failed', reason: 'no relay' })],
      /^incomplete[\s\S]*Not completed[\s\S]*no relay/,
    ],
    ['cut off', [], /^incomplete[\s\S]*without a verdict/],
    [
      'not one event seen of a violation',
      [verdictOf({ passed: false, ended: 'violation', violations: 2 })],
      /^failed[\s\S]*✗[\s\S]*2 violations/,
    ],
  ] as const)('of a run that %s', async (_, events, words) => {
    expect(await said([startOf(), ...events])).toMatch(words);
  });

  test('of a violation name it, and how to see it again', async () => {
    const page = await renderReport(runOf({ cycles: 10, violationAt: 4 }));
    expect(page).toMatch(/1 violation \(lost-write\) in 4 cycles/);
    expect(page).toContain('nvmem torture --replay nvmem-torture-1.json');
    expect(page).toContain('expected <span class="mono">5a</span>');
  });

  test('what could not be watched is said', async () => {
    const page = await renderReport([startOf(), verdictOf()]);
    expect(page).toContain('/dev/kmsg may not be read (EACCES)');
    expect(page).toContain('no sample has been taken');
  });
});

test('tables say what their cells are, plots have words', async () => {
  const tags = tagsOf(await renderReport(runOf({ cycles: 20 })));
  const count = (name: string): number => tags.filter((tag) => tag.name === name).length;
  expect(count('caption')).toBe(count('table'));
  for (const { name, attributes } of tags) {
    if (name === 'th') expect(['row', 'col']).toContain(attributes.get('scope'));
    if (attributes.get('class') === 'plot') expect(attributes.get('aria-label')).toMatch(/\w+ \w+/);
  }
  const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
  expect(new Set(ids).size).toBe(ids.length);
});

test('of a long run the page stays small, says what it leaves out, and counts everything', async () => {
  const collector = new ReportCollector();
  let operations = 0;
  for (const event of runOf({ cycles: 2500, workers: 8, operationsPerCycle: 12 })) {
    if (event.type === 'operation') operations++;
    collector.add(event);
  }
  for (let i = 0; i < 5000; i++) {
    collector.add({
      type: 'violation',
      t: 10 * i,
      cycle: i,
      kind: 'leak-fds',
      message: 'm'.repeat(300),
      details: 'd'.repeat(9000),
    });
    collector.add({ type: 'note', t: 10 * i, cycle: i, message: `note ${String(i)}` });
  }
  const { timeLine } = collector;
  const sum = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0);
  expect(sum(timeLine.stretches.map((one) => one.operations))).toBe(operations);
  expect(sum(timeLine.stretches.flatMap(({ workers }) => workers.map(({ ok, failed }) => ok + failed)))).toBe(
    operations,
  );
  expect(timeLine.stretches.length).toBeLessThanOrEqual(1200);
  expect(timeLine.outages).toMatchObject({ all: 2500 });
  expect(timeLine.outages.kept).toHaveLength(2000);
  const page = await renderReport(collector);
  expect(page.length).toBeLessThan(2_000_000);
  expect(dataOf(page).get('operations')).toBe(operations);
  expect(dataOf(page).get('violations.leak-fds')).toBe(5000);
  expect(page).toContain('the first 1,000 of 5,000');
  expect(page).toMatch(/Unplugs: 2,000 of 2,500/);
  expect(page).toContain('4,000 more violations not shown here');
}, 60_000);

test('the plug is out for as long as the log says, whatever the stretches are', () => {
  const collector = new ReportCollector();
  let t = 0;
  for (let cycle = 0; cycle < 3000; cycle++) {
    const [off, on] = [t + 13, t + 20.5];
    collector.add({ type: 'plug', t: off, began: off, cycle, state: 'off', subjects: [0, 1], where: '' });
    collector.add({ type: 'plug', t: off + 1, began: off, cycle, state: 'on', subjects: [1], where: '' });
    collector.add({ type: 'plug', t: on, began: on, cycle, state: 'on', subjects: [0], where: '' });
    t = on + 5;
  }
  const out = collector.timeLine.stretches.reduce((sum, { offMs }) => sum + offMs, 0);
  expect(out).toBeCloseTo(3000 * 7.5, 4);
});

describe('the file', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nvmem-report-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is written whole, through a link as well', async () => {
    const [file, link] = [join(folder, 'a.html'), join(folder, 'link.html')];
    await writeFile(file, 'old');
    await symlink('a.html', link);
    await writeReport(link, runOf({ cycles: 3 }));
    expect(await readFile(file, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect((await readdir(folder)).sort()).toEqual(['a.html', 'link.html']);
  });

  test('stays as it was where it cannot be', async () => {
    await expect(writeReport(join(folder, 'no', 'a.html'), [startOf()])).rejects.toMatchObject({
      code: 'ENOENT',
    });
    expect(await readdir(folder)).toEqual([]);
  });
});
