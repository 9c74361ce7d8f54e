/** Cases that nobody recorded, in the vocabulary of the recorded ones. */
import fc from 'fast-check';

import type { Args, CellSpec, Case, NotifierSpec, Op, ProviderSpec, Ret } from './types.js';

const NAMES = ['nv', 'nw', 'nv0', 'a/b'] as const;
const CELLS = ['a', 'b', 'c'] as const;
const ERRORS: readonly Ret[] = ['EIO', 'ETIMEDOUT', 'ENODEV', 'EOPNOTSUPP', 'EAGAIN', 'EREMOTEIO', 'EPERM'];

const hex = (max: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength: max }).map((bytes) => Buffer.from(bytes).toString('hex'));

/** Mostly within a device, and now and then where things end or wrap. */
const offset = fc.oneof(
  { weight: 12, arbitrary: fc.nat(70) },
  { weight: 1, arbitrary: fc.constantFrom(4095, 4096, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff) },
);
const length = fc.oneof({ weight: 12, arbitrary: fc.nat(70) }, { weight: 1, arbitrary: fc.constant(5000) });

/** `n` times as often what nothing is wrong with. */
const mostly = <T>(n: number, usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: n, arbitrary: usual }, { weight: 1, arbitrary: odd });

const cell: fc.Arbitrary<CellSpec> = fc.record(
  {
    name: mostly<string | null>(20, fc.constantFrom(...CELLS), fc.constantFrom('', null)),
    offset: fc.nat(24),
    bytes: fc.integer({ min: 1, max: 9 }),
    bit_offset: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 3, arbitrary: fc.nat(7) },
      { weight: 1, arbitrary: fc.nat(31) },
    ),
    nbits: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(70) }),
    raw_len: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(16) }),
    post_process: fc.constantFrom('reverse' as const, 'xor' as const, 'fail' as const),
  },
  { requiredKeys: ['name', 'offset', 'bytes'] },
);

/** Sorted whole words with room between them; `shrink` makes them break a rule. */
const keepoutsOf = (unit: number, shrink = 0): fc.Arbitrary<NonNullable<ProviderSpec['keepouts']>> =>
  fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 4 }), fc.nat(255)), { maxLength: 4 }).map((list) => {
    let at = 0;
    return list.map(([gap, size, value]) => {
      const start = at + gap * unit;
      at = Math.max(start + size * unit - shrink, 0);
      return { start, end: at, value };
    });
  });
const keepouts = fc
  .tuple(fc.constantFrom(1, 2, 4), fc.nat(5))
  .chain(([unit, shrink]) => keepoutsOf(unit, shrink));

const rarely = (n: number): fc.Arbitrary<boolean> => fc.integer({ max: n, min: 0 }).map((at) => at === n);

/** Word size and stride and what has to fit them. */
const geometry = mostly(4, fc.constantFrom(1, 1, 1, 2, 4), fc.constantFrom(0, 3, 8)).chain((unit) =>
  fc.record({
    word_size: mostly(6, fc.constant(unit), fc.constantFrom(0, 2, 4)),
    stride: mostly(6, fc.constantFrom(unit, 1), fc.constantFrom(0, 2, 4, 3)),
    keepouts: mostly(8, keepoutsOf(Math.max(unit, 1)), keepouts),
    cells: fc.array(
      mostly(
        10,
        cell.map((one) => ({
          ...one,
          offset: one.offset - (one.offset % Math.max(unit, 1)),
          raw_len: 0,
        })),
        cell,
      ),
      { maxLength: 4 },
    ),
  }),
);

const provider: fc.Arbitrary<ProviderSpec> = fc
  .tuple(
    geometry,
    fc.record({
      name: mostly<string | null>(15, fc.constantFrom(...NAMES), fc.constantFrom(null, '')),
      id: mostly<ProviderSpec['id']>(4, fc.constantFrom('NONE', 'NONE', 'AUTO'), fc.constantFrom(0, 3)),
      size: mostly(8, fc.integer({ min: 8, max: 64 }), fc.constantFrom(0, 1, 5000)),
      read_only: rarely(9),
      read_only_property: rarely(12),
      root_only: rarely(4),
      ignore_wp: rarely(4),
      reg_read: rarely(9).map((no) => !no),
      reg_write: rarely(9).map((no) => !no),
      type: fc.constantFrom('Unknown' as const, 'EEPROM' as const, 'FRAM' as const),
      compat: rarely(5),
      base_dev: rarely(4).map((no) => !no),
      no_dev: rarely(30),
      wp: mostly<NonNullable<ProviderSpec['wp']>>(
        2,
        fc.constant('none'),
        fc.constantFrom('high', 'low', 'high', 'low', 'shared', 'missing'),
      ),
      mem: hex(64),
    }),
    mostly<number | undefined>(9, fc.constant(undefined), fc.constantFrom(8, 100)),
  )
  .map(([shape, rest, backing]) => ({
    ...rest,
    ...shape,
    ...(backing !== undefined && { backing_size: backing }),
  }));

const key = fc.constantFrom('p0', 'p0', 'p0', 'p1', 'p2');
const device = fc.constantFrom<(string | null)[]>('p0', 'p0', 'p0', 'd0', 'd1', 'p1', null);
const consumer = fc.constantFrom('u0', 'u1');
const conId = fc.option(fc.constantFrom('x', 'y', 'z', 'x', 'y', 'z', ''), { freq: 20 });
const dev = fc.constantFrom('nv', 'nv', 'nv', 'nv0', 'nw', 'nvmem0', '0');
const text = fc.constantFrom('0', '1', '0\n', 'on', 'OFF', 'y', 'maybe', '');
const lookup = fc.record({
  nvmem: fc.constantFrom('nv', 'nv', 'nv0', 'nw'),
  cell: mostly<string>(20, fc.constantFrom(...CELLS), fc.constant('')),
  dev: fc.constantFrom('dev-u0', 'dev-u1'),
  con: fc.constantFrom('x', 'y', 'z', 'x', 'y', 'z', ''),
});
const file = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...CELLS), fc.nat(24), fc.nat(7))
      .map(([name, at, bit]) => `cells/${name}@${at.toString(16)},${bit.toString(16)}`),
  },
);
const uid = fc.constantFrom(undefined, undefined, 65534);
const handle = fc.constantFrom('c0', 'c1');

type Parts = Record<string, fc.Arbitrary<unknown>>;
const op = (name: string, parts: Parts, weight: number): { weight: number; arbitrary: fc.Arbitrary<Op> } => ({
  weight,
  arbitrary: fc.record(parts).map((args): Op => ({ op: name, args: withoutUndefined(args), ret: 0 })),
});

function withoutUndefined(args: Record<string, unknown>): NonNullable<Op['args']> {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
}

const info = cell.map((one) => ({ ...one, name: undefined }));
const numbers = ['u8', 'u16', 'u32', 'u64', 'variable_le_u32', 'variable_le_u64'] as const;

export const anyOp: fc.Arbitrary<Op> = fc.oneof(
  op('register', { provider: key }, 3),
  op('unregister', { provider: key }, 2),
  op('device_get', { as: fc.constantFrom('d0', 'd1'), consumer, name: mostly(20, dev, fc.constant('')) }, 2),
  op('device_find', { as: fc.constantFrom('d0', 'd1'), name: dev }, 1),
  op('device_put', { device: fc.constantFrom('d0', 'd1') }, 1),
  op('device_name', { device: fc.constantFrom('d0', 'p0') }, 1),
  op('device_read', { device, offset, bytes: length }, 6),
  op('device_write', { device, offset, data: hex(40) }, 6),
  op('device_cell_read', { device, info }, 5),
  op('device_cell_write', { device, info, data: hex(20) }, 6),
  op('cell_get', { as: handle, consumer, con_id: conId }, 6),
  op('cell_put', { cell: handle }, 2),
  op('cell_read', { cell: handle }, 5),
  op('cell_write', { cell: handle, data: hex(10) }, 6),
  ...numbers.map((kind) => op(`cell_read_${kind}`, { consumer, con_id: conId }, 1)),
  op('add_lookup', { lookup }, 1),
  op('del_lookup', { lookup }, 1),
  op('register_notifier', { nb: fc.constant('n1') }, 1),
  op('unregister_notifier', { nb: fc.constantFrom('n0', 'n1') }, 1),
  op('sysfs_read', { dev, offset, count: length, file, uid }, 5),
  op('sysfs_write', { dev, offset, data: hex(40), uid }, 5),
  op('sysfs_open', { as: fc.constantFrom('f0', 'f1'), dev, mode: fc.constantFrom('r', 'w', 'rw') }, 1),
  op('sysfs_pread', { file: fc.constantFrom('f0', 'f1'), offset, count: length }, 2),
  op('sysfs_pwrite', { file: fc.constantFrom('f0', 'f1'), offset, data: hex(20) }, 2),
  op('sysfs_close', { file: fc.constantFrom('f0', 'f1') }, 1),
  op('sysfs_stat', { dev, file }, 1),
  op('sysfs_ls', { dev, dir: fc.constantFrom(undefined, 'cells') }, 1),
  op('sysfs_attr_read', { dev, attr: fc.constantFrom('type', 'force_ro') }, 1),
  op('sysfs_attr_write', { dev, attr: fc.constant('force_ro'), text }, 2),
  op(
    'sysfs_read',
    { base: key, file: fc.constantFrom('eeprom', 'fram'), offset: fc.nat(20), count: fc.nat(20) },
    1,
  ),
  op('bus_ls', {}, 1),
  op('mem', { provider: key }, 4),
  op('set_mem', { provider: key, offset: fc.nat(8), data: hex(8) }, 1),
  op(
    'inject',
    {
      provider: key,
      on: fc.constantFrom('read', 'write'),
      at: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 2 }),
      ret_injected: fc.constantFrom(...ERRORS),
      after: fc.boolean(),
    },
    2,
  ),
  op('inject_gpio', { value: fc.nat(1), ret_injected: fc.constantFrom(...ERRORS, 0) }, 1),
);

const notifier: fc.Arbitrary<NotifierSpec> = fc.record({
  priority: fc.integer({ min: -1, max: 1 }),
  returns: fc.constantFrom('DONE' as const, 'OK' as const, 'BAD' as const, 'STOP' as const),
});

export const anyCase: fc.Arbitrary<Case> = fc
  .record({
    providers: fc.record({ p0: provider, p1: provider, p2: provider }),
    notifiers: fc.record({ n0: notifier, n1: notifier }),
    lookups: fc.array(lookup, { maxLength: 5 }),
    ops: fc.array(anyOp, { minLength: 1, maxLength: 60, size: 'max' }),
  })
  .map(({ providers, notifiers, lookups, ops }) => ({
    id: 'generated',
    group: 'generated',
    config: { providers, notifiers, lookups, consumers: { u0: 'dev-u0', u1: 'dev-u1' } },
    // The first one is there more often than not.
    ops: [{ op: 'register', args: { provider: 'p0' }, ret: 0 }, ...ops],
  }));

const call = (name: string, args: Args = {}): Op => ({ op: name, args, ret: 0 });

/** A callback that is held while others read and write, and the device goes or stays. */
export const inFlight: fc.Arbitrary<Case> = fc
  .record({
    on: fc.constantFrom('read' as const, 'write' as const),
    through: fc.constantFrom('device', 'sysfs'),
    keepouts: fc.constantFrom<NonNullable<ProviderSpec['keepouts']>[]>(
      [],
      [{ start: 4, end: 8, value: 170 }],
    ),
    wp: fc.constantFrom<NonNullable<ProviderSpec['wp']>[]>('none', 'high', 'low'),
    goes: fc.boolean(),
    fails: fc.option(fc.constantFrom(...ERRORS)),
    cells: fc.constantFrom<CellSpec[][]>([], [{ name: 'a', offset: 0, bytes: 4 }]),
    meanwhile: fc.array(
      fc.constantFrom(
        call('device_read', { device: 'd0', offset: 0, bytes: 8 }),
        call('device_read', { device: 'd0', offset: 4, bytes: 2 }),
        call('device_get', { as: 'd1', consumer: 'u0', name: 'nv' }),
        call('sysfs_read', { dev: 'nv', offset: 0, count: 8 }),
        call('bus_ls'),
        call('mem', { provider: 'p0' }),
      ),
      { maxLength: 4 },
    ),
  })
  .map(({ on, through, keepouts: list, wp, goes, fails, cells, meanwhile }): Case => {
    const started =
      on === 'write'
        ? call('async_device_write', { as: 'a0', device: 'd0', offset: 0, data: '0102030405060708090a0b0c' })
        : through === 'device'
          ? call('async_device_read', { as: 'a0', device: 'd0', offset: 0, bytes: 16 })
          : call('async_sysfs_read', { as: 'a0', dev: 'nv', offset: 0, count: 16 });
    const fault = { provider: 'p0', on, at: 1, count: 1, after: false };
    const ops = [
      call('register', { provider: 'p0' }),
      call('device_get', { as: 'd0', consumer: 'u0', name: 'nv' }),
      ...(fails === null ? [] : [call('inject', { ...fault, ret_injected: fails })]),
      call('hold', { provider: 'p0', on }),
      started,
      call('wait_held', { provider: 'p0' }),
      ...(goes ? [call('async_unregister', { as: 'a1', provider: 'p0' })] : []),
      call('async_poll', { as: 'a0', ms: 2 }),
      ...meanwhile,
      ...(goes ? [call('async_poll', { as: 'a1', ms: 2 })] : []),
      call('release', { provider: 'p0' }),
      call('async_join', { as: 'a0' }),
      ...(goes ? [call('async_join', { as: 'a1' })] : []),
      call('mem', { provider: 'p0' }),
      call('device_write', { device: 'd0', offset: 0, data: 'ff' }),
      call('device_put', { device: 'd0' }),
    ];
    const p0 = { name: 'nv', id: 'NONE' as const, size: 32, keepouts: list, wp, cells };
    return {
      id: 'in-flight',
      group: 'in-flight',
      config: {
        providers: { p0 },
        notifiers: { n0: { priority: 0, returns: 'DONE' } },
        consumers: { u0: 'dev-u0' },
      },
      ops,
      timeline: [],
    };
  });

/** What needs a handle that nobody has is left out, as is a provider that is registered twice or has gone with its handles. */
export class Handles {
  readonly #open = new Set<string>();

  constructor(readonly config: Case['config']) {}

  isAskable({ op: name, args = {} }: Op): boolean {
    const { device: on, cell: of, file: open, as, provider: of2, nb } = args;
    const { providers = {}, notifiers = {} } = this.config;
    if (of2 !== undefined && !(of2 in providers)) return false;
    if ((nb !== undefined && !(nb in notifiers)) || name.endsWith('_cell_table')) return false;
    if (name === 'register') return !this.#open.has(of2 ?? '');
    if (name === 'unregister') return this.#open.has(of2 ?? '');
    // A handle keeps its place until it is put.
    if (as !== undefined && !name.startsWith('async_') && this.#open.has(as)) return false;
    if (typeof on === 'string' && !this.#open.has(on)) return false;
    if (of !== undefined && !this.#open.has(of)) return false;
    return !(/^sysfs_(pread|pwrite|close)$/.test(name) && !this.#open.has(open ?? ''));
  }

  note({ op: name, args = {} }: Op, ret: Ret): void {
    const { device: on, cell: of, file: open, as, provider: of2 = '' } = args;
    if (typeof ret === 'string') return;
    if (name === 'register') this.#open.add(of2);
    else if (name === 'unregister') this.#open.delete(of2);
    else if (name === 'device_put') this.#open.delete(on ?? '');
    else if (name === 'cell_put') this.#open.delete(of ?? '');
    else if (name === 'sysfs_close') this.#open.delete(open ?? '');
    else if (as !== undefined) this.#open.add(as);
  }
}
