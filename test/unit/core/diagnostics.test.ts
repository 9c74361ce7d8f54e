import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import {
  memoryProvider,
  NvmemError,
  Registry,
  type DeviceMessage,
  type NvmemDevice,
  type OperationContext,
} from '../../../lib/index.js';
import { follow } from '../../../lib/follow/follow.js';
import { board, FakeBench, URI } from '../follow/fake_bench.js';

const operations = tracingChannel<unknown, OperationContext>('nvmem:operation');

/** Everything that is told while `body` runs: which channel, and the object as it was then. */
async function told(body: () => Promise<void>): Promise<[string, OperationContext][]> {
  const all: [string, OperationContext][] = [];
  const on = (name: string) => (context: OperationContext) => {
    all.push([name, { ...context }]);
  };
  const subscribers = {
    start: on('start'),
    end: on('end'),
    asyncStart: on('asyncStart'),
    asyncEnd: on('asyncEnd'),
    error: on('error'),
  };
  operations.subscribe(subscribers);
  try {
    await body();
  } finally {
    operations.unsubscribe(subscribers);
  }
  return all;
}

const FAILING = new NvmemError('EIO', 'nobody home', { bytesTransferred: 0 });

async function devices(): Promise<{ memory: NvmemDevice; script: NvmemDevice }> {
  const registry = new Registry();
  const cells = [{ name: 'mac', offset: 2, bytes: 6 }];
  const memory = await registry.register({
    provider: memoryProvider(64),
    name: 'memory',
    id: 'none',
    cells,
  });
  const script = await registry.register({
    name: 'script',
    id: 'none',
    size: 64,
    cells,
    provider: {
      read: (offset, length) => {
        if (offset === 60) throw FAILING;
        return new Uint8Array(length);
      },
      write: () => undefined,
    },
  });
  return { memory, script };
}

test('each operation is told from its start to its end, on one object, before its caller hears of the end', async () => {
  const { memory, script } = await devices();
  for (const device of [memory, script]) {
    const about = { device: device.name };
    const read = { ...about, syscall: 'read', offset: 4, length: 16 };
    const all = await told(async () => {
      await device.read(4, 16);
    });
    expect(all.map(([name]) => name)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(all[0]?.[1]).toEqual(read);
    expect(all[3]?.[1]).toMatchObject({ ...read, outcome: 'ok', bytes: 16 });
    // The data are their caller's.
    expect(all[3]?.[1]).toMatchObject({ result: undefined });

    const more = await told(async () => {
      await device.write(0, Buffer.alloc(8));
      await device.cell('mac').read();
      await device.cell('mac').write(Buffer.alloc(6));
      await device.verify(Buffer.alloc(4));
    });
    const ends = more.filter(([name]) => name === 'asyncEnd').map(([, context]) => context);
    expect(
      ends.map(({ syscall, offset, length, outcome, bytes }) => [syscall, offset, length, outcome, bytes]),
    ).toEqual([
      ['write', 0, 8, 'ok', 8],
      ['cell-read', 2, 6, 'ok', 6],
      ['cell-write', 2, 6, 'ok', 6],
      ['read', 0, 4, 'ok', 4],
    ]);
  }
});

test('one that fails is told with its code, its bytes and the very error that its caller gets', async () => {
  const { script } = await devices();
  let caught: unknown;
  const all = await told(async () => {
    caught = await script.read(60, 4).catch((error: unknown) => error);
  });
  expect(all.map(([name]) => name)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
  const { error, ...rest } = all.at(-1)?.[1] ?? {};
  expect(rest).toEqual({
    device: 'script',
    syscall: 'read',
    offset: 60,
    length: 4,
    outcome: 'EIO',
    bytes: 0,
  });
  expect(error).toBe(caught);
  expect((caught as Error).stack).toContain('diagnostics.test');
  const locks = await told(async () => {
    await expect(script.lockPermanently()).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
  });
  expect(locks.at(-1)?.[1]).toMatchObject({ syscall: 'lock', outcome: 'EOPNOTSUPP', bytes: 0 });
  // What is wrong before any operation begins is none.
  const none = await told(async () => {
    await expect(script.read(-1)).rejects.toThrow(RangeError);
  });
  expect(none).toEqual([]);
});

test('a store that is bound to the start is the one in which the provider is called', async () => {
  const storage = new AsyncLocalStorage<unknown>();
  const registry = new Registry();
  const seen: unknown[] = [];
  await using device = await registry.register({
    size: 8,
    provider: { read: (_, length) => (seen.push(storage.getStore()), new Uint8Array(length)) },
  });
  const begin = channel('tracing:nvmem:operation:start');
  begin.bindStore(storage, (context) => (context as OperationContext).syscall);
  try {
    await device.read(0, 1);
  } finally {
    begin.unbindStore(storage);
  }
  await device.read(0, 1);
  expect(seen).toEqual(['read', undefined]);
});

test('without a subscriber nothing is made', async () => {
  const { memory } = await devices();
  expect(await told(() => Promise.resolve())).toEqual([]);
  expect(operations.hasSubscribers).toBe(false);
  const one = (): void => undefined;
  subscribe('tracing:nvmem:operation:asyncEnd', one);
  expect(operations.hasSubscribers).toBe(true);
  await memory.read();
  unsubscribe('tracing:nvmem:operation:asyncEnd', one);
});

test('what subscribers throw, or do to the context, is an uncaught exception and changes nothing in the operation', () => {
  const script = `
    const { Registry, memoryProvider } = require(${JSON.stringify(join(__dirname, '..', '..', '..', 'dist', 'index.js'))});
    const { tracingChannel, channel } = require('node:diagnostics_channel');
    const uncaught = [];
    process.on('uncaughtException', ({ message }) => uncaught.push(message.slice(0, 12)));
    const boom = (name) => (context) => { Object.freeze(context); throw new Error(name); };
    const names = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
    tracingChannel('nvmem:operation').subscribe(Object.fromEntries(names.map((name) => [name, boom(name)])));
    channel('nvmem:device').subscribe(boom('device'));
    (async () => {
      const device = await new Registry().register({ provider: memoryProvider(Buffer.from('abcd')) });
      const data = await device.read();
      const error = await device.read(0, 5).catch((reason) => reason.code);
      await device.write(0, Buffer.from('x'));
      const { operations, failures } = device.stats;
      await device.close();
      setImmediate(() => console.log(JSON.stringify({ data: String(data), error, operations, failures, uncaught })));
    })();`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect([status, stderr]).toEqual([0, '']);
  const { uncaught, ...rest } = JSON.parse(stdout) as { uncaught: string[] };
  expect(rest).toEqual({ data: 'abcd', error: 'EINVAL', operations: 3, failures: 1 });
  expect(uncaught).toEqual(expect.arrayContaining(['start', 'end', 'device']));
});

test('devices and followers that come and go are told', async () => {
  const all: string[] = [];
  const hear = (message: unknown): void => {
    const { event, device, follower, cause, reason } = message as DeviceMessage;
    all.push(`${event} ${device} ${follower ? 'follower' : 'device'} ${cause ?? '-'} ${reason}`);
  };
  const bench = new FakeBench();
  subscribe('nvmem:device', hear);
  try {
    const it = follow(URI, { registry: bench.registry, name: 'board' }, bench);
    bench.plug(board(1));
    await it.present();
    bench.unplug();
    await bench.settle();
    expect(it.state).toBe('absent');
    await it.close();
  } finally {
    unsubscribe('nvmem:device', hear);
  }
  expect(all).toEqual([
    'added board device - ',
    'present board follower - it is there',
    'removed board device unplugged unplugged',
    'absent board follower - unplugged',
    'closed board follower - closed',
  ]);
});

test('stats are frozen, count what this thread has done, and stay when the device has gone', async () => {
  const { memory, script } = await devices();
  for (const device of [memory, script]) {
    await device.read(0, 10);
    await device.cell('mac').read();
    await device.write(0, Buffer.alloc(4), { verify: false });
    await expect(device.read(0, 65)).rejects.toMatchObject({ code: 'EINVAL' });
    const before = device.stats;
    expect(Object.isFrozen(before)).toBe(true);
    expect(before).toMatchObject({
      operations: 4,
      failures: 1,
      bytesRead: 16,
      bytesWritten: 4,
      gracePeriods: 0,
    });
    await device.close();
    expect(before.gracePeriods).toBe(0);
    expect(device.stats).toMatchObject({
      operations: 4,
      failures: 1,
      bytesRead: 16,
      bytesWritten: 4,
      gracePeriods: 1,
    });
    expect(device.stats.longestGracePeriodMs).toBeGreaterThan(0);
    await expect(device.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
    expect(device.stats).toMatchObject({ operations: 5, failures: 2 });
  }
  expect(script.stats.longestHoldMs).toBeGreaterThan(0);
});
