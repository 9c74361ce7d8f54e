import fc from 'fast-check';

jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { crc32c } from '../../../lib/base/crc32c.js';
import { memoryProvider, Registry } from '../../../lib/index.js';
import { atomicCell } from '../../../lib/journal/atomic_cell.js';
import { imageOf, random, seedOfRun } from '../../e2e/bench.js';
import { Power, PowerCut, SimMemory, type Tear } from './sim.js';

const seed = seedOfRun();
beforeAll(() => {
  process.stdout.write(`cuts of atomic cells from NVMEM_SEED=${String(seed)}\n`);
});

const cell = atomicCell({
  name: 'settings',
  copies: [{ offset: 0 }, { offset: 64 }],
  bytes: 12,
  pageSize: 16,
});
const value = (n: number): Buffer => imageOf(12, n);
const blank = (page = 16): SimMemory => new SimMemory(Buffer.alloc(128, 0xff), page);

test('the first read gives nothing, and each read what was written last', async () => {
  for (const fill of [0xff, 0x00]) {
    const device = new SimMemory(Buffer.alloc(128, fill), 16);
    expect(await cell.read(device)).toBeUndefined();
    expect(await cell.inspect(device)).toEqual({
      value: undefined,
      writes: 0,
      copies: [
        { offset: 0, state: 'blank' },
        { offset: 64, state: 'blank' },
      ],
    });
    for (let n = 1; n <= 5; n++) {
      const data = value(n);
      const written = cell.write(device, data);
      data.fill(0); // the caller's again
      expect(await written).toEqual({ writes: n, unchanged: false, protectError: undefined });
      expect(await cell.read(device)).toEqual(value(n));
    }
    expect((await cell.inspect(device)).writes).toBe(5);
    // 20 bytes are two pages, of one copy at a time.
    expect(device.cycles).toBe(10);
  }
});

test('a write only ever touches the older copy', async () => {
  const device = blank();
  for (let n = 1; n <= 6; n++) {
    const before = Buffer.from(device.data);
    await cell.write(device, value(n));
    const [kept, changed] = n % 2 === 1 ? [64, 0] : [0, 64];
    expect(device.data.subarray(kept, kept + 64)).toEqual(before.subarray(kept, kept + 64));
    expect(device.data.subarray(changed, changed + 20)).not.toEqual(before.subarray(changed, changed + 20));
  }
});

test('a value that is there already costs no write cycle with skipEqual', async () => {
  const device = blank();
  await cell.write(device, value(1));
  const { cycles } = device;
  expect(await cell.write(device, value(1), { skipEqual: true })).toMatchObject({
    writes: 1,
    unchanged: true,
  });
  expect(device.cycles).toBe(cycles);
  expect(await cell.write(device, value(1))).toMatchObject({ writes: 2, unchanged: false });
  expect(await cell.write(device, value(2), { skipEqual: true })).toMatchObject({
    writes: 3,
    unchanged: false,
  });
});

test('cut the power after any byte: the value before, or the new one', async () => {
  const write = fc.record({
    value: fc.uint8Array({ minLength: 12, maxLength: 12 }),
    cutAt: fc.integer({ min: 1, max: 14 }),
    tear: fc.constantFrom<Tear>('keep', 'commit', 'mix', 'garbage'),
    tearSeed: fc.nat(),
  });
  let cuts = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 4, 16, 64),
      fc.array(write, { maxLength: 12 }),
      async (page, writes) => {
        const here = atomicCell({
          name: 'c',
          copies: [{ offset: 0 }, { offset: 64 }],
          bytes: 12,
          pageSize: page,
        });
        let image: Buffer = Buffer.alloc(128, 0xff);
        let last: Buffer | undefined;
        for (const { value: bytes, cutAt, tear, tearSeed } of writes) {
          const next = Buffer.from(bytes);
          const device = new SimMemory(image, page, new Power(cutAt), tear, tearSeed);
          const cut = await here.write(device, next).then(
            () => false,
            (error: unknown) => {
              if (error instanceof PowerCut) return true;
              throw error;
            },
          );
          if (cut) cuts++;
          image = device.data;
          device.power = new Power();
          const now = await here.read(device);
          if (!cut || now?.equals(next)) last = next;
          expect(now).toEqual(last);
        }
      },
    ),
    { seed, numRuns: 200 },
  );
  expect(cuts).toBeGreaterThan(100);
});

test('every prefix of a copy, over every older one, is never taken for a value', async () => {
  const device = blank();
  await cell.write(device, value(1));
  await cell.write(device, value(2));
  const before = Buffer.from(device.data);
  await cell.write(device, value(3));
  const after = Buffer.from(device.data);
  for (let length = 0; length <= 20; length++) {
    for (const rest of ['old', 'ff', '00'] as const) {
      const torn = new SimMemory(before, 16);
      if (rest !== 'old') torn.data.fill(rest === 'ff' ? 0xff : 0, 0, 20);
      after.copy(torn.data, 0, 0, length);
      expect(await cell.read(torn)).toEqual(value(length === 20 || torn.data.equals(after) ? 3 : 2));
    }
  }
});

/** A copy as docs/journal.md has it. */
function copyOf(sequence: number, data: Buffer): Buffer {
  const copy = Buffer.alloc(20);
  copy.writeUInt32LE(sequence);
  data.copy(copy, 4);
  copy.writeUInt32LE(crc32c(copy.subarray(0, 16), crc32c(Buffer.of(12, 0, 0, 0))), 16);
  return copy;
}

test('a copy is what docs/journal.md says', async () => {
  const device = blank();
  await cell.write(device, value(1));
  expect(device.data.subarray(0, 20)).toEqual(copyOf(1, value(1)));
});

test('the sequence number goes round', async () => {
  const device = blank();
  copyOf(0xfffffffd, value(1)).copy(device.data, 64);
  copyOf(0xfffffffc, value(0)).copy(device.data, 0);
  for (const [n, writes] of [
    [2, 0xfffffffe],
    [3, 1],
    [4, 2],
  ] as const) {
    expect(await cell.write(device, value(n))).toMatchObject({ writes });
    expect(await cell.read(device)).toEqual(value(n));
  }
});

test('a copy with a sequence number that is never given is none', async () => {
  for (const sequence of [0, 0xffffffff]) {
    const device = blank();
    copyOf(sequence, value(1)).copy(device.data, 0);
    expect((await cell.inspect(device)).copies[0].state).toBe('damaged');
  }
});

describe('damage', () => {
  async function damaged(...at: number[]): Promise<SimMemory> {
    const device = blank();
    await cell.write(device, value(1));
    await cell.write(device, value(2));
    for (const byte of at) device.data[byte] = (device.data[byte] ?? 0) ^ 1;
    return device;
  }

  test.each([
    [[5], 2],
    [[70], 1],
    [[0], 2],
    [[83], 1],
  ])('of one copy at %j leaves the other', async (at, n) => {
    const device = await damaged(...at);
    expect(await cell.read(device)).toEqual(value(n));
    // The next write mends it, and spares the one that is whole.
    const other = at[0] !== undefined && at[0] < 64 ? 64 : 0;
    const kept = Buffer.from(device.data.subarray(other, other + 20));
    await cell.write(device, value(3));
    expect(device.data.subarray(other, other + 20)).toEqual(kept);
    expect(await cell.read(device)).toEqual(value(3));
    expect((await cell.inspect(device)).copies.map(({ state }) => state)).toEqual(['whole', 'whole']);
  });

  test('of both is an error that says so, and nothing is overwritten unless told', async () => {
    const device = await damaged(5, 70);
    const before = Buffer.from(device.data);
    for (const run of [cell.read(device), cell.inspect(device), cell.write(device, value(3))]) {
      await expect(run).rejects.toMatchObject({
        code: 'EBADMSG',
        device: 'sim',
        message: expect.stringContaining('both copies of the atomic cell settings of sim are damaged'),
        hint: expect.stringContaining('{ format: true }'),
      });
    }
    expect(device.data).toEqual(before);
    expect(await cell.write(device, value(3), { format: true })).toMatchObject({ writes: 1 });
    expect(await cell.read(device)).toEqual(value(3));
  });

  test('something else that lies there is not overwritten', async () => {
    const device = new SimMemory(imageOf(128, 9), 16);
    await expect(cell.write(device, value(1))).rejects.toMatchObject({ code: 'EBADMSG' });
    // Also where only the second place is taken.
    device.data.fill(0xff, 0, 64);
    await expect(cell.write(device, value(1))).rejects.toMatchObject({ code: 'EBADMSG' });
    await expect(cell.read(device)).rejects.toMatchObject({ code: 'EBADMSG' });
  });

  test('a cell that was declared with another length is not taken for this one', async () => {
    const device = blank();
    await cell.write(device, value(1));
    await cell.write(device, value(2));
    const shorter = atomicCell({
      name: 's',
      copies: [{ offset: 0 }, { offset: 64 }],
      bytes: 11,
      pageSize: 16,
    });
    await expect(shorter.read(device)).rejects.toMatchObject({ code: 'EBADMSG' });
  });
});

describe('places', () => {
  const config = { name: 'c', copies: [{ offset: 0 }, { offset: 64 }] as const, bytes: 12 };
  test.each<[string, object]>([
    ['config.copies must be at least 20 bytes apart', { ...config, copies: [{ offset: 0 }, { offset: 19 }] }],
    ['config.copies must be an array of two', { ...config, copies: [{ offset: 0 }] }],
    ['config.copies[1].offset', { ...config, copies: [{ offset: 0 }, { offset: -1 }] }],
    ['config.copies[0].size', { ...config, copies: [{ offset: 0, size: 3 }, { offset: 64 }] }],
    ['config.bytes', { ...config, bytes: 0 }],
    ['config.name', { ...config, name: '' }],
    ['config.pageSize', { ...config, pageSize: 0 }],
    ['config.byte', { ...config, byte: 4 }],
  ])('%s', (says, bad) => {
    expect(() => atomicCell(bad as never)).toThrow(says);
  });

  test('copies that share a page are refused where the page size is known', async () => {
    const near = { ...config, copies: [{ offset: 0 }, { offset: 20 }] as const };
    const device = blank();
    await atomicCell(near).write(device, value(1)); // nothing says how long its pages are
    for (const [pageSize, offset] of [
      [32, 32],
      [64, 64],
    ] as const) {
      await expect(atomicCell({ ...near, pageSize }).read(device)).rejects.toMatchObject({
        code: 'EINVAL',
        message: expect.stringContaining(`its copies share a page of ${String(pageSize)} bytes`),
        hint: expect.stringContaining(`at least ${String(offset)}`),
      });
    }
    // The URI tells the page of a 24C256, 64 bytes.
    const uri = 'cp2112:///0x50?chip=24c256';
    const part = new SimMemory(Buffer.alloc(128, 0xff), 64, new Power(), 'keep', 1, uri);
    await expect(atomicCell(near).write(part, value(1))).rejects.toMatchObject({ code: 'EINVAL' });
    await atomicCell(config).write(part, value(1));
  });

  test('a copy beyond the end or in a keepout is refused before anything is written', async () => {
    const end = atomicCell({ ...config, copies: [{ offset: 0 }, { offset: 109 }] });
    const device = blank();
    await expect(end.write(device, value(1))).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('copies[1], 20 bytes at 109, goes beyond its end at 128'),
    });
    const keepouts = [{ start: 70, end: 72, value: 0 }];
    const kept = await new Registry().register({ provider: memoryProvider(128), keepouts });
    await expect(cell.write(kept, value(1))).rejects.toMatchObject({
      message: expect.stringContaining('lies in a keepout at 70'),
    });
    expect([device.cycles, await kept.read(0, 20)]).toEqual([0, Buffer.alloc(20)]);
  });

  test('bad arguments are refused by name', async () => {
    const device = blank();
    await expect(cell.write(device, Buffer.alloc(11))).rejects.toThrow('value must be 12 bytes long');
    await expect(cell.write(device, 'text' as never)).rejects.toThrow('value');
    await expect(cell.write(device, value(1), { skip: true } as never)).rejects.toThrow('options.skip');
    await expect(cell.write(device, value(1), { format: 1 as never })).rejects.toThrow('options.format');
    await expect(cell.read(device, { timeoutMs: 0 })).rejects.toThrow('options.timeoutMs');
  });
});

test('writers of one device take turns, on whichever handle', async () => {
  const registry = new Registry();
  const memory = new Uint8Array(128).fill(0xff);
  const next = random(seed);
  let running = 0;
  const device = await registry.register({
    name: 'turns',
    id: 'none',
    size: 128,
    provider: {
      read: async (offset, length) => {
        for (let wait = next() * 3; wait > 0; wait--) await Promise.resolve();
        return memory.slice(offset, offset + length);
      },
      write: async (offset, data) => {
        expect(++running).toBe(1);
        for (let wait = next() * 5; wait > 0; wait--) await Promise.resolve();
        memory.set(data, offset);
        running--;
      },
    },
  });
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, n) => cell.write(n % 2 ? device : registry.get('turns'), value(n))),
  );
  expect(results.map(({ writes }) => writes)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  expect(await cell.read(device)).toEqual(value(19));
});
