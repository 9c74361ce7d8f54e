/** Which drivers of the kernel use the I2C bus behind a hidraw node. */
// node:fs and not node:fs/promises: that one is loaded at its first use.
import { promises } from 'node:fs';
import { basename, join } from 'node:path';

/** A driver of the kernel that is bound to a part. */
export interface KernelClient {
  /** As in /dev: i2c-1. */
  readonly adapter: string;
  /** As in /sys/bus/i2c/devices: 1-0050. */
  readonly device: string;
  /** Seven-bit, or ten-bit where the kernel says so: 0x50. */
  readonly address: string;
  readonly driver: string;
}

/**
 * Drivers bound to parts behind the hidraw node `path`, by address. None where there is no such node, or no I2C adapter
 * beside it (hid-generic has the bridge): whether it can be opened is for open() to say.
 *
 * @param sysfs Where sysfs is mounted.
 */
export async function kernelClients(path: string, sysfs: string): Promise<KernelClient[]> {
  let hid: string;
  try {
    const { rdev } = await promises.stat(path);
    // hid-cp2112 hangs its adapter below the HID device, and so does hidraw its node.
    hid = await promises.realpath(join(sysfs, 'dev', 'char', deviceNumber(rdev), 'device'));
  } catch {
    return [];
  }
  const found: KernelClient[] = [];
  for (const adapter of await entries(hid, /^i2c-\d+$/)) {
    const bus = adapter.slice('i2c-'.length);
    for (const device of await entries(join(hid, adapter), /^\d+-[0-9a-f]{4}$/)) {
      if (!device.startsWith(`${bus}-`)) continue;
      const driver = await driverOf(join(hid, adapter, device));
      if (driver === undefined) continue;
      const address = `0x${device.slice(bus.length + 1).replace(/^00/, '')}`;
      found.push({ adapter, device, address, driver });
    }
  }
  return found;
}

/** MAJOR:MINOR, as in /sys/dev/char (gnu_dev_major() and gnu_dev_minor() of the C library). */
export function deviceNumber(rdev: number): string {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${String(major)}:${String(minor)}`;
}

async function entries(folder: string, pattern: RegExp): Promise<string[]> {
  try {
    return (await promises.readdir(folder)).filter((name) => pattern.test(name)).sort();
  } catch {
    return []; // unplugged meanwhile
  }
}

async function driverOf(device: string): Promise<string | undefined> {
  try {
    return basename(await promises.readlink(join(device, 'driver')));
  } catch {
    return undefined;
  }
}
