jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { existsSync } from 'node:fs';

import { wireOfNode } from '../../../lib/bus/wire.js';
import { hidrawAccess } from '../../../lib/bus/hidraw.js';
import type { BusAccess } from '../../../lib/bus/access.js';
import { splitDeviceNumber } from '../../../lib/machine/machine.js';
import { parseUri, type HidrawUri, type PartUri } from '../../../lib/uri/uri.js';
import { FakeMachine, FOLDER } from '../fake_machine.js';
import { UsbTree } from '../usb_tree.js';

const HID = '/sys/devices/usb1/1-1/1-1:1.0/0003:10C4:EA90.0001';
/** A link that a udev rule has made: only the number of the device tells which node it is. */
const NODE = '/dev/my-bridge';
const RDEV = 241 * 256 + 3;

let machine: FakeMachine;

/** As sysfs looks with hid-cp2112 bound (recorded in the kernel proof's guest). */
beforeEach(() => {
  machine = new FakeMachine({
    [NODE]: '',
    [`${HID}/hidraw/hidraw0/device`]: { link: HID },
    '/sys/dev/char/241:3': { link: `${HID}/hidraw/hidraw0` },
    '/sys/class/hidraw/hidraw0': { link: `${HID}/hidraw/hidraw0` },
  });
  machine.rdevs.set(NODE, RDEV);
});

afterEach(() => {
  machine.remove();
});

function part(adapter: string, device: string, driver?: string): void {
  machine.add({ [`${HID}/${adapter}/${device}`]: FOLDER });
  const onBus = `/sys/bus/i2c/devices/${adapter}`;
  if (!existsSync(machine.path(onBus))) machine.add({ [onBus]: { link: `${HID}/${adapter}` } });
  if (driver !== undefined)
    machine.add({ [`${HID}/${adapter}/${device}/driver`]: { link: `/sys/bus/i2c/drivers/${driver}` } });
}

function source(query = '', path = NODE): { source: BusAccess; check: () => Promise<void> | undefined } {
  const { bus, uri } = parseUri(`hidraw://${path}/0x50?chip=24c02${query}`) as PartUri;
  const made = hidrawAccess(bus as HidrawUri, uri, machine.machine());
  return { source: made, check: () => made.check?.() };
}

describe('hidraw:// and the drivers of the kernel', () => {
  test('nobody there: no adapter, an empty one, parts without a driver, no such node', async () => {
    await source().check();
    part('i2c-7', 'i2c-dev');
    part('i2c-7', '7-0050');
    // The folder of another adapter's part (behind a multiplexer) is none of this one.
    part('i2c-7', '8-0051', 'at24');
    await source().check();
    await source('', '/dev/no-such-hidraw').check();
  });

  test('one that is still probing is waited for: it would write its configuration over ours', async () => {
    machine.add({ [`${HID}/driver`]: { link: '/sys/bus/hid/drivers/cp2112' } });
    const here = machine.machine();
    const list = here.list.bind(here);
    let looks = 0;
    here.list = async (...args) => {
      const found = await list(...args);
      // After the first look the adapter comes, with a part on it.
      if (looks++ === 0) part('i2c-7', '7-0050', 'at24');
      return found;
    };
    const { bus, uri } = parseUri(`hidraw://${NODE}/0x50?chip=24c02`) as PartUri;
    await expect(hidrawAccess(bus as HidrawUri, uri, here).check?.()).rejects.toMatchObject({
      code: 'EBUSY',
    });
  });

  test('hid-generic makes no adapter, and is not waited for', async () => {
    machine.add({ [`${HID}/driver`]: { link: '/sys/bus/hid/drivers/hid-generic' } });
    const here = machine.machine();
    const looks = jest.spyOn(here, 'list');
    const { bus, uri } = parseUri(`hidraw://${NODE}/0x50?chip=24c02`) as PartUri;
    await hidrawAccess(bus as HidrawUri, uri, here).check?.();
    expect(looks.mock.calls.length).toBeLessThan(3);
  });

  test('a driver that has a part is named, with what to do', async () => {
    part('i2c-7', '7-0050');
    part('i2c-7', '7-0052', 'at24');
    part('i2c-7', '7-0068', 'rtc-ds1307');
    const { check } = source();
    await expect(check()).rejects.toMatchObject({
      code: 'EBUSY',
      syscall: 'open',
      message: expect.stringContaining('(at24 has 0x52, rtc-ds1307 has 0x68 on i2c-7)') as string,
      hint: expect.stringMatching(
        /i2c:\/\/\/dev\/i2c-7\/.*sysfs:\/\/.*cp2112:\/\/.*echo 7-0052 > \/sys\/bus\/i2c\/drivers\/at24\/unbind.*force=1/,
      ) as string,
    });
    await expect(source('&force=0').check()).rejects.toMatchObject({ code: 'EBUSY' });
    await source('&force=1').check();
  });

  test('device numbers as in /sys/dev/char, the large ones too', () => {
    // makedev(3) of the C library: minor 0x12345 and major 0xabc spread over both halves.
    expect(splitDeviceNumber(0x103)).toEqual({ major: 1, minor: 3 });
    expect(splitDeviceNumber(0x1230_bc45)).toEqual({ major: 0xbc, minor: 0x12345 });
    expect(splitDeviceNumber(RDEV)).toEqual({ major: 241, minor: 3 });
  });

  test('hints: a udev rule for who may not, where to look for who sees nothing', () => {
    const made = source().source;
    for (const code of ['EACCES', 'EPERM']) {
      expect(made.hint?.(code)).toMatch(/idVendor\}=="10c4".*idProduct\}=="ea90"/);
    }
    expect(made.hint?.('ENOENT')).toContain('nvmem list');
    expect(made.hint?.('EBUSY')).toMatch(/^Close it there/);
    expect(made.name(new Map())).toBe('my-bridge');
  });

  test('… with the ids that the bridge has', async () => {
    const own = HID.replace('10C4:EA90', '1234:ABCD');
    machine.add({
      '/dev/hidraw5': '',
      [`${own}/hidraw/hidraw5/device`]: { link: own },
      '/sys/class/hidraw/hidraw5': { link: `${own}/hidraw/hidraw5` },
    });
    const made = source('', '/dev/hidraw5').source;
    await made.open(100_000, 1000).catch(() => undefined); // there is no such device
    expect(made.hint?.('EACCES')).toMatch(/idVendor\}=="1234".*idProduct\}=="abcd"/);
    expect(made.hint?.('EACCES')).toContain('/etc/udev/rules.d/60-nvmem-1234-abcd.rules');
  });
});

test('a bridge is one wire, whether one goes through hidraw or through its adapter', async () => {
  const tree = new UsbTree();
  tree.plug('1-1.4', { devnum: 4, kernel: { hidraw: 3, i2c: 7 } });
  expect(await wireOfNode('/dev/hidraw3', tree.machine)).toBe('usb 1-1.4');
  expect(await wireOfNode('/dev/i2c-7', tree.machine)).toBe('usb 1-1.4');
  expect(await wireOfNode('/dev/i2c-8', tree.machine)).toBe('node /dev/i2c-8');
  tree.remove();
});
