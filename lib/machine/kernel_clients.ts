/** Parts that the kernel itself knows on an I2C adapter, and the adapters that its driver has made of a bridge. */
import { basename } from 'node:path';

import { parseUsbIds, type UsbIds } from '../base/usb_ids.js';
import type { Machine } from './machine.js';

const DEVICES = '/sys/bus/i2c/devices';

export interface KernelClient {
  /** As in /dev: 'i2c-1'. */
  readonly adapter: string;
  /** Seven-bit address. Ten-bit addresses have 0xa000 added (i2c-core-base.c): no EEPROM has one. */
  readonly address: number;
  /** As in /sys/bus/i2c/devices: '1-0050'. */
  readonly device: string;
  /** What it was declared as: '24c256'. */
  readonly name: string;
  /** The driver that is bound to it; undefined: none, and the address is free. */
  readonly driver: string | undefined;
}

/**
 * The parts on an adapter, by address. Those behind a multiplexer are another adapter's.
 *
 * @param adapter 'i2c-1'
 */
export async function kernelClients(machine: Machine, adapter: string): Promise<KernelClient[]> {
  const folder = `${DEVICES}/${adapter}`;
  const number = adapter.replace(/^i2c-/, '');
  const devices = await machine.list(folder, new RegExp(`^${number}-[0-9a-f]{4}$`));
  return Promise.all(
    devices.map(async (device) => ({
      adapter,
      address: Number.parseInt(device.slice(number.length + 1), 16),
      device,
      name: (await machine.read(`${folder}/${device}/name`)) ?? '',
      driver: await machine.linkName(`${folder}/${device}/driver`),
    })),
  );
}

/** The parts that drivers of the kernel have behind these adapters. */
export async function heldClients(machine: Machine, adapters: readonly string[]): Promise<KernelClient[]> {
  const all = await Promise.all(adapters.map((adapter) => kernelClients(machine, adapter)));
  return all.flat().filter(({ driver }) => driver !== undefined);
}

/** As the kernel names what is at an address: '1-0050'. */
export function clientName(number: number, address: number): string {
  return `${String(number)}-${address.toString(16).padStart(4, '0')}`;
}

/** The kernel driver that is bound to an address of an adapter. */
export async function driverAt(
  machine: Machine,
  number: number,
  address: number,
): Promise<string | undefined> {
  return machine.linkName(`${DEVICES}/${clientName(number, address)}/driver`);
}

/**
 * The adapters that the kernel's driver has made of the chip behind a hidraw node: ['i2c-7']. hid-cp2112 hangs its adapter
 * below the HID device, and so does hidraw its node. None where there is no such node, or hid-generic has the bridge.
 */
export async function adaptersOfHidraw(machine: Machine, node: string): Promise<string[]> {
  return machine.list(`${await hidrawFolder(machine, node)}/device`, /^i2c-[0-9]+$/);
}

/**
 * Whether the kernel's driver is still busy making an adapter of the chip behind a hidraw node. hid-cp2112's probe shows the
 * node first, then reads the chip's configuration, writes it back with its own retries, and adds the adapter (cp2112_probe()).
 */
export async function isProbingHidraw(machine: Machine, node: string): Promise<boolean> {
  const driver = await machine.linkName(`${await hidrawFolder(machine, node)}/device/driver`);
  return driver === 'cp2112' && (await adaptersOfHidraw(machine, node)).length === 0;
}

/** Vendor and product of the device behind a hidraw node; undefined where there is no such node. */
export async function usbIdsOfHidraw(machine: Machine, node: string): Promise<UsbIds | undefined> {
  // Bus, vendor, product and a running number: '0003:10C4:EA90.0001'.
  const device = await machine.realPath(`${await hidrawFolder(machine, node)}/device`);
  const [, ids] = /^[0-9A-F]{4}:([0-9A-F]{4}:[0-9A-F]{4})\./.exec(basename(device ?? '')) ?? [];
  return ids === undefined ? undefined : parseUsbIds(ids);
}

async function hidrawFolder(machine: Machine, node: string): Promise<string> {
  const number = await machine.deviceNumber(node);
  // A node by another name (a link that udev made) has the number; without a node its name is all there is.
  return number === undefined ? `/sys/class/hidraw/${basename(node)}` : `/sys/dev/char/${number}`;
}
