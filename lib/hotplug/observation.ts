/** What one look at this machine shows of what a URI names. Nothing is opened. */
import { basename, dirname } from 'node:path';

import { usbIdText, type UsbIds } from '../base/usb_ids.js';
import {
  BridgeIndex,
  bridgesAmong,
  describeBridges,
  usbDevicesOf,
  type UsbDevice,
} from '../machine/bridges.js';
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

const NVMEM_DEVICES = '/sys/bus/nvmem/devices';
const HIDRAW_DEVICES = '/sys/class/hidraw';
const I2C_DEVICES = '/sys/bus/i2c/devices';

/** What one look has to read for some targets: the same for one of a kind as for many. */
export class Needs {
  readonly #folders = new Set<string>();
  #bridges = false;

  constructor(targets: Iterable<LocalTarget>) {
    for (const target of targets) this.#add(target);
  }

  get folders(): ReadonlySet<string> {
    return this.#folders;
  }

  get bridges(): boolean {
    return this.#bridges;
  }

  #add(target: LocalTarget): void {
    switch (target.scheme) {
      case 'cp2112':
        this.#bridges = true;
        break;
      case 'hidraw':
        this.#folders.add(dirname(target.path)).add(HIDRAW_DEVICES);
        break;
      case 'i2c':
        this.#folders.add(dirname(target.path)).add(I2C_DEVICES);
        break;
      case 'sysfs':
        this.#folders.add(NVMEM_DEVICES);
    }
  }
}

/** What one look has read, whatever the number of targets that want to know. */
export class Snapshot {
  readonly #indexes = new Map<string, BridgeIndex>();

  private constructor(
    readonly machine: Machine,
    private readonly devices: readonly UsbDevice[],
    private readonly folders: ReadonlyMap<string, ReadonlySet<string>>,
  ) {}

  static async take(machine: Machine, needs: Needs): Promise<Snapshot> {
    const [devices, ...folders] = await Promise.all([
      needs.bridges ? usbDevicesOf(machine) : [],
      ...Array.from(needs.folders, async (folder) => [folder, new Set(await machine.list(folder))] as const),
    ]);
    return new Snapshot(machine, devices, new Map(folders));
  }

  /** @param ids Where a URI names a bridge by them. */
  bridges(ids?: UsbIds): BridgeIndex {
    const key = ids === undefined ? '' : usbIdText(ids);
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = new BridgeIndex(bridgesAmong(this.devices, ids));
      this.#indexes.set(key, index);
    }
    return index;
  }

  /** Whether the name is in its folder, which is one of what the look was to read. */
  has(path: string): boolean {
    return this.folders.get(dirname(path))?.has(basename(path)) ?? false;
  }
}

/** A USB/IP server's are seen by UsbipWatch. */
export type LocalTarget = Exclude<ParsedTarget, { readonly scheme: 'usbip' }>;

/** At once for what is not there: many may wait for it for a long time. */
export function observe(target: LocalTarget, snapshot: Snapshot): Observation | Promise<Observation> {
  switch (target.scheme) {
    case 'cp2112':
      return observeBridge(target, snapshot);
    case 'hidraw':
      return observeNode(target.path, HIDRAW_DEVICES, NO_HIDRAW_NODE, snapshot);
    case 'i2c':
      return observeNode(target.path, I2C_DEVICES, NO_I2C_NODE, snapshot);
    case 'sysfs':
      return observeMemory(target.name, snapshot);
  }
}

const NO_HIDRAW_NODE = 'a container has to be given the node';
const NO_I2C_NODE = 'load i2c-dev (modprobe i2c-dev); a container has to be given the node';

function observeBridge(
  { bridge: wanted, ids }: Pick<Cp2112Uri, 'bridge' | 'ids'>,
  snapshot: Snapshot,
): Observation | Promise<Observation> {
  const fitting = snapshot.bridges(ids).named(wanted);
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

function observeNode(
  path: string,
  folder: string,
  missing: string,
  snapshot: Snapshot,
): Observation | Promise<Observation> {
  if (snapshot.has(path)) return observeThere(path, missing, snapshot);
  const device = `${folder}/${basename(path)}`;
  if (snapshot.has(device) && dirname(path) === '/dev')
    return observeStarting(path, device, missing, snapshot);
  return { cause: 'absent', reason: `there is no node ${path}` };
}

async function observeStarting(
  path: string,
  device: string,
  missing: string,
  { machine }: Snapshot,
): Promise<Observation> {
  const visit = await visitOf(machine, device);
  return { cause: 'starting', reason: noNode(path, missing), visit, place: path };
}

async function observeThere(path: string, missing: string, snapshot: Snapshot): Promise<Observation> {
  const { machine } = snapshot;
  const number = await machine.deviceNumber(path);
  if (number === undefined) return { cause: 'absent', reason: `${path} is no device node` };
  const visit = await visitOf(machine, `/sys/dev/char/${number}`);
  // A node that somebody made by hand stays when its device goes. Where sysfs is hidden, the node is all there is.
  if (visit === undefined && (await machine.exists('/sys/dev/char')))
    return { cause: 'absent', reason: `the node ${path} has no device behind it` };
  return permitted(snapshot, path, { visit: visit ?? number, place: path }, missing);
}

function observeMemory(name: string, snapshot: Snapshot): Observation | Promise<Observation> {
  const folder = `${NVMEM_DEVICES}/${name}`;
  return snapshot.has(folder) ? observeListed(name, folder, snapshot) : noMemory(name);
}

async function observeListed(name: string, folder: string, snapshot: Snapshot): Promise<Observation> {
  const visit = await visitOf(snapshot.machine, folder);
  if (visit === undefined) return noMemory(name);
  const file = `${folder}/nvmem`;
  return permitted(snapshot, file, { visit, place: name }, 'its driver is not done yet', 'read');
}

function noMemory(name: string): Observation {
  return { cause: 'absent', reason: `the kernel has no nvmem device ${name}` };
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
