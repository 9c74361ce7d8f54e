/** What sysfs tells of bridges, adapters and nvmem devices, with their URIs. Nothing is opened. */
import { listAdapters, type I2cAdapter } from '../machine/adapters.js';
import { listBridges, type UsbBridge } from '../machine/bridges.js';
import type { System } from './system.js';

/** A CP2112 on this machine. */
export interface LocalBridge extends UsbBridge {
  /** Of its bus, by the serial number where that is enough. */
  readonly uri: string;
}

/** An I2C adapter of the kernel. */
export interface LocalAdapter extends I2cAdapter {
  /** Where its node is, or would be with i2c-dev: '/dev/i2c-1'. */
  readonly path: string;
  /** Of its bus. */
  readonly uri: string;
}

/** A device of the kernel's nvmem subsystem. */
export interface KernelMemory {
  readonly name: string;
  /** 'EEPROM', 'OTP' …; kernels before 4.19 do not say. */
  readonly type: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
  /** 'mac@fa,0' */
  readonly cells: readonly string[];
  /** Its bytes. */
  readonly file: string;
  readonly uri: string;
}

export async function localBridges(system: System): Promise<LocalBridge[]> {
  const bridges = await listBridges(system.path('/sys'));
  return bridges.map((bridge) => {
    const { serial, path } = bridge;
    const isUnique = bridges.filter((other) => other.serial === serial).length === 1;
    return { ...bridge, uri: `cp2112://${isUnique && /^[\w.-]+$/.test(serial) ? serial : path}` };
  });
}

export async function localAdapters(system: System): Promise<LocalAdapter[]> {
  const adapters = await listAdapters({ sysfs: system.path('/sys') });
  return adapters.map((adapter) => {
    const path = `/dev/i2c-${String(adapter.number)}`;
    return { ...adapter, path, uri: `i2c://${path}` };
  });
}

export async function kernelMemories(system: System): Promise<KernelMemory[]> {
  const names = await system.list('/sys/bus/nvmem/devices');
  return Promise.all(
    names.map(async (name) => {
      const device = `/sys/bus/nvmem/devices/${name}`;
      return {
        name,
        type: await system.read(`${device}/type`),
        size: await system.size(`${device}/nvmem`),
        cells: await system.list(`${device}/cells`),
        file: `${device}/nvmem`,
        uri: `sysfs://${encodeURIComponent(name)}`,
      };
    }),
  );
}
