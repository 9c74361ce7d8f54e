/** A write inside of a write. See helpers.ts. */
import { AsyncLocalStorage } from 'node:async_hooks';

import { Registry, type NvmemError, type NvmemDevice, type NvmemProvider } from '../../../lib/index.js';
import { filesOf } from '../../../lib/kernel/index.js';
import { withDevice, failure, bytes, watchProcess } from './helpers.js';

watchProcess();

describe('a write inside of a write', () => {
  const ends: string[] = [];
  beforeEach(() => ends.splice(0));
  /** Writes to `on()` from inside of the provider's write, in the way of `how`. */
  function nested(
    on: () => NvmemDevice | undefined,
    how: (write: () => Promise<unknown>) => Promise<unknown>,
  ): NvmemProvider {
    let depth = 0;
    return {
      read: (_offset, length) => new Uint8Array(length),
      write: async () => {
        if (depth++ > 0) return;
        await how(async () => on()?.write(0, bytes(), { verify: false })).catch((error: unknown) => {
          const { code, hint, untouched } = error as NvmemError;
          ends.push(code);
          expect(hint).toMatch(/after the call of the provider/);
          expect(untouched).toEqual([{ offset: 0, length: 4 }]);
        });
      },
    };
  }

  test.each<[string, (write: () => Promise<unknown>) => Promise<unknown>]>([
    ['at once', (write) => write()],
    ['after a turn of the loop', (write) => new Promise((resolve) => setImmediate(resolve)).then(write)],
    ['from another async context', (write) => new AsyncLocalStorage<number>().run(1, write)],
    ['from a nested promise', async (write) => Promise.all([Promise.resolve().then(write)])],
  ])('is EDEADLK %s, and both end', async (_what, how) => {
    const devices: NvmemDevice[] = [];
    await withDevice(
      nested(() => devices[0], how),
      async (one) => {
        devices.push(one);
        await one.write(0, bytes(), { verify: false });
        expect(ends).toEqual(['EDEADLK']);
        await one.write(4, bytes(), { verify: false });
      },
    );
  });

  test('of a cell, bit or not, is EDEADLK too', async () => {
    const cells = [
      { name: 'whole', offset: 0, bytes: 2 },
      { name: 'field', offset: 8, bitOffset: 2, nbits: 3 },
    ];
    const provider: NvmemProvider = {
      read: (_offset, length) => new Uint8Array(length),
      write: async (offset) => {
        if (offset !== 4) return;
        for (const name of ['whole', 'field']) {
          const cell = target?.cell(name);
          await cell
            ?.write(new Uint8Array(cell.bytes))
            .catch((error: unknown) => ends.push((error as NvmemError).code));
        }
      },
    };
    let target: NvmemDevice | undefined;
    await withDevice(
      provider,
      async (device) => {
        target = device;
        await device.write(4, bytes(), { verify: false });
        expect(ends).toEqual(['EDEADLK', 'EDEADLK']);
      },
      { cells },
    );
  });

  test('through another device and back is EDEADLK, and so is a circle of two writers', async () => {
    const registry = new Registry();
    const devices: NvmemDevice[] = [];
    const gate: (() => void)[] = [];
    const across = (other: number): NvmemProvider => ({
      write: async (offset) => {
        if (offset === 8) return;
        // Both are inside before either goes on.
        await new Promise<void>((resolve) => {
          gate.push(resolve);
          if (gate.length === 2) for (const open of gate) open();
        });
        await devices[other]?.write(8, bytes());
      },
    });
    devices.push(await registry.register({ provider: across(1), size: 16, name: 'a', id: 'none' }));
    devices.push(await registry.register({ provider: across(0), size: 16, name: 'b', id: 'none' }));
    const all = await Promise.allSettled(devices.map((device) => device.write(0, bytes())));
    const codes = all.map((one) => (one.status === 'rejected' ? (one.reason as NvmemError).code : 'fine'));
    expect(codes).toContain('EDEADLK');
    for (const device of devices) await registry.unregister(device);
  });

  test('after the caller of the outer one has given up is EDEADLK as well, and unregister() ends', async () => {
    const controller = new AbortController();
    let target: NvmemDevice | undefined;
    const inner: Promise<NvmemError>[] = [];
    const provider: NvmemProvider = {
      write: async () => {
        controller.abort();
        await new Promise((resolve) => setImmediate(resolve));
        const call = failure(target?.write(0, bytes()) ?? Promise.resolve());
        inner.push(call);
        await call;
      },
    };
    await withDevice(provider, async (device) => {
      target = device;
      expect((await failure(device.write(0, bytes(), { signal: controller.signal }))).name).toBe(
        'AbortError',
      );
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      expect((await inner[0])?.code).toBe('EDEADLK');
    });
  });

  test('through a file that is in use by the outer one is EDEADLK', async () => {
    let inner: Promise<NvmemError> | undefined;
    const provider: NvmemProvider = {
      read: async (_offset, length) => {
        inner ??= failure(file.read(0, 1));
        await inner;
        return new Uint8Array(length);
      },
    };
    const registry = new Registry();
    const device = await registry.register({ provider, size: 16 });
    const file = filesOf(device).open('nvmem');
    expect(await file.read(0, 4)).toEqual(Buffer.alloc(4));
    expect((await inner)?.code).toBe('EDEADLK');
    await device.close();
  });

  test('a read inside of a write, and a write after it, are nothing of the kind', async () => {
    let target: NvmemDevice | undefined;
    const memory = Buffer.alloc(16);
    const provider: NvmemProvider = {
      read: (offset, length) => memory.subarray(offset, offset + length),
      write: async (offset, data) => {
        await target?.read(0, 4);
        memory.set(data, offset);
      },
    };
    await withDevice(provider, async (device) => {
      target = device;
      await Promise.all([device.write(0, bytes()), device.write(4, bytes())]);
      expect(memory.subarray(0, 8)).toEqual(Buffer.concat([bytes(), bytes()]));
    });
  });
});
