jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import fc from 'fast-check';

import { providerOfSlot } from '../../../lib/core/provider_port.js';
import { Registry } from '../../../lib/core/registry.js';
import type { NvmemCellInfo, NvmemConfig, NvmemDevice } from '../../../lib/index.js';
import { FakeSlot } from '../fake_native.js';

async function withCells(
  slot: FakeSlot,
  cells: NvmemCellInfo[],
  config: Partial<NvmemConfig> = {},
): Promise<NvmemDevice> {
  const provider = providerOfSlot(slot, slot.memory.length, { hasWpLine: false });
  return new Registry().register({ provider, name: 'dev', id: 'none', cells, ...config });
}

test('a cell is read and written by name', async () => {
  const slot = new FakeSlot(Uint8Array.of(0, 1, 2, 3, 4, 5), true);
  const device = await withCells(slot, [{ name: 'mac', offset: 2, bytes: 3 }]);
  const mac = device.cell('mac');
  expect(mac).toMatchObject({ name: 'mac', device: 'dev', offset: 2, bytes: 3, bitOffset: 0, nbits: 0 });
  expect([...(await mac.read())]).toEqual([2, 3, 4]);
  expect(await mac.write(Uint8Array.of(7, 8, 9))).toMatchObject({ bytesWritten: 3 });
  expect([...slot.memory]).toEqual([0, 1, 7, 8, 9, 5]);
  expect(device.cells().map(({ name }) => name)).toEqual(['mac']);
});

test('of two cells with one name the first is found; a missing one is named with those there are', async () => {
  const device = await withCells(new FakeSlot(Uint8Array.of(1, 2), true), [
    { name: 'a', offset: 0, bytes: 1 },
    { name: 'a', offset: 1, bytes: 1 },
  ]);
  expect([...(await device.cell('a').read())]).toEqual([1]);
  expect(() => device.cell('b')).toThrow(
    expect.objectContaining({
      code: 'ENOENT',
      message: expect.stringContaining('it has a, a') as string,
    }) as Error,
  );
});

describe('what the kernel refuses with EINVAL', () => {
  test.each<[string, NvmemCellInfo, Partial<NvmemConfig>]>([
    ['offset off the stride', { name: 'c', offset: 2, bytes: 1 }, { stride: 4 }],
    [
      'rawLength no multiple of the word size',
      { name: 'c', offset: 0, bytes: 2, rawLength: 3 },
      { wordSize: 2 },
    ],
  ])('%s', async (_name, cell, config) => {
    await expect(withCells(new FakeSlot(new Uint8Array(8)), [cell], config)).rejects.toMatchObject({
      code: 'EINVAL',
    });
  });

  test('a write of another length, or to a cell that is post-processed', async () => {
    const device = await withCells(new FakeSlot(new Uint8Array(8), true), [
      { name: 'plain', offset: 0, bytes: 2 },
      { name: 'hooked', offset: 0, bytes: 2, readPostProcess: () => undefined },
      { name: 'bits', offset: 0, bitOffset: 4, nbits: 8 },
    ]);
    await expect(device.cell('plain').write(new Uint8Array(1))).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(device.cell('hooked').write(new Uint8Array(2))).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(device.cell('bits').write(new Uint8Array(3))).rejects.toMatchObject({ code: 'EINVAL' });
    await device.cell('bits').write(new Uint8Array(1));
    await device.cell('bits').write(new Uint8Array(2));
  });
});

test('lengths that nobody gave are rounded up to words', async () => {
  const slot = new FakeSlot(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), false, true);
  const device = await withCells(slot, [{ name: 'c', offset: 4, bytes: 3 }], { wordSize: 4 });
  expect([...(await device.cell('c').read())]).toEqual([5, 6, 7]);
  expect(slot.log).toEqual(['read 4+4']);
});

test('a cell beyond the end is refused when it is used', async () => {
  const device = await withCells(new FakeSlot(new Uint8Array(8), true), [{ name: 'c', offset: 7, bytes: 2 }]);
  await expect(device.cell('c').read()).rejects.toMatchObject({ code: 'EINVAL' });
  await expect(device.cell('c').write(new Uint8Array(2))).rejects.toMatchObject({ code: 'EINVAL' });
});

describe('readPostProcess', () => {
  test('sees the raw bytes inside the section and changes what the consumer gets', async () => {
    const slot = new FakeSlot(Uint8Array.of(1, 2, 3, 4), false, true);
    const seen: unknown[] = [];
    const device = await withCells(slot, [
      {
        name: 'c',
        offset: 1,
        bytes: 2,
        rawLength: 3,
        readPostProcess: async ({ id, index, offset, data }) => {
          await Promise.resolve();
          seen.push({ id, index, offset, raw: [...data], holds: slot.holds });
          data.reverse();
        },
      },
    ]);
    expect([...(await device.cell('c').read({ id: 'who' }))]).toEqual([4, 3]);
    expect(seen).toEqual([{ id: 'who', index: 0, offset: 1, raw: [2, 3, 4], holds: 2 }]);
    expect(slot.holds).toBe(0);
  });

  test('fails with its own code, else with EIO', async () => {
    const slot = new FakeSlot(Uint8Array.of(1, 2), true);
    const boom = Object.assign(new Error('no'), { code: 'EBUSY' });
    const device = await withCells(slot, [
      {
        name: 'a',
        offset: 0,
        bytes: 1,
        readPostProcess: () => {
          throw boom;
        },
      },
      { name: 'b', offset: 0, bytes: 1, readPostProcess: () => Promise.reject(new Error('no')) },
    ]);
    await expect(device.cell('a').read()).rejects.toMatchObject({ code: 'EBUSY', cause: boom });
    await expect(device.cell('b').read()).rejects.toMatchObject({ code: 'EIO' });
    expect(slot.holds).toBe(0);
  });
});

describe('bit cells', () => {
  test('the width makes the length, whatever length was given', async () => {
    const device = await withCells(new FakeSlot(new Uint8Array(8)), [
      { name: 'c', offset: 0, bytes: 7, bitOffset: 6, nbits: 12 },
    ]);
    expect(device.cell('c').bytes).toBe(3);
  });

  test('a write is one read-modify-write in one section', async () => {
    const slot = new FakeSlot(Uint8Array.of(0xff, 0xff, 0xff), false, true);
    const device = await withCells(slot, [{ name: 'c', offset: 0, bitOffset: 3, nbits: 17 }]);
    await device.cell('c').write(new Uint8Array(3));
    expect([...slot.memory]).toEqual([0x07, 0x00, 0xf0]);
    expect(slot.log).toEqual(['read 0+1', 'read 2+1', 'write 0+3']);
    expect(slot.labels).toEqual(['dev: cell-write']);
  });

  test('two writers to one byte never lose each other’s bits', async () => {
    const slot = new FakeSlot(Uint8Array.of(0), false, true);
    const cells = Array.from({ length: 8 }, (_, i) => ({
      name: `b${String(i)}`,
      offset: 0,
      bitOffset: i,
      nbits: 1,
    }));
    const device = await withCells(slot, cells);
    await Promise.all(cells.map(({ name }) => device.cell(name).write(Uint8Array.of(1))));
    expect(slot.memory[0]).toBe(0xff);
  });

  test('with a word size the provider is asked for whole words', async () => {
    const slot = new FakeSlot(Uint8Array.of(1, 2, 3, 4), false, true);
    const device = await withCells(slot, [{ name: 'c', offset: 0, bitOffset: 4, nbits: 4 }], { wordSize: 4 });
    await device.cell('c').write(Uint8Array.of(0xf));
    expect(slot.log).toEqual(['read 0+4', 'write 0+1']);
    expect([...slot.memory]).toEqual([0xf1, 2, 3, 4]);
  });

  test('a read that fails before the write leaves all untouched', async () => {
    const slot = new FakeSlot(Uint8Array.of(1, 2));
    const device = await withCells(slot, [{ name: 'c', offset: 0, bitOffset: 4, nbits: 4 }]);
    const write = device.cell('c').write(Uint8Array.of(1));
    (await slot.next()).end({ status: -6 });
    await expect(write).rejects.toMatchObject({
      code: 'ENXIO',
      untouched: [{ offset: 0, length: 1 }],
      committed: [],
    });
    expect(slot.log).toEqual(['read 0+1']);
  });

  test('any field of any memory behaves as a number shifted and masked', async () => {
    const big = (bytes: Uint8Array): bigint => bytes.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n);
    const SIZE = 12;
    const field = fc
      .record({ offset: fc.nat(4), bitOffset: fc.nat(20), nbits: fc.integer({ min: 1, max: 40 }) })
      .filter(({ offset, bitOffset, nbits }) => 8 * offset + bitOffset + nbits <= 8 * SIZE);
    await fc.assert(
      fc.asyncProperty(
        field,
        fc.uint8Array({ minLength: SIZE, maxLength: SIZE }),
        fc.uint8Array({ minLength: 5, maxLength: 5 }),
        async ({ offset, bitOffset, nbits }, memory, random) => {
          const before = big(memory);
          const slot = new FakeSlot(memory, true);
          const device = await withCells(slot, [{ name: 'c', offset, bitOffset, nbits }]);
          const shift = BigInt(8 * offset + bitOffset);
          const mask = (1n << BigInt(nbits)) - 1n;
          expect(big(await device.cell('c').read())).toBe((before >> shift) & mask);
          const value = random.subarray(0, Math.ceil(nbits / 8));
          await device.cell('c').write(value);
          expect(big(slot.memory)).toBe((before & ~(mask << shift)) | ((big(value) & mask) << shift));
        },
      ),
    );
  });
});
