/** The CP2112 bridges of this machine, as sysfs shows them: no USB traffic, no permissions needed, no udevd. */
import { promises as fs } from 'node:fs'; // which loads node:fs/promises at the first use
import { basename, join } from 'node:path';

import { NvmemError } from '../base/errors.js';
import { hasTransferReports } from './report_descriptor.js';

/** One interface of a bridge; a CP2112 has one. */
export interface UsbInterface {
  /** As in sysfs: '1-1.4:1.0'. */
  readonly name: string;
  /** What is bound to it: 'usbhid', 'usbfs' while a program has claimed it, undefined for nothing. */
  readonly driver: string | undefined;
  /** The HID driver above usbhid: 'cp2112' for the kernel's own, 'hid-generic'. */
  readonly hidDriver: string | undefined;
}

export interface UsbBridge {
  /** Bus and ports as in sysfs: '1-1.4'. What cp2112:// takes. */
  readonly path: string;
  /** Empty where the device has none. */
  readonly serial: string;
  readonly product: string;
  /** Four hexadecimal digits each. */
  readonly vid: string;
  readonly pid: string;
  readonly busnum: number;
  readonly devnum: number;
  /** '/dev/bus/usb/001/004'. */
  readonly node: string;
  readonly interfaces: readonly UsbInterface[];
  /** Nodes that the kernel's driver has made: '/dev/hidraw0'. */
  readonly hidraw: readonly string[];
  /** '/dev/i2c-3'. */
  readonly i2c: readonly string[];
}

const VID = '10c4';
const PID = 'ea90';

/**
 * Where a bridge was known by its report descriptor, with the visit: while a program has it, sysfs does not show that.
 * A place has one entry at the most.
 */
const known = new Map<string, string>();

/**
 * Bridges by their place, in the order of their paths. A device counts as one by its default ids; where its product
 * string names the chip, for the ids can be programmed once (AN495, report 0x21); and where its HID report descriptor is
 * that of one, which the kernel has read as long as its HID driver has the device.
 *
 * @param sysfs Where sysfs is mounted.
 */
export async function listBridges(sysfs = '/sys'): Promise<UsbBridge[]> {
  return (await listDevices(sysfs)).flatMap(({ bridge, isCp2112 }) => (isCp2112 ? [bridge] : []));
}

interface UsbDevice {
  readonly bridge: UsbBridge;
  readonly isCp2112: boolean;
}

async function listDevices(sysfs: string): Promise<UsbDevice[]> {
  const devices = join(sysfs, 'bus/usb/devices');
  const names = (await entries(devices)).filter((name) => /^\d+-\d+(\.\d+)*$/.test(name));
  const found = await Promise.all(names.map((name) => readDevice(devices, name)));
  return found
    .filter((device) => device !== undefined)
    .sort((a, b) => a.bridge.path.localeCompare(b.bridge.path, 'en', { numeric: true }));
}

async function readDevice(devices: string, path: string): Promise<UsbDevice | undefined> {
  const folder = join(devices, path);
  const [vid, pid, product, serial, busnum, devnum] = await Promise.all(
    ['idVendor', 'idProduct', 'product', 'serial', 'busnum', 'devnum'].map((name) =>
      readText(join(folder, name)),
    ),
  );
  if (vid === undefined || pid === undefined || busnum === undefined || devnum === undefined)
    return undefined;
  const inside = (await entries(folder)).filter((name) => name.startsWith(`${path}:`)).sort();
  const parts = await Promise.all(inside.map((name) => readInterface(join(folder, name))));
  const visit = `${busnum} ${devnum} ${vid}:${pid}`;
  const byReports = parts.some((part) => part.hasTransferReports);
  if (byReports) known.set(folder, visit);
  else if (known.get(folder) !== visit) known.delete(folder);
  const bridge = {
    path,
    serial: serial ?? '',
    product: product ?? '',
    vid,
    pid,
    busnum: Number(busnum),
    devnum: Number(devnum),
    node: `/dev/bus/usb/${busnum.padStart(3, '0')}/${devnum.padStart(3, '0')}`,
    interfaces: parts.map((part) => part.itself),
    hidraw: parts.flatMap((part) => part.hidraw),
    i2c: parts.flatMap((part) => part.i2c),
  };
  const isCp2112 =
    (vid === VID && pid === PID) || (product ?? '').includes('CP2112') || known.get(folder) === visit;
  return { bridge, isCp2112 };
}

async function readInterface(
  folder: string,
): Promise<{ itself: UsbInterface; hidraw: string[]; i2c: string[]; hasTransferReports: boolean }> {
  // Bus, vendor, product and a running number: '0003:10C4:EA90.0001'.
  const hids = (await entries(folder)).filter((name) => /^[0-9A-F]{4}(:[0-9A-F]{4}){2}\./.test(name));
  const hidFolder = hids[0] === undefined ? undefined : join(folder, hids[0]);
  const below = hidFolder === undefined ? [] : await entries(hidFolder);
  const hidraw = hidFolder === undefined ? [] : await entries(join(hidFolder, 'hidraw'));
  return {
    itself: {
      name: basename(folder),
      driver: await linkName(join(folder, 'driver')),
      hidDriver: hidFolder === undefined ? undefined : await linkName(join(hidFolder, 'driver')),
    },
    hidraw: hidraw.map((name) => `/dev/${name}`),
    i2c: below.filter((name) => /^i2c-\d+$/.test(name)).map((name) => `/dev/${name}`),
    hasTransferReports:
      hidFolder !== undefined && hasTransferReports(await readBytes(join(hidFolder, 'report_descriptor'))),
  };
}

/**
 * The bridge that a URI means.
 *
 * @param wanted Serial number, or bus and ports; empty: the only one there is.
 * @param ids Vendor and product that say that it is one. Default: what listBridges() goes by.
 * @throws NvmemError ENOENT: no such bridge; EINVAL: it could be several, which are named.
 */
export async function findBridge(
  wanted: string,
  uri: string,
  sysfs = '/sys',
  ids?: { readonly vid: number; readonly pid: number },
): Promise<UsbBridge> {
  const devices = await listDevices(sysfs);
  const isNamed = ({ vid, pid }: UsbBridge): boolean =>
    Number.parseInt(vid, 16) === ids?.vid && Number.parseInt(pid, 16) === ids.pid;
  const bridges = devices.flatMap(({ bridge, isCp2112 }) =>
    (ids === undefined ? isCp2112 : isNamed(bridge)) ? [bridge] : [],
  );
  const bySerial = bridges.filter(({ serial }) => serial === wanted);
  const byPath = bridges.filter(({ path }) => path === wanted);
  const fitting = wanted === '' ? bridges : byPath.length > 0 ? byPath : bySerial;
  const [bridge] = fitting;
  if (fitting.length === 1 && bridge) return bridge;
  const details = { syscall: 'open', device: uri };
  if (fitting.length > 1) {
    const some = fitting[0]?.path ?? '';
    throw new NvmemError(
      'EINVAL',
      `${wanted === '' ? 'several bridges are plugged in' : `several bridges have the serial number ${wanted}`}: ${describe(fitting)}`,
      {
        ...details,
        hint: `Say which one by its place, for example cp2112://${some}/0x50, or its serial number.`,
      },
    );
  }
  const kind = ids === undefined ? 'no CP2112' : `no device ${hex4(ids.vid)}:${hex4(ids.pid)}`;
  const others = bridges.length === 0 ? `${kind} is plugged in` : `there are: ${describe(bridges)}`;
  const other = devices.find(({ bridge }) => [bridge.path, bridge.serial].includes(wanted))?.bridge;
  const hint =
    wanted !== '' && other !== undefined
      ? `What is there is ${other.vid}:${other.pid}${other.product === '' ? '' : ` (${other.product})`}. If that is a CP2112 with ids of its own, add id=${other.vid}:${other.pid}.`
      : 'Plug the bridge in; nvmem list shows those that are. One with ids of its own that it does not show is named by them: id=VVVV:PPPP.';
  throw new NvmemError(
    'ENOENT',
    wanted === '' ? others : `no bridge has the serial number or the place ${wanted}; ${others}`,
    { ...details, hint },
  );
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function describe(bridges: readonly UsbBridge[]): string {
  return bridges.map(({ path, serial }) => (serial === '' ? path : `${path} (serial ${serial})`)).join(', ');
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await fs.readdir(folder);
  } catch {
    return []; // not there, or unplugged meanwhile
  }
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return (await fs.readFile(file, 'utf8')).replace(/\n$/, '');
  } catch {
    return undefined;
  }
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await fs.readFile(file);
  } catch {
    return new Uint8Array();
  }
}

async function linkName(link: string): Promise<string | undefined> {
  try {
    return basename(await fs.readlink(link));
  } catch {
    return undefined;
  }
}
