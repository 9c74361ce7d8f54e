jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import fc from 'fast-check';

import { filesOf } from '../../../lib/kernel/index.js';
import {
  memoryProvider,
  Registry,
  NvmemKernelApi,
  type Keepout,
  type NvmemProvider,
} from '../../../lib/index.js';

const SIZE = 96;

/** A device as an array of bytes, and beside it which bytes are keepouts. */
class Model {
  readonly bytes: Uint8Array;
  readonly #keepouts: readonly Keepout[];

  constructor(image: Uint8Array, keepouts: readonly Keepout[]) {
    this.bytes = Uint8Array.from(image);
    this.#keepouts = keepouts;
  }

  read(offset: number, length: number): number[] {
    return Array.from({ length }, (_, i) => this.#fill(offset + i) ?? this.bytes[offset + i] ?? 0);
  }

  write(offset: number, data: readonly number[]): void {
    data.forEach((byte, i) => {
      if (this.#fill(offset + i) === undefined) this.bytes[offset + i] = byte;
    });
  }

  /** As a number, bit 0 of the byte at `offset` first. */
  readBits(offset: number, bitOffset: number, nbits: number): bigint {
    let value = 0n;
    for (let i = nbits - 1; i >= 0; i--) {
      const at = bitOffset + i;
      const byte = this.read(offset + (at >> 3), 1)[0] ?? 0;
      value = (value << 1n) | BigInt((byte >> (at & 7)) & 1);
    }
    return value;
  }

  writeBits(offset: number, bitOffset: number, nbits: number, value: bigint): void {
    for (let i = 0; i < nbits; i++) {
      const at = bitOffset + i;
      const where = offset + (at >> 3);
      const [old = 0] = this.read(where, 1);
      const bit = 1 << (at & 7);
      this.write(where, [(value >> BigInt(i)) & 1n ? old | bit : old & ~bit]);
    }
  }

  #fill(at: number): number | undefined {
    return this.#keepouts.find(({ start, end }) => at >= start && at < end)?.value;
  }
}

/** RAM in JavaScript that refuses what is beyond its end. */
function ram(memory: Uint8Array, asynchronous: boolean): NvmemProvider {
  const check = (offset: number, length: number): void => {
    if (offset + length > memory.length) throw Object.assign(new Error('beyond'), { code: 'EINVAL' });
  };
  return {
    read(offset, length) {
      check(offset, length);
      const data = Uint8Array.from(memory.subarray(offset, offset + length));
      return asynchronous ? Promise.resolve(data) : data;
    },
    write(offset, data) {
      check(offset, data.length);
      memory.set(data, offset);
      return asynchronous ? Promise.resolve() : undefined;
    },
  };
}

/** Keepouts that the kernel's rules allow: sorted, whole words, on the stride. */
const keepoutsFor = (unit: number): fc.Arbitrary<Keepout[]> =>
  fc
    .array(fc.record({ gap: fc.nat(4), words: fc.integer({ min: 1, max: 4 }), value: fc.nat(255) }), {
      maxLength: 5,
    })
    .map((list) => {
      let at = 0;
      return list.flatMap(({ gap, words, value }) => {
        const start = at + gap * unit;
        const end = start + words * unit;
        at = end;
        return end <= SIZE ? [{ start, end, value }] : [];
      });
    });

type Step =
  | { kind: 'read' | 'write'; offset: number; length: number; seed: number }
  | { kind: 'bits'; offset: number; bitOffset: number; nbits: number; seed: number }
  | { kind: 'file'; offset: number; length: number; seed: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('read' as const, 'write' as const, 'file' as const),
    offset: fc.nat(SIZE - 1),
    length: fc.nat(SIZE),
    seed: fc.nat(255),
  }),
  fc.record({
    kind: fc.constant('bits' as const),
    offset: fc.nat(SIZE - 1),
    bitOffset: fc.nat(31),
    nbits: fc.integer({ min: 1, max: 70 }),
    seed: fc.nat(255),
  }),
);

const pattern = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => (seed * 31 + i * 57) & 0xff);

const number = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

const machine = fc.constantFrom(1, 2, 4).chain((unit) =>
  fc.record({
    unit: fc.constant(unit),
    keepouts: keepoutsFor(unit),
    image: fc.uint8Array({ minLength: SIZE, maxLength: SIZE }),
    how: fc.constantFrom('sync' as const, 'async' as const, 'native' as const),
    steps: fc.array(step, { minLength: 1, maxLength: 12 }),
  }),
);

test('any mix of keepouts, words, bit cells, reads and writes is a flat array', async () => {
  await fc.assert(
    fc.asyncProperty(machine, async ({ unit, keepouts, image, how, steps }) => {
      const registry = new Registry();
      const memory = Uint8Array.from(image);
      const provider = how === 'native' ? memoryProvider(memory) : ram(memory, how === 'async');
      const device = await registry.register({
        provider,
        name: 'm',
        id: 'none',
        size: SIZE,
        wordSize: unit,
        stride: unit,
        keepouts,
      });
      const model = new Model(image, keepouts);
      for (const one of steps) {
        if (one.kind === 'bits') {
          const offset = one.offset - (one.offset % unit);
          const cell = { offset, bitOffset: one.bitOffset, nbits: one.nbits };
          const bytes = Math.ceil((one.bitOffset + one.nbits) / 8);
          if (offset + Math.ceil(bytes / unit) * unit > SIZE) continue;
          expect(number(await device.cellRead(cell))).toBe(model.readBits(offset, one.bitOffset, one.nbits));
          const value = Uint8Array.from(pattern(Math.ceil(one.nbits / 8), one.seed));
          await device.cellWrite(cell, value, { verify: false });
          model.writeBits(offset, one.bitOffset, one.nbits, number(value));
        } else if (one.kind === 'file') {
          const offset = one.offset - (one.offset % unit);
          const length = Math.min(one.length, SIZE - offset);
          const whole = length - (length % unit);
          if (whole === 0) continue;
          using file = filesOf(device).open('nvmem', { flags: 'r+' });
          expect([...(await file.pread(one.length, offset))]).toEqual(model.read(offset, whole));
          const data = pattern(one.length, one.seed);
          expect(await file.pwrite(Uint8Array.from(data), offset)).toBe(whole);
          model.write(offset, data.slice(0, whole));
        } else {
          const length = Math.min(one.length, SIZE - one.offset);
          if (one.kind === 'read') {
            expect([...(await device.read(one.offset, length))]).toEqual(model.read(one.offset, length));
          } else {
            const data = pattern(length, one.seed);
            await device.write(one.offset, Uint8Array.from(data));
            model.write(one.offset, data);
          }
        }
      }
      expect([...(await device.read(0, SIZE))]).toEqual(model.read(0, SIZE));
      if (how !== 'native') expect([...memory]).toEqual([...model.bytes]);
      await registry.unregister(device);
    }),
    { numRuns: 300 },
  );
});

test('the kernel’s entry points see the same array', async () => {
  await fc.assert(
    fc.asyncProperty(
      keepoutsFor(1),
      fc.array(fc.tuple(fc.nat(SIZE), fc.nat(SIZE), fc.nat(255)), { maxLength: 8 }),
      async (keepouts, writes) => {
        const registry = new Registry();
        const kernel = new NvmemKernelApi(registry);
        const memory = new Uint8Array(SIZE);
        const device = await kernel.nvmemRegister({ provider: ram(memory, false), size: SIZE, keepouts });
        const model = new Model(memory, keepouts);
        for (const [offset, wanted, seed] of writes) {
          const length = Math.min(wanted, SIZE - offset);
          const data = pattern(length, seed);
          expect(await kernel.nvmemDeviceWrite(device, offset, Uint8Array.from(data))).toBe(length);
          model.write(offset, data);
          expect([...(await kernel.nvmemDeviceRead(device, offset, length))]).toEqual(
            model.read(offset, length),
          );
        }
        expect([...memory]).toEqual([...model.bytes]);
      },
    ),
  );
});
