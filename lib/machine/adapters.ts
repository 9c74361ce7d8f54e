/** The kernel's I2C adapters, as sysfs shows them. */
import { basename, dirname } from 'node:path';

import { loadI2cBus } from './i2c_bus.js';
import type { Machine } from './machine.js';

/** The USB device that an adapter hangs off. */
export interface UsbParent {
  /** Bus and ports as in sysfs: '1-1.4'. */
  readonly path: string;
  /** Four hexadecimal digits. */
  readonly vendorId: string;
  readonly productId: string;
  readonly serial: string | undefined;
}

export interface I2cAdapter {
  /** N of /dev/i2c-N. */
  readonly number: number;
  /** As its driver calls it: 'CP2112 SMBus Bridge on hidraw0'. */
  readonly name: string;
  /** Its device node, where i2c-dev is loaded. */
  readonly node: string | undefined;
  readonly usb: UsbParent | undefined;
  /**
   * What it can do, by i2c-bus's names ('i2c', 'smbusReadByte' …), where that was asked for and the node may be opened:
   * parts with two address bytes need 'i2c'.
   */
  readonly functions: readonly string[] | undefined;
}

const DEVICES = '/sys/bus/i2c/devices';

/**
 * All I2C adapters, by number; none where the kernel has no I2C.
 *
 * @param functions Also ask what each can do (main thread only). Opens every node for a moment.
 * @throws NvmemError EOPNOTSUPP: `functions` in a worker.
 */
export async function adaptersOf(machine: Machine, functions = false): Promise<I2cAdapter[]> {
  if (functions) loadI2cBus('asking adapters what they can do');
  const names = await machine.list(DEVICES, /^i2c-\d+$/);
  const all = await Promise.all(names.map((name) => describe(machine, Number(name.slice(4)), functions)));
  return all.filter((adapter) => adapter !== undefined);
}

/** Undefined: it went while it was being looked at. */
async function describe(
  machine: Machine,
  number: number,
  functions: boolean,
): Promise<I2cAdapter | undefined> {
  const folder = `${DEVICES}/i2c-${String(number)}`;
  const name = await machine.read(`${folder}/name`);
  if (name === undefined) return undefined;
  const hasNode = await machine.exists(`${folder}/i2c-dev/i2c-${String(number)}/dev`);
  return {
    number,
    name,
    node: hasNode ? `/dev/i2c-${String(number)}` : undefined,
    usb: await usbParent(machine, folder),
    functions: functions && hasNode ? await functionsOf(number) : undefined,
  };
}

async function usbParent(machine: Machine, folder: string): Promise<UsbParent | undefined> {
  let at = (await machine.realPath(folder)) ?? '/';
  for (; at !== dirname(at); at = dirname(at)) {
    const vendorId = await machine.read(`${at}/idVendor`);
    const productId = await machine.read(`${at}/idProduct`);
    if (vendorId === undefined || productId === undefined) continue;
    return { path: basename(at), vendorId, productId, serial: await machine.read(`${at}/serial`) };
  }
  return undefined;
}

async function functionsOf(number: number): Promise<string[] | undefined> {
  try {
    const bus = await loadI2cBus('asking an adapter what it can do').openPromisified(number);
    try {
      const functions = await bus.i2cFuncs();
      return Object.entries(functions).flatMap(([name, can]) => (can === true ? [name] : []));
    } finally {
      await bus.close();
    }
  } catch {
    return undefined; // no permission, or it has gone
  }
}

/** What gives a user access to adapters: the group that Debian's i2c-tools makes, or the rule it comes with. */
export const ACCESS_HINT =
  'Add the user to the group i2c (usermod -aG i2c USER), or install the udev rule ' +
  'KERNEL=="i2c-[0-9]*", GROUP="i2c", MODE="0660" in /etc/udev/rules.d, and plug it in again.';
