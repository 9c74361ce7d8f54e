/**
 * Parts that are more than an array behind one address, and hardware that misbehaves, from open() down to the virtual bench
 * and back. The two ends share no code.
 */
import { open, type NvmemError } from '../../lib/index.js';
import { probeWidth } from '../../lib/bus/probe_width.js';
import { native } from '../../lib/native/index.js';
import { VirtualBench, type EepromSetup, type FaultSpec, type SiliconVersion } from '../../lib/rig/index.js';
import { imageOf, random, seedOfRun } from './bench.js';

const seed = seedOfRun();
let bench: VirtualBench;

beforeAll(() => {
  process.stdout.write(`images and writes from NVMEM_SEED=${seed}\n`);
});

afterEach(async () => {
  await bench.close();
});

async function start(eeproms: EepromSetup[], version: SiliconVersion = 2): Promise<void> {
  bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms, version }] });
}

function uri(address: number, chip: string): string {
  return `usbip://127.0.0.1:${bench.port}/1-1/0x${address.toString(16)}?chip=${chip}`;
}

test('DDR4: both pages, beside another EE1004 and a plain SPD part', async () => {
  const images = [imageOf(512, seed), imageOf(512, seed + 1), imageOf(256, seed + 2)] as const;
  await start([
    { address: 0x50, chip: 'ee1004', image: images[0] },
    { address: 0x51, chip: 'ee1004', image: images[1] },
    { address: 0x52, chip: 'spd', image: images[2] },
  ]);
  const [one, two, plain] = await Promise.all([
    open(uri(0x50, 'ee1004')),
    open(uri(0x51, 'ee1004')),
    open(uri(0x52, 'spd')),
  ]);
  expect(one.forceRo).toBe(true);
  await expect(one.write(0, Buffer.of(1))).rejects.toMatchObject({ code: 'EPERM' });
  for (let round = 0; round < 5; round++) {
    const read = await Promise.all([
      one.read(0, 512),
      two.read(0, 512),
      plain.read(0, 256),
      one.read(250, 20),
    ]);
    expect(read[0].equals(images[0])).toBe(true);
    expect(read[1].equals(images[1])).toBe(true);
    expect(read[2].equals(images[2])).toBe(true);
    expect(read[3].equals(images[0].subarray(250, 270))).toBe(true);
  }
  // Asked for, it can be written: into the upper page, over its first border and to the end.
  one.forceRo = false;
  const data = imageOf(300, seed + 3);
  await one.write(212, data);
  expect(Buffer.from(bench.device().eeprom(0x50).image).subarray(212).equals(data)).toBe(true);
  expect(Buffer.from(bench.device().eeprom(0x51).image).equals(images[1])).toBe(true);
  await Promise.all([one.close(), two.close(), plain.close()]);
});

test('DDR5: eight pages, no write, and only a part that says it is one', async () => {
  const image = imageOf(1024, seed);
  const other = imageOf(256, seed + 1);
  await start([
    { address: 0x50, chip: 'spd5118', image },
    { address: 0x51, chip: '24c02', image: other },
  ]);
  const hub = await open(uri(0x50, 'spd5118'));
  expect(hub.size).toBe(1024);
  expect((await hub.read(0, 1024)).equals(image)).toBe(true);
  expect((await hub.read(120, 20)).equals(image.subarray(120, 140))).toBe(true);
  hub.forceRo = false;
  await expect(hub.write(0, Buffer.of(1))).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
  await expect(open(uri(0x51, 'spd5118'))).rejects.toMatchObject({
    code: 'EMEDIUMTYPE',
    message: expect.stringMatching(/is no spd5118 \(its registers MR0 and MR1 say/) as string,
  });
  await expect(open(uri(0x51, 'ee1004'))).rejects.toMatchObject({
    code: 'EMEDIUMTYPE',
    message: expect.stringMatching(/page select at 0x36/) as string,
  });
  await expect(open(uri(0x52, 'spd5118'))).rejects.toMatchObject({ code: 'ENXIO' });
  expect(Buffer.from(bench.device().eeprom(0x51).image).equals(other)).toBe(true);
  await hub.close();
});

test.each([
  ['AT24CS02', '24cs02', 16],
  ['AT24CS16', '24cs16', 16],
  ['AT24CS64', '24cs64', 16],
  ['AT24MAC402', '24mac402', 6],
  ['AT24MAC602', '24mac602', 8],
] as const)(
  '%s: the array at 0x50 and its window at 0x58 share an address counter',
  async (part, model, size) => {
    const window = imageOf(size, seed + 7);
    await start([{ address: 0x50, chip: model, window }]);
    const array = await open(uri(0x50, part));
    const serial = await open(uri(0x58, part));
    const image = imageOf(array.size, seed);
    await array.write(0, image);
    expect(serial.size).toBe(size);
    expect(serial.forceRo).toBe(true);
    for (let round = 0; round < 3; round++) {
      const [a, s] = await Promise.all([array.read(0, array.size), serial.read(0, size)]);
      expect(s.equals(window)).toBe(true);
      expect(a.equals(image)).toBe(true);
    }
    await Promise.all([array.close(), serial.close()]);
  },
);

test('any writes with any page, width and skipEqual equal a flat array, in the fewest write cycles', async () => {
  const next = random(seed ^ 0xa24);
  const below = (n: number): number => Math.floor(next() * n);
  const parts = ['24c01', 'M24C02', '24c16', '24c32', 'AT24C256', '24c1025'] as const;
  for (const [index, name] of parts.entries()) {
    const model = { M24C02: '24c02', AT24C256: '24c256' }[name as string] ?? name;
    await start([{ address: 0x50, chip: model, maker: name === 'M24C02' ? 'st' : 'microchip' }]);
    const device = await open(uri(0x50, name));
    const chip = bench.device().eeprom(0x50);
    const flat = Buffer.alloc(device.size, 0xff);
    const page = chip.pageSize;
    const room = 61 - chip.model.addressBytes;
    for (let round = 0; round < 12; round++) {
      const length = 1 + below(Math.min(device.size, 600));
      const offset = below(device.size - length + 1);
      const data = Buffer.from(flat.subarray(offset, offset + length));
      // From a single changed byte to all of them.
      for (let n = [1, 3, length][round % 3] ?? 1; n > 0; n--) data[below(length)] = below(256);
      const skipEqual = round % 4 !== 0;
      let fewest = 0;
      for (let at = offset; at < offset + length;) {
        const end = Math.min(offset + length, at - (at % page) + page);
        for (let from = at; from < end;) {
          if (skipEqual && data[from - offset] === flat[from]) from++;
          else {
            fewest++;
            from += room;
          }
        }
        at = end;
      }
      const cycles = chip.writeCycles;
      const before = device.stats.writeCycles;
      const result = await device.write(offset, data, { skipEqual });
      data.copy(flat, offset);
      const context = JSON.stringify({ seed, name, index, round });
      expect({ context, cycles: chip.writeCycles - cycles }).toEqual({ context, cycles: fewest });
      expect(device.stats.writeCycles - before).toBe(fewest);
      expect(result.bytesWritten).toBe(length);
      if (!skipEqual) expect(result.bytesUnchanged).toBe(0);
      expect({ context, same: Buffer.from(chip.image).equals(flat) }).toEqual({ context, same: true });
    }
    const { writeCycles } = chip;
    expect(
      await device.write(0, flat.subarray(0, 256 % (device.size + 1)), { skipEqual: true }),
    ).toMatchObject({
      bytesUnchanged: 256 % (device.size + 1),
    });
    expect(chip.writeCycles).toBe(writeCycles);
    await device.erase(0, device.size, { skipEqual: true, verify: false });
    expect(chip.image.every((byte) => byte === 0xff)).toBe(true);
    await device.close();
    expect(device.stats.writeCycles).toBe(chip.writeCycles);
    await bench.close();
  }
});

interface Trouble {
  readonly fault: FaultSpec;
  readonly code: string;
  readonly says: RegExp;
}

const troubles: Record<string, Trouble> = {
  'SCL held low': {
    fault: { kind: 'scl-low', count: Infinity },
    code: 'EBUSY',
    says: /SCL or SDA is held low/,
  },
  'arbitration lost': {
    fault: { kind: 'arbitration', count: Infinity },
    code: 'EAGAIN',
    says: /arbitration/,
  },
  'nobody there': {
    fault: { kind: 'nak', count: Infinity },
    code: 'ENXIO',
    says: /nothing answers at device address 0x50/,
  },
};

test.each(Object.entries(troubles))(
  '%s has its own code and sentence',
  async (_name, { fault, code, says }) => {
    await start([{ address: 0x50, chip: '24c02' }]);
    const device = await open(uri(0x50, '24c02'));
    const armed = bench.device().faults.add(fault);
    for (const failed of [device.read(0, 16), device.write(0, Buffer.alloc(4))]) {
      await expect(failed).rejects.toMatchObject({ code, message: expect.stringMatching(says) as string });
    }
    await expect(open(uri(0x51, '24c02'))).rejects.toMatchObject({ code });
    armed.release();
    expect(await device.read(0, 16)).toHaveLength(16);
    await device.close();
  },
);

test('a part that stops answering in the middle of a page is told from one that is protected, and from one that comes back', async () => {
  await start([{ address: 0x50, chip: '24c32' }]);
  const device = await open(uri(0x50, '24c32'), { forceGeometry: true });
  const { faults } = bench.device();
  let value = 0;
  // Another value each time: equal bytes would tell nothing of which were taken.
  const failure = async (): Promise<NvmemError> => {
    const outcome: unknown = await device
      .write(32, Buffer.alloc(32, ++value))
      .catch((error: unknown) => error);
    faults.clear();
    return outcome as NvmemError;
  };
  // What the page holds is read (two addresses, about a repeated START); then byte 12 is refused, and after that nothing is
  // acknowledged any more.
  faults.add({ kind: 'nak-data', byte: 12 });
  faults.add({ kind: 'nak', count: Infinity, skip: 3 });
  const dead = await failure();
  expect(dead).toMatchObject({ code: 'ENXIO', uncertain: [{ offset: 32, length: 32 }], committed: [] });
  expect(dead.message).toMatch(/stopped answering in the middle of a page/);
  faults.add({ kind: 'nak-data', byte: 12 });
  const back = await failure();
  expect(back).toMatchObject({ code: 'EIO', uncertain: [{ offset: 32, length: 32 }] });
  expect(back.message).toMatch(/refused a data byte in the middle of a page/);
  // The first data byte: that is how ST parts protect themselves.
  faults.add({ kind: 'nak-data', byte: 2 });
  const locked = await failure();
  expect(locked).toMatchObject({ code: 'EPERM', uncertain: [], untouched: [{ offset: 32, length: 32 }] });
  await device.write(32, Buffer.alloc(32, 9));
  await device.close();
});

test.each([1, 2, 3] as const)(
  'silicon version %i: reads work, and the width shows without a byte that could be stored',
  async (version) => {
    const narrow = imageOf(256, seed);
    const wide = imageOf(4096, seed + 1);
    await start(
      [
        { address: 0x50, chip: '24c02', image: narrow },
        { address: 0x51, chip: '24c32', image: wide },
        { address: 0x52, chip: '24c32' },
      ],
      version,
    );
    const device = await open(uri(0x51, '24c32'));
    expect((await device.read(0, 4096)).equals(wide)).toBe(true);
    const opened = await native().openUsbip({
      host: '127.0.0.1',
      port: bench.port,
      busid: '1-1',
      clockHz: 100_000,
      openTimeoutMs: 5000,
    });
    // The bridge is in use by the device above: one client at a time.
    expect(opened.bus).toBeUndefined();
    await device.close();
    const again = await native().openUsbip({
      host: '127.0.0.1',
      port: bench.port,
      busid: '1-1',
      clockHz: 100_000,
      openTimeoutMs: 5000,
    });
    const { bus } = again;
    if (!bus) throw new Error('no bus');
    const widths: unknown[] = [];
    for (const address of [0x50, 0x51, 0x52]) {
      widths.push(
        await probeWidth(bus, address).then(
          ({ addressWidth }) => addressWidth,
          (error: unknown) => (error as NvmemError).code,
        ),
      );
    }
    await expect(probeWidth(bus, 0x30)).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
    await bus.close();
    expect(widths).toEqual([8, 16, undefined]);
    const { eeproms } = bench.device();
    expect(eeproms.map((eeprom) => eeprom.writeCycles)).toEqual([0, 0, 0]);
    expect(Buffer.from(eeproms[0]?.image ?? []).equals(narrow)).toBe(true);
  },
);
