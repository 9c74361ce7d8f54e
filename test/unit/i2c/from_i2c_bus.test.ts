/** Providers over i2c-bus objects: the objects here are models of one, with a part behind them. */
import { NvmemError } from '../../../lib/base/errors.js';
import { fromI2cBus, type FromI2cBusOptions } from '../../../lib/i2c/from_i2c_bus.js';
import type { PromisifiedI2cBus } from '../../../lib/i2c/bus_calls.js';
import { Chip, failure, promisified, soon, withCallbacks } from './chip_model.js';

const { signal } = new AbortController();
const context = { signal };
/** Chips here are busy for a number of looks, and a busy host may take its time for those. */
const PATIENT = { writeCycleMs: 1000 };
const c02: FromI2cBusOptions = { address: 0x50, chip: '24c02', ...PATIENT };
const c256: FromI2cBusOptions = { address: 0x50, chip: '24c256', ...PATIENT };

async function codeOf(promise: unknown): Promise<unknown> {
  const error: unknown = await Promise.resolve(promise).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return (error as { code?: unknown } | undefined)?.code;
}

describe.each([
  ['promises', promisified],
  ['callbacks', withCallbacks],
])('with %s', (_name, object) => {
  test('a 24c256 is read whole and written over pages', async () => {
    const part = new Chip({ size: 32_768, addressBytes: 2, page: 64 });
    const provider = fromI2cBus(object(part), c256);
    expect(provider.size).toBe(32_768);
    expect(await provider.read?.(0, 32_768, context)).toEqual(part.memory);
    const before = part.memory[49];
    const data = Buffer.alloc(200, 0xa5);
    await provider.write?.(50, data, context);
    expect(part.memory.subarray(50, 250)).toEqual(data);
    expect(part.memory[49]).toBe(before);
    expect(part.busy).toBe(0);
  });

  test('a 24c16 has a device address for every 256 bytes', async () => {
    const part = new Chip({ size: 2048, addressBytes: 1, page: 16 });
    const provider = fromI2cBus(object(part), { address: 0x50, chip: '24c16', ...PATIENT });
    const data = Buffer.from(Array.from({ length: 40 }, (_, i) => 255 - i));
    await provider.write?.(750, data, context);
    expect(await provider.read?.(740, 60, context)).toEqual(part.memory.subarray(740, 800));
    expect(part.memory.subarray(750, 790)).toEqual(data);
    expect(part.log).toContain('W52 1');
    expect(part.log).toContain('W53 1');
  });
});

test('without a chip size and addressWidth are needed, and a page of 1 is assumed', async () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  const provider = fromI2cBus(promisified(part), { address: 0x50, size: 256, addressWidth: 8, ...PATIENT });
  await provider.write?.(6, Buffer.from([1, 2, 3]), context);
  expect(part.memory.subarray(6, 9)).toEqual(Buffer.from([1, 2, 3]));
  expect(part.log.filter((one) => one === 'W50 2')).toHaveLength(3);
});

test("a driver's limits are found and kept", async () => {
  const part = new Chip({ size: 32_768, addressBytes: 2, page: 64 });
  part.maxWrite = 61;
  part.maxRead = 20;
  const provider = fromI2cBus(promisified(part), c256);
  await provider.write?.(0, Buffer.alloc(128, 1), context);
  expect(part.memory.subarray(0, 128)).toEqual(Buffer.alloc(128, 1));
  expect(await provider.read?.(0, 256, context)).toEqual(part.memory.subarray(0, 256));
  expect(Math.max(...part.log.map((one) => Number(one.split(' ')[1])))).toBeLessThanOrEqual(61);
});

test.each(['ENXIO', 'EREMOTEIO', 'EIO', 'ETIMEDOUT'])(
  '%s may mean that the part is busy',
  async (silence) => {
    const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
    part.silence = silence;
    part.busy = 3;
    const provider = fromI2cBus(promisified(part), c02);
    expect(await provider.read?.(0, 16, context)).toEqual(part.memory.subarray(0, 16));
    part.busy = 3;
    await provider.write?.(0, Buffer.from([1]), context);
    expect(part.memory[0]).toBe(1);
    part.busy = Infinity;
    const hasty = fromI2cBus(promisified(part), { ...c02, writeCycleMs: 5 });
    expect(await codeOf(hasty.read?.(0, 16, context))).toBe('ENXIO');
    expect(await codeOf(hasty.write?.(0, Buffer.from([1]), context))).toBe('ENXIO');
  },
);

test('a part that does not come back from its write cycle is ETIMEDOUT, and what was stored before is told', async () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  part.cycle = 0;
  const object = promisified(part);
  let pages = 0;
  const write = object.i2cWrite.bind(object);
  object.i2cWrite = (address, length, buffer) => {
    if (length > 1 && ++pages === 2) part.cycle = Infinity;
    return write(address, length, buffer);
  };
  const provider = fromI2cBus(object, { ...c02, writeCycleMs: 5 });
  const error: unknown = await Promise.resolve(provider.write?.(0, Buffer.alloc(24, 3), context)).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NvmemError);
  expect(error).toMatchObject({ code: 'ETIMEDOUT', bytesTransferred: 8 });
});

test('a part that answers and refuses data is EPERM', async () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  part.protectedBy = 'refusal';
  const provider = fromI2cBus(promisified(part), c02);
  expect(await codeOf(provider.write?.(0, Buffer.from([1]), context))).toBe('EPERM');
});

test('other errors end an operation at once', async () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  const provider = fromI2cBus(promisified(part), c02);
  part.silence = 'ENODEV';
  part.busy = 1;
  expect(await codeOf(provider.read?.(0, 1, context))).toBe('ENODEV');
  expect(part.log).toHaveLength(1);
});

test('after EBUSY nothing more is asked at that address: i2c-bus would ask address 0', async () => {
  const part = new Chip({ size: 2048, addressBytes: 1, page: 16 });
  const provider = fromI2cBus(promisified(part), { address: 0x50, chip: '24c16' });
  part.silence = 'EBUSY';
  part.busy = 1;
  expect(await codeOf(provider.read?.(0, 1, context))).toBe('EBUSY');
  expect(await codeOf(provider.read?.(0, 1, context))).toBe('EBUSY');
  expect(part.log).toEqual(['W50 1']);
  expect(await codeOf(provider.read?.(256, 1, context))).toBeUndefined();
});

test('an adapter without plain I2C is used by its SMBus blocks, for one address byte only', async () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  const model = new Chip({ size: 256, addressBytes: 1, page: 8 });
  part.plain = false;
  const object: PromisifiedI2cBus = {
    ...promisified(part),
    readI2cBlock: soon((address: number, command: number, length: number, buffer: Buffer) => {
      if (length > 32) throw failure('EINVAL');
      model.write(address, Buffer.from([command]));
      return { bytesRead: model.read(address, buffer.subarray(0, length)) };
    }),
    writeI2cBlock: soon((address: number, command: number, length: number, buffer: Buffer) => {
      if (length > 32) throw failure('EINVAL');
      return {
        bytesWritten:
          model.write(address, Buffer.concat([Buffer.from([command]), buffer.subarray(0, length)])) - 1,
      };
    }),
  };
  const provider = fromI2cBus(object, c02);
  expect(await provider.read?.(0, 256, context)).toEqual(model.memory);
  await provider.write?.(4, Buffer.from('over two pages'), context);
  expect(model.memory.subarray(4, 18).toString()).toBe('over two pages');
  expect(part.log).toEqual([]);
  expect(await codeOf(fromI2cBus(object, c256).read?.(0, 1, context))).toBe('EOPNOTSUPP');
});

test('devices on one object do not come between the two transfers of a read', async () => {
  const part = new Chip({ size: 32_768, addressBytes: 2, page: 64 });
  const object = withCallbacks(part);
  const providers = [fromI2cBus(object, c256), fromI2cBus(object, c256)];
  const [a, b] = await Promise.all(
    providers.map((one, i) => Promise.resolve(one.read?.(i * 1000, 1000, context))),
  );
  expect(a).toEqual(part.memory.subarray(0, 1000));
  expect(b).toEqual(part.memory.subarray(1000, 2000));
  part.log.forEach((one, i) => {
    expect(one.startsWith(i % 2 === 0 ? 'W' : 'R')).toBe(true);
  });
});

test('fewer bytes than asked for are an error', async () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  const object = promisified(part);
  object.i2cRead = () => Promise.resolve({ bytesRead: 0 });
  const provider = fromI2cBus(object, c02);
  expect(await codeOf(provider.read?.(0, 4, context))).toBe('EIO');
});

test('an aborted operation stops between two transfers, and the reason is left alone', async () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  const controller = new AbortController();
  const object = promisified(part);
  const write = object.i2cWrite.bind(object);
  object.i2cWrite = (...args) => {
    controller.abort();
    return write(...args);
  };
  const provider = fromI2cBus(object, c02);
  const error: unknown = await Promise.resolve(
    provider.write?.(0, Buffer.alloc(64), { signal: controller.signal }),
  ).catch((reason: unknown) => reason);
  expect(error).toBe(controller.signal.reason);
  expect(error).not.toHaveProperty('bytesTransferred');
});

test('a serial number is read only, and begins where its data sheet says', async () => {
  const part = new Chip({ size: 2048, addressBytes: 1, page: 16 });
  const object = promisified(part);
  const seen: number[] = [];
  object.i2cWrite = (address, length, buffer) => {
    seen.push(address, ...buffer.subarray(0, length));
    return Promise.resolve({ bytesWritten: length });
  };
  object.i2cRead = (_address, length) => Promise.resolve({ bytesRead: length });
  const provider = fromI2cBus(object, { address: 0x58, chip: '24cs02' });
  expect('write' in provider).toBe(false);
  await provider.read?.(2, 4, context);
  expect(seen).toEqual([0x58, 0x82]);
});

test('at 0x58 a part is its window, and what could be a command is refused', () => {
  const part = new Chip({ size: 4096, addressBytes: 2, page: 32 });
  const make = (address: number, chip: string, more: object = {}): ReturnType<typeof fromI2cBus> =>
    fromI2cBus(promisified(part), { address, chip, ...more });
  expect(make(0x58, 'M24C32-D').size).toBe(32);
  expect('write' in make(0x58, 'M24C32-D')).toBe(true);
  expect('write' in make(0x58, '24c32')).toBe(false);
  expect(() => make(0x58, 'AT24C32')).toThrow(/no second memory/);
  expect(() => make(0x58, 'M24C32-D', { size: 4096 })).toThrow(/more than the 32 bytes/);
  expect(() => make(0x31, '24c32')).toThrow(/protect them for ever/);
  expect(() => fromI2cBus(promisified(part), { address: 0x36, size: 16, addressWidth: 8 })).toThrow(
    RangeError,
  );
  expect(() => make(0x50, '25LC256')).toThrow(/SPI/);
  expect(part.log).toEqual([]);
});

test('wrong options are named before anything is asked', () => {
  const part = new Chip({ size: 256, addressBytes: 1, page: 8 });
  const make = (options: object, bus: object = promisified(part)): (() => unknown) => {
    return () => fromI2cBus(bus as PromisifiedI2cBus, options as FromI2cBusOptions);
  };
  expect(make(c256, {})).toThrow(/bus\.i2cRead must be a function/);
  expect(make({ chip: '24c02' })).toThrow(/options\.address/);
  expect(make({ address: 0x80, chip: '24c02' })).toThrow(RangeError);
  expect(make({ address: 0x50, chip: '24x' })).toThrow(/options\.chip must be a chip such as/);
  expect(make({ address: 0x50 })).toThrow(/options\.addressWidth/);
  expect(make({ address: 0x50, addressWidth: 12, size: 256 })).toThrow(/8 or 16/);
  expect(make({ address: 0x50, addressWidth: 8 })).toThrow(/options\.size/);
  expect(make({ address: 0x50, chip: '24c02', page: 12 })).toThrow(/power of two/);
  expect(make({ address: 0x77, chip: '24c16' })).toThrow(/options\.address/);
  expect(make({ address: 0x50, chip: '24c02', speed: 1 })).toThrow(/options\.speed/);
  expect(part.log).toEqual([]);
});
