/** What one look at this machine shows of what a URI names. Nothing is opened. */
import { basename, dirname } from 'node:path';

import {
  bridgesAmong,
  bridgesNamed,
  describeBridges,
  usbDevicesOf,
  type UsbBridge,
  type UsbDevice,
} from '../machine/bridges.js';
import type { UsbIds } from '../base/usb_ids.js';
import type { Cp2112Uri } from '../uri/uri.js';
import type { Machine } from '../machine/machine.js';
import type { ParsedTarget } from './target.js';

/** Why something is there or not. */
export type PresenceCause =
  /** Nobody has looked yet. */
  | 'unknown'
  /** It is plugged in and can be opened. */
  | 'plugged'
  /** Whoever has it open said so. */
  | 'opened'
  /** Nothing is there, and nothing was. */
  | 'absent'
  /** It was there, and is not any more. */
  | 'unplugged'
  /** Whoever had it open said that it has gone. */
  | 'gone'
  /** The kernel has it, and its node or file is not there yet. */
  | 'starting'
  /** It is there, and this user may not open it (yet). */
  | 'denied'
  /** The URI could mean several. */
  | 'ambiguous'
  /** The USB/IP server does not answer. */
  | 'unreachable';

export interface Observation {
  readonly cause: Extract<
    PresenceCause,
    'plugged' | 'absent' | 'starting' | 'denied' | 'ambiguous' | 'unreachable'
  >;
  readonly reason: string;
  /** Tells one plug from the next at the same place; undefined: there is nothing, or not one thing. */
  readonly visit?: string | undefined;
  readonly place?: string | undefined;
}

/** What many targets want to know, read once a look. */
export class Snapshot {
  #devices: Promise<UsbDevice[]> | undefined;
  readonly #folders = new Map<string, Promise<ReadonlySet<string>>>();

  constructor(readonly machine: Machine) {}

  /** @param ids Where a URI names a bridge by them. */
  async bridges(ids?: UsbIds): Promise<readonly UsbBridge[]> {
    this.#devices ??= usbDevicesOf(this.machine);
    return bridgesAmong(await this.#devices, ids);
  }

  /** Whether the name is in its folder. */
  async has(path: string): Promise<boolean> {
    const folder = dirname(path);
    let names = this.#folders.get(folder);
    if (names === undefined) {
      names = this.machine.list(folder).then((all) => new Set(all));
      this.#folders.set(folder, names);
    }
    return (await names).has(basename(path));
  }
}

/** A USB/IP server's are seen by UsbipWatch. */
export type LocalTarget = Exclude<ParsedTarget, { readonly scheme: 'usbip' }>;

export function observe(target: LocalTarget, snapshot: Snapshot): Promise<Observation> {
  switch (target.scheme) {
    case 'cp2112':
      return observeBridge(target, snapshot);
    case 'hidraw':
      return observeNode(target.path, '/sys/class/hidraw', NO_HIDRAW_NODE, snapshot);
    case 'i2c':
      return observeNode(target.path, '/sys/bus/i2c/devices', NO_I2C_NODE, snapshot);
    case 'sysfs':
      return observeMemory(target.name, snapshot);
  }
}

const NO_HIDRAW_NODE = 'a container has to be given the node';
const NO_I2C_NODE = 'load i2c-dev (modprobe i2c-dev); a container has to be given the node';

async function observeBridge(
  { bridge: wanted, ids }: Pick<Cp2112Uri, 'bridge' | 'ids'>,
  snapshot: Snapshot,
): Promise<Observation> {
  const fitting = bridgesNamed(await snapshot.bridges(ids), wanted);
  const [bridge] = fitting;
  if (bridge === undefined) {
    const reason =
      wanted === '' ? 'no bridge is plugged in' : `no bridge has the serial number or the place ${wanted}`;
    return { cause: 'absent', reason };
  }
  if (fitting.length > 1) {
    const all = describeBridges(fitting);
    const what =
      wanted === '' ? 'several bridges are plugged in' : `several bridges have the serial number ${wanted}`;
    return { cause: 'ambiguous', reason: `${what}: ${all}` };
  }
  const { path, busnum, devnum, node } = bridge;
  const visit = `${path} ${String(busnum)} ${String(devnum)}`;
  return permitted(snapshot, node, { visit, place: path }, NO_USB_NODE);
}

const NO_USB_NODE = 'a container has to be given /dev/bus/usb';

async function observeNode(
  path: string,
  folder: string,
  missing: string,
  snapshot: Snapshot,
): Promise<Observation> {
  const { machine } = snapshot;
  if (!(await snapshot.has(path))) {
    const known = await snapshot.has(`${folder}/${basename(path)}`);
    if (!known || dirname(path) !== '/dev') return { cause: 'absent', reason: `there is no node ${path}` };
    const visit = await visitOf(machine, `${folder}/${basename(path)}`);
    return { cause: 'starting', reason: noNode(path, missing), visit, place: path };
  }
  const number = await machine.deviceNumber(path);
  if (number === undefined) return { cause: 'absent', reason: `${path} is no device node` };
  const device = `/sys/dev/char/${number}`;
  const visit = await visitOf(machine, device);
  // A node that somebody made by hand stays when its device goes. Where sysfs is hidden, the node is all there is.
  if (visit === undefined && (await snapshot.has('/sys/dev/char')))
    return { cause: 'absent', reason: `the node ${path} has no device behind it` };
  return permitted(snapshot, path, { visit: visit ?? number, place: path }, missing);
}

async function observeMemory(name: string, snapshot: Snapshot): Promise<Observation> {
  const folder = `/sys/bus/nvmem/devices/${name}`;
  const visit = (await snapshot.has(folder)) ? await visitOf(snapshot.machine, folder) : undefined;
  if (visit === undefined) return { cause: 'absent', reason: `the kernel has no nvmem device ${name}` };
  const file = `${folder}/nvmem`;
  return permitted(snapshot, file, { visit, place: name }, 'its driver is not done yet', 'read');
}

async function permitted(
  { machine }: Snapshot,
  path: string,
  at: { readonly visit: string; readonly place: string },
  missing: string,
  how: 'read' | 'read and write' = 'read and write',
): Promise<Observation> {
  switch (await machine.access(path, how)) {
    case 'ok':
      return { cause: 'plugged', reason: 'it is plugged in', ...at };
    case 'missing':
      return { cause: 'starting', reason: noNode(path, missing), ...at };
    case 'denied': {
      const udev = path.startsWith('/dev/') ? ': udev may still be at work on it, or has no rule for it' : '';
      return { cause: 'denied', reason: `this user may not open ${path} yet${udev}`, ...at };
    }
  }
}

function noNode(path: string, missing: string): string {
  return `the kernel has it, and there is no ${path} yet (${missing})`;
}

/** The kernel numbers HID devices and the folders of sysfs anew each time. */
async function visitOf(machine: Machine, device: string): Promise<string | undefined> {
  const [path, status] = await Promise.all([machine.realPath(device), machine.status(device)]);
  return path === undefined || status === undefined ? undefined : `${path} ${String(status.inode)}`;
}
