/** Devices by where they are: found by their URI, and known by their old name when they come back. */
import { once } from 'node:events';

import { Registry, open, memoryProvider, type NvmemDevice } from '../../lib/index.js';
import { VirtualBench } from '../../lib/rig/index.js';

let bench: VirtualBench;
let registry: Registry;

beforeAll(async () => {
  bench = await VirtualBench.start({
    time: 'off',
    devices: [
      {
        eeproms: [
          { address: 0x50, chip: '24c02' },
          { address: 0x51, chip: '24c02' },
        ],
      },
    ],
  });
});

afterAll(async () => {
  await bench.close();
});

beforeEach(() => {
  registry = new Registry();
});

const at = (address: string, more = ''): string =>
  `usbip://127.0.0.1:${String(bench.port)}/1-1/${address}?chip=24c02${more}`;
const opened = (address: string): Promise<NvmemDevice> =>
  open(at(address), { registry, name: 'part', id: 'auto' });

async function unplug(...devices: NvmemDevice[]): Promise<void> {
  const removed = Promise.all(devices.map((device) => once(device, 'removed')));
  bench.device().unplug();
  await removed;
}

test('parts that were unplugged have their old names back, in whatever order they come', async () => {
  const [first, second] = [await opened('0x50'), await opened('0x51')];
  expect([first.name, second.name]).toEqual(['part0', 'part1']);
  await unplug(first, second);
  bench.device().plug();

  // Others come while the parts are away, and take what is left.
  const other = await registry.register({ provider: memoryProvider(1), name: 'part' });
  expect(other.name).toBe('part2');
  const again = await opened('0x51');
  const { name } = await opened('0x50');
  expect([again.name, name]).toEqual(['part1', 'part0']);

  // Closing is no unplugging: the name is anybody's again.
  await again.close();
  expect((await registry.register({ provider: memoryProvider(1), name: 'part' })).name).toBe('part1');
  await Promise.all(registry.devices().map((device) => registry.unregister(device)));
});

test('a device is found by its URI as long as it is there, however that is written', async () => {
  const device = await opened('0x50');
  const [host] = at('0x50').split('?');
  for (const uri of [at('0x50'), at('0X050', '&speed=400000'), host?.replace('usbip', 'USBIP') ?? '']) {
    expect(registry.find({ uri })?.name).toBe(device.name);
    expect(registry.get({ uri }).size).toBe(256);
  }
  for (const uri of [at('0x51'), at('0x50').replace('1-1', '1-2'), 'mem://256']) {
    expect(registry.find({ uri })).toBeUndefined();
    expect(() => registry.get({ uri })).toThrow(expect.objectContaining({ code: 'EPROBE_DEFER' }) as Error);
  }
  expect(registry.find(({ size }) => size === 256)?.name).toBe(device.name);

  const back = registry.waitFor({ uri: at('0x51') });
  const other = await opened('0x51');
  expect((await back).name).toBe(other.name);
  await other.close();
  await device.close();
  expect(registry.find({ uri: at('0x50') })).toBeUndefined();
});
