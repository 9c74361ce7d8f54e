import { memoryProvider, Registry } from '../../../lib/index.js';
import { follow } from '../../../lib/follow/follow.js';
import type { FollowedDevice } from '../../../lib/follow/followed_device.js';
import { expose } from '../../../lib/metrics/exposition.js';
import { contentType, metrics } from '../../../lib/metrics/index.js';
import { board, FakeBench, URI } from '../follow/fake_bench.js';
import { parse, valueOf } from './parser.js';

const NASTY = 'back\\slash "quoted"\nline \\n {a="b"} é\u2028#';

describe('the text', () => {
  test('what labels and help texts hold comes out as it went in', () => {
    const text = expose([
      {
        name: 'm_total',
        type: 'counter',
        help: NASTY,
        samples: [
          { labels: { device: NASTY }, value: 3 },
          { labels: {}, value: 1e21 },
        ],
      },
      {
        name: 'g',
        type: 'gauge',
        help: '',
        samples: [NaN, Infinity, -Infinity, 1e-7, -2.5].map((value, i) => ({
          labels: { i: String(i) },
          value,
        })),
      },
      { name: 'empty', type: 'gauge', help: 'nothing', samples: [] },
    ]);
    const families = parse(text);
    expect([...families.keys()]).toEqual(['m_total', 'g']);
    expect(families.get('m_total')?.help).toBe(NASTY);
    expect(
      families.get('m_total')?.samples.map(({ labels, value }) => [labels.get('device'), value]),
    ).toEqual([
      [NASTY, 3],
      [undefined, 1e21],
    ]);
    expect(families.get('g')?.samples.map(({ value }) => value)).toEqual([
      NaN,
      Infinity,
      -Infinity,
      1e-7,
      -2.5,
    ]);
  });

  test('the parser refuses what the format does not allow', () => {
    const head = '# HELP a b\n# TYPE a counter\n';
    const wrong = [
      `${head}a 1`,
      `${head}a\n`,
      `${head}a x\n`,
      `${head}a -1\n`,
      `${head}a 1\na 2\n`,
      `${head}a{b="1",c="2"} 1\na{c="2",b="1"} 2\n`,
      `${head}a{b="1" c="2"} 1\n`,
      `${head}a{b="x"y"} 1\n`,
      `${head}a{b="\\q"} 1\n`,
      `${head}b 1\n`,
      `${head}${head}`,
      '# TYPE a number\na 1\n',
    ];
    for (const text of wrong) expect(() => parse(text)).toThrow();
    expect(parse(`${head}a{b="1",} 1 1700000000000\n`).get('a')?.samples).toHaveLength(1);
  });
});

describe('metrics()', () => {
  test('names, types and units are those of the conventions', async () => {
    const registry = new Registry();
    await using device = await registry.register({ provider: memoryProvider(64), name: 'm', id: 'none' });
    await device.read(0, 16);
    await device.write(0, Buffer.alloc(8));
    await expect(device.read(0, 65)).rejects.toMatchObject({ code: 'EINVAL' });
    const families = parse(metrics({ registry, followers: [], buses: [] }));
    for (const { name, type, help } of families.values()) {
      expect(name).toMatch(/^nvmem_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(['counter', 'gauge']).toContain(type);
      expect(name).not.toMatch(/_(?:ms|us|ns|milliseconds|kb)\b/);
      expect(help).toMatch(/^[A-Z].*\.$/);
    }
    const text = metrics({ registry, followers: [], buses: [] });
    const value = (name: string): number => valueOf(text, name, { device: 'm' });
    expect(value('nvmem_device_operations_total')).toBe(3);
    expect(value('nvmem_device_operation_failures_total')).toBe(1);
    expect(value('nvmem_device_read_bytes_total')).toBe(16);
    expect(value('nvmem_device_written_bytes_total')).toBe(8);
    expect(value('nvmem_device_size_bytes')).toBe(64);
    expect(value('nvmem_device_present')).toBe(1);
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  test('a name may be anything', async () => {
    const registry = new Registry();
    const device = await registry.register({ provider: memoryProvider(1), name: 'a"\\b', id: 'none' });
    expect(valueOf(metrics({ registry, followers: [] }), 'nvmem_device_present', { device: 'a"\\b' })).toBe(
      1,
    );
    await device.close();
    expect(parse(metrics({ registry, followers: [] })).has('nvmem_device_present')).toBe(false);
  });

  test('bad options are refused', () => {
    const wrong: unknown[] = [
      { registry: {} },
      { followers: [1] },
      { buses: 'x' },
      { buses: 1 },
      { device: 1 },
      null,
    ];
    for (const options of wrong) expect(() => metrics(options as object)).toThrow(TypeError);
  });
});

describe('followers', () => {
  const open = new Set<FollowedDevice>();
  const start = (bench: FakeBench): FollowedDevice => {
    const { registry, attach, clock } = bench;
    const it = follow(URI, { registry, name: 'board' }, { attach, clock });
    open.add(it);
    return it;
  };
  afterEach(async () => {
    for (const one of open) await one.close();
    open.clear();
  });

  test('no counter goes back over replugs, and there is one series for a follower and its device', async () => {
    const bench = new FakeBench();
    const { registry } = bench;
    const it = start(bench);
    let before = new Map<string, number>();
    const look = (): string => {
      const text = metrics({ registry, buses: [] });
      const now = new Map<string, number>();
      for (const { name, type, samples } of parse(text).values()) {
        for (const { labels, value } of samples) {
          if (type === 'counter') now.set(`${name}${JSON.stringify([...labels])}`, value);
        }
      }
      for (const [series, value] of before)
        expect([series, now.get(series)]).toEqual([series, Math.max(value, now.get(series) ?? -1)]);
      before = now;
      return text;
    };
    look();
    for (let round = 1; round <= 3; round++) {
      bench.plug(board(1));
      await it.present();
      const device = registry.get('board');
      await device.write(0, Buffer.alloc(4), { verify: false });
      expect(valueOf(look(), 'nvmem_device_operations_total', { device: 'board' })).toBe(round);
      expect(valueOf(look(), 'nvmem_device_present', { device: 'board' })).toBe(1);
      bench.unplug();
      await bench.settle();
      const text = look();
      expect(valueOf(text, 'nvmem_device_operations_total', { device: 'board' })).toBe(round);
      expect(valueOf(text, 'nvmem_device_grace_periods_total', { device: 'board' })).toBe(round);
      expect(valueOf(text, 'nvmem_device_present', { device: 'board' })).toBe(0);
      expect(valueOf(text, 'nvmem_follower_plugs_total')).toBe(round);
      expect(valueOf(text, 'nvmem_follower_unplugs_total')).toBe(round);
      expect(valueOf(text, 'nvmem_follower_state', { state: 'absent' })).toBe(1);
      expect(valueOf(text, 'nvmem_follower_state', { state: 'present' })).toBe(0);
    }
    await it.close();
    expect(it.stats).toMatchObject({ plugs: 3, unplugs: 3, operations: 3, gracePeriods: 3 });
    expect(Object.isFrozen(it.stats)).toBe(true);
    // It is not known any more; who has it may show it.
    expect(parse(metrics({ registry, buses: [] })).has('nvmem_follower_state')).toBe(false);
    expect(valueOf(metrics({ registry, followers: [it] }), 'nvmem_follower_state', { state: 'closed' })).toBe(
      1,
    );
  });

  test('two of one name are told apart, each by its own number for ever', async () => {
    const [first, second] = [start(new FakeBench()), start(new FakeBench())];
    const numbers = (): unknown[] =>
      (parse(metrics()).get('nvmem_follower_plugs_total')?.samples ?? []).map(({ labels }) =>
        labels.get('number'),
      );
    expect(numbers()).toEqual([undefined, '2']);
    await first.close();
    expect(numbers()).toEqual(['2']);
    expect(second.state).toBe('absent');
  });
});
