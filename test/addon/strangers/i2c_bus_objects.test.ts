/** What objects like those of i2c-bus may answer. See helpers.ts. */
import { fromI2cBus, type NvmemDevice, type PromisifiedI2cBus } from '../../../lib/index.js';
import { withDevice, failure, bytes, lazy, hostile, otherRealm, rejecting, watchProcess } from './helpers.js';

watchProcess();

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
