jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { jsonOn, nvmemOn } from './cli_run.js';
import { at24Entries, bridgeEntries, FakeMachine } from '../fake_machine.js';

let machine: FakeMachine;

beforeEach(() => {
  machine = new FakeMachine();
});

afterEach(() => {
  machine.remove();
});

test('a bridge, its nodes, its adapter and what at24 made of a part, as URIs to paste', async () => {
  machine.add({ ...bridgeEntries(), ...at24Entries() });
  const { status, out, err } = await nvmemOn(machine.machine(), ['list']);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toBe(
    [
      'CP2112 bridges',
      '  cp2112://0043FFF3      at 1-1, driver cp2112',
      '  hidraw:///dev/hidraw0  the same bridge',
      '',
      'I2C adapters of the kernel',
      '  i2c:///dev/i2c-0       CP2112 SMBus Bridge on hidraw0',
      '',
      "The kernel's own nvmem devices",
      '  sysfs://0-00501        EEPROM, 256 bytes, cell mac',
      '',
      'nvmem scan URI asks a bus which EEPROMs it has.',
      '',
    ].join('\n'),
  );
  const { document } = await jsonOn(machine.machine(), ['list']);
  expect(document).toMatchObject({
    ok: true,
    bridges: [
      {
        uri: 'cp2112://0043FFF3',
        path: '1-1',
        serial: '0043FFF3',
        node: '/dev/bus/usb/001/002',
        access: 'ok',
        interfaces: [{ name: '1-1:1.0', driver: 'usbhid', hidDriver: 'cp2112' }],
        hidraw: ['/dev/hidraw0'],
        i2c: ['/dev/i2c-0'],
      },
    ],
    adapters: [
      { number: 0, node: '/dev/i2c-0', usb: { path: '1-1' }, uri: 'i2c:///dev/i2c-0', access: 'ok' },
    ],
    nvmem: [{ uri: 'sysfs://0-00501', type: 'EEPROM', size: 256, cells: ['mac@fa,0'], access: 'ok' }],
  });
  expect(document).not.toHaveProperty('usbip');
});

test.each([
  ['of the same serial number', 'SAME', 'SAME'],
  ['without serial numbers', '', ''],
  ['whose serial number is no host name', 'a b', 'c/d'],
])('two bridges %s are named by their places', async (_what, one, other) => {
  machine.add({
    ...bridgeEntries({ place: '1-1.4', serial: one }),
    ...bridgeEntries({ place: '1-2', serial: other, number: 1, devnum: '3' }),
  });
  const { document } = await jsonOn(machine.machine(), ['list']);
  expect(document['bridges']).toMatchObject([{ uri: 'cp2112://1-1.4' }, { uri: 'cp2112://1-2' }]);
});

test('other USB devices are no bridges', async () => {
  machine.add({
    ...bridgeEntries(),
    '/sys/bus/usb/devices/1-2/idVendor': '10c4',
    '/sys/bus/usb/devices/1-2/idProduct': 'ea60',
    '/sys/bus/usb/devices/usb1/idVendor': '1d6b',
  });
  const { document } = await jsonOn(machine.machine(), ['list']);
  expect(document['bridges']).toHaveLength(1);
});

test('what may not be opened says so, and who helps', async () => {
  machine.add(bridgeEntries());
  machine.denied.add('/dev/bus/usb/001/002').add('/dev/i2c-0');
  const { out } = await nvmemOn(machine.machine(), ['list']);
  expect(out).toMatch(/^ {2}cp2112:.*; permission denied$/m);
  expect(out).toMatch(/^ {2}hidraw:.*bridge$/m);
  expect(out).toMatch(/^ {2}i2c:.*; permission denied$/m);
  expect(out).toMatch(/^nvmem doctor says/m);
  const { document } = await jsonOn(machine.machine(), ['list']);
  expect(document).toMatchObject({ bridges: [{ access: 'denied' }], adapters: [{ access: 'denied' }] });
});

test('an adapter without a node names the module that is missing', async () => {
  machine.add({ '/sys/bus/i2c/devices/i2c-3/name': 'SMBus I801 adapter at efa0' });
  const { out } = await nvmemOn(machine.machine(), ['list']);
  expect(out).toContain('SMBus I801 adapter at efa0; /dev/i2c-3 is missing: sudo modprobe i2c-dev');
});

test('adapters are in the order of their numbers', async () => {
  for (const n of [10, 9, 1]) machine.add({ [`/sys/bus/i2c/devices/i2c-${String(n)}/name`]: 'x' });
  const { document } = await jsonOn(machine.machine(), ['list']);
  expect(document['adapters']).toMatchObject([{ number: 1 }, { number: 9 }, { number: 10 }]);
});

test('a machine with nothing is told what to do next', async () => {
  const { status, out } = await nvmemOn(machine.machine(), ['list']);
  expect(status).toBe(0);
  for (const next of ['nvmem doctor', 'nvmem list --usbip HOST', 'nvmem rig']) expect(out).toContain(next);
  const { document } = await jsonOn(machine.machine(), ['list']);
  expect(document).toEqual({ ok: true, bridges: [], adapters: [], nvmem: [] });
});

test.each(['', 'host:', 'host:0', 'host:65536', 'a b', '[::1', 'host:1:2'])(
  '--usbip %j is a usage error',
  async (server) => {
    const { status, document } = await jsonOn(machine.machine(), ['list', '--usbip', server]);
    expect(status).toBe(2);
    expect(document).toMatchObject({ ok: false, error: { code: 'ERR_USAGE' } });
  },
);
