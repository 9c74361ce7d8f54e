import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { scanAddresses } from '../../../lib/bus/scan/adapter.js';
import { adaptersOf } from '../../../lib/machine/adapters.js';
import { driverAt } from '../../../lib/machine/kernel_clients.js';
import { list } from '../../../lib/machine/list.js';
import { Machine } from '../../../lib/machine/machine.js';
import { open } from '../../../lib/open/open.js';

let root: string;
let sysfs: string;
let machine: Machine;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nvmem-machine-'));
  sysfs = join(root, 'sys');
  mkdirSync(sysfs);
  machine = new Machine(root);
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

/** An adapter's folder under its parent, with the link to it that the bus has. */
function addAdapter(number: number, name: string, parent: string, hasNode = true): string {
  const folder = join(sysfs, 'devices', parent, `i2c-${String(number)}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'name'), `${name}\n`);
  if (hasNode) {
    mkdirSync(join(folder, 'i2c-dev', `i2c-${String(number)}`), { recursive: true });
    writeFileSync(join(folder, 'i2c-dev', `i2c-${String(number)}`, 'dev'), `89:${String(number)}\n`);
  }
  const bus = join(sysfs, 'bus/i2c/devices');
  mkdirSync(bus, { recursive: true });
  symlinkSync(folder, join(bus, `i2c-${String(number)}`));
  return folder;
}

test('adapters are listed by number, with the USB device they hang off', async () => {
  addAdapter(10, 'Synopsys DesignWare I2C adapter', 'platform/soc');
  addAdapter(2, 'SMBus PIIX4 adapter', 'pci0000:00/0000:00:01.3', false);
  addAdapter(3, 'CP2112 SMBus Bridge on hidraw0', 'usb1/1-1/1-1.4/1-1.4:1.0/0003:10C4:EA90.0001');
  for (const [device, product] of [
    ['usb1/1-1', '0001'],
    ['usb1/1-1/1-1.4', 'ea90'],
  ] as const) {
    writeFileSync(join(sysfs, 'devices', device, 'idVendor'), '10c4\n');
    writeFileSync(join(sysfs, 'devices', device, 'idProduct'), `${product}\n`);
  }
  writeFileSync(join(sysfs, 'devices/usb1/1-1/1-1.4/serial'), '0043FFF3\n');
  expect(await adaptersOf(machine)).toEqual([
    { number: 2, name: 'SMBus PIIX4 adapter', node: undefined, usb: undefined, functions: undefined },
    {
      number: 3,
      name: 'CP2112 SMBus Bridge on hidraw0',
      node: '/dev/i2c-3',
      usb: { path: '1-1.4', vendorId: '10c4', productId: 'ea90', serial: '0043FFF3' },
      functions: undefined,
    },
    {
      number: 10,
      name: 'Synopsys DesignWare I2C adapter',
      node: '/dev/i2c-10',
      usb: undefined,
      functions: undefined,
    },
  ]);
});

test('one that goes while it is looked at is left out, and a kernel without I2C has none', async () => {
  expect(await adaptersOf(machine)).toEqual([]);
  rmSync(addAdapter(4, 'gone', 'platform'), { recursive: true });
  expect(await adaptersOf(machine)).toEqual([]);
});

test('the driver of an address is the one that its client is bound to', async () => {
  const folder = addAdapter(1, 'adapter', 'platform');
  const client = join(folder, '1-0050');
  mkdirSync(client);
  symlinkSync(client, join(sysfs, 'bus/i2c/devices/1-0050'));
  expect(await driverAt(machine, 1, 0x50)).toBeUndefined();
  mkdirSync(join(sysfs, 'bus/i2c/drivers/at24'), { recursive: true });
  symlinkSync(join(sysfs, 'bus/i2c/drivers/at24'), join(client, 'driver'));
  expect(await driverAt(machine, 1, 0x50)).toBe('at24');
  expect(await driverAt(machine, 1, 0x51)).toBeUndefined();
});

test('wrong arguments are named', async () => {
  await expect(list({ all: true } as object)).rejects.toThrow(/options\.all/);
  await expect(list({ functions: 1 as unknown as boolean })).rejects.toThrow(/options\.functions/);
  await expect(scanAddresses(-1)).rejects.toThrow(RangeError);
  await expect(scanAddresses(1, { first: 0x03 })).rejects.toThrow(/options\.first/);
  await expect(scanAddresses(1, { first: 0x60, last: 0x50 })).rejects.toThrow(/options\.last/);
});

test('a scan of an adapter that is not there is ENOENT', async () => {
  await expect(scanAddresses(65_000)).rejects.toMatchObject({ code: 'ENOENT', syscall: 'scan' });
});

test('i2c:// of a node that is not there is ENOENT, and says what there is', async () => {
  await expect(open('i2c:///dev/i2c-65000/0x50?chip=24c02')).rejects.toMatchObject({
    code: 'ENOENT',
    message: expect.stringContaining('/dev/i2c-65000') as string,
    hint: expect.stringMatching(/There are|modprobe i2c-dev/) as string,
  });
});

test('i2c:// of something else is EOPNOTSUPP', async () => {
  await expect(open('i2c:///dev/null/0x50?chip=24c02')).rejects.toMatchObject({
    code: 'EOPNOTSUPP',
    message: expect.stringContaining('it is no node of an I2C adapter') as string,
  });
});

test('in a worker i2c-bus is not loaded, and the error says why', async () => {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const { list } = require(${JSON.stringify(join(__dirname, '../../../dist/index.js'))});
     list({ functions: true }).catch((error) => parentPort.postMessage({ code: error.code, message: error.message }));`,
    { eval: true },
  );
  const error = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  expect(error).toMatchObject({
    code: 'EOPNOTSUPP',
    message: expect.stringContaining('main thread only') as string,
  });
});
