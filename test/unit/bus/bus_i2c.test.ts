jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Registry } from '../../../lib/core/registry.js';
import type { BusOpening, I2cOptions, NativeBus } from '../../../lib/native/index.js';
import { open } from '../../../lib/open/open.js';
import { fake, FakeSlot, NO_BUS_STATS } from '../fake_native.js';

/** Stands for an adapter's node: the kernel is only asked whether it is there. */
const NODE = '/dev/null';
let asked: I2cOptions[] = [];

function adapter(opening: BusOpening): void {
  asked = [];
  fake.openI2c = (options) => {
    asked.push(options);
    return Promise.resolve(opening);
  };
}

function bus(probe = 0): NativeBus {
  return {
    identity: new Map([['transport', 'i2c']]),
    gone: new Promise(() => undefined),
    at24: (config) => {
      const slot = new FakeSlot(new Uint8Array(config.size), false, true);
      const good = slot.probe.bind(slot);
      slot.probe = async (io) => ({ ...(await good(io)), status: probe });
      return slot;
    },
    kernelFile: () => {
      throw new Error('an I2C bus has no files');
    },
    pins: () => {
      throw new Error('nobody looks at pins here');
    },
    gpioLine: () => -1,
    stats: () => NO_BUS_STATS,
    close: () => Promise.resolve(),
  };
}

const registry = new Registry();
const openPart = (uri: string): ReturnType<typeof open> => open(uri, { registry });

test('the addon gets the node and force, and the device the name that the kernel gives its own', async () => {
  adapter({ status: 0, bus: bus() });
  const device = await openPart(`i2c://${NODE}/0x50?chip=24c02&force=1`);
  expect(asked).toEqual([{ path: NODE, force: true, openTimeoutMs: 5000 }]);
  expect(device.name).toMatch(/-00500$/);
  await device.close();
});

test('a link to the node is the same bus', async () => {
  adapter({ status: 0, bus: bus() });
  const folder = mkdtempSync(join(tmpdir(), 'node-'));
  symlinkSync(NODE, join(folder, 'by-name'));
  const first = await openPart(`i2c://${NODE}/0x50?chip=24c02`);
  const second = await openPart(`i2c://${folder}/by-name/0x51?chip=24c02`);
  expect(asked).toHaveLength(1);
  await Promise.all([first.close(), second.close()]);
  rmSync(folder, { recursive: true });
});

test('no permission says which group or rule gives it', async () => {
  adapter({ status: -13, reason: '' });
  await expect(openPart(`i2c://${NODE}/0x50?chip=24c02`)).rejects.toMatchObject({
    code: 'EACCES',
    message: expect.stringContaining('cannot open the adapter /dev/null: permission denied') as string,
    hint: expect.stringMatching(/group i2c.*KERNEL=="i2c-/) as string,
  });
});

test('a part that the adapter cannot carry says what it needs', async () => {
  adapter({ status: 0, bus: bus(-95) });
  await expect(openPart(`i2c://${NODE}/0x50?chip=24c256`)).rejects.toMatchObject({
    code: 'EOPNOTSUPP',
    hint: expect.stringContaining('two address bytes need plain I2C') as string,
  });
});
