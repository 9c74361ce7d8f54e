/** A bus as a value, from openBus() down to the virtual bench and back. */
import { once } from 'node:events';

import { open, openBus, type Bus, type BusEnd } from '../../lib/index.js';
import { native } from '../../lib/native/index.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { imageOf, seedOfRun } from './bench.js';

const seed = seedOfRun();
let bench: VirtualBench;
let before: ReturnType<ReturnType<typeof native>['counts']>;

beforeAll(() => {
  process.stdout.write(`images from NVMEM_SEED=${seed}\n`);
});

beforeEach(async () => {
  before = native().counts();
  bench = await VirtualBench.start({
    time: 'off',
    devices: [
      {
        eeproms: [
          { address: 0x50, chip: '24c02', image: imageOf(256, seed) },
          { address: 0x52, chip: '24c256', image: imageOf(32_768, seed + 1), wp: 3 },
        ],
      },
    ],
  });
});

afterEach(async () => {
  await bench.close();
  expect(native().counts()).toEqual(before);
});

const uri = (): string => `usbip://127.0.0.1:${bench.port}/1-1`;

test('the pins of the bridge are looked at, and stay as they are', async () => {
  const changed: string[] = [];
  await using bus = await openBus(uri());
  const { gpio } = bus;
  const device = bench.device();
  device.on('report', ({ direction, data }) => {
    if (direction === 'set' || direction === 'out') changed.push(Buffer.from(data).toString('hex'));
  });
  expect(await Promise.all([gpio.read(3), gpio.direction(3)])).toEqual([1, 'in']);
  device.driveGpio(3, 0);
  expect(await gpio.read(3)).toBe(0);
  device.driveGpio(3, null);
  expect(changed).toEqual([]);

  const wp = await bus.device({ address: 0x52, chip: '24c256', wp: 3 });
  expect([await gpio.read(3), await gpio.direction(3)]).toEqual([1, 'out']);
  await wp.close();

  await expect(gpio.read(8)).rejects.toThrow(RangeError);
  await expect(gpio.read(3, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toMatchObject({
    code: 'ABORT_ERR',
  });
  bench.device().unplug();
  await bus.gone;
  await expect(gpio.direction(3)).rejects.toMatchObject({ code: 'ENODEV', syscall: 'gpio' });
});

test('it says what it is, who is on it, and opens them', async () => {
  await using bus = await openBus(uri());
  expect(bus.uri).toBe(uri());
  expect(bus.identity).toMatchObject({ part: '0x0c', vid: '10c4', pid: 'ea90', clock_hz: '100000' });
  const asked: number[] = [];
  const found = await bus.scan({ onProgress: (done, of) => asked.push(done / of) });
  expect(asked.at(-1)).toBe(1);
  expect(found).toMatchObject([
    { address: 0x50, addresses: [0x50], guess: '24c02', held: undefined },
    {
      address: 0x52,
      addresses: [0x52],
      guess: '24c256',
      reason: expect.stringMatching(/^what it begins/) as string,
    },
  ]);
  for (const { address, guess = '' } of found) {
    const device = await bus.device({ address, chip: guess });
    expect(device.uri).toBe(`${uri()}/0x${address.toString(16)}?chip=${guess}`);
    const image = Buffer.from(bench.device().eeprom(address).image);
    expect((await device.read(0, device.size)).equals(image)).toBe(true);
    await device.close();
  }
});

test('parameters of a part are those of its URI', async () => {
  await using bus = await openBus(`${uri()}?speed=400k`);
  expect(bus.identity).toMatchObject({ clock_hz: '400000' });
  const device = await bus.device(
    { address: 0x52, chip: '24c256', wp: 3, page: 32, size: 16_384, addressWidth: 16, twr: 7 },
    { name: 'board', id: 'none' },
  );
  expect(device.uri).toBe(
    `${uri()}/0x52?chip=24c256&wp=3&size=16384&page=32&addressWidth=16&twr=7&speed=400k`,
  );
  expect(device).toMatchObject({ name: 'board', size: 16_384 });
  await device.write(0, Buffer.alloc(40, 1));
  expect(bench.device().eeprom(0x52).image.subarray(0, 40)).toEqual(new Uint8Array(40).fill(1));
});

test('two on one bus share it: who leaves takes only what is his', async () => {
  const one = await openBus(uri());
  const two = await openBus(uri());
  const alone = await open(`${uri()}/0x50?chip=24c02`);
  const his = await one.device({ address: 0x52, chip: '24c256' });
  const removed = once(his, 'removed');
  const ended = once(one, 'removed');
  await one.close();
  await removed;
  expect(await ended).toEqual([{ cause: 'closed', reason: 'closed' }]);
  expect(await one.gone).toEqual({ cause: 'closed', reason: 'closed' });
  await expect(his.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
  await expect(one.scan()).rejects.toMatchObject({ code: 'ENODEV' });
  await expect(one.device({ address: 0x50, chip: '24c02' })).rejects.toMatchObject({ code: 'ENODEV' });
  await expect(one.probeWidth(0x50)).rejects.toMatchObject({ code: 'ENODEV' });
  expect(await alone.read(0, 4)).toHaveLength(4);
  expect(await two.scan()).toHaveLength(2);
  await alone.close();
  expect(await two.probeWidth(0x52)).toMatchObject({ addressWidth: 16 });
  await two.close();
  await two.close();
});

test('unplugged: its devices go, it says so once, and what is asked of it is ENODEV', async () => {
  const bus = await openBus(uri());
  const device = await bus.device({ address: 0x52, chip: '24c256' });
  const reading = device.read(0, device.size);
  const order: string[] = [];
  device.on('removed', () => order.push('device'));
  bus.on('removed', ({ cause }: BusEnd) => order.push(cause));
  bench.device().unplug();
  await expect(reading).rejects.toMatchObject({ code: 'ENODEV' });
  expect(await bus.gone).toMatchObject({ cause: 'unplugged', reason: expect.stringMatching(/./) as string });
  expect(order).toEqual(['device', 'unplugged']);
  await expect(bus.scan()).rejects.toMatchObject({
    code: 'ENODEV',
    message: expect.stringContaining(uri()) as string,
  });
  await bus.close();
  expect(order).toEqual(['device', 'unplugged']);
  bench.device().plug();
  const again = await openBus(uri());
  expect(await again.scan()).toHaveLength(2);
  await again.close();
});

test('a scan ends with its signal, and while it runs parts are used', async () => {
  await using bus = await openBus(uri());
  const device = await bus.device({ address: 0x50, chip: '24c02' });
  const controller = new AbortController();
  const scan = bus.scan({
    all: true,
    signal: controller.signal,
    onProgress: (done) => {
      if (done === 10) controller.abort('enough');
    },
  });
  const read = device.read(0, 256);
  await expect(scan).rejects.toMatchObject({ code: 'ABORT_ERR', cause: 'enough' });
  expect(await read).toHaveLength(256);
  await expect(bus.scan({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' });
});

test.each<[string, (bus: Bus) => Promise<unknown>, unknown]>([
  ['an unknown chip', (bus) => bus.device({ address: 0x50, chip: '24c257' }), { code: 'EINVAL' }],
  [
    'a GPIO there is not',
    (bus) => bus.device({ address: 0x50, chip: '24c02', wp: 9 }),
    { name: 'RangeError' },
  ],
  ['no address', (bus) => bus.device({ chip: '24c02' } as never), { name: 'TypeError' }],
  [
    'an unknown parameter',
    (bus) => bus.device({ address: 0x50, chip: '24c02', speed: 1 } as never),
    { name: 'TypeError' },
  ],
  ['nobody there', (bus) => bus.device({ address: 0x57, chip: '24c02' }), { code: 'ENXIO' }],
  [
    'another geometry',
    async (bus) => {
      await bus.device({ address: 0x52, chip: '24c256' });
      return await bus.device({ address: 0x52, chip: '24c512' });
    },
    { code: 'EBUSY' },
  ],
  ['bad options', (bus) => bus.scan({ al: true } as never), { name: 'TypeError' }],
])('refused, and the bus goes on: %s', async (_name, body, error) => {
  await using bus = await openBus(uri());
  await expect(body(bus)).rejects.toMatchObject(error as object);
  expect(await bus.scan()).toHaveLength(2);
});

test.each([
  ['usbip://127.0.0.1/1-1/0x50?chip=24c02', 'EINVAL'],
  ['mem://256', 'EINVAL'],
  ['sysfs://1-00500', 'EINVAL'],
  ['usbip://127.0.0.1/1-1?chip=24c02', 'EINVAL'],
])('%s is the URI of no bus', async (wrong, code) => {
  await expect(openBus(wrong)).rejects.toMatchObject({ code });
});

test('a bus that is open holds the program, and one with unref() does not', async () => {
  const bus = await openBus(uri());
  expect(bus.unref().ref()).toBe(bus);
  await bus.close();
});
