/** What is counted and told, on the virtual bench: faults are provoked, and every one of them is found in the numbers. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { follow, nvmem, open, openBus, Registry, type BusMessage, type BusStats } from '../../lib/index.js';
import { metrics } from '../../lib/metrics/index.js';
import { VirtualBench, type FaultSpec, type VirtualDevice } from '../../lib/rig/index.js';
import { valueOf } from '../unit/metrics/parser.js';
import { imageOf, seedOfRun } from './bench.js';

const SEED = seedOfRun();
const IMAGE = imageOf(256, SEED);
let bench: VirtualBench;
let bridge: VirtualDevice;
let bus: string;

beforeEach(async () => {
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ eeproms: [{ address: 0x50, chip: '24c02', image: IMAGE }] }],
  });
  bridge = bench.device('1-1');
  bus = `usbip://127.0.0.1:${String(bench.port)}/1-1`;
});

afterEach(async () => {
  await bench.close();
});

/** What has been added, where anything has; times are left out. */
function more(now: object, before: object): Record<string, number> {
  const old = before as Record<string, number>;
  return Object.fromEntries(
    Object.entries(now as Record<string, number>)
      .map(([key, value]) => [key, value - (old[key] ?? 0)] as const)
      .filter(([key, value]) => value !== 0 && !key.startsWith('longest')),
  );
}

// A bridge tries an address that is not acknowledged twice by itself: two refusals are one NAK.
const READ = { transfers: 1, wireBytesRead: 16, wireBytesWritten: 1 };
const ON_WIRE: readonly [FaultSpec | undefined, Partial<BusStats>][] = [
  [undefined, READ],
  [{ kind: 'nak', count: 1 }, READ],
  [
    { kind: 'nak', count: 2 },
    { ...READ, transfers: 2, naks: 1, retries: 1 },
  ],
  [
    { kind: 'nak', count: 6 },
    { ...READ, transfers: 4, naks: 3, retries: 3 },
  ],
  [
    { kind: 'arbitration', count: 2 },
    { ...READ, transfers: 3, arbitrationsLost: 2, retries: 2 },
  ],
];

test('each missing acknowledge and each lost arbitration is counted once, for the device and for its bus', async () => {
  await using wire = await openBus(bus);
  await using device = await wire.device({ address: 0x50, chip: '24c02' }, { registry: new Registry() });
  for (const [fault, expected] of ON_WIRE) {
    const [onBus, onDevice] = [wire.stats, device.stats];
    if (fault) bridge.faults.add(fault);
    expect(await device.read(16, 16)).toEqual(IMAGE.subarray(16, 32));
    expect([fault, more(wire.stats, onBus)]).toEqual([fault, expected]);
    const rest: Record<string, number> = { operations: 1, bytesRead: 16, ...expected };
    delete rest['transfers'];
    delete rest['arbitrationsLost'];
    expect([fault, more(device.stats, onDevice)]).toEqual([fault, rest]);
  }
  expect(wire.stats.resets).toBe(0);
  expect(wire.stats.longestTransferMs).toBeGreaterThan(0);
  // Nobody is at 0x51 to 0x5f: a scan asks each twice, and no device is to blame.
  const before = [wire.stats, device.stats] as const;
  await wire.scan();
  expect(more(wire.stats, before[0])).toMatchObject({ naks: 30, retries: 15 });
  expect(more(device.stats, before[1])).toEqual({});
});

test('a transfer that hangs is a reset of the bridge, and no retry of the part', async () => {
  await using wire = await openBus(bus);
  await using device = await wire.device({ address: 0x50, chip: '24c02' }, { registry: new Registry() });
  const before = device.stats;
  bridge.faults.add({ kind: 'stuck' });
  expect(await device.read(0, 16)).toEqual(IMAGE.subarray(0, 16));
  expect(wire.stats.resets).toBeGreaterThan(0);
  expect(wire.stats.retries).toBeGreaterThan(0);
  expect(more(device.stats, before)).toMatchObject({ operations: 1, bytesRead: 16, wireBytesRead: 16 });
  expect(device.stats.retries).toBe(0);
});

test('the numbers stay when the bridge has gone: those of the device, of the bus, and the grace period', async () => {
  const wire = await openBus(bus);
  const device = await wire.device({ address: 0x50, chip: '24c02' }, { registry: new Registry() });
  await device.read(0, 16);
  const removed = new Promise((resolve) => device.once('removed', resolve));
  bridge.unplug();
  await Promise.all([removed, wire.gone]);
  const last = wire.stats;
  expect(Object.isFrozen(last)).toBe(true);
  expect(last).toMatchObject({ transfers: 2, wireBytesRead: 17, wireBytesWritten: 2 });
  expect(device.stats).toMatchObject({ operations: 1, wireBytesRead: 17, naks: 0, gracePeriods: 1 });
  await wire.close();
  expect(wire.stats).toEqual(last);
});

test('unplugs of a followed memory are counted exactly, and its numbers and those of its bus go on', async () => {
  const messages: string[] = [];
  const hear = (message: unknown): void => {
    messages.push((message as BusMessage).event);
  };
  subscribe('nvmem:bus', hear);
  try {
    const board = follow(`${bus}/0x50?chip=24c02`, { name: 'observed', onUnplug: 'wait' });
    await board.present();
    bridge.on('unplugged', () => {
      setImmediate(() => {
        bridge.plug();
      });
    });
    let last = 0;
    for (let round = 1; round <= 3; round++) {
      bridge.faults.add({ kind: 'unplug', on: 'wire', n: 40 });
      expect(await board.read()).toEqual(IMAGE);
      expect(board.stats).toMatchObject({
        plugs: round + 1,
        unplugs: round,
        resumes: round,
      });
      expect(board.stats.gracePeriods).toBe(round);
      const text = metrics();
      const label = { device: 'observed' };
      expect(valueOf(text, 'nvmem_follower_unplugs_total', label)).toBe(round);
      expect(valueOf(text, 'nvmem_follower_resumes_total', label)).toBe(round);
      // A look of the follower's own may have failed as well.
      expect(valueOf(text, 'nvmem_device_operation_failures_total', label)).toBe(board.stats.failures);
      expect(board.stats.failures).toBeGreaterThanOrEqual(round);
      const moved = valueOf(text, 'nvmem_bus_wire_read_bytes_total', { bus: busLabel() });
      expect(moved).toBe(valueOf(text, 'nvmem_device_wire_read_bytes_total', label));
      expect(moved).toBeGreaterThanOrEqual(last + IMAGE.length);
      last = moved;
    }
    await board.close();
    expect(board.stats).toMatchObject({ plugs: 4, unplugs: 3, gracePeriods: 4 });
    expect(nvmem.find('observed')).toBeUndefined();
  } finally {
    unsubscribe('nvmem:bus', hear);
  }
  const once = ['opened', 'gone', 'closed'];
  expect(messages).toEqual([...once, ...once, ...once, 'opened', 'closed']);
});

test('another bridge at the same place is told as replaced, and buses that are given are shown', async () => {
  const messages: BusMessage[] = [];
  const hear = (message: unknown): void => {
    messages.push(message as BusMessage);
  };
  const first = await open(`${bus}/0x50?chip=24c02`, { registry: new Registry() });
  const serial = first.identity['serial'];
  await first.close();
  await bench.close();
  const port = Number(new URL(bus).port);
  bench = await VirtualBench.start({
    time: 'off',
    port,
    devices: [{ serial: 'OTHER', eeproms: [{ address: 0x50, chip: '24c02', image: IMAGE }] }],
  });
  subscribe('nvmem:bus', hear);
  const wire = await openBus(bus);
  unsubscribe('nvmem:bus', hear);
  expect(messages.map(({ event }) => event)).toEqual(['replaced', 'opened']);
  expect(messages[0]?.reason).toContain(serial);
  expect(messages[1]).toMatchObject({ bus: busLabel(), uri: bus, identity: { serial: 'OTHER' } });
  const shown = (): number =>
    valueOf(metrics({ followers: [], buses: [wire, wire] }), 'nvmem_bus_transfers_total');
  // The one byte that the first opening asked for.
  expect(shown()).toBe(1);
  await wire.close();
  expect(shown()).toBe(0);
});

/** The label of the bus in metrics. */
function busLabel(): string {
  return `usbip 127.0.0.1 ${new URL(bus).port} 1-1`;
}
