import fc from 'fast-check';
import { chipNames, Eeprom, findChip, type EepromEvent } from '../../lib/rig/index';
import type { EepromOptions } from '../../lib/rig/eeprom';
import { pattern } from './helpers';

interface Bus {
  readonly chip: Eeprom;
  readonly events: EepromEvent[];
  wp: boolean;
  /** Writes bytes after the device address; the acknowledge bits, that of the address first. */
  write(address: number, bytes: readonly number[], stop?: boolean): boolean[];
  read(address: number, count: number): number[];
  /** Word address, repeated START, read. */
  readAt(address: number, word: readonly number[], count: number): number[];
  at: number;
}

function bus(name: string, options: Partial<EepromOptions> = {}, address = 0x50): Bus {
  const model = findChip(name);
  if (!model) throw new Error(name);
  const events: EepromEvent[] = [];
  const chip = new Eeprom(
    { address, model, ...options },
    {
      wpHigh: () => self.wp,
      writeCycle: (ms) => ({ us: ms * 1000 }),
      emit: (event) => events.push(event),
    },
  );
  const self: Bus = {
    chip,
    events,
    wp: false,
    at: 0,
    write(to, bytes, stop = true) {
      const acks = [chip.start(to, false, self.at)];
      for (const byte of bytes) if (acks.at(-1)) acks.push(chip.write(byte, self.at));
      if (stop) chip.stop(self.at);
      return acks;
    },
    read(from, count) {
      if (!chip.start(from, true, self.at)) return [];
      const bytes = Array.from({ length: count }, () => chip.read());
      chip.stop(self.at);
      return bytes;
    },
    readAt(from, word, count) {
      self.write(from, word, false);
      return self.read(from, count);
    },
  };
  return self;
}

/** Word address bytes and device address for an offset, straight from the data sheets' addressing tables. */
function place(name: string, offset: number): [address: number, word: number[]] {
  const wide = (findChip(name)?.size ?? 0) > 2048;
  if (!wide) return [0x50 + (offset >> 8), [offset & 0xff]];
  const shift = name === '24c1025' ? 2 : 0;
  return [0x50 + ((offset >> 16) << shift), [(offset >> 8) & 0xff, offset & 0xff]];
}

describe('the parts', () => {
  const table: [name: string, size: number, page: number, stPage: number, addresses: number[]][] = [
    ['24c01', 128, 8, 16, [0x50]],
    ['24c02', 256, 8, 16, [0x50]],
    ['spd', 256, 16, 16, [0x50]],
    ['24c02-vaio', 256, 16, 16, [0x50]],
    ['24c04', 512, 16, 16, [0x50, 0x51]],
    ['24c08', 1024, 16, 16, [0x50, 0x51, 0x52, 0x53]],
    ['24c16', 2048, 16, 16, [0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57]],
    ['24c32', 4096, 32, 32, [0x50]],
    ['24c64', 8192, 32, 32, [0x50]],
    ['24c128', 16384, 64, 64, [0x50]],
    ['24c256', 32768, 64, 64, [0x50]],
    ['24c512', 65536, 128, 128, [0x50]],
    ['24c1024', 131072, 256, 256, [0x50, 0x51]],
    ['24c1025', 131072, 128, 128, [0x50, 0x54]],
    ['24c2048', 262144, 256, 256, [0x50, 0x51, 0x52, 0x53]],
  ];

  test.each(table)('%s: size, pages, addresses', (name, size, page, stPage, addresses) => {
    const microchip = bus(name).chip;
    expect([microchip.image.length, microchip.pageSize]).toEqual([size, page]);
    expect(bus(name, { maker: 'st' }).chip.pageSize).toBe(stPage);
    expect(microchip.addresses).toEqual(addresses);
  });

  test.each(table)('%s: every block is where its device address says', (name, size) => {
    const image = pattern(size);
    const part = bus(name, { image });
    for (const offset of [0, 1, size / 2 - 1, size / 2, size - 2, 255, 256, 65535, 65536]) {
      if (offset >= size) continue;
      const [address, word] = place(name, offset);
      expect(part.readAt(address, word, 1)).toEqual([image[offset]]);
    }
  });

  test.each(table)('%s: a sequential read rolls over at the end', (name, size) => {
    const image = pattern(size);
    const part = bus(name, { image });
    const [address, word] = place(name, size - 2);
    // The 24xx1025 stays inside its half, everybody else starts the array again.
    const start = name === '24c1025' ? 65536 : 0;
    expect(part.readAt(address, word, 4)).toEqual([
      ...image.subarray(size - 2),
      ...image.subarray(start, start + 2),
    ]);
  });

  test('a multi-block part crosses its block borders in one read, the 24xx1025 does not', () => {
    for (const name of ['24c04', '24c16', '24c1024', '24c2048']) {
      const size = findChip(name)?.size ?? 0;
      const border = size > 2048 ? 65536 : 256;
      const image = pattern(size);
      const [address, word] = place(name, border - 1);
      expect(bus(name, { image }).readAt(address, word, 2)).toEqual([
        ...image.subarray(border - 1, border + 1),
      ]);
    }
    const image = pattern(131072);
    expect(bus('24c1025', { image }).readAt(0x50, [0xff, 0xff], 2)).toEqual([image[65535], image[0]]);
  });

  test('24c00: the same sixteen bytes on eight addresses, written one at a time', () => {
    const part = bus('24c00', { image: pattern(16) });
    for (let address = 0x50; address < 0x58; address++)
      expect(part.readAt(address, [3], 1)).toEqual([pattern(16)[3]]);
    part.write(0x53, [5, 0xaa, 0xbb]);
    // Without a page mode the address does not move.
    expect(part.chip.image[5]).toBe(0xbb);
    expect(part.chip.image[6]).toBe(pattern(16)[6]);
  });

  test('names are understood as people write them', () => {
    expect(findChip('AT24C256')?.name).toBe('24c256');
    expect(findChip('24LC256')?.name).toBe('24c256');
    expect(findChip('24aa02')?.name).toBe('24c02');
    expect(findChip('24AA025E48')?.name).toBe('24aa025e48');
    expect(findChip('m24c02')?.name).toBe('24c02');
    expect(findChip('24c64-wl')?.name).toBe('24c64d-wl');
    expect(findChip('24c3')).toBeUndefined();
    expect(new Set(chipNames()).size).toBe(chipNames().length);
  });

  test.each([
    ['24c04', 0x51],
    ['24c16', 0x52],
    ['24c1025', 0x54],
    ['24c02', 0x78],
    ['24cs02', 0x48],
  ])('%s cannot sit at 0x%s', (name, address) => {
    expect(() => bus(name, {}, address)).toThrow(RangeError);
  });
});

describe('windows at device code 1011', () => {
  test.each([
    ['24cs02', [0x80], 16],
    ['24cs32', [0x08, 0x00], 16],
    ['24mac402', [0x9a], 6],
    ['24mac602', [0x98], 8],
  ])('%s', (name, word, size) => {
    const part = bus(name, { image: pattern(64) });
    const window = [...part.chip.windowImage];
    expect(window).toHaveLength(size);
    expect(part.readAt(0x58, word, size)).toEqual(window);
    expect(part.readAt(0x50, word.length === 2 ? [0, 0] : [0], 2)).toEqual([...pattern(2)]);
    // It cannot be written, and the array is not what is written instead.
    const image = part.chip.image;
    part.write(0x58, [...word, 1, 2, 3]);
    expect([...part.chip.windowImage]).toEqual(window);
    expect(part.chip.image).toEqual(image);
    expect(part.events).toMatchObject([{ type: 'drop', reason: 'read-only' }]);
  });

  test('the address given may be the window’s, and an image of its size is its content', () => {
    const serial = pattern(16, 99);
    const part = bus('24cs02', { address: 0x5a, image: serial });
    expect(part.chip.addresses).toEqual([0x52, 0x5a]);
    expect(part.readAt(0x5a, [0x80], 16)).toEqual([...serial]);
  });

  test('array and window share one address counter', () => {
    const part = bus('24cs16', { image: pattern(2048) });
    part.readAt(0x58, [0x80], 3);
    expect(part.read(0x50, 1)).toEqual([pattern(2048)[0x83]]);
  });

  test('a lockable page is written like any page', () => {
    const part = bus('24c32d-wl');
    part.write(0x58, [0, 30, 1, 2, 3]);
    part.at += 5000;
    expect(part.readAt(0x58, [0, 0], 32).slice(-2)).toEqual([1, 2]);
    expect(part.chip.windowImage[0]).toBe(3);
    expect(part.chip.image.every((byte) => byte === 0xff)).toBe(true);
  });

  // ST: M24C16-A125 DocID025622, M24256-D, M24M02-DR DocID18204, M24M02E-F DS14157.
  test.each([
    ['M24C02-D', [0x05], [0x80], [0x15]],
    ['M24C16-D', [0x05], [0xff], [0x75]],
    ['M24C32-D', [0, 5], [0x04, 0], [0xfb, 0xe5]],
    ['M24256-DFMN6TP', [0, 5], [0xff, 0xff], [0xf8, 0x45]],
    ['M24512-D', [0, 5], [0x24, 7], [0x20, 0x85]],
    ['M24M01-D', [0, 5], [0x04, 0], [0x03, 0x05]],
    ['M24M02-D', [0, 5], [0x04, 0], [0xf3, 0x05]],
    ['M24M02E-F', [0, 5], [0x60, 0], [0x1c, 0x05]],
  ])('%s: its page can be locked for ever', (name, word, lock, alike) => {
    const part = bus(name, { maker: 'st' });
    const last = 0x58 + part.chip.addresses.length / 2 - 1;
    part.write(last, [...word, 0x11]);
    part.at += 10_000;
    expect(part.readAt(0x58, word, 1)).toEqual([0x11]);
    // The other bits of the address are don't care.
    part.write(0x58, [...alike, 0x12]);
    part.at += 10_000;
    expect(part.readAt(0x58, word, 1)).toEqual([0x12]);
    // Asking: a START comes before the STOP, and nothing is stored.
    expect(part.write(0x58, [...word, 0x13], false).at(-1)).toBe(true);
    expect(part.read(0x58, 1)).toHaveLength(1);
    expect(part.readAt(0x58, word, 1)).toEqual([0x12]);
    // Data without bit 1, and WC: no lock.
    part.write(0x58, [...lock, 0x01]);
    part.at += 10_000;
    part.wp = true;
    expect(part.write(0x58, [...lock, 0x02]).at(-1)).toBe(false);
    part.wp = false;
    part.at += 10_000;
    expect(part.chip.locked).toBe(false);
    expect(part.write(0x58, [...lock, 0x02]).at(-1)).toBe(true);
    expect(part.chip.locked).toBe(true);
    expect(part.events.at(-1)).toMatchObject({ type: 'lock' });
    expect(part.chip.start(0x50, false, part.at)).toBe(false);
    part.at += 10_000;
    expect(part.write(0x58, [...word, 0x14]).at(-1)).toBe(false);
    expect(part.events.at(-1)).toMatchObject({ type: 'drop', reason: 'locked' });
    expect(part.readAt(0x58, word, 1)).toEqual([0x12]);
    expect(part.chip.image.every((byte) => byte === 0xff)).toBe(true);
    // The array is as it was.
    part.write(0x50, [...word, 0x15]);
    expect(part.chip.image[5]).toBe(0x15);
  });

  test('24AA025E48: the upper half, with the EUI, cannot be written', () => {
    const part = bus('24aa025e48', { image: pattern(256) });
    part.write(0x50, [0xfa, 1, 2]);
    part.write(0x50, [0x7f, 1]);
    expect(part.chip.image[0xfa]).toBe(pattern(256)[0xfa]);
    expect(part.chip.image[0x7f]).toBe(1);
  });
});

describe('writing', () => {
  test('a page wraps onto itself, the last byte wins', () => {
    const part = bus('24c02');
    part.write(0x50, [0x0e, 1, 2, 3, 4]);
    expect([...part.chip.image.subarray(6, 18)]).toEqual([
      255, 255, 3, 4, 255, 255, 255, 255, 1, 2, 255, 255,
    ]);
    part.at += 5000;
    part.write(0x50, [0x20, ...pattern(19)]);
    expect([...part.chip.image.subarray(0x20, 0x28)]).toEqual(
      [16, 17, 18, 11, 12, 13, 14, 15].map((n) => pattern(19)[n]),
    );
  });

  test('the counter after a write is the byte after the last one, within the page', () => {
    const part = bus('24c02', { image: pattern(256) });
    part.write(0x50, [0x16, 0xaa, 0xbb]);
    part.at += 5000;
    expect(part.read(0x50, 1)).toEqual([pattern(256)[0x10]]);
  });

  test('current address reads go on where the last access ended', () => {
    const part = bus('24c256', { image: pattern(32768) });
    part.readAt(0x50, [0x10, 0x00], 3);
    expect(part.read(0x50, 2)).toEqual([...pattern(32768).subarray(0x1003, 0x1005)]);
    expect(part.read(0x50, 1)).toEqual([...pattern(32768).subarray(0x1005, 0x1006)]);
  });

  test('during the write cycle all of the chip’s addresses are silent, and then answer', () => {
    const part = bus('24c04');
    part.at = 100;
    part.write(0x50, [0, 1]);
    for (const at of [100, 2600, 5099]) {
      part.at = at;
      expect([part.chip.start(0x50, false, at), part.chip.start(0x51, true, at)]).toEqual([false, false]);
    }
    expect(part.chip.busyUntil).toBe(5100);
    part.at = 5100;
    expect(part.readAt(0x50, [0], 1)).toEqual([1]);
    expect(part.events.map((event) => event.type)).toEqual(['start', 'commit']);
    expect(part.chip.busyNaks).toBe(6);
  });

  test('an address without data, and data without a STOP, start nothing', () => {
    const part = bus('24c02');
    part.write(0x50, [0x10]);
    expect(part.chip.busy(0)).toBe(false);
    part.write(0x50, [0x10, 1, 2], false);
    expect(part.read(0x50, 1)).toEqual([0xff]);
    expect(part.chip.image.every((byte) => byte === 0xff)).toBe(true);
    expect(part.events).toEqual([
      { type: 'abort', address: 0x50, offset: 0x10, length: 2, reason: 'no-stop' },
    ]);
  });

  test('the times of the makers', () => {
    expect(bus('24c2048').chip.writeCycleMs).toBe(10);
    expect(bus('24c256').chip.writeCycleMs).toBe(5);
    expect(bus('24c256', { writeCycleMs: 2 }).chip.writeCycleMs).toBe(2);
  });

  test.each([
    ['keep', [0xff, 0xff, 0xff, 0xff]],
    ['commit', [1, 2, 3, 4]],
    ['tear', [1, 2, 0xff, 0xff]],
  ] as const)('power lost in the write cycle: %s', (powerLoss, left) => {
    const part = bus('24c02', { powerLoss });
    part.write(0x50, [0, 1, 2, 3, 4]);
    part.chip.powerOff(4999);
    expect([...part.chip.image.subarray(0, 4)]).toEqual(left);
    expect(part.events.at(-1)).toMatchObject({ type: 'power-loss', reason: powerLoss });
    expect(part.chip.busy(4999)).toBe(false);
  });

  test('power lost after the write cycle, or before the STOP', () => {
    const part = bus('24c02');
    part.write(0x50, [0, 1, 2]);
    part.chip.powerOff(5000);
    expect([...part.chip.image.subarray(0, 2)]).toEqual([1, 2]);
    part.at = 6000;
    part.write(0x50, [0, 7, 8], false);
    part.chip.powerOff(6000);
    expect([...part.chip.image.subarray(0, 2)]).toEqual([1, 2]);
    expect(part.events.map((event) => event.type)).toEqual(['start', 'commit', 'abort']);
  });
});

describe('write protect', () => {
  test('Microchip: everything is acknowledged, nothing is written, the next command is taken at once', () => {
    const part = bus('24c256', { maker: 'microchip' });
    part.wp = true;
    expect(part.write(0x50, [0, 0, 1, 2])).toEqual([true, true, true, true, true]);
    expect(part.chip.busy(0)).toBe(false);
    expect(part.readAt(0x50, [0, 0], 2)).toEqual([0xff, 0xff]);
    expect(part.events).toEqual([{ type: 'drop', address: 0x50, offset: 0, length: 2, reason: 'wp' }]);
  });

  test('Microchip looks at the pin at the STOP only', () => {
    const part = bus('24c02');
    part.wp = true;
    part.write(0x50, [0, 1], false);
    part.wp = false;
    part.chip.stop(0);
    expect(part.chip.image[0]).toBe(1);
    part.at = 5000;
    part.write(0x50, [0, 2], false);
    part.wp = true;
    part.chip.stop(5000);
    expect(part.chip.image[0]).toBe(1);
  });

  test('ST: address bytes acknowledged, data refused', () => {
    const part = bus('24c256', { maker: 'st' });
    part.wp = true;
    expect(part.write(0x50, [0, 0, 1, 2])).toEqual([true, true, true, false]);
    expect(part.chip.writeCycles).toBe(0);
    expect(part.readAt(0x50, [0, 0], 1)).toEqual([0xff]);
  });

  test('ST looks at the pin from the START to the end of the address', () => {
    const part = bus('24c02', { maker: 'st' });
    part.chip.start(0x50, false, 0);
    part.chip.write(0, 0);
    part.wp = true;
    expect(part.chip.write(1, 0)).toBe(true);
    part.chip.stop(0);
    expect(part.chip.image[0]).toBe(1);
  });
});

describe('as a whole', () => {
  test('any sequence of page writes and reads agrees with an array and a page rule', () => {
    const names = ['24c01', '24c02', '24c08', '24c32', '24c256', '24c1025'];
    const operation = fc.record({
      write: fc.boolean(),
      offset: fc.nat(200_000),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 70 }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.array(operation, { maxLength: 25 }), (name, operations) => {
        const part = bus(name);
        const size = part.chip.image.length;
        const page = part.chip.pageSize;
        const expected = new Uint8Array(size).fill(0xff);
        for (const { write, offset, bytes } of operations) {
          const at = offset % size;
          const [address, word] = place(name, at);
          if (write) {
            part.write(address, [...word, ...bytes]);
            part.at += 5000;
            for (const [index, byte] of bytes.entries())
              expected[at - (at % page) + ((at + index) % page)] = byte;
          } else {
            const block = name === '24c1025' ? 65536 : size;
            const wanted = [...bytes].map((_, index) => expected[at - (at % block) + ((at + index) % block)]);
            expect(part.readAt(address, word, bytes.length)).toEqual(wanted);
          }
        }
        expect(Buffer.compare(part.chip.image, expected)).toBe(0);
      }),
    );
  });
});
