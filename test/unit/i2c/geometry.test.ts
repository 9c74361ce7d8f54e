/** A part that is not what the options say loses nothing to a look, and at most a page to a write. */
import fc from 'fast-check';

import { fromI2cBus, type FromI2cBusOptions } from '../../../lib/i2c/from_i2c_bus.js';
import { Chip, promisified, type ChipShape } from './chip_model.js';

const { signal } = new AbortController();
const context = { signal };
const PATIENT = { address: 0x50, writeCycleMs: 1000 };
const blank = (): number => 0xff;

const c02: ChipShape = { size: 256, addressBytes: 1, page: 8 };
const c16: ChipShape = { size: 2048, addressBytes: 1, page: 16 };
const c32: ChipShape = { size: 4096, addressBytes: 2, page: 32 };
const c64: ChipShape = { size: 8192, addressBytes: 2, page: 32 };

interface Ended {
  readonly data: Buffer | undefined;
  readonly error: { readonly code?: string; readonly message?: string; readonly hint?: string } | undefined;
}

async function ended(call: unknown): Promise<Ended> {
  return Promise.resolve(call).then(
    (data) => ({ data: data as Buffer, error: undefined }),
    (error: unknown) => ({ data: undefined, error: error as NonNullable<Ended['error']> }),
  );
}

/** Two address bytes and nothing more: what a part of one address byte stores. */
const addressWrites = (chip: Chip): string[] => chip.log.filter((one) => /^W.. 2$/.test(one));

describe('two address bytes for a part of one', () => {
  test.each<[string, ChipShape]>([
    ['24c02', c02],
    ['24c16', c16],
    ['24c00', { size: 16, addressBytes: 1, page: 1 }],
    ['24c01', { size: 128, addressBytes: 1, page: 8 }],
    ['FM24C04, a FRAM', { size: 512, addressBytes: 1, page: 512, isFram: true }],
  ])('a %s with contents is another part before anything is sent to it', async (_name, shape) => {
    for (const call of ['read', 'write'] as const) {
      const chip = new Chip(shape);
      const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c256' });
      const { error } = await ended(
        call === 'read' ? provider.read?.(0x123, 1, context) : provider.write?.(0x123, Buffer.of(1), context),
      );
      expect(error).toMatchObject({ code: 'EMEDIUMTYPE' });
      expect(error?.message).toMatch(/24c|32768 bytes with two address bytes: it takes one address byte/);
      expect(error?.hint).toMatch(/forceGeometry/);
      expect(addressWrites(chip)).toEqual([]);
      expect(chip.changed).toBe(0);
    }
  });

  test('a blank EEPROM is told by the write cycle that an address starts, and holds what it held', async () => {
    const chip = new Chip(c02, blank);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c256' });
    const { error } = await ended(provider.read?.(0, 16, context));
    expect(error).toMatchObject({ code: 'EMEDIUMTYPE' });
    expect(chip.changed).toBe(0);
  });

  test('a blank FRAM does not tell: reading changes nothing, and writing ends with the first page', async () => {
    const chip = new Chip({ size: 512, addressBytes: 1, page: 512, isFram: true }, blank);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64' });
    expect((await ended(provider.read?.(0x305, 300, context))).data).toEqual(Buffer.alloc(300, 0xff));
    expect(chip.changed).toBe(0);
    const { error } = await ended(provider.write?.(0x300, Buffer.alloc(256, 0x5a), context));
    expect(error).toMatchObject({ code: 'EMEDIUMTYPE', bytesTransferred: 0 });
    expect(chip.changed).toBeLessThanOrEqual(33);
  });

  test('forceGeometry asks nothing', async () => {
    const chip = new Chip(c64);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64', forceGeometry: true });
    await provider.read?.(0, 16, context);
    expect(chip.log).toEqual(['W50 2', 'R50 16']);
  });
});

describe('a part of two address bytes', () => {
  const contents: [string, (i: number) => number][] = [
    ['some', (i) => (i * 31 + (i >> 8) * 7) & 0xff],
    ['blank', blank],
    ['blank but for its end', (i) => (i > 8000 ? i & 0xff : 0xff)],
    ['blank but for its beginning', (i) => (i < 40 ? i + 1 : 0xff)],
    ['zeros', () => 0],
  ];
  const lone = ['nothing', 'high', 'shift'] as const;
  test.each(contents.flatMap(([name, fill]) => lone.map((how) => [name, how, fill] as const)))(
    'with %s in it, where a lone address byte moves %s, is read as it is',
    async (_name, how, fill) => {
      const chip = new Chip({ ...c64, lone: how }, fill);
      const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64' });
      for (const [offset, length] of [
        [0, 8],
        [0x0fe, 5],
        [0x1ff, 300],
        [8191, 1],
        [0, 8192],
      ] as const) {
        const { data } = await ended(provider.read?.(offset, length, context));
        expect(data).toEqual(chip.memory.subarray(offset, offset + length));
      }
      expect(chip.changed).toBe(0);
    },
  );

  test('whose contents are the same every 256 bytes may look like one of one; then it is refused, not harmed', async () => {
    const chip = new Chip({ ...c64, lone: 'shift' }, (i) => i & 15);
    const shape = { ...PATIENT, chip: '24c64' };
    expect((await ended(fromI2cBus(promisified(chip), shape).read?.(0, 8, context))).error).toMatchObject({
      code: 'EMEDIUMTYPE',
    });
    const forced = fromI2cBus(promisified(chip), { ...shape, forceGeometry: true });
    expect(await forced.read?.(0x105, 8, context)).toEqual(chip.memory.subarray(0x105, 0x10d));
  });

  test.each(lone)('and is written, blank, where a lone address byte moves %s', async (how) => {
    const chip = new Chip({ ...c64, lone: how }, blank);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64' });
    const data = Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 7) & 0xff));
    await provider.write?.(0x123, data, context);
    expect(chip.memory.subarray(0x123, 0x123 + 100)).toEqual(data);
    expect(chip.changed).toBe(data.filter((byte) => byte !== 0xff).length);
  });

  test.each(lone)(
    'with one address byte is read without harm, and not written, where one moves %s',
    async (how) => {
      const chip = new Chip({ ...c32, lone: how });
      const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c16' });
      await ended(provider.read?.(0, 256, context));
      const { error } = await ended(provider.write?.(0, Buffer.alloc(64, 1), context));
      expect(error).toMatchObject({ code: 'EMEDIUMTYPE' });
      expect(error?.message).toMatch(/it wants two address bytes/);
      expect(chip.changed).toBe(0);
    },
  );

  test.each(lone)(
    'blank, with one address byte, loses no more than a page, where one moves %s',
    async (how) => {
      const chip = new Chip({ ...c32, lone: how }, blank);
      const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c02' });
      const data = Buffer.from(Array.from({ length: 64 }, (_, i) => i + 1));
      const { error } = await ended(provider.write?.(0, data, context));
      expect(['EMEDIUMTYPE', 'EBADMSG']).toContain(error?.code);
      expect(chip.changed).toBeLessThanOrEqual(8);
    },
  );
});

describe('a size that is too large', () => {
  test.each<[string, ChipShape, Omit<FromI2cBusOptions, 'address'>]>([
    ['a 24c64 as a 24c256', c64, { chip: '24c256' }],
    ['a 24c32 as a 24c64', c32, { chip: '24c64' }],
    ['a 24c01 as a 24c02', { size: 128, addressBytes: 1, page: 8 }, { chip: '24c02' }],
  ])('%s: its contents repeat themselves', async (_name, shape, options) => {
    const chip = new Chip(shape);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, ...options });
    const { error } = await ended(provider.write?.(0, Buffer.of(1), context));
    expect(error).toMatchObject({ code: 'EMEDIUMTYPE' });
    expect(error?.message).toContain(`repeats itself after ${String(shape.size)} bytes`);
    expect(chip.changed).toBe(0);
  });

  test('blank: it is found after the first page', async () => {
    const chip = new Chip(c32, blank);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64' });
    const { error } = await ended(provider.write?.(32, Buffer.alloc(128, 3), context));
    expect(error).toMatchObject({ code: 'EMEDIUMTYPE', bytesTransferred: 0 });
    expect(chip.changed).toBe(32);
  });

  test('a part whose halves are equal is written where its owner says so', async () => {
    const chip = new Chip(c64, (i) => ((i & 4095) * 7) & 0xff);
    const options = { ...PATIENT, chip: '24c64' };
    const { error } = await ended(fromI2cBus(promisified(chip), options).write?.(0, Buffer.of(9), context));
    expect(error).toMatchObject({ code: 'EMEDIUMTYPE' });
    await fromI2cBus(promisified(chip), { ...options, forceGeometry: true }).write?.(
      0,
      Buffer.of(9),
      context,
    );
    expect(chip.memory[0]).toBe(9);
  });
});

test('polls go out with one byte: two would be data for a part of one address byte', async () => {
  const chip = new Chip(c64);
  chip.cycle = 5;
  const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64' });
  await provider.read?.(0, 1, context);
  chip.log.length = 0;
  await provider.write?.(0x100, Buffer.alloc(64, 1), context);
  const polls = chip.log.slice(chip.log.indexOf('W50 34') + 1, chip.log.lastIndexOf('W50 34'));
  expect(polls.length).toBeGreaterThan(3);
  expect(new Set(polls)).toEqual(new Set(['W50 1']));
});

describe('a part that refuses data in mid-page', () => {
  test('and has stored none of it is EPERM', async () => {
    const chip = new Chip(c64);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64' });
    await provider.read?.(0, 1, context);
    chip.protectedBy = 'refusal';
    const data = Buffer.alloc(64, (chip.memory[0] ?? 0) ^ 0xff);
    expect((await ended(provider.write?.(0, data, context))).error).toMatchObject({ code: 'EPERM' });
  });

  test('and may have stored some is EIO', async () => {
    const chip = new Chip(c64);
    const provider = fromI2cBus(promisified(chip), { ...PATIENT, chip: '24c64' });
    const data = Buffer.alloc(96, 0x5a);
    await provider.read?.(0, 1, context);
    chip.protectedBy = 'refusal';
    chip.taken = 10;
    expect((await ended(provider.write?.(0, data, context))).error).toMatchObject({
      code: 'EIO',
      bytesTransferred: 0,
    });
  });
});

const shapes = fc.record({
  addressBytes: fc.constantFrom<(1 | 2)[]>(1, 2),
  bits: fc.integer({ min: 4, max: 11 }),
  wide: fc.integer({ min: 12, max: 13 }),
  isFram: fc.boolean(),
  lone: fc.constantFrom('nothing' as const, 'high' as const, 'shift' as const),
});
const fills = fc.oneof(
  fc.nat(255).map((value) => () => value),
  fc
    .array(fc.nat(255), { minLength: 1, maxLength: 700 })
    .map((list) => (i: number) => list[i % list.length] ?? 0),
  fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 40 }), fc.nat(255)).map(
    ([at, length, value]) =>
      (i: number) =>
        i >= at && i < at + length ? (i * value) & 0xff : 0xff,
  ),
);
const options = fc.constantFrom('24c02', '24c08', '24c16', '24c32', '24c64', '24c128');

test('whatever is there, and whatever it is taken for, a read changes nothing and a write at most a page of it', async () => {
  await fc.assert(
    fc.asyncProperty(
      shapes,
      fills,
      options,
      fc.nat(200),
      fc.uint8Array({ minLength: 1, maxLength: 90 }),
      async (shape, fill, chip, offset, data) => {
        const { addressBytes, bits, wide, isFram, lone } = shape;
        const part = new Chip(
          { size: 2 ** (addressBytes === 2 ? wide : bits), addressBytes, page: 8, isFram, lone },
          fill,
        );
        part.cycle = 1;
        const provider = fromI2cBus(promisified(part), { address: 0x50, writeCycleMs: 5, chip, page: 8 });
        await ended(provider.read?.(offset, 56, context));
        expect(part.changed).toBe(0);
        const before = Buffer.from(part.memory);
        const { error } = await ended(provider.write?.(offset, data, context));
        if (error === undefined && provider.size === part.shape.size) {
          data.forEach((byte, i) => (before[offset + i] = byte));
          expect(part.memory).toEqual(before);
        }
        // A page and, of a part of one address byte, the low byte of its address.
        if (error !== undefined) expect(part.changed).toBeLessThanOrEqual(9);
      },
    ),
    { numRuns: 100 },
  );
});
