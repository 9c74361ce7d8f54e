jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { wireOfNode } from '../../../lib/bus/claim.js';
import { hidrawSource } from '../../../lib/bus/hidraw.js';
import type { BusSource } from '../../../lib/bus/source.js';
import { deviceNumber } from '../../../lib/machine/kernel_clients.js';
import { parseUri, type HidrawUri } from '../../../lib/uri/uri.js';
import { UsbTree } from '../usb_tree.js';

/** Any character device will do: only its number is looked at. */
const NODE = '/dev/null';
const NUMBER = deviceNumber(statSync(NODE).rdev);

let sysfs: string;
let hid: string;

/** As sysfs looks with hid-cp2112 bound (recorded in the kernel proof's guest). */
beforeEach(() => {
  sysfs = mkdtempSync(join(tmpdir(), 'nvmem-sysfs-'));
  hid = join(sysfs, 'devices/usb1/1-1/1-1:1.0/0003:10C4:EA90.0001');
  const node = join(hid, 'hidraw/hidraw0');
  mkdirSync(node, { recursive: true });
  symlinkSync('../../../0003:10C4:EA90.0001', join(node, 'device'));
  mkdirSync(join(sysfs, 'dev/char'), { recursive: true });
  symlinkSync(node, join(sysfs, 'dev/char', NUMBER));
});

afterEach(() => {
  rmSync(sysfs, { recursive: true });
});

function part(adapter: string, device: string, driver?: string): void {
  const folder = join(hid, adapter, device);
  mkdirSync(folder, { recursive: true });
  if (driver !== undefined) symlinkSync(`../../../../../bus/i2c/drivers/${driver}`, join(folder, 'driver'));
}

function source(query = '', path = NODE): { source: BusSource; check: () => Promise<void> | undefined } {
  const uri = parseUri(`hidraw://${path}/0x50?chip=24c02${query}`) as HidrawUri;
  const made = hidrawSource(uri, sysfs);
  return { source: made, check: () => made.check?.(uri) };
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
    expect(deviceNumber(0x103)).toBe('1:3');
    expect(deviceNumber(0x1230_bc45)).toBe(`${String(0xbc)}:${String(0x12345)}`);
    expect(deviceNumber(241 * 256 + 3)).toBe('241:3');
  });

  test('hints: a udev rule for who may not, where to look for who sees nothing', () => {
    const made = source().source;
    for (const code of ['EACCES', 'EPERM']) {
      expect(made.hint?.(code)).toMatch(/idVendor\}=="10c4".*idProduct\}=="ea90"/);
    }
    expect(made.hint?.('ENOENT')).toContain('/sys/bus/hid/devices');
    expect(made.hint?.('EBUSY')).toBeUndefined();
    expect(made.name(new Map())).toBe('null');
  });
});

test('a bridge is one wire, whether one goes through hidraw or through its adapter', async () => {
  const tree = new UsbTree();
  tree.plug('1-1.4', { devnum: 4, kernel: { hidraw: 3, i2c: 7 } });
  expect(await wireOfNode('/dev/hidraw3', tree.sysfs)).toBe('usb 1-1.4');
  expect(await wireOfNode('/dev/i2c-7', tree.sysfs)).toBe('usb 1-1.4');
  expect(await wireOfNode('/dev/i2c-8', tree.sysfs)).toBe('node /dev/i2c-8');
  tree.remove();
});
