/** The addon's own door: numbers that cannot be handles are refused everywhere, and unknown ones are nobody's. */
import { join } from 'node:path';

type Raw = Record<string, (...args: unknown[]) => unknown>;
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the binary itself, without lib/native
const addon = require(join(__dirname, '..', '..', 'build', 'Release', 'nvmem.node')) as Raw;

/** Not by its class: jest has another TypeError. */
const WRONG = /^nvmem addon: wrong arguments(: \w+)?$/;
const bytes = new Uint8Array(4);
const shared = new Uint8Array(new SharedArrayBuffer(4));
const part = {
  address: 0x50,
  size: 256,
  addressBytes: 1,
  pageSize: 8,
  writeCycleMs: 5,
  blockShift: 0,
  offsetAdd: 0,
  readRollover: false,
  wpLine: -1,
  paging: 'none',
};
const claim = { wire: 'wire', uses: [{ address: 0x50, as: 'a 24c02' }], holder: 'holder' };
const file = { path: '/dev/null', size: 1, writable: false };
/** Every function that takes a handle, with its other arguments. */
const calls: Record<string, (handle: unknown) => unknown[]> = {
  closeBus: (bus) => [bus],
  gpioLine: (bus) => [bus, 'chip', 0],
  claim: (bus) => [bus, claim],
  nameClaim: (claim) => [claim, 'holder'],
  at24: (bus) => [bus, part],
  kernelFile: (bus) => [bus, file],
  pins: (bus) => [bus],
  readNow: (slot) => [slot, 0, bytes],
  writeNow: (slot) => [slot, 0, bytes],
  submit: (slot) => [slot, 0, 0, 4],
  cancel: (request) => [request, -125],
  hold: (slot) => [slot, 'label'],
  releaseHold: (hold) => [hold],
  unregister: (slot) => [slot, ''],
  share: (slot) => [slot, '{}'],
  takeTurn: (slot) => [slot],
  giveTurn: (turn) => [turn],
  bind: (slot) => [slot, [{ offset: 0, length: 4 }], shared],
  alive: (slot) => [slot],
  immediate: (slot) => [slot],
  stats: (slot) => [slot],
  busStats: (bus) => [bus],
  forgetSlot: (slot) => [slot],
  hearsKernel: (lookout) => [lookout],
  watchFolder: (lookout) => [lookout, '/'],
  stopLookout: (lookout) => [lookout],
};

test('every function with a handle is tried here', () => {
  const others = [
    'start',
    'openUsbip',
    'openUsb',
    'openI2c',
    'openSysfs',
    'openHidraw',
    'memory',
    'javascriptProvider',
  ];
  const without = [...others, 'startLookout', 'attach', 'counts', 'processStats'];
  expect(Object.keys(addon).sort()).toEqual([...Object.keys(calls), ...without].sort());
});

test.each(Object.keys(calls))('%s takes no number that is no handle', (name) => {
  for (const wrong of [-1, -9, NaN, 1.5, Infinity, -Infinity, 2 ** 53, '1', undefined]) {
    expect(() => addon[name]?.(...(calls[name]?.(wrong) ?? []))).toThrow(WRONG);
  }
});

test.each(['at24', 'claim', 'kernelFile', 'pins', 'gpioLine'])(
  '%s: a bus that is not there any more is EBADF',
  (name) => {
    expect(addon[name]?.(...(calls[name]?.(2 ** 50) ?? []))).toBe(-9);
  },
);

test.each([
  ['submit', [1, 9, 0, 4]],
  ['submit', [1, 0, -1, 4]],
  ['submit', [1, 0, 0, -4]],
  ['submit', [1, 0, 0, NaN]],
  ['submit', [1, 0, 0, bytes]],
  ['submit', [1, 1, 0, 4]],
  ['submit', [1, 0, 0]],
  ['submit', [1, 0, 0, 4, {}, {}]],
  ['readNow', [1, -1, bytes]],
])('%s takes no other number that makes no sense: %j', (name, args) => {
  expect(() => addon[name]?.(...args)).toThrow(WRONG);
});

test('every operation there is comes to its slot', () => {
  for (let operation = 0; operation <= 6; operation++) {
    const what = operation === 1 ? bytes : 4;
    expect(addon['submit']?.(2 ** 50, operation, 0, what)).toBe(-19);
  }
});

const openings = {
  openUsbip: { host: '127.0.0.1', port: 1, busid: '1-1', clockHz: 100_000, openTimeoutMs: 1 },
  openUsb: { bridge: '1-1', clockHz: 100_000, openTimeoutMs: 1 },
  openHidraw: { path: '/dev/null', clockHz: 100_000, openTimeoutMs: 1 },
  openI2c: { path: '/dev/null', force: false, openTimeoutMs: 1 },
  openSysfs: { folder: '/', writable: false, openTimeoutMs: 1 },
};

describe('what is named is looked at by its name', () => {
  const bus = 2 ** 50;
  const piece = { offset: 0, length: 4, fill: 7 };
  let slot: number;
  beforeAll(() => (slot = addon['memory']?.(bytes) as number));
  afterAll(() => addon['forgetSlot']?.(slot));

  type Given = Record<string, unknown>;
  const takers: [name: string, good: Given, optional: Given, call: (given: unknown) => unknown][] = [
    ...Object.entries(openings).map(([name, good]): (typeof takers)[number] => [
      name,
      good,
      {},
      (given) => addon[name]?.(given),
    ]),
    [
      'at24',
      part,
      { wpInverted: 1, writable: 1, lockWord: -2, claim: -1, forceGeometry: 1 },
      (given) => addon['at24']?.(bus, given),
    ],
    ['claim', claim, {}, (given) => addon['claim']?.(bus, given)],
    ['kernelFile', file, {}, (given) => addon['kernelFile']?.(bus, given)],
    [
      'submit',
      {},
      { timeoutMs: '1', verify: 1, progress: 1, skipEqual: 1 },
      (given) => addon['submit']?.(bus, 0, 0, 4, given),
    ],
    ['bind', piece, { fill: 256 }, (given) => addon['bind']?.(slot, [given], shared)],
  ];

  test.each(takers)('%s', (name, good, optional, call) => {
    // Openings with good options would begin.
    if (!name.startsWith('open')) expect(() => call(good)).not.toThrow();
    for (const field of Object.keys(good)) {
      if (field === 'fill') continue;
      const wrong = new RegExp(`^nvmem addon: wrong arguments: ${field}$`);
      for (const value of [Symbol('none'), undefined, null]) {
        expect(() => call({ ...good, [field]: value })).toThrow(wrong);
      }
    }
    for (const [field, value] of Object.entries(optional)) {
      const wrong = new RegExp(`^nvmem addon: wrong arguments: ${field}$`);
      for (const one of [value, Symbol('none'), null]) {
        expect(() => call({ ...good, [field]: one })).toThrow(wrong);
      }
      if (!name.startsWith('open')) expect(() => call({ ...good, [field]: undefined })).not.toThrow();
    }
    for (const none of [null, 1, 'x']) expect(() => call(none)).toThrow(WRONG);
  });

  test.each([
    ['wpLine', -9],
    ['wpLine', 1.5],
    ['paging', 'other'],
    ['address', 256],
    ['size', 2 ** 53],
    ['pageSize', 2 ** 32],
  ])('at24: %s of %p', (field, value) => {
    expect(() => addon['at24']?.(bus, { ...part, [field]: value })).toThrow(`wrong arguments: ${field}`);
  });

  test.each([null, 1, {}, { vid: 1 }, { vid: -1, pid: 1 }, { vid: 1, pid: 65536 }])('ids of %j', (ids) => {
    for (const name of ['openUsbip', 'openUsb'] as const) {
      expect(() => addon[name]?.({ ...openings[name], ids })).toThrow('wrong arguments: ids');
    }
  });

  test('what a getter throws stays what it is, and nothing is begun', () => {
    const own = new Error('of the getter');
    const thrower = Object.defineProperty({ ...part }, 'pageSize', {
      get() {
        throw own;
      },
    });
    expect(() => addon['at24']?.(bus, thrower)).toThrow(own);
    expect(addon['counts']?.()).toMatchObject({ buses: 0 });
  });
});
