/** The CP2112 bridges of this machine, as sysfs shows them: no USB traffic, no permissions needed, no udevd. */
import { basename } from 'node:path';

import { NvmemError } from '../base/errors.js';
import { thisMachine, type Machine } from './machine.js';

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
const DEVICES = '/sys/bus/usb/devices';

/**
 * Bridges by their place, in the order of their paths. A device counts as one by its default ids, or where its
 * product string names the chip: the ids can be programmed once (AN495, report 0x21).
 */
export async function bridgesOf(machine: Machine): Promise<UsbBridge[]> {
  const names = await machine.list(DEVICES, /^\d+-\d+(\.\d+)*$/);
  const found = await Promise.all(names.map((name) => readBridge(machine, name)));
  return found.filter((bridge) => bridge !== undefined);
}

async function readBridge(machine: Machine, path: string): Promise<UsbBridge | undefined> {
  const folder = `${DEVICES}/${path}`;
  const [vid, pid, product, serial, busnum, devnum] = await Promise.all(
    ['idVendor', 'idProduct', 'product', 'serial', 'busnum', 'devnum'].map((name) =>
      machine.read(`${folder}/${name}`),
    ),
  );
  if (vid === undefined || pid === undefined || busnum === undefined || devnum === undefined)
    return undefined;
  if (!(vid === VID && pid === PID) && !(product ?? '').includes('CP2112')) return undefined;
  const inside = (await machine.list(folder)).filter((name) => name.startsWith(`${path}:`));
  const parts = await Promise.all(inside.map((name) => readInterface(machine, `${folder}/${name}`)));
  return {
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
}

async function readInterface(
  machine: Machine,
  folder: string,
): Promise<{ itself: UsbInterface; hidraw: string[]; i2c: string[] }> {
  // Bus, vendor, product and a running number: '0003:10C4:EA90.0001'.
  const [hid] = await machine.list(folder, /^[0-9A-F]{4}(:[0-9A-F]{4}){2}\./);
  const hidFolder = hid === undefined ? undefined : `${folder}/${hid}`;
  const below = hidFolder === undefined ? [] : await machine.list(hidFolder, /^i2c-\d+$/);
  const hidraw = hidFolder === undefined ? [] : await machine.list(`${hidFolder}/hidraw`);
  return {
    itself: {
      name: basename(folder),
      driver: await machine.linkName(`${folder}/driver`),
      hidDriver: hidFolder === undefined ? undefined : await machine.linkName(`${hidFolder}/driver`),
    },
    hidraw: hidraw.map((name) => `/dev/${name}`),
    i2c: below.map((name) => `/dev/${name}`),
  };
}

/** Those that a URI could mean: the one at that place, else all of that serial number; empty: all. */
export function bridgesNamed(bridges: readonly UsbBridge[], wanted: string): readonly UsbBridge[] {
  if (wanted === '') return bridges;
  const byPath = bridges.filter(({ path }) => path === wanted);
  return byPath.length > 0 ? byPath : bridges.filter(({ serial }) => serial === wanted);
}

/**
 * The bridge that a URI means.
 *
 * @param wanted Serial number, or bus and ports; empty: the only one there is.
 * @throws NvmemError ENOENT: no such bridge; EINVAL: it could be several, which are named.
 */
export async function findBridge(wanted: string, uri: string, machine = thisMachine): Promise<UsbBridge> {
  const bridges = await bridgesOf(machine);
  const fitting = bridgesNamed(bridges, wanted);
  const [bridge] = fitting;
  if (fitting.length === 1 && bridge) return bridge;
  const details = { syscall: 'open', device: uri };
  if (fitting.length > 1) {
    const some = fitting[0]?.path ?? '';
    throw new NvmemError(
      'EINVAL',
      `${wanted === '' ? 'several bridges are plugged in' : `several bridges have the serial number ${wanted}`}: ${describeBridges(fitting)}`,
      {
        ...details,
        hint: `Say which one by its place, for example cp2112://${some}/0x50, or its serial number.`,
      },
    );
  }
  const others = bridges.length === 0 ? 'no CP2112 is plugged in' : `there are: ${describeBridges(bridges)}`;
  throw new NvmemError(
    'ENOENT',
    wanted === '' ? others : `no bridge has the serial number or the place ${wanted}; ${others}`,
    { ...details, hint: 'Plug the bridge in; nvmem list shows those that are.' },
  );
}

/** '1-1 (serial 0043FFF3), 1-2' */
export function describeBridges(bridges: readonly UsbBridge[]): string {
  return bridges.map(({ path, serial }) => (serial === '' ? path : `${path} (serial ${serial})`)).join(', ');
}
