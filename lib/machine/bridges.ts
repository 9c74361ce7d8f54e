/** The CP2112 bridges of this machine, as sysfs shows them: no USB traffic, no permissions needed, no udevd. */
import { basename } from 'node:path';

import { NvmemError } from '../base/errors.js';
import { CP2112_IDS, sameUsbIds, usbIdText, type UsbIds } from '../base/usb_ids.js';
import { thisMachine, type Machine } from './machine.js';
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

const DEVICES = '/sys/bus/usb/devices';

/**
 * Where a bridge was known by its report descriptor, with the visit: while a program has it, sysfs does not show that.
 * A place has one entry at the most.
 */
const known = new Map<string, string>();

/**
 * Bridges by their place, in the order of their paths. A device counts as one by its default ids; where its product
 * string names the chip, for the ids can be programmed once (AN495, report 0x21); and where its HID report descriptor is
 * that of one, which the kernel has read as long as its HID driver has the device.
 */
export async function bridgesOf(machine: Machine): Promise<UsbBridge[]> {
  return bridgesAmong(await usbDevicesOf(machine));
}

/** A USB device, described as if it were a bridge. */
export interface UsbDevice {
  readonly bridge: UsbBridge;
  readonly isCp2112: boolean;
}

/** All of them, in the order of their paths. */
export async function usbDevicesOf(machine: Machine): Promise<UsbDevice[]> {
  const names = await machine.list(DEVICES, /^\d+-\d+(\.\d+)*$/);
  const found = await Promise.all(names.map((name) => readDevice(machine, name)));
  return found.filter((device) => device !== undefined);
}

/**
 * @param ids Vendor and product that say that a device is one. Default: what bridgesOf() goes by.
 */
export function bridgesAmong(devices: readonly UsbDevice[], ids?: UsbIds): UsbBridge[] {
  const isOne = ({ bridge, isCp2112 }: UsbDevice): boolean =>
    ids === undefined ? isCp2112 : sameUsbIds(usbIdsOf(bridge), ids);
  return devices.filter(isOne).map(({ bridge }) => bridge);
}

async function readDevice(machine: Machine, path: string): Promise<UsbDevice | undefined> {
  const folder = `${DEVICES}/${path}`;
  const [vid, pid, product, serial, busnum, devnum] = await Promise.all(
    ['idVendor', 'idProduct', 'product', 'serial', 'busnum', 'devnum'].map((name) =>
      machine.read(`${folder}/${name}`),
    ),
  );
  if (vid === undefined || pid === undefined || busnum === undefined || devnum === undefined)
    return undefined;
  const inside = (await machine.list(folder)).filter((name) => name.startsWith(`${path}:`));
  const parts = await Promise.all(inside.map((name) => readInterface(machine, `${folder}/${name}`)));
  const place = machine.path(folder);
  const visit = `${busnum} ${devnum} ${vid}:${pid}`;
  if (parts.some((part) => part.hasTransferReports)) known.set(place, visit);
  else if (known.get(place) !== visit) known.delete(place);
  const bridge: UsbBridge = {
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
    sameUsbIds(usbIdsOf(bridge), CP2112_IDS) ||
    bridge.product.includes('CP2112') ||
    known.get(place) === visit;
  return { bridge, isCp2112 };
}

async function readInterface(
  machine: Machine,
  folder: string,
): Promise<{ itself: UsbInterface; hidraw: string[]; i2c: string[]; hasTransferReports: boolean }> {
  // Bus, vendor, product and a running number: '0003:10C4:EA90.0001'.
  const [hid] = await machine.list(folder, /^[0-9A-F]{4}(:[0-9A-F]{4}){2}\./);
  const hidFolder = hid === undefined ? undefined : `${folder}/${hid}`;
  const below = hidFolder === undefined ? [] : await machine.list(hidFolder, /^i2c-\d+$/);
  const hidraw = hidFolder === undefined ? [] : await machine.list(`${hidFolder}/hidraw`);
  const descriptor =
    hidFolder === undefined ? undefined : await machine.bytes(`${hidFolder}/report_descriptor`);
  return {
    itself: {
      name: basename(folder),
      driver: await machine.linkName(`${folder}/driver`),
      hidDriver: hidFolder === undefined ? undefined : await machine.linkName(`${hidFolder}/driver`),
    },
    hidraw: hidraw.map((name) => `/dev/${name}`),
    i2c: below.map((name) => `/dev/${name}`),
    hasTransferReports: descriptor !== undefined && hasTransferReports(descriptor),
  };
}

const NONE: readonly UsbBridge[] = [];

/** Some bridges by what URIs call them, for any number of those who ask. */
export class BridgeIndex {
  readonly #byPlace = new Map<string, readonly UsbBridge[]>();
  readonly #bySerial = new Map<string, UsbBridge[]>();

  constructor(readonly all: readonly UsbBridge[]) {
    for (const bridge of all) {
      this.#byPlace.set(bridge.path, [bridge]);
      const ofSerial = this.#bySerial.get(bridge.serial);
      if (ofSerial) ofSerial.push(bridge);
      else this.#bySerial.set(bridge.serial, [bridge]);
    }
  }

  /** Those that a URI could mean: the one at that place, else all of that serial number; empty: all. */
  named(wanted: string): readonly UsbBridge[] {
    if (wanted === '') return this.all;
    return this.#byPlace.get(wanted) ?? this.#bySerial.get(wanted) ?? NONE;
  }
}

/**
 * The bridge that a URI means.
 *
 * @param wanted Serial number, or bus and ports; empty: the only one there is.
 * @param ids Vendor and product that say that it is one. Default: what bridgesOf() goes by.
 * @throws NvmemError ENOENT: no such bridge; EINVAL: it could be several, which are named.
 */
export async function findBridge(
  wanted: string,
  uri: string,
  machine = thisMachine,
  ids?: UsbIds,
): Promise<UsbBridge> {
  const devices = await usbDevicesOf(machine);
  const bridges = bridgesAmong(devices, ids);
  const fitting = new BridgeIndex(bridges).named(wanted);
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
  const kind = ids === undefined ? 'no CP2112' : `no device ${usbIdText(ids)}`;
  const others = bridges.length === 0 ? `${kind} is plugged in` : `there are: ${describeBridges(bridges)}`;
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

/** As numbers. */
export function usbIdsOf({ vid, pid }: UsbBridge): UsbIds {
  return { vid: Number.parseInt(vid, 16), pid: Number.parseInt(pid, 16) };
}

/** '1-1 (serial 0043FFF3), 1-2' */
export function describeBridges(bridges: readonly UsbBridge[]): string {
  return bridges.map(({ path, serial }) => (serial === '' ? path : `${path} (serial ${serial})`)).join(', ');
}
