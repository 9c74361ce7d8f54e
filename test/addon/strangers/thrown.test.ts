/** What user code may throw, and hooks that do what nobody expects. See helpers.ts. */
import { Registry, NvmemKernelApi, type NvmemProvider } from '../../../lib/index.js';
import { withDevice, failure, bytes, hostile, revoked, otherRealm, watchProcess } from './helpers.js';

watchProcess();

describe('what is thrown', () => {
  const thrown: [string, () => unknown, string][] = [
    ['an error', () => new Error('no power'), 'EIO'],
    ['an error with a code', () => Object.assign(new Error('x'), { code: 'ENOTTY' }), 'ENOTTY'],
    ['an error with an errno', () => Object.assign(new Error('x'), { errno: -25 }), 'ENOTTY'],
    [
      'an error of another realm',
      () => otherRealm('Object.assign(new Error("far"), { code: "EBUSY" })'),
      'EBUSY',
    ],
    ['a code that is none', () => Object.assign(new Error('x'), { code: 'ERR_MINE' }), 'EIO'],
    ['an errno that is none', () => Object.assign(new Error('x'), { errno: -1e9 }), 'EIO'],
    ['an errno that is no number', () => Object.assign(new Error('x'), { errno: NaN, code: 7 }), 'EIO'],
    ['undefined', () => undefined, 'EIO'],
    ['null', () => null, 'EIO'],
    ['a string', () => 'no power', 'EIO'],
    ['a symbol', () => Symbol('x'), 'EIO'],
    ['a bigint', () => 5n, 'EIO'],
    ['an object without a prototype', () => Object.create(null) as object, 'EIO'],
    [
      'an error whose properties throw',
      () => hostile(['code', 'errno', 'message', 'stack', 'bytesTransferred', 'name', 'cause']),
      'EIO',
    ],
    ['a revoked Proxy', revoked, 'EIO'],
    ['a frozen error', () => Object.freeze(Object.assign(new Error('x'), { code: 'EAGAIN' })), 'EAGAIN'],
  ];
  test.each(thrown)('%s', async (_what, make, code) => {
    const now = (): never => {
      throw make();
    };
    const later = async (): Promise<never> => {
      await Promise.resolve();
      throw make();
    };
    for (const fail of [now, later]) {
      const cells = [{ name: 'c', offset: 0, bytes: 4, readPostProcess: fail }];
      await withDevice({ read: fail, write: fail }, async (device) => {
        expect((await failure(device.read(0, 4))).code).toBe(code);
        const error = await failure(device.write(0, bytes()));
        expect(error).toMatchObject({ code, bytesTransferred: 0, uncertain: [{ offset: 0, length: 4 }] });
        expect(error.stack).toContain('NvmemError');
      });
      await withDevice(
        { read: (_offset, length) => new Uint8Array(length) },
        async (device) => {
          expect((await failure(device.cell('c').read())).code).toBe(code);
        },
        { cells },
      );
      const set = (): unknown => fail();
      await withDevice(
        { read: (_offset, length) => new Uint8Array(length), write: () => undefined },
        async (device) => {
          const error = await failure(device.write(0, bytes()));
          expect(error).toMatchObject({ code, untouched: [{ offset: 0, length: 4 }] });
        },
        { wp: { set } },
      );
    }
  });

  test('a positive errno is a count for the kernel API, read once', async () => {
    let reads = 0;
    const error = Object.defineProperty(new Error('3'), 'errno', {
      get: () => {
        if (++reads > 2) throw new Error('again');
        return 3;
      },
    });
    const read = (): never => {
      throw error;
    };
    await withDevice({ read }, async (device, registry) => {
      const data = await new NvmemKernelApi(registry).nvmemDeviceRead(device, 0, 4);
      expect(data.length).toBe(3);
      expect((await failure(device.read(0, 4))).code).toBe('EIO');
    });
  });

  test.each([NaN, Infinity, 2.5, 2 ** 40])('an errno of %p is no count', async (errno) => {
    const read = (): never => {
      throw Object.assign(new Error('x'), { errno });
    };
    await withDevice({ read }, async (device, registry) => {
      expect((await failure(new NvmemKernelApi(registry).nvmemDeviceRead(device, 0, 4))).code).toBe('EIO');
    });
  });

  test.each([NaN, -1, 5, 1.5, '2', null])('bytesTransferred of %p says nothing', async (bytesTransferred) => {
    const write = (): never => {
      throw Object.assign(new Error('x'), { bytesTransferred });
    };
    await withDevice({ write }, async (device) => {
      expect(await failure(device.write(0, bytes()))).toMatchObject({
        committed: [],
        uncertain: [{ offset: 0, length: 4 }],
      });
    });
  });
});

test('what write() does to its data changes nothing in what is compared and told', async () => {
  const memory = Buffer.alloc(16);
  let spoil: (data: Uint8Array) => void = () => undefined;
  let isFirst = false;
  const provider: NvmemProvider = {
    read: (offset, length) => memory.subarray(offset, offset + length),
    write: (offset, data) => {
      if (isFirst) spoil(data);
      memory.set(data, offset);
      if (!isFirst) spoil(data);
    },
  };
  await withDevice(provider, async (device) => {
    spoil = (data) => void data.reverse();
    expect(await device.write(0, bytes())).toMatchObject({ bytesWritten: 4 });
    spoil = (data) => void structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
    expect(await device.write(4, bytes())).toMatchObject({ bytesWritten: 4 });
    spoil = (data) => void data.reverse();
    isFirst = true;
    expect(await failure(device.write(0, bytes()))).toMatchObject({ code: 'EBADMSG', mismatchCount: 4 });
  });
});

test('a hook that transfers its data away is EIO', async () => {
  const readPostProcess = ({ data }: { data: Buffer }): void => {
    structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
  };
  const cells = [{ name: 'c', offset: 0, bytes: 4, readPostProcess }];
  await withDevice(
    { read: (_offset, length) => new Uint8Array(length) },
    async (device) => {
      expect(await failure(device.cell('c').read())).toMatchObject({ code: 'EIO' });
    },
    { cells },
  );
});

test('what a provider, line, layout or notifier says at registration counts, whatever it says later', async () => {
  const registry = new Registry();
  const seen: string[] = [];
  const notifier = { priority: 1, notify: (event: string) => void seen.push(event) };
  const layout = { name: 'l', addCells: () => void seen.push('cells') };
  const wp = { set: (protect: boolean) => void seen.push(`wp ${String(protect)}`) };
  const provider = {
    read: (_offset: number, length: number) => new Uint8Array(length),
    write: () => void seen.push('write'),
  };
  registry.registerNotifier(notifier);
  registry.addLayout(layout);
  const device = await registry.register({ provider, size: 4, wp, layout: 'l' });
  for (const one of [notifier, layout, wp, provider]) {
    for (const key of Object.keys(one)) Object.assign(one, { [key]: undefined });
  }
  await device.write(0, bytes(), { verify: false });
  await device.close();
  expect(seen).toEqual(['ADD', 'cells', 'wp false', 'write', 'wp true', 'REMOVE']);
});

test("a line's release that throws is reported, and unregister() ends", async () => {
  const thrown: (() => void)[] = [];
  const nextTick = jest.spyOn(process, 'nextTick').mockImplementation((callback: unknown) => {
    thrown.push(callback as () => void);
  });
  const release = (): never => {
    throw new Error('release');
  };
  try {
    await withDevice({ write: () => undefined }, () => Promise.resolve(), {
      wp: { set: () => undefined, release },
    });
  } finally {
    nextTick.mockRestore();
  }
  expect(thrown).toHaveLength(1);
  expect(thrown[0]).toThrow('release');
});

test("a line's request that is async is refused: nobody would know when it protects", async () => {
  const request = (): never => Promise.reject(new Error('late')) as never;
  await expect(
    new Registry().register({
      provider: { write: () => undefined },
      size: 4,
      wp: { set: () => undefined, request },
    }),
  ).rejects.toThrow(/^wp\.request must be/);
});
