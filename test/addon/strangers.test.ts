/**
 * Values of other people's code: what a provider, a hook, a line, a layout or an i2c-bus object may answer or throw. Whatever it
 * is, the operation ends once, nothing is called twice, nothing ends the process, and unregister() comes to its end.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { runInNewContext } from 'node:vm';

import fc from 'fast-check';

import { filesOf } from '../../lib/kernel/index.js';
import {
  fromI2cBus,
  memoryProvider,
  Registry,
  NvmemError,
  NvmemKernelApi,
  type NvmemDevice,
  type NvmemProvider,
  type PromisifiedI2cBus,
} from '../../lib/index.js';
import { native } from '../../lib/native/index.js';

const loose: unknown[] = [];
const note = (error: unknown): void => {
  loose.push(error);
};
beforeAll(() => {
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
});
/** Another file of the same process may have left a provider that never answers. */
let heldBefore: number;
beforeAll(() => {
  heldBefore = native().counts().holds;
});
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  expect(loose.splice(0)).toEqual([]);
  const { requests, holds, turns } = native().counts();
  expect([requests, holds - heldBefore, turns]).toEqual([0, 0, 0]);
});
afterAll(() => {
  process.off('unhandledRejection', note);
  process.off('uncaughtException', note);
});

/** The device of a provider, which is unregistered at the end: a hold that leaks would keep that waiting. */
async function withDevice<T>(
  provider: NvmemProvider,
  body: (device: NvmemDevice, registry: Registry) => Promise<T>,
  more: object = {},
): Promise<T> {
  const registry = new Registry();
  const device = await registry.register({ provider, name: 'dev', id: 'none', size: 16, ...more });
  try {
    return await body(device, registry);
  } finally {
    await device.close();
  }
}

async function failure(call: Promise<unknown>): Promise<NvmemError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NvmemError);
  return error as NvmemError;
}

const bytes = (): Buffer => Buffer.from([1, 2, 3, 4]);

/** Its `then` counts how often it is read and called. */
function lazy(
  value: unknown,
  counts: { read: number; called: number },
  how: 'now' | 'later' = 'later',
): object {
  return {
    get then() {
      counts.read++;
      return (resolve: (value: unknown) => void) => {
        counts.called++;
        if (how === 'now') resolve(value);
        else setImmediate(resolve, value);
      };
    },
  };
}

class OwnSubarray extends Uint8Array {
  override subarray(): never {
    throw new Error('subarray of the provider');
  }
  override get length(): number {
    return 4096;
  }
  override get buffer(): never {
    throw new Error('buffer of the provider');
  }
  static get [Symbol.species](): never {
    throw new Error('species of the provider');
  }
}

function transferred(): Uint8Array {
  const array = Uint8Array.from([1, 2, 3, 4]);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function hostile(names: string[]): Error {
  const error = new Error('plain');
  for (const name of names) {
    Object.defineProperty(error, name, {
      get: () => {
        throw new Error(`${name} of the provider`);
      },
    });
  }
  return error;
}

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const otherRealm = (code: string): never => runInNewContext(code) as never;

describe('answers of read()', () => {
  const rejecting = new Proxy(
    {},
    {
      get: () => {
        throw new Error('trap');
      },
    },
  );
  test.each<[string, () => unknown, 'data' | 'EIO']>([
    ['a Buffer', bytes, 'data'],
    ['a promise of one', () => Promise.resolve(bytes()), 'data'],
    ['a thenable', () => lazy(bytes(), { read: 0, called: 0 }), 'data'],
    ['a thenable that answers at once', () => lazy(bytes(), { read: 0, called: 0 }, 'now'), 'data'],
    [
      'a thenable of a thenable',
      () => lazy(lazy(bytes(), { read: 0, called: 0 }), { read: 0, called: 0 }),
      'data',
    ],
    [
      'a function with a then',
      () =>
        Object.assign(() => undefined, {
          then: (resolve: (value: unknown) => void) => {
            resolve(bytes());
          },
        }),
      'data',
    ],
    ['an array of another realm', () => otherRealm('Uint8Array.of(1, 2, 3, 4)'), 'data'],
    ['a promise of another realm', () => otherRealm('Promise.resolve(Uint8Array.of(1, 2, 3, 4))'), 'data'],
    ['a subclass with its own subarray, length and buffer', () => OwnSubarray.from([1, 2, 3, 4]), 'data'],
    [
      'an array with a length of its own',
      () => Object.defineProperty(bytes(), 'length', { value: 9 }),
      'data',
    ],
    ['memory that is shared', () => Buffer.from(new SharedArrayBuffer(4)).fill(bytes()), 'data'],
    [
      'a promise whose constructor throws',
      () =>
        Object.defineProperty(Promise.resolve(bytes()), 'constructor', {
          get: () => {
            throw new Error('constructor');
          },
        }),
      'EIO',
    ],
    ['an array whose memory was transferred', transferred, 'EIO'],
    ['too little', () => Buffer.alloc(3), 'EIO'],
    ['too much', () => Buffer.alloc(5), 'EIO'],
    ['nothing', () => undefined, 'EIO'],
    ['null', () => null, 'EIO'],
    ['a string', () => 'abcd', 'EIO'],
    ['a number', () => NaN, 'EIO'],
    ['a symbol', () => Symbol('x'), 'EIO'],
    ['an array', () => [1, 2, 3, 4], 'EIO'],
    ['other elements', () => new Uint16Array(4), 'EIO'],
    ['a Proxy around an array', () => new Proxy(bytes(), {}), 'EIO'],
    ['a revoked Proxy', revoked, 'EIO'],
    ['a Proxy that throws', () => rejecting, 'EIO'],
  ])('%s', async (_what, answer, ends) => {
    for (const read of [answer, () => Promise.resolve(0).then(answer)]) {
      await withDevice({ read: read as never }, async (device) => {
        if (ends === 'data') expect(await device.read(0, 4)).toEqual(bytes());
        else {
          const error = await failure(device.read(0, 4));
          expect(error.code).toBe(ends);
          expect(error.hint).not.toMatch(/I2C|wiring|pull-up|plug/i);
        }
      });
    }
  });

  test('a short answer tells what it gave, in the place of what was asked', async () => {
    await withDevice({ read: () => Buffer.from([7, 8]) }, async (device) => {
      const error = await failure(device.read(0, 4));
      expect(error).toMatchObject({ code: 'EIO', bytesTransferred: 2, partial: Buffer.from([7, 8]) });
      expect(error.message).toContain('2 bytes instead of 4');
    });
  });

  test.each([0, 1, 2, 3, 4, 5, 6])(
    '%p turns after it was given an array is transferred: its bytes, or EIO',
    async (turns) => {
      const read = (): Uint8Array => {
        const data = Uint8Array.of(1, 2, 3, 4);
        void (async () => {
          for (let i = 0; i < turns; i++) await Promise.resolve();
          structuredClone(data.buffer, { transfer: [data.buffer] });
        })();
        return data;
      };
      await withDevice({ read }, async (device) => {
        const data = await device.read(0, 4).catch((error: unknown) => (error as NvmemError).code);
        expect([bytes(), 'EIO']).toContainEqual(data);
      });
    },
  );

  test('an answer after the operation was given up is not put into what was handed out', async () => {
    let answer: (data: Uint8Array) => void = () => undefined;
    const read = (offset: number): Uint8Array | Promise<Uint8Array> =>
      offset === 0 ? Buffer.alloc(4, 1) : new Promise((resolve) => (answer = resolve));
    const keepouts = [{ start: 4, end: 5, value: 9 }];
    await withDevice(
      { read },
      async (device) => {
        const controller = new AbortController();
        const call = failure(device.read(0, 12, { signal: controller.signal }));
        await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        const { partial, bytesTransferred } = await call;
        answer(Buffer.alloc(7, 5));
        await new Promise((resolve) => setImmediate(resolve));
        expect(bytesTransferred).toBe(5);
        expect(partial).toEqual(Buffer.from([1, 1, 1, 1, 9]));
      },
      { keepouts },
    );
  });
});

describe('a thenable is read once and called once', () => {
  test.each(['read', 'write', 'readPostProcess', 'wp', 'layout'] as const)('%s', async (who) => {
    const counts = { read: 0, called: 0 };
    const answer = (): never => lazy(who === 'read' ? bytes() : undefined, counts) as never;
    const registry = new Registry();
    if (who === 'layout') registry.addLayout({ name: 'l', addCells: answer });
    const device = await registry.register({
      provider: {
        read: who === 'read' ? answer : (_offset, length) => new Uint8Array(length),
        write: who === 'write' ? answer : () => undefined,
      },
      size: 16,
      cells: [
        {
          name: 'c',
          offset: 0,
          bytes: 4,
          readPostProcess: who === 'readPostProcess' ? answer : () => undefined,
        },
      ],
      ...(who === 'wp' && { wp: { set: answer } }),
      ...(who === 'layout' && { layout: 'l' }),
    });
    if (who === 'read') await device.read(0, 4);
    if (who === 'readPostProcess') await device.cell('c').read();
    if (who === 'write' || who === 'wp') {
      device.forceRo = false;
      await device.write(0, bytes(), { verify: false });
    }
    if (who === 'layout') await new Promise((resolve) => registry.once('layout-add', resolve));
    // A line is set twice for a write: down and up.
    const times = who === 'wp' ? 2 : 1;
    expect(counts).toEqual({ read: times, called: times });
    await device.close();
  });

  test('a `then` that throws when it is read for the second time is not read for the second time', async () => {
    let reads = 0;
    const answer = {
      get then() {
        if (++reads > 1) throw new Error('late');
        return (resolve: (value: unknown) => void) => {
          resolve(bytes());
        };
      },
    };
    await withDevice({ read: () => answer as never }, async (device) => {
      expect(await device.read(0, 4)).toEqual(bytes());
    });
  });

  test.each<[string, () => object]>([
    [
      'that throws at once',
      () => ({
        get then(): never {
          throw new Error('no');
        },
      }),
    ],
    [
      'whose function throws',
      () => ({
        then: () => {
          throw new Error('no');
        },
      }),
    ],
    [
      'whose function throws after it has answered',
      () => ({
        then: (resolve: (value: unknown) => void) => {
          resolve(bytes());
          throw new Error('late');
        },
      }),
    ],
    [
      'that answers and refuses',
      () => ({
        then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
          resolve(bytes());
          reject(new Error('late'));
        },
      }),
    ],
  ])('a `then` %s leaves nothing held', async (_what, answer) => {
    await withDevice({ read: answer as never, write: answer as never }, async (device) => {
      await Promise.allSettled([device.read(0, 4), device.write(0, bytes(), { verify: false })]);
    });
  });
});

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

describe('what callers give', () => {
  test.each<[string, () => Uint8Array]>([
    ['of another realm', () => otherRealm('Uint8Array.of(1, 2, 3, 4)')],
    ['of a subclass with its own length and buffer', () => OwnSubarray.from([1, 2, 3, 4])],
    ['with a length of its own', () => Object.defineProperty(bytes(), 'length', { value: 2 ** 20 })],
  ])('an array %s is written as it is', async (_what, make) => {
    const cells = [{ name: 'c', offset: 8, bytes: 4 }];
    for (const provider of [memoryProvider(16), script()]) {
      const registry = new Registry();
      const kernel = new NvmemKernelApi(registry);
      const device = await registry.register({ provider, cells });
      expect(await device.write(0, make())).toMatchObject({ bytesWritten: 4 });
      await device.cell('c').write(make());
      await filesOf(device).open('nvmem', { flags: 'r+' }).write(4, make());
      expect(await kernel.nvmemDeviceWrite(device, 12, make())).toBe(4);
      expect(await device.read(0, 16)).toEqual(Buffer.concat([bytes(), bytes(), bytes(), bytes()]));
      expect(memoryProvider(make()).size).toBe(4);
      await device.close();
    }
  });

  test('an array whose memory was transferred is refused by name', async () => {
    const registry = new Registry();
    const cells = [{ name: 'c', offset: 0, bytes: 4 }];
    const device = await registry.register({ provider: memoryProvider(16), cells });
    await expect(device.write(0, transferred())).rejects.toThrow(
      /^data must be .* whose memory was transferred/,
    );
    await expect(device.cell('c').write(transferred())).rejects.toThrow(/^data must be/);
    expect(() => memoryProvider(transferred())).toThrow(/^image must be/);
    await device.close();
  });

  test('a signal of another making does', async () => {
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      reason: 'mine',
      addEventListener: (_type: string, listener: () => void) => void listeners.add(listener),
      removeEventListener: () => {
        throw new Error('not today');
      },
    };
    let end: (data: Uint8Array) => void = () => undefined;
    const read = (): Promise<Uint8Array> => new Promise((resolve) => (end = resolve));
    const registry = new Registry();
    const device = await registry.register({ provider: { read, write: () => undefined }, size: 4 });
    const call = failure(device.read(0, 4, { signal: signal as never }));
    signal.aborted = true;
    for (const listener of listeners) listener();
    expect(await call).toMatchObject({ code: 'ABORT_ERR', cause: 'mine' });
    await device.write(0, bytes(), { signal: { ...signal, aborted: false } as never, verify: false });
    end(bytes());
    await device.close();
  });
});

function script(): NvmemProvider {
  const memory = Buffer.alloc(16);
  return {
    size: 16,
    read: (offset, length) => memory.subarray(offset, offset + length),
    write: (offset, data) => {
      memory.set(data, offset);
    },
  };
}

/** A promise that rejects with whatever it is. */
const rejecting = (reason: unknown) => (): Promise<never> =>
  new Promise((_resolve, reject) => {
    (reject as (reason: unknown) => void)(reason);
  });

describe('answers of i2c-bus objects', () => {
  const chip = { address: 0x50, chip: '24c02', writeCycleMs: 1, forceGeometry: true };
  const never = (): never => {
    throw Object.assign(new Error('x'), { code: 'ENODEV' });
  };
  test.each<[string, () => unknown, string]>([
    ['undefined', () => Promise.resolve(undefined), 'EPROTO'],
    ['null', () => Promise.resolve(null), 'EPROTO'],
    ['no count', () => Promise.resolve({}), 'EPROTO'],
    ['NaN', () => Promise.resolve({ bytesRead: NaN, bytesWritten: NaN }), 'EPROTO'],
    ['too many', () => Promise.resolve({ bytesRead: 999, bytesWritten: 999 }), 'EPROTO'],
    ['a negative count', () => Promise.resolve(-1), 'EPROTO'],
    ['a string', () => Promise.resolve('4'), 'EPROTO'],
    [
      'a count that throws',
      () =>
        Promise.resolve({
          get bytesRead(): never {
            throw new Error('x');
          },
          get bytesWritten(): never {
            throw new Error('x');
          },
        }),
      'EPROTO',
    ],
    ['too few', () => Promise.resolve({ bytesRead: 0, bytesWritten: 0 }), 'EIO'],
    ['an error', never, 'ENODEV'],
    ['a rejection with nothing', rejecting(undefined), 'EIO'],
    ['a rejection with a symbol', rejecting(Symbol('x')), 'EIO'],
    [
      'a rejection with an error whose properties throw',
      () => Promise.reject(hostile(['code', 'errno', 'message'])),
      'EIO',
    ],
    [
      'a `then` that throws',
      () => ({
        get then(): never {
          throw new Error('x');
        },
      }),
      'EIO',
    ],
  ])('%s', async (_what, answer, code) => {
    const bus = { i2cRead: answer, i2cWrite: answer } as unknown as PromisifiedI2cBus;
    await withDevice(fromI2cBus(bus, chip), async (device) => {
      for (const call of [device.read(0, 4), device.write(0, bytes())]) {
        const error = await failure(call);
        expect(error.code).toBe(code);
        expect(error.message).not.toContain('nothing answers');
      }
    });
  });

  test('the same to a callback', async () => {
    for (const given of [undefined, NaN, 999, {}]) {
      const call = (...all: unknown[]): void => {
        setImmediate(all.at(-1) as (error: unknown, bytes: unknown) => void, null, given);
      };
      const bus = { i2cRead: call, i2cWrite: call } as unknown as PromisifiedI2cBus;
      await withDevice(fromI2cBus(bus, chip), async (device) => {
        expect((await failure(device.read(0, 4))).code).toBe('EPROTO');
      });
    }
  });

  test('counts that come at once, lazily, twice or from another realm are counts', async () => {
    for (const wrap of [
      (count: number) => count,
      (count: number) => ({ bytesRead: count, bytesWritten: count }),
      (count: number) => lazy(count, { read: 0, called: 0 }),
      (count: number) =>
        (otherRealm('(count) => Promise.resolve(count)') as (count: number) => unknown)(count),
    ]) {
      const call = (
        _address: number,
        length: number,
        _buffer: Buffer,
        callback: (e: null, n: number) => void,
      ): unknown => {
        setImmediate(callback, null, length);
        return wrap(length);
      };
      const bus = { i2cRead: call, i2cWrite: call } as unknown as PromisifiedI2cBus;
      await withDevice(fromI2cBus(bus, chip), async (device) => {
        expect((await device.read(0, 4)).length).toBe(4);
      });
    }
  });

  test('a device on the object that its own i2cWrite reads is EDEADLK', async () => {
    const devices: NvmemDevice[] = [];
    const codes: string[] = [];
    const bus: PromisifiedI2cBus = {
      i2cRead: (_address, length) => Promise.resolve({ bytesRead: length }),
      i2cWrite: async (_address, length) => {
        if (codes.length === 0) {
          codes.push('inside');
          codes.push((await failure(devices[0]?.read(4, 1) ?? Promise.resolve())).code);
        }
        return { bytesWritten: length };
      },
    };
    await withDevice(fromI2cBus(bus, chip), async (device) => {
      devices.push(device);
      await device.read(0, 4);
      expect(codes).toEqual(['inside', 'EDEADLK']);
    });
  });
});

const anything = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withTypedArray: true,
  }),
  fc.constant(undefined),
);

test('anything as an answer or an error ends the operation once, with an NvmemError or the data', async () => {
  await fc.assert(
    fc.asyncProperty(anything, fc.boolean(), fc.boolean(), async (value, throws, isAsync) => {
      const answer = (): unknown => {
        if (throws) throw value;
        return value;
      };
      const call = (isAsync ? () => Promise.resolve().then(answer) : answer) as never;
      await withDevice({ read: call, write: call }, async (device) => {
        const ended = await Promise.allSettled([device.read(0, 4), device.write(0, bytes())]);
        for (const one of ended) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(NvmemError);
      });
    }),
    { numRuns: 200 },
  );
});
