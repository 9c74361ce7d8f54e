/** Parts that the kernel itself knows on an I2C adapter. */
import type { System } from './system.js';

export interface KernelClient {
  /** Seven-bit address. */
  readonly address: number;
  /** As in /sys/bus/i2c/devices: '1-0050'. */
  readonly device: string;
  /** What it was declared as: '24c256'. */
  readonly name: string;
  /** The driver that is bound to it; undefined: none, and the address is free. */
  readonly driver: string | undefined;
}

/** @param adapter 'i2c-1' */
export async function kernelClients(system: System, adapter: string): Promise<KernelClient[]> {
  const directory = `/sys/bus/i2c/devices/${adapter}`;
  const number = adapter.replace(/^i2c-/, '');
  const devices = (await system.list(directory)).filter((name) => /^[0-9]+-[0-9a-f]{4}$/.test(name));
  return Promise.all(
    devices
      .filter((device) => device.startsWith(`${number}-`))
      .map(async (device) => ({
        // Ten-bit addresses have 0xa000 added (i2c-core-base.c): no EEPROM has one.
        address: Number.parseInt(device.slice(number.length + 1), 16),
        device,
        name: (await system.read(`${directory}/${device}/name`)) ?? '',
        driver: await system.linkName(`${directory}/${device}/driver`),
      })),
  );
}

/** The adapters that the kernel's driver has made of the chip behind a hidraw node: ['i2c-7']. */
export async function adaptersOfHidraw(system: System, node: string): Promise<string[]> {
  const name = node.replace(/^.*\//, '');
  const names = await system.list(`/sys/class/hidraw/${name}/device`);
  return names.filter((entry) => /^i2c-[0-9]+$/.test(entry));
}
