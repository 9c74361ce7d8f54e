/**
 * Write protect on a line of a gpiochip that this machine has not: the whole way down and up again. What a kernel
 * does with a line that there is, is shown by test/kernel/guest/gpiochip.mjs.
 */
import { once } from 'node:events';

import { open } from '../../lib/index.js';
import { native } from '../../lib/native/index.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { left } from './bench.js';

let bench: VirtualBench;

beforeAll(async () => {
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ eeproms: [{ address: 0x50, chip: '24c02', wp: 0 }] }],
  });
});

afterAll(async () => {
  await bench.close();
});

test.each(['gpiochip4294967295:0', 'no-such-chip:WP', '0003:10C4:EA90.0001:4294967296', '../../dev/null:0'])(
  'wp=%s: it cannot be opened, the error names the chip, and nothing stays open',
  async (wp) => {
    const before = bench.device().gpioLevels;
    const counts = native().counts();
    const chip = wp.slice(0, wp.lastIndexOf(':'));
    await expect(open(`usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c02&wp=${wp}`)).rejects.toMatchObject({
      code: 'ENOENT',
      syscall: 'open',
      message: expect.stringContaining(`cannot drive write protect: there is no gpiochip ${chip}`) as string,
      hint: expect.stringContaining('gpiodetect') as string,
    });
    expect(left(native().counts(), counts)).toEqual({});
    // A GPIO of the bridge stands in for no line of a gpiochip.
    expect(bench.device().gpioLevels).toBe(before);
    // The bench hears of the end a moment after us.
    if (bench.device().attached) await once(bench.device(), 'detached');
  },
);

test('the same part with its own GPIO works on the same bridge afterwards', async () => {
  const device = await open(`usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c02&wp=0`);
  await device.write(0, Buffer.from('hello'));
  expect(bench.device().gpioLevels & 1).toBe(1);
  await device.close();
});
