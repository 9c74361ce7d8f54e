/**
 * The lifetime defects of the kernel series, by number (docs/defects.md): each of these tests fails on a core that has
 * the defect. With the real addon underneath.
 */
import {
  memoryProvider,
  Registry,
  type NvmemCell,
  type NvmemDevice,
  type NvmemError,
  type NvmemLayout,
} from '../../lib/index.js';
import { native } from '../../lib/native/index.js';

let registry: Registry;

beforeEach(() => {
  registry = new Registry();
});

afterEach(async () => {
  for (const device of registry.devices()) await registry.unregister(device);
});

/** A promise, and its ends. */
function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open!: (value: T) => void;
  const promise = new Promise<T>((resolve) => (open = resolve));
  return { promise, open };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error as NvmemError).code,
  );

test('D1, D2: devices that come, go and fail to come leave no slot, hold or provider behind', async () => {
  const before = native().counts();
  const taken = await registry.register({
    name: 'taken',
    id: 'none',
    size: 4,
    provider: { read: () => Buffer.alloc(4) },
  });
  for (let i = 0; i < 100; i++) {
    const device = await registry.register({ provider: memoryProvider(64) });
    await device.read(0, 64);
    await registry.unregister(device);
    const refused = registry.register({
      name: 'taken',
      id: 'none',
      size: 4,
      provider: { read: () => Buffer.alloc(4) },
    });
    expect(await codeOf(refused)).toBe('EEXIST');
  }
  await registry.unregister(taken);
  expect(native().counts()).toEqual(before);
});

test('D2: a registration that fails gives the write-protect line and the provider back', async () => {
  const calls: string[] = [];
  const wp = {
    request: () => calls.push('request'),
    set: () => undefined,
    release: () => calls.push('release'),
  };
  const provider = {
    size: 16,
    read: (_: number, length: number) => Buffer.alloc(length),
    write: () => undefined,
  };
  const keepouts = [{ start: 8, end: 4, value: 0 }];
  expect(await codeOf(registry.register({ provider, wp, keepouts }))).toBe('EINVAL');
  expect(calls).toEqual(['request', 'release']);
  const memory = memoryProvider(16);
  expect(await codeOf(registry.register({ provider: memory, keepouts }))).toBe('EINVAL');
  // Not used up by the attempt.
  const device = await registry.register({ provider: memory });
  expect(await device.read(0, 1)).toHaveLength(1);
});

test('D3: a write-protect line that cannot be had ends the registration before anything is there to undo', async () => {
  const events: string[] = [];
  registry.registerNotifier({ notify: (event, name) => events.push(`${event} ${name}`) });
  const busy = Object.assign(new Error('taken'), { code: 'EBUSY' });
  let released = 0;
  const wp = {
    request: () => {
      throw busy;
    },
    set: () => undefined,
    release: () => released++,
  };
  const config = { name: 'board', id: 'none', size: 4, provider: { read: () => Buffer.alloc(4) } } as const;
  const cells = [{ name: 'cell', offset: 0, bytes: 1 }];
  await expect(registry.register({ ...config, wp, cells })).rejects.toBe(busy);
  expect({ released, events, devices: registry.devices() }).toEqual({ released: 0, events: [], devices: [] });
  expect((await registry.register(config)).name).toBe('board');
});

test('D4: a failure after the device could be found does not pull it from under who uses it', async () => {
  const read = gate<Uint8Array>();
  let reading: Promise<unknown> | undefined;
  let cell: NvmemCell | undefined;
  const layout: NvmemLayout = {
    name: 'failing',
    async addCells({ device, addCell }) {
      addCell({ name: 'early', offset: 0, bytes: 1 });
      cell = device.cell('early');
      reading = codeOf(device.read(0, 4));
      await Promise.resolve();
      throw new Error('no layout in there');
    },
  };
  registry.addLayout(layout);
  const looked = new Promise<unknown>((resolve) => {
    registry.once('layout-add', (_device, _name, error) => {
      resolve(error);
    });
  });
  const device = await registry.register({
    size: 4,
    layout: 'failing',
    provider: { read: () => read.promise },
  });
  expect(await looked).toMatchObject({ message: 'no layout in there' });
  expect(device.cells()).toEqual([]);
  let unregistered = false;
  const end = registry.unregister(device).then(() => (unregistered = true));
  expect(await reading).toBe('ENODEV');
  await new Promise((resolve) => setImmediate(resolve));
  expect(unregistered).toBe(false);
  read.open(Buffer.alloc(4));
  await end;
  expect(cell && (await codeOf(cell.read()))).toBe('ENODEV');
});

test('D6: unregistering nothing is nothing', async () => {
  await expect(registry.unregister(null)).resolves.toBeUndefined();
  await expect(registry.unregister(undefined)).resolves.toBeUndefined();
});

test('D7: a cell is put after its device has gone', async () => {
  const { name } = await registry.register({
    provider: memoryProvider(4),
    cells: [{ name: 'cell', offset: 0, bytes: 2 }],
  });
  const device = registry.get(name);
  const cell = device.cell('cell');
  device[Symbol.dispose]();
  expect(await cell.read()).toHaveLength(2);
  await registry.unregister(device);
  device[Symbol.dispose]();
  cell[Symbol.dispose]();
  expect([cell.name, cell.bytes, cell.device]).toEqual(['cell', 2, device.name]);
  expect(await codeOf(cell.read())).toBe('ENODEV');
  expect(await codeOf(cell.write(Buffer.alloc(2)))).toBe('ENODEV');
});

test('D9: keepouts and post-processing belong to the provider: nothing of them answers once it is gone', async () => {
  const keepouts = [{ start: 0, end: 4, value: 0xff }];
  let processed = 0;
  const readPostProcess = (): void => {
    processed++;
  };
  const device = await registry.register({
    provider: memoryProvider(8),
    keepouts,
    cells: [{ name: 'cell', offset: 4, bytes: 1, readPostProcess }],
  });
  // Copied: what the provider does to its own array afterwards is nothing to us.
  keepouts.length = 0;
  const reader = device.reader(0, 4);
  expect(reader.readSync()).toEqual(Buffer.alloc(4, 0xff));
  expect(await device.read(0, 4)).toEqual(Buffer.alloc(4, 0xff));
  const cell = device.cell('cell');
  await cell.read();
  expect(processed).toBe(1);
  await registry.unregister(device);
  expect(await codeOf(device.read(0, 4))).toBe('ENODEV');
  expect(await codeOf(device.write(0, Buffer.alloc(4)))).toBe('ENODEV');
  expect(() => reader.readSync()).toThrow(/ENODEV/);
  expect(await codeOf(cell.read())).toBe('ENODEV');
  expect(processed).toBe(1);
});

test('D10: a write of several pieces is one section, and says how far it came when the device goes in between', async () => {
  const calls: number[] = [];
  const first = gate();
  const called = gate();
  const device = await registry.register({
    size: 12,
    keepouts: [{ start: 4, end: 8, value: 0 }],
    provider: {
      write: (offset) => {
        calls.push(offset);
        called.open();
        return first.promise;
      },
    },
  });
  const write = device
    .write(0, Buffer.alloc(12), { verify: false })
    .catch((error: unknown) => error as NvmemError);
  await called.promise;
  let freed = false;
  const end = registry.unregister(device).then(() => (freed = true));
  const error = await write;
  expect(freed).toBe(false);
  first.open();
  await end;
  expect(error).toMatchObject({
    code: 'ENODEV',
    bytesTransferred: 0,
    uncertain: [{ offset: 0, length: 4 }],
    untouched: [{ offset: 8, length: 4 }],
  });
  expect(calls).toEqual([0]);
});

test('D14: unregisters one after another, at once and from a listener are one', async () => {
  let released = 0;
  let removed = 0;
  const wp = { set: () => undefined, release: () => released++ };
  const device = await registry.register({
    size: 4,
    wp,
    provider: { read: () => Buffer.alloc(4), write: () => undefined },
  });
  device.on('removed', () => removed++);
  registry.on('remove', () => void registry.unregister(device));
  await Promise.all([registry.unregister(device), registry.unregister(device)]);
  await registry.unregister(device);
  expect({ released, removed }).toEqual({ released: 1, removed: 1 });
});

test('D15: from the moment it begins to go it cannot be found: no dead handle, and the code says wait', async () => {
  const read = gate<Uint8Array>();
  const config = { name: 'board', id: 'none', size: 4, provider: { read: () => read.promise } } as const;
  const device = await registry.register(config);
  const seen: unknown[] = [];
  const look = (): void => {
    seen.push(registry.find('board'), registry.devices().length);
    expect(() => registry.get('board')).toThrow(/EPROBE_DEFER/);
  };
  registry.once('remove', look);
  const reading = codeOf(device.read(0, 4));
  const end = registry.unregister(device);
  look();
  expect(await reading).toBe('ENODEV');
  // The name is free while the old one still waits for its grace period.
  const next = await registry.register({ ...config, provider: memoryProvider(4) });
  await next.write(0, Buffer.of(7));
  expect([...(await registry.get('board').read(0, 1))]).toEqual([7]);

  read.open(Buffer.alloc(4));
  await end;
  expect(seen).toEqual([undefined, 0, undefined, 0]);
});

test('D16: pending operations are let go at once, however slow the provider; unregister from its own call is no deadlock', async () => {
  const never = gate<Uint8Array>();
  const signals: AbortSignal[] = [];
  const slow = await registry.register({
    size: 4,
    provider: {
      read: (_offset, _length, { signal }) => {
        signals.push(signal);
        return never.promise;
      },
    },
  });
  const reads = [slow.read(0, 4), slow.read(0, 1)].map(codeOf);
  await new Promise((resolve) => setImmediate(resolve));
  const end = registry.unregister(slow);
  expect(await Promise.all(reads)).toEqual(['ENODEV', 'ENODEV']);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  never.open(Buffer.alloc(4));
  await end;

  const itself: NvmemDevice = await registry.register({
    size: 4,
    provider: {
      async read(_offset, length) {
        await registry.unregister(itself);
        return Buffer.alloc(length);
      },
    },
  });
  expect(await codeOf(itself.read(0, 4))).toBe('ENODEV');
  registry.registerNotifier({
    notify: (event) => (event === 'REMOVE' ? void registry.unregister(other) : undefined),
  });
  const other = await registry.register({ provider: memoryProvider(4) });
  await registry.unregister(other);
});

test('D17: cells are announced as removed with their device, in order, whoever keeps a handle', async () => {
  const events: string[] = [];
  registry.registerNotifier({ notify: (event, name) => events.push(`${event} ${name}`) });
  const cells = ['one', 'two'].map((name, offset) => ({ name, offset, bytes: 1 }));
  const device = await registry.register({ name: 'board', id: 'none', provider: memoryProvider(4), cells });
  const kept = device.cells();
  device.once('removed', () => events.push('removed'));
  await registry.unregister(device);
  expect(events).toEqual([
    'CELL_ADD one',
    'CELL_ADD two',
    'ADD board',
    'REMOVE board',
    'CELL_REMOVE one',
    'CELL_REMOVE two',
    'removed',
  ]);
  expect(kept).toHaveLength(2);
});
