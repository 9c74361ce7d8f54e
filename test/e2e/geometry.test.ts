/**
 * Parts that are not what their URI says, from open() and the command line down to the virtual bench: nothing that looks
 * changes them, the first write finds out, and what failed is told for what it is.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type NvmemError } from '../../lib/index.js';
import { VirtualBench, type EepromSetup, type SiliconVersion } from '../../lib/rig/index.js';
import { Machine } from '../../lib/machine/machine.js';
import { nvmemOn } from '../unit/cli/cli_run.js';
import { imageOf, seedOfRun } from './bench.js';

const seed = seedOfRun();
const folder = mkdtempSync(join(tmpdir(), 'nvmem-geometry-'));
let bench: VirtualBench;

afterEach(async () => {
  await bench.close();
});

afterAll(() => {
  process.stdout.write(`images from NVMEM_SEED=${seed}\n`);
  rmSync(folder, { recursive: true });
});

async function start(eeproms: EepromSetup[], version: SiliconVersion = 2): Promise<void> {
  bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms, version }] });
}

function uri(query: string, address = 0x50): string {
  return `usbip://127.0.0.1:${bench.port}/1-1/0x${address.toString(16)}?chip=${query}`;
}

function stored(): { image: Buffer; writeCycles: number } {
  const { image, writeCycles } = bench.device().eeprom(0x50);
  return { image: Buffer.from(image), writeCycles };
}

/** The command line, in this process. */
async function cli(args: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const { status, out, err } = await nvmemOn(new Machine(), args);
  return { status, stdout: out, stderr: err };
}

function file(data: Uint8Array): string {
  const name = join(folder, `${String(data.length)}-${String(data[0])}.bin`);
  writeFileSync(name, data);
  return name;
}

test.each(['24c02', '24c16', '24c01'])(
  'version 1: a %s named as a part of two address bytes is not written to by looking',
  async (chip) => {
    const size = { '24c01': 128, '24c02': 256, '24c16': 2048 }[chip] ?? 0;
    const image = imageOf(size, seed);
    await start([{ address: 0x50, chip, image }], 1);
    await expect(open(uri('24c32'))).rejects.toMatchObject({
      code: 'EMEDIUMTYPE',
      diagnosis: 'width',
      message: expect.stringContaining(`one address byte, ${String(size)} bytes such as ${chip}`) as string,
      hint: expect.stringContaining('chip=') as string,
    });
    const commands = [['read'], ['info'], ['doctor'], ['verify', file(imageOf(4096, seed))]];
    for (const [command = '', ...rest] of commands) {
      const { status, stdout } = await cli([command, uri('24c32'), ...rest, '--json']);
      expect([command, status]).toEqual([command, 1]);
      expect(stdout).toContain('one address byte');
    }
    expect(stored()).toEqual({ image, writeCycles: 0 });
  },
);

test.each([1, 2] as const)(
  'version %i: a blank part named wrongly is not changed by looking',
  async (version) => {
    for (const [chip, named] of [
      ['24c02', '24c32'],
      ['24c32', '24c16'],
    ] as const) {
      await start([{ address: 0x50, chip }], version);
      const before = stored().image;
      for (const command of ['read', 'info', 'doctor']) await cli([command, uri(named)]);
      expect(stored().image.equals(before)).toBe(true);
      if (chip === '24c02') await bench.close();
    }
  },
);

test.each([1, 2, 3] as const)('version %i: a 24c256, blank or not, is read and written', async (version) => {
  const image = imageOf(32_768, seed + 1);
  for (const content of [undefined, image.subarray(0, 200), image]) {
    await start([{ address: 0x50, chip: '24c256', ...(content && { image: content }) }], version);
    const device = await open(uri('24c256'));
    expect((await device.read(0, 32_768)).equals(stored().image)).toBe(true);
    const { verdict, addressWidth } = (await device.geometry()) ?? {};
    expect([verdict, addressWidth]).not.toContain('contradicts');
    await device.write(100, image.subarray(0, 300));
    expect(stored().image.subarray(100, 400).equals(image.subarray(0, 300))).toBe(true);
    const cycles = stored().writeCycles;
    await device.write(0, image.subarray(0, 8));
    expect(stored().writeCycles).toBe(cycles + 1);
    expect(await device.geometry()).toMatchObject({ verdict: 'fits', reason: '' });
    await device.close();
    if (content !== image) await bench.close();
  }
});

test.each([
  ['24c16', '24c32', 'width'],
  ['24c32', '24c16', 'width'],
  ['24c02', '24c256', 'width'],
  ['24c32', '24c64', 'size'],
  ['24c128', '24c512', 'size'],
  ['24c01', '24c02', 'size'],
  ['24c02', '24c16', 'size'],
] as const)(
  'a %s written in small pieces as a %s: EMEDIUMTYPE, and it is as it was',
  async (chip, named, diagnosis) => {
    await start([{ address: 0x50, chip }]);
    const eeprom = bench.device().eeprom(0x50);
    const image = imageOf(eeprom.image.length, seed + 2);
    eeprom.image = image;
    const device = await open(uri(named));
    for (const offset of [0, 100, device.size - 16]) {
      const error = (await device.write(offset, imageOf(6, seed)).catch((one: unknown) => one)) as NvmemError;
      expect(error).toMatchObject({ code: 'EMEDIUMTYPE', diagnosis, committed: [], uncertain: [] });
      expect(error.message).toContain(`${String(image.length)} bytes such as ${chip}`);
      expect(stored().image.equals(image)).toBe(true);
    }
    await device.close();
    const looks = ['read', 'info', 'verify'] as const;
    for (const command of looks) {
      const rest = command === 'verify' ? [file(imageOf(device.size, seed))] : [];
      const { stdout } = await cli([command, uri(named), ...rest, '--json']);
      const answer = JSON.parse(stdout) as {
        geometry?: { verdict: string; reason: string };
        error?: { code: string };
      };
      // A read that runs beyond the only address fails by itself.
      if (answer.error?.code !== 'ENXIO') expect(answer.geometry?.reason).toContain(chip);
    }
    const { stdout } = await cli(['doctor', uri(named), '--json']);
    expect(stdout).toContain(chip);
    expect(stored().image.equals(image)).toBe(true);
  },
);

test.each([
  ['24c16', '24c32'],
  ['24c32', '24c16'],
  ['24c32', '24c64'],
] as const)('a blank %s written as a %s: no second page is sent', async (chip, named) => {
  await start([{ address: 0x50, chip }]);
  const device = await open(uri(named));
  const error = (await device.write(0, imageOf(200, seed)).catch((one: unknown) => one)) as NvmemError;
  expect(error.code).toBe('EMEDIUMTYPE');
  expect(error.committed).toEqual([]);
  // At most the page itself, and putting it back.
  expect(stored().writeCycles).toBeLessThanOrEqual(2);
  await expect(device.write(64, imageOf(200, seed))).rejects.toMatchObject({ code: 'EMEDIUMTYPE' });
  expect(stored().writeCycles).toBeLessThanOrEqual(2);
  await device.close();
});

test('contents that repeat are no smaller part', async () => {
  const half = imageOf(2048, seed + 3);
  await start([{ address: 0x50, chip: '24c32', image: Buffer.concat([half, half]) }]);
  const device = await open(uri('24c32'));
  expect(await device.geometry()).toMatchObject({ verdict: 'repeats', size: 2048 });
  await device.write(0, imageOf(40, seed + 4));
  expect(await device.geometry()).toMatchObject({ verdict: 'fits' });
  expect(stored().image.subarray(2048).equals(half)).toBe(true);
  await device.close();
});

test('--force-geometry, and forceGeometry: the part is what the URI says', async () => {
  await start([{ address: 0x50, chip: '24c32', image: imageOf(4096, seed) }]);
  const data = imageOf(32, seed + 5);
  const refused = await cli(['write', uri('24c64'), file(data), '--offset', '5000']);
  expect(refused.status).toBe(1);
  const forced = await cli(['write', uri('24c64'), file(data), '--offset', '5000', '--force-geometry']);
  expect([forced.status, forced.stderr]).toEqual([0, '']);
  expect(stored().image.subarray(904, 936).equals(data)).toBe(true);
  const device = await open(uri('24c64'), { forceGeometry: true });
  await device.write(4096, data);
  await device.close();
  expect(stored().image.subarray(0, 32).equals(data)).toBe(true);
});

test.each([0, 1, 3])(
  'a data byte refused in page %i: nothing that was stored is called untouched',
  async (page) => {
    await start([{ address: 0x50, chip: '24c32', maker: 'st' }]);
    const before = stored().image;
    const device = await open(uri('24c32'));
    await device.write(4000, Buffer.of(1, 2, 3)); // the geometry is known from here on
    bench.device().faults.add({ kind: 'nak-data', byte: 10, skip: page, address: 0x50, count: 1 });
    const data = imageOf(128, seed + 6);
    const at = page * 32;
    const error = (await device
      .write(0, Buffer.concat([before.subarray(0, at), data]), { verify: false })
      .catch((one: unknown) => one)) as NvmemError;
    expect(error).toMatchObject({ code: 'EIO', diagnosis: 'refused-byte' });
    const { image } = stored();
    for (const { offset, length } of error.untouched ?? []) {
      if (offset > 3900) continue;
      const end = Math.min(offset + length, 3900);
      expect(image.subarray(offset, end).equals(before.subarray(offset, end))).toBe(true);
    }
    await device.close();
  },
);

test('why a write reads back differently is in the error, with what to do about it', async () => {
  const cases = [
    [{ chip: '24c32', wp: true as const }, '24c32', 'write-protect', 'wp='],
    [{ chip: '24c32', pageSize: 16 }, '24c32', 'page', 'page=16'],
    [{ chip: '24aa025e48' }, '24c02', 'protected-stretch', '0x80'],
  ] as const;
  for (const [setup, named, diagnosis, hint] of cases) {
    await start([{ address: 0x50, ...setup, image: imageOf(256, seed + 7) }]);
    const device = await open(uri(named));
    await expect(device.write(0, imageOf(256, seed + 8))).rejects.toMatchObject({
      code: 'EBADMSG',
      diagnosis,
      hint: expect.stringContaining(hint) as string,
    });
    await device.close();
    if (diagnosis !== 'protected-stretch') await bench.close();
  }
});
