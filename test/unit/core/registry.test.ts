jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { once } from 'node:events';

import { providerOfSlot } from '../../../lib/core/provider_port.js';
import { Registry } from '../../../lib/core/registry.js';
import { memoryProvider } from '../../../lib/core/memory_provider.js';
import type { NvmemEvents } from '../../../lib/core/registration.js';
import type { NvmemConfig, NvmemDevice, NvmemError, NvmemProvider } from '../../../lib/index.js';
import { fake, FakeSlot } from '../fake_native.js';

function record(nvmem: Registry): string[] {
  const events: string[] = [];
  const names: (keyof NvmemEvents)[] = ['add', 'remove', 'cell-add', 'cell-remove', 'removed'];
  for (const name of names) {
    nvmem.on(name, (...args: unknown[]) => {
      events.push(`${name} ${(args[0] as { name: string }).name}`);
    });
  }
  return events;
}

function onSlot(nvmem: Registry, slot: FakeSlot, config: Partial<NvmemConfig> = {}): Promise<NvmemDevice> {
  return nvmem.register({
    provider: providerOfSlot(slot, slot.memory.length, { hasWpLine: false }),
    name: 'dev',
    id: 'none',
    ...config,
  });
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Whether a promise has settled after everything that can happen by itself has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  for (let i = 0; i < 5; i++) await tick();
  return settled;
}

class Deferred<T = void> {
  resolve!: (value: T) => void;
  reject!: (reason: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

describe('register', () => {
  test.each<[string, unknown, string]>([
    ['no configuration', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['an unknown field', { provider: {}, siez: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['no provider', { size: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['a read that is no function', { size: 1, provider: { read: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    ['no size', { provider: { read: () => new Uint8Array() } }, 'ERR_INVALID_ARG_TYPE'],
    ['a negative size', { size: -1, provider: { read: () => new Uint8Array() } }, 'ERR_OUT_OF_RANGE'],
    [
      'an unknown type',
      { size: 1, type: 'Tape', provider: { read: () => new Uint8Array() } },
      'ERR_OUT_OF_RANGE',
    ],
    [
      'keepouts that are no array',
      { size: 1, keepouts: {}, provider: { read: () => new Uint8Array() } },
      'ERR_INVALID_ARG_TYPE',
    ],
    [
      'a keepout value of 256',
      { size: 1, keepouts: [{ start: 0, end: 1, value: 256 }], provider: {} },
      'ERR_OUT_OF_RANGE',
    ],
    ['neither read nor write', { size: 1, provider: {} }, 'EINVAL'],
    [
      'no callbacks, before bad keepouts',
      { size: 1, provider: {}, keepouts: [{ start: 1, end: 0, value: 0 }] },
      'EINVAL',
    ],
    [
      'bad keepouts, before bad cells',
      {
        size: 8,
        stride: 2,
        provider: { read: () => new Uint8Array() },
        keepouts: [{ start: 4, end: 4, value: 0 }],
        cells: [{ name: 'c', offset: 1, bytes: 1 }],
      },
      'ERANGE',
    ],
    [
      'a cell without a name',
      { size: 8, provider: { read: () => new Uint8Array() }, cells: [{ name: '', offset: 0, bytes: 1 }] },
      'ERR_OUT_OF_RANGE',
    ],
  ])('refuses %s', async (_name, config, code) => {
    const nvmem = new Registry();
    const events = record(nvmem);
    const slots = fake.slots.length;
    await expect(nvmem.register(config as NvmemConfig)).rejects.toMatchObject({ code });
    expect(events).toEqual([]);
    expect(nvmem.devices()).toEqual([]);
    expect(fake.slots).toHaveLength(slots);
    // The number was given back.
    expect((await nvmem.register({ provider: memoryProvider(1) })).name).toBe('nvmem0');
  });

  test('names, and finds by name', async () => {
    const nvmem = new Registry();
    const first = await nvmem.register({ provider: memoryProvider(1), name: 'eeprom' });
    const second = await nvmem.register({ provider: memoryProvider(1), name: 'eeprom' });
    const third = await nvmem.register({ provider: memoryProvider(1), name: 'eeprom', id: 'none' });
    const fourth = await nvmem.register({ provider: memoryProvider(1), name: 'eeprom', id: 7 });
    expect(nvmem.devices().map(({ name }) => name)).toEqual(['eeprom0', 'eeprom1', 'eeprom', 'eeprom7']);
    expect([nvmem.get('eeprom0'), nvmem.get('eeprom1')]).toEqual([first, second]);
    expect([nvmem.find('eeprom'), nvmem.find('eeprom7'), nvmem.find('x')]).toEqual([
      third,
      fourth,
      undefined,
    ]);
    expect(() => nvmem.get('x')).toThrow(
      expect.objectContaining({ code: 'EPROBE_DEFER', errno: -517 }) as Error,
    );
    await expect(
      nvmem.register({ provider: memoryProvider(1), name: 'eeprom', id: 7 }),
    ).rejects.toMatchObject({
      code: 'EEXIST',
    });
  });

  test('copies the keepouts', async () => {
    const keepouts = [{ start: 0, end: 1, value: 7 }];
    const device = await new Registry().register({ provider: memoryProvider(2), keepouts });
    keepouts.pop();
    expect([...(await device.read(0, 2))]).toEqual([7, 0]);
  });

  test('a device that comes back has its old name', async () => {
    const nvmem = new Registry();
    const names: string[] = [];
    for (let i = 0; i < 3; i++) {
      const device = await nvmem.register({ provider: memoryProvider(1), name: '1-0050' });
      names.push(device.name);
      await nvmem.unregister(device);
    }
    expect(names).toEqual(['1-00500', '1-00500', '1-00500']);
  });

  test('a cell may come later', async () => {
    const nvmem = new Registry();
    const events = record(nvmem);
    const device = await nvmem.register({ provider: memoryProvider(4), name: 'd', stride: 2 });
    nvmem.addCell(device, { name: 'late', offset: 2, bytes: 1 });
    expect(() => nvmem.addCell(device, { name: 'odd', offset: 1, bytes: 1 })).toThrow(/stride/);
    expect([...(await device.cell('late').read())]).toEqual([0]);
    await nvmem.unregister(device);
    expect(() => nvmem.addCell(device, { name: 'dead', offset: 0, bytes: 1 })).toThrow(
      expect.objectContaining({ code: 'ENODEV' }) as Error,
    );
    expect(events).toEqual(['add d0', 'cell-add late', 'remove d0', 'cell-remove late', 'removed d0']);
  });
});

test('a device that comes back and is refused keeps its number for the next try', async () => {
  const nvmem = new Registry();
  const uri = 'mem://1';
  const config = (): NvmemConfig => ({ provider: memoryProvider(1), name: 'd' });
  await nvmem.unregister(nvmem.registerNow(config(), undefined, uri), {
    cause: 'unplugged',
    reason: 'pulled',
  });
  const keepouts = [{ start: 4, end: 2, value: 0 }];
  expect(() => nvmem.registerNow({ ...config(), keepouts }, undefined, uri)).toThrow();
  expect((await nvmem.register(config())).name).toBe('d1');
  expect(nvmem.registerNow(config(), undefined, uri).name).toBe('d0');
});

describe('handles', () => {
  const config = { name: 'd', id: 'none', cells: [{ name: 'c', offset: 0, bytes: 1 }] } as const;

  test('await using: who registered a device has it unregistered at the end of the block', async () => {
    const nvmem = new Registry();
    const events = record(nvmem);
    let inside: NvmemDevice | undefined;
    {
      await using device = await nvmem.register({ ...config, provider: memoryProvider(4) });
      inside = nvmem.get('d');
      expect([...(await device.read(0, 1))]).toEqual([0]);
    }
    expect(events.at(-1)).toBe('removed d');
    await expect(inside.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
  });

  test('using does the same and does not wait', async () => {
    const nvmem = new Registry();
    const removed = once(nvmem, 'removed');
    {
      using device = await nvmem.register({ ...config, provider: memoryProvider(4) });
      expect(nvmem.find(device.name)?.alive).toBe(true);
    }
    expect(nvmem.find('d')).toBeUndefined();
    await removed;
  });

  test('whoever got a device or a cell lets go of nothing but the handle', async () => {
    const nvmem = new Registry();
    const device = await nvmem.register({ ...config, provider: memoryProvider(4) });
    {
      using found = nvmem.get('d');
      using cell = found.cell('c');
      using same = nvmem.find('d');
      expect([cell.bytes, same?.name]).toEqual([1, 'd']);
    }
    expect(device.alive).toBe(true);
    const removed = once(device, 'removed');
    await device.close();
    expect(await removed).toEqual([{ cause: 'closed', reason: 'closed' }]);
  });
});

describe('unregister', () => {
  const cells = [
    { name: 'a', offset: 0, bytes: 1 },
    { name: 'b', offset: 1, bytes: 1 },
  ];

  test('tells in order: hidden, cells, and removed after every operation has settled', async () => {
    const nvmem = new Registry();
    const events = record(nvmem);
    const slot = new FakeSlot(new Uint8Array(8));
    const device = await onSlot(nvmem, slot, { cells });
    const found: unknown[] = [];
    nvmem.on('remove', () => found.push(nvmem.find('dev'), device.alive, slot.alive));
    nvmem.on('removed', (_device, { cause, reason }) => events.push(`${cause}: ${reason}`));
    const note = (what: string) => (error: unknown) => {
      events.push(`${what} ${(error as NvmemError).code}`);
    };
    const read = device.read(0, 4).catch(note('read'));
    const write = device.write(0, Uint8Array.of(1)).catch(note('write'));
    const queued = device.write(0, Uint8Array.of(2)).catch(note('queued'));
    await nvmem.unregister(device, { cause: 'unplugged', reason: 'cable' });
    await Promise.all([read, write, queued]);
    expect(found).toEqual([undefined, true, true]);
    expect(events.slice(0, 4)).toEqual(['add dev', 'cell-add a', 'cell-add b', 'remove dev']);
    expect(events.slice(4, 7).sort()).toEqual(['queued ENODEV', 'read ENODEV', 'write ENODEV']);
    expect(events.slice(7)).toEqual(['cell-remove a', 'cell-remove b', 'removed dev', 'unplugged: cable']);
    expect(slot.log).toEqual(['read 0+4', 'write 0+1']);
    expect(slot.holds).toBe(0);
  });

  test('afterwards every operation on every handle says ENODEV and why, and calls nobody', async () => {
    const nvmem = new Registry();
    const slot = new FakeSlot(new Uint8Array(8), true);
    const device = await onSlot(nvmem, slot, { cells });
    const cell = device.cell('a');
    await nvmem.unregister(device, { cause: 'unplugged', reason: 'the cable was pulled' });
    expect(device.alive).toBe(false);
    for (const operation of [
      device.read(0, 1),
      device.write(0, Uint8Array.of(1)),
      cell.read(),
      cell.write(Uint8Array.of(1)),
      device.read(99, 1),
    ]) {
      await expect(operation).rejects.toMatchObject({
        code: 'ENODEV',
        message: expect.stringContaining('the cable was pulled') as string,
      });
    }
    expect(slot.log).toEqual([]);
  });

  test('twice, concurrently, from listeners, on null: one end', async () => {
    const nvmem = new Registry();
    const events = record(nvmem);
    const device = await onSlot(nvmem, new FakeSlot(new Uint8Array(8)));
    const nested: Promise<void>[] = [];
    nvmem.on('remove', () => nested.push(nvmem.unregister(device)));
    nvmem.on('removed', () => nested.push(nvmem.unregister(device)));
    await Promise.all([nvmem.unregister(device), nvmem.unregister(device)]);
    await nvmem.unregister(device);
    await nvmem.unregister(null);
    await nvmem.unregister(undefined);
    expect(nested).toHaveLength(2);
    await Promise.all(nested);
    expect(events).toEqual(['add dev', 'remove dev', 'removed dev']);
  });

  test('one that is asked for in a listener still waits for the end', async () => {
    const nvmem = new Registry();
    const slot = new FakeSlot(new Uint8Array(8));
    const device = await onSlot(nvmem, slot);
    let nested: Promise<void> | undefined;
    nvmem.on('remove', () => {
      nested = nvmem.unregister(device);
    });
    const hold = slot.hold('test');
    const outer = nvmem.unregister(device);
    expect(await isSettled(Promise.race([outer, nested]))).toBe(false);
    if (typeof hold !== 'number') hold.release();
    await Promise.all([outer, nested]);
  });

  test('a device of another registry is a TypeError', async () => {
    const device = await new Registry().register({ provider: memoryProvider(1) });
    await expect(new Registry().unregister(device)).rejects.toBeInstanceOf(TypeError);
    await expect(new Registry().unregister({} as never)).rejects.toBeInstanceOf(TypeError);
  });

  test('listeners of the device hear removed once', async () => {
    const nvmem = new Registry();
    const device = await nvmem.register({ provider: memoryProvider(1) });
    const removed = once(device, 'removed');
    await nvmem.unregister(device, { cause: 'unplugged', reason: 'why' });
    expect(await removed).toEqual([{ cause: 'unplugged', reason: 'why' }]);
  });

  test('a listener that throws upsets nobody', async () => {
    const nvmem = new Registry();
    const later: unknown[] = [];
    const nextTick = jest.spyOn(process, 'nextTick').mockImplementation((callback: unknown) => {
      later.push(callback);
    });
    try {
      nvmem.on('add', () => {
        throw new Error('from a listener');
      });
      const events = record(nvmem);
      const device = await nvmem.register({ provider: memoryProvider(1), name: 'd' });
      await nvmem.unregister(device);
      expect(events).toEqual(['add d0', 'remove d0', 'removed d0']);
    } finally {
      nextTick.mockRestore();
    }
    // It becomes an uncaught exception on a turn of its own.
    expect(later).toHaveLength(1);
    expect(later[0]).toThrow('from a listener');
  });
});

describe('a provider in JavaScript', () => {
  test('is called with its own this, sync or async', async () => {
    class Counter implements NvmemProvider {
      readonly size = 4;
      stored: number[] = [];
      read(offset: number, length: number): Uint8Array {
        return Uint8Array.from({ length }, (_, i) => this.size * 10 + offset + i);
      }
      async write(offset: number, data: Uint8Array): Promise<void> {
        await tick();
        this.stored.push(offset, ...data);
      }
    }
    const provider = new Counter();
    const device = await new Registry().register({ provider });
    expect(device.size).toBe(4);
    expect([...(await device.read(1, 2))]).toEqual([41, 42]);
    await device.write(0, Uint8Array.of(7), { verify: false });
    expect(provider.stored).toEqual([0, 7]);
  });

  test('gets accesses of no bytes, as from the kernel', async () => {
    const calls: number[] = [];
    const device = await new Registry().register({
      size: 4,
      provider: {
        read: (offset) => {
          calls.push(offset);
          return new Uint8Array(0);
        },
      },
    });
    await device.read(2, 0);
    expect(calls).toEqual([2]);
  });

  test('that lacks a function: EOPNOTSUPP, and EPERM where the missing write makes it read-only', async () => {
    const nvmem = new Registry();
    const writer = await nvmem.register({ size: 4, provider: { write: () => undefined } });
    await expect(writer.read(0, 1)).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
    const reader = await nvmem.register({
      size: 4,
      provider: { read: (_offset, length) => new Uint8Array(length) },
    });
    await expect(reader.write(0, Uint8Array.of(1))).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
    expect(reader.forceRo).toBe(true);
    expect(() => {
      reader.forceRo = false;
    }).toThrow(expect.objectContaining({ code: 'EOPNOTSUPP' }) as Error);
  });

  test('fails with its own code and cause', async () => {
    const boom = Object.assign(new Error('bus held low'), { code: 'EBUSY' });
    const device = await new Registry().register({
      size: 4,
      provider: {
        read: () => Promise.reject(boom),
        write: () => {
          throw Object.assign(new Error('half'), { bytesTransferred: 1 });
        },
      },
    });
    await expect(device.read(0, 1)).rejects.toMatchObject({
      code: 'EBUSY',
      cause: boom,
      message: expect.stringContaining('bus held low') as string,
    });
    await expect(device.write(0, Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
      code: 'EIO',
      committed: [{ offset: 0, length: 1 }],
      uncertain: [{ offset: 1, length: 2 }],
    });
  });

  test('that gives too few bytes, or none at all, is EIO with what is good', async () => {
    let answer: unknown = Uint8Array.of(1, 2);
    const device = await new Registry().register({ size: 4, provider: { read: () => answer as Uint8Array } });
    await expect(device.read(0, 4)).rejects.toMatchObject({ code: 'EIO', partial: Buffer.of(1, 2) });
    answer = 'text';
    await expect(device.read(0, 4)).rejects.toMatchObject({ code: 'EIO', bytesTransferred: 0 });
  });

  test('that stores something else is found by reading back', async () => {
    const memory = new Uint8Array(4);
    const device = await new Registry().register({
      size: 4,
      provider: {
        read: (offset, length) => memory.slice(offset, offset + length),
        write: (offset, data) => {
          memory.set(data, offset);
          memory[2] = 0xee;
        },
      },
    });
    await expect(device.write(0, Uint8Array.of(1, 2, 3, 4))).rejects.toMatchObject({
      code: 'EBADMSG',
      mismatchOffset: 2,
      mismatchCount: 1,
    });
    await expect(device.write(0, Uint8Array.of(1, 2, 3, 4), { verify: false })).resolves.toBeDefined();
  });

  test('is kept until its promise settles, though its caller learns of the end at once', async () => {
    const nvmem = new Registry();
    const answer = new Deferred<Uint8Array>();
    let signal: AbortSignal | undefined;
    const device = await nvmem.register({
      size: 4,
      provider: {
        read: (_offset, _length, context) => {
          ({ signal } = context);
          return answer.promise;
        },
      },
    });
    const slot = fake.slots.at(-1);
    const read = device.read(0, 4);
    const unregistered = nvmem.unregister(device);
    await expect(read).rejects.toMatchObject({ code: 'ENODEV' });
    expect(signal?.aborted).toBe(true);
    expect(await isSettled(unregistered)).toBe(false);
    expect(slot?.holds).toBe(1);
    answer.reject(new Error('nobody hears this'));
    await unregistered;
    expect(slot?.holds).toBe(0);
  });

  test('that never settles is waited for, and stops nothing else', async () => {
    const nvmem = new Registry();
    const events = record(nvmem);
    const device = await nvmem.register({
      size: 4,
      name: 'd',
      provider: { read: () => new Promise(() => undefined) },
    });
    const read = device.read(0, 4);
    const unregistered = nvmem.unregister(device);
    await expect(read).rejects.toMatchObject({ code: 'ENODEV' });
    expect(await isSettled(unregistered)).toBe(false);
    expect(nvmem.find('d0')).toBeUndefined();
    expect((await nvmem.register({ provider: memoryProvider(1), name: 'd' })).name).toBe('d0');
    expect(events).toEqual(['add d0', 'remove d0', 'add d0']);
  });

  test('may be aborted: the provider is told, the next writer waits until it has ended', async () => {
    const nvmem = new Registry();
    const writes: Deferred[] = [];
    const device = await nvmem.register({
      size: 4,
      provider: {
        write: () => {
          const write = new Deferred();
          writes.push(write);
          return write.promise;
        },
      },
    });
    const controller = new AbortController();
    const first = device.write(0, Uint8Array.of(1), { signal: controller.signal });
    const second = device.write(1, Uint8Array.of(2));
    await tick();
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: 'ABORT_ERR', uncertain: [{ offset: 0, length: 1 }] });
    expect(await isSettled(second)).toBe(false);
    expect(writes).toHaveLength(1);
    writes[0]?.resolve();
    await tick();
    expect(writes).toHaveLength(2);
    writes[1]?.resolve();
    await second;
  });

  test('may unregister its own device from inside a call', async () => {
    const nvmem = new Registry();
    const events = record(nvmem);
    let inside: Promise<void> | undefined;
    const device: NvmemDevice = await nvmem.register({
      size: 4,
      name: 'd',
      provider: {
        async read(_offset, length) {
          inside = nvmem.unregister(device);
          await inside;
          events.push('after the inner unregister');
          return new Uint8Array(length);
        },
      },
    });
    await expect(device.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
    await inside;
    await nvmem.unregister(device);
    expect(events).toEqual(['add d0', 'remove d0', 'after the inner unregister', 'removed d0']);
  });

  test('so may a readPostProcess', async () => {
    const nvmem = new Registry();
    const device: NvmemDevice = await nvmem.register({
      provider: memoryProvider(4),
      cells: [{ name: 'c', offset: 0, bytes: 1, readPostProcess: () => nvmem.unregister(device) }],
    });
    await expect(device.cell('c').read()).rejects.toMatchObject({ code: 'ENODEV' });
    await nvmem.unregister(device);
  });

  test('what runs on after a call is no longer inside it', async () => {
    const nvmem = new Registry();
    const gate = new Deferred();
    let late: Promise<void> | undefined;
    const device: NvmemDevice = await nvmem.register({
      size: 4,
      provider: {
        read(_offset, length) {
          late = gate.promise.then(() => nvmem.unregister(device));
          return new Uint8Array(length);
        },
      },
    });
    const slot = fake.slots.at(-1);
    await device.read(0, 1);
    const hold = slot?.hold('test');
    gate.resolve();
    expect(await isSettled(late ?? Promise.resolve())).toBe(false);
    if (typeof hold === 'object') hold.release();
    await late;
  });
});
