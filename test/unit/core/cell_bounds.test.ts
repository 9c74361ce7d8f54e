/** What a cell touches is what was checked: no access of the core's lies beyond the device. */
import fc from 'fast-check';

import {
  Registry,
  NvmemKernelApi,
  type NvmemCellInfo,
  type NvmemConfig,
  type NvmemDevice,
} from '../../../lib/index.js';

interface Call {
  readonly what: 'read' | 'write';
  readonly offset: number;
  readonly length: number;
}

/** Memory that notes every access and refuses those beyond its end, as a driver of the kernel does. */
async function recorded(
  size: number,
  config: Partial<NvmemConfig>,
): Promise<{ device: NvmemDevice; kernel: NvmemKernelApi; calls: Call[]; memory: Buffer }> {
  const memory = Buffer.from(Array.from({ length: size }, (_, i) => (i * 37 + 11) & 0xff));
  const calls: Call[] = [];
  const check = (what: Call['what'], offset: number, length: number): void => {
    calls.push({ what, offset, length });
    if (offset + length > size) throw Object.assign(new Error('beyond the end'), { code: 'EINVAL' });
  };
  const registry = new Registry();
  const device = await registry.register({
    provider: {
      size,
      read: (offset, length) => {
        check('read', offset, length);
        return Buffer.from(memory.subarray(offset, offset + length));
      },
      write: (offset, data) => {
        check('write', offset, data.length);
        memory.set(data, offset);
      },
    },
    name: 'dev',
    id: 'none',
    ...config,
  });
  return { device, kernel: new NvmemKernelApi(registry), calls, memory };
}

const field: NvmemCellInfo = { name: 'field', offset: 63, bitOffset: 2, nbits: 3 };

test('a field in the last byte of a device of words is refused, as reading it is', async () => {
  const { device, calls } = await recorded(64, { wordSize: 4, cells: [field] });
  const cell = device.cell('field');
  await expect(cell.write(Buffer.of(5))).rejects.toMatchObject({ name: 'NvmemError', code: 'EINVAL' });
  await expect(cell.read()).rejects.toMatchObject({ name: 'NvmemError', code: 'EINVAL' });
  expect(calls).toEqual([]);
});

test('by the kernel it is written, with its own byte read and no more', async () => {
  const { device, kernel, calls, memory } = await recorded(64, { wordSize: 4, cells: [field] });
  const before = memory[63] ?? 0;
  expect(await kernel.nvmemCellWrite(device.cell('field'), Buffer.of(5))).toBe(1);
  expect(calls).toEqual([
    { what: 'read', offset: 63, length: 1 },
    { what: 'write', offset: 63, length: 1 },
  ]);
  expect(memory[63]).toBe((before & ~0x1c) | (5 << 2));
});

test('a bit offset without a width, and a rawLength shorter than the cell, lose no byte', async () => {
  const cells: NvmemCellInfo[] = [{ name: 'odd', offset: 0, bytes: 8, bitOffset: 1, rawLength: 4 }];
  const { device, memory } = await recorded(16, { wordSize: 4, cells });
  const before = Buffer.from(memory);
  await device.cell('odd').write(Buffer.alloc(8, 0xaa));
  expect(memory).toEqual(before);
});

const cells = fc.record({
  offset: fc.nat(40),
  bytes: fc.nat(12),
  bitOffset: fc.oneof(fc.constant(0), fc.nat(30)),
  nbits: fc.oneof(fc.constant(0), fc.nat(80)),
  rawLength: fc.oneof(fc.constant(0), fc.nat(16)),
  post: fc.boolean(),
});

test('no read or write of any cell goes beyond the device, whatever its words, keepouts and hook', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(1, 2, 4, 8),
      cells,
      fc.boolean(),
      async (size, wordSize, { post, ...shape }, keepout) => {
        const info: NvmemCellInfo = {
          ...shape,
          name: 'c',
          rawLength: shape.rawLength - (shape.rawLength % wordSize),
          ...(post && { readPostProcess: () => undefined }),
        };
        const { device, calls } = await recorded(size, {
          wordSize,
          cells: [info],
          ...(keepout &&
            size >= 2 * wordSize && { keepouts: [{ start: wordSize, end: 2 * wordSize, value: 7 }] }),
        });
        const cell = device.cell('c');
        const ended = await Promise.allSettled([
          cell.read(),
          cell.write(Buffer.alloc(cell.bytes, 0x5a)),
          device.cellRead(info),
          device.cellWrite(info, Buffer.alloc(cell.bytes, 0xa5)),
        ]);
        expect(calls.filter(({ offset, length }) => length > 0 && offset + length > size)).toEqual([]);
        for (const one of ended) {
          if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'EINVAL' });
        }
      },
    ),
    { numRuns: 300 },
  );
});
