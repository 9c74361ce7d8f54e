/**
 * Whose addresses are whose, and commands that last for ever: from open() and the command line down to the virtual bench and
 * back. The two ends share no code.
 */
import { open, type NvmemError } from '../../lib/index.js';
import { VirtualBench, type EepromSetup, type SiliconVersion } from '../../lib/rig/index.js';
import { cli, imageOf, seedOfRun } from './bench.js';

const seed = seedOfRun();
let bench: VirtualBench;

beforeAll(() => {
  process.stdout.write(`images from NVMEM_SEED=${seed}\n`);
});

afterEach(async () => {
  await bench.close();
});

async function start(eeproms: EepromSetup[], version: SiliconVersion = 2): Promise<void> {
  bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms, version }] });
}

function uri(address: number, parameters: string): string {
  return `usbip://127.0.0.1:${bench.port}/1-1/0x${address.toString(16)}?chip=${parameters}`;
}

const part = (address: number): ReturnType<ReturnType<VirtualBench['device']>['eeprom']> =>
  bench.device().eeprom(address);

// The names of the bench and of the driver come from two tables.
test.each([
  ['M24C02-DRMF3G', 16],
  ['M24C16-A125', 16, 'M24C16-D'],
  ['M24C32-D', 32],
  ['M24C64-DFMC6TG', 32],
  ['M24128-D', 64],
  ['M24256-D', 64],
  ['M24512-D', 128],
  ['M24M01-D', 256],
  ['M24M02-D', 256],
  ['M24256E-F', 64],
  ['M24512E-F', 128],
  ['M24M02E-F', 256],
])(
  '%s: at 0x58 there are the %i bytes of its page, and no write of them locks it',
  async (name, size, model = name) => {
    await start([{ address: 0x50, chip: model, maker: 'st' }]);
    const page = await open(uri(0x58, name));
    const array = await open(uri(0x50, name));
    expect(page.size).toBe(size);
    const data = imageOf(size, seed);
    await page.write(0, data);
    await page.erase();
    await page.write(0, data);
    await expect(page.write(size - 1, Buffer.of(2, 2))).rejects.toMatchObject({ code: 'EINVAL' });
    expect(Buffer.from(part(0x50).windowImage).equals(data)).toBe(true);
    expect((await page.read(0, size)).equals(data)).toBe(true);
    expect(part(0x50).image.every((byte) => byte === 0xff)).toBe(true);
    expect(part(0x50).locked).toBe(false);
    // The state is asked without a write cycle.
    const { writeCycles } = part(0x50);
    expect(await page.isLocked()).toBe(false);
    expect(part(0x50).writeCycles).toBe(writeCycles);
    expect(await page.lockPermanently()).toBe(true);
    expect(part(0x50).locked).toBe(true);
    expect(await page.isLocked()).toBe(true);
    expect((await page.read(0, size)).equals(data)).toBe(true);
    await expect(page.write(0, Buffer.of(1))).rejects.toMatchObject({ code: 'EPERM' });
    await expect(page.lockPermanently()).rejects.toMatchObject({ code: 'EPERM' });
    expect(Buffer.from(part(0x50).windowImage).equals(data)).toBe(true);
    await array.write(0, data);
    await Promise.all([page.close(), array.close()]);
  },
);

test('whatever a part at 0x58 is called, no write there is a command', async () => {
  await start([{ address: 0x50, chip: 'M24256-D', maker: 'st' }]);
  await expect(open(uri(0x58, 'M24256-BW'))).rejects.toMatchObject({ code: 'EINVAL' });
  await expect(open(uri(0x58, 'M24C32-D&size=4096'))).rejects.toMatchObject({ code: 'EINVAL' });
  await expect(open(uri(0x31, '24c02'))).rejects.toMatchObject({ code: 'EINVAL' });
  for (const name of ['24c256', '24c32', '24c512', '24c02', '24c256&size=32768']) {
    const device = await open(uri(0x58, name));
    expect(device.forceRo).toBe(true);
    device.forceRo = false;
    await expect(device.write(0x80, Buffer.alloc(1, 2))).rejects.toMatchObject({ code: 'EPERM' });
    await expect(device.erase(0, device.size)).rejects.toMatchObject({ code: 'EPERM' });
    await expect(device.lockPermanently()).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
    await device.close();
  }
  const small = await open(uri(0x58, '24c256&size=64'));
  await small.write(0, imageOf(64, seed));
  await small.close();
  expect(part(0x50).locked).toBe(false);
  expect(part(0x50).writeCycles).toBe(2);
});

test('a serial number is written to by nobody', async () => {
  await start([{ address: 0x50, chip: '24cs02' }]);
  const serial = await open(uri(0x58, 'AT24CS02'));
  serial.forceRo = false;
  await expect(serial.write(0, Buffer.of(1))).rejects.toMatchObject({ code: 'EPERM' });
  await expect(serial.isLocked()).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
  await serial.close();
  expect(part(0x50).drops).toBe(0);
});

test('the first silicon has no repeated START: the state is not asked, and the command works', async () => {
  await start([{ address: 0x50, chip: 'M24C32-D', maker: 'st' }], 1);
  const page = await open(uri(0x58, 'M24C32-D'));
  const before = Buffer.from(part(0x50).windowImage);
  expect(await page.isLocked()).toBeUndefined();
  expect(await page.lockPermanently()).toBe(false);
  expect(part(0x50).locked).toBe(true);
  expect(Buffer.from(part(0x50).windowImage).equals(before)).toBe(true);
  await page.close();
});

test('WC is lowered for the command alone', async () => {
  await start([{ address: 0x50, chip: 'M24C32-D', maker: 'st', wp: 2 }]);
  const bare = await open(uri(0x58, 'M24C32-D&wp=2'));
  await bare.close();
  const without = await open(uri(0x58, 'M24C32-D'));
  await expect(without.lockPermanently()).rejects.toMatchObject({ code: 'EPERM' });
  await without.close();
  expect(part(0x50).locked).toBe(false);
  const page = await open(uri(0x58, 'M24C32-D&wp=2'));
  expect(await page.lockPermanently()).toBe(true);
  expect(bench.device().gpioLevels & 4).toBe(4);
  await page.close();
});

test('nvmem lock asks: without a terminal it does nothing, with --yes it locks', async () => {
  await start([{ address: 0x50, chip: 'M24C64-D', maker: 'st' }]);
  const page = uri(0x58, 'M24C64-D');
  const refused = await cli(['lock', page]);
  expect(refused).toMatchObject({ status: 2, stderr: expect.stringMatching(/no terminal/) as string });
  expect(part(0x50).locked).toBe(false);
  const array = await cli(['lock', '--yes', uri(0x50, 'M24C64-D')]);
  expect(array).toMatchObject({ status: 2, stderr: expect.stringMatching(/no page/) as string });
  const open = await cli(['lock', '--status', page]);
  expect(open).toMatchObject({ status: 0, stdout: expect.stringMatching(/not locked/) as string });
  const { status, stdout } = await cli(['lock', '--yes', '--json', page]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, locked: true, confirmed: true, bytes: 32 });
  expect(part(0x50).locked).toBe(true);
  expect(await cli(['lock', '--yes', page])).toMatchObject({ status: 4 });
  expect(JSON.parse((await cli(['lock', '--status', '--json', page])).stdout)).toMatchObject({
    locked: true,
  });
});

test('a part’s addresses are its own: another geometry there is EBUSY and names the device', async () => {
  await start([
    { address: 0x50, chip: '24c16' },
    { address: 0x18, chip: '24c02' },
  ]);
  const whole = await open(uri(0x50, '24c16'), { name: 'board' });
  for (const other of [
    uri(0x52, '24c02'),
    uri(0x50, '24c02'),
    uri(0x54, '24c08'),
    uri(0x50, '24c32'),
    uri(0x56, 'AT24C04'),
  ]) {
    const error = await open(other).then(
      () => undefined,
      (caught: unknown) => caught as NvmemError,
    );
    expect(error).toMatchObject({ code: 'EBUSY', syscall: 'open' });
    expect(error?.message).toContain('board');
    expect(error?.message).toContain('0x50?chip=24c16');
  }
  // Beside it, and the same again.
  const beside = await open(uri(0x18, '24c02'));
  const again = await open(uri(0x50, 'AT24C16'));
  await whole.close();
  await expect(open(uri(0x52, '24c02'))).rejects.toMatchObject({ code: 'EBUSY' });
  await again.close();
  const small = await open(uri(0x52, '24c02'));
  await expect(open(uri(0x50, '24c16'))).rejects.toMatchObject({ code: 'EBUSY' });
  await Promise.all([small.close(), beside.close()]);
});

test('a claim ends with a failed open and with the plug', async () => {
  await start([{ address: 0x52, chip: '24c02' }]);
  await expect(open(uri(0x51, '24c02'))).rejects.toMatchObject({ code: 'ENXIO' });
  const held = await open(uri(0x52, '24c02'));
  // Nobody has 0x51 any more.
  await expect(open(uri(0x51, '24c256'))).rejects.toMatchObject({ code: 'ENXIO' });
  const gone = new Promise((resolve) => held.once('removed', resolve));
  bench.device().unplug();
  await gone;
  bench.device().plug();
  const anew = await open(uri(0x50, '24c16')).then(
    (device) => device.close(),
    (error: unknown) => (error as NvmemError).code,
  );
  expect(anew).toBe('ENXIO');
});

test('a serial number, a page select and an array beside them fit together', async () => {
  await start([
    { address: 0x50, chip: '24cs02' },
    { address: 0x51, chip: 'ee1004' },
    { address: 0x52, chip: 'ee1004' },
  ]);
  const devices = await Promise.all([
    open(uri(0x50, 'AT24CS02')),
    open(uri(0x58, 'AT24CS02')),
    open(uri(0x58, '24cs02')),
    open(uri(0x50, '24c02')),
    open(uri(0x51, 'ee1004')),
    open(uri(0x52, 'ee1004')),
  ]);
  await expect(open(uri(0x58, '24c02&size=16'))).rejects.toMatchObject({ code: 'EBUSY' });
  await Promise.all(devices.map((device) => device.close()));
});

test('two opens of one part take turns: what is written last is there as a whole', async () => {
  await start([{ address: 0x50, chip: '24c32' }]);
  const [one, two] = await Promise.all([open(uri(0x50, '24c32')), open(uri(0x50, 'AT24C32'))]);
  const images = Array.from({ length: 6 }, (_, i) => imageOf(600, seed + i));
  await Promise.all(images.map((image, i) => (i % 2 === 0 ? one : two).write(100, image)));
  expect((await one.read(100, 600)).equals(images[5] ?? Buffer.of())).toBe(true);
  // One caller gives up: the other's turn comes.
  const controller = new AbortController();
  const first = one.write(0, imageOf(4096, seed + 7));
  const second = two.write(0, imageOf(4096, seed + 8), { signal: controller.signal });
  const third = one.write(0, imageOf(4096, seed + 9));
  controller.abort();
  await expect(second).rejects.toMatchObject({ code: 'ABORT_ERR', untouched: [{ offset: 0, length: 4096 }] });
  await Promise.all([first, third]);
  expect((await two.read(0, 4096)).equals(imageOf(4096, seed + 9))).toBe(true);
  await Promise.all([one.close(), two.close()]);
});

test('an inverted line protects when it is low: from open() on, but for the write, and after close()', async () => {
  await start([{ address: 0x50, chip: '24c02', wp: 3, wpInverted: true }]);
  const levels: boolean[] = [];
  bench.device().on('wp', (_address, high) => levels.push(high));
  expect(bench.device().gpioLevels & 8).toBe(8);
  const device = await open(uri(0x50, '24c02&wp=!3'));
  expect(bench.device().gpioLevels & 8).toBe(0);
  await expect(open(uri(0x50, '24c02&wp=3'))).rejects.toMatchObject({ code: 'EBUSY' });
  const data = imageOf(256, seed);
  await device.write(0, data);
  expect(Buffer.from(part(0x50).image).equals(data)).toBe(true);
  expect(levels).toEqual([true, false, true]);
  await device.close();
  expect(bench.device().gpioLevels & 8).toBe(0);
  // Named the wrong way round the part drops it all, and that is told.
  const wrong = await open(uri(0x50, '24c02&wp=3'));
  await expect(wrong.write(0, Buffer.alloc(8))).rejects.toMatchObject({ code: 'EBADMSG' });
  await wrong.close();
});

test('twr= is how long a write cycle is waited for', async () => {
  bench = await VirtualBench.start({
    time: 'real',
    devices: [{ eeproms: [{ address: 0x50, chip: '24c02', writeCycleMs: 120 }] }],
  });
  const plain = await open(uri(0x50, '24c02'));
  await expect(plain.write(0, Buffer.of(1))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await plain.close();
  const slow = await open(uri(0x50, '24c02&twr=150'));
  await slow.write(0, Buffer.of(1, 2, 3));
  await slow.write(8, Buffer.of(4));
  await slow.close();
  expect([...part(0x50).image.subarray(0, 9)]).toEqual([1, 2, 3, 255, 255, 255, 255, 255, 4]);
});
