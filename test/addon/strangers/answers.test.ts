/** What a provider may answer. See helpers.ts. */
import { Registry, type NvmemError } from '../../../lib/index.js';
import {
  withDevice,
  failure,
  bytes,
  lazy,
  OwnSubarray,
  transferred,
  revoked,
  otherRealm,
  watchProcess,
} from './helpers.js';

watchProcess();

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
