/** What sysfs tells of bridges, adapters and nvmem devices. Nothing is opened. */
import type { System } from './system.js';

/** A CP2112 on this machine. */
export interface LocalBridge {
  /** Bus and ports: '1-1.4'. */
  readonly place: string;
  readonly serial: string | undefined;
  /** /dev/bus/usb/BUS/DEVICE */
  readonly node: string;
  /** Of the whole device: 'usb', or 'usbip-host' where it is exported. */
  readonly deviceDriver: string | undefined;
  /** Of the interface: 'usbhid', 'usbfs' where a program has claimed it. */
  readonly interfaceDriver: string | undefined;
  /** Of the HID device on it: 'cp2112' (hid-cp2112), 'hid-generic'. */
  readonly hidDriver: string | undefined;
  /** /dev/hidrawN */
  readonly hidraw: readonly string[];
  /** 'i2c-7' */
  readonly adapters: readonly string[];
  /** 'gpiochip2' */
  readonly gpiochips: readonly string[];
  /** power/control: 'auto' lets the kernel suspend it. */
  readonly power: string | undefined;
  readonly uri: string;
}

/** An I2C adapter of the kernel. */
export interface LocalAdapter {
  /** 'i2c-7' */
  readonly name: string;
  /** What its driver calls it. */
  readonly description: string;
  readonly node: string;
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

const USB = '/sys/bus/usb/devices';

export async function localBridges(system: System): Promise<LocalBridge[]> {
  const places = (await system.list(USB)).filter((name) => /^[0-9]+-[0-9.]+$/.test(name));
  const found = await Promise.all(places.map((place) => bridgeAt(system, place)));
  const bridges = found.filter((bridge) => bridge !== undefined);
  return bridges.map((bridge) => {
    const { serial, place } = bridge;
    const isUnique = bridges.filter((other) => other.serial === serial).length === 1;
    const name = serial !== undefined && isUnique && /^[\w.-]+$/.test(serial) ? serial : place;
    return { ...bridge, uri: `cp2112://${name}` };
  });
}

/** Those that the authority of a cp2112:// URI means: a serial number, a place, or empty for any. */
export function bridgesNamed(bridges: readonly LocalBridge[], wanted: string): LocalBridge[] {
  return bridges.filter(
    ({ serial, place }) =>
      wanted === '' || place === wanted || serial?.toLowerCase() === wanted.toLowerCase(),
  );
}

async function bridgeAt(system: System, place: string): Promise<Omit<LocalBridge, 'uri'> | undefined> {
  const device = `${USB}/${place}`;
  const read = (file: string): Promise<string | undefined> => system.read(`${device}/${file}`);
  const [vendor, product] = await Promise.all([read('idVendor'), read('idProduct')]);
  if (vendor !== '10c4' || product !== 'ea90') return undefined;
  const number = async (file: string): Promise<string> => ((await read(file)) ?? '').padStart(3, '0');
  const [busnum, devnum] = await Promise.all([number('busnum'), number('devnum')]);
  const interfaces = (await system.list(device)).filter((name) => name.startsWith(`${place}:`));
  const face = `${device}/${interfaces[0] ?? `${place}:1.0`}`;
  const hid = (await system.list(face)).find((name) => /^[0-9A-F]{4}:10C4:EA90\.[0-9A-F]{4}$/.test(name));
  const below = hid === undefined ? [] : await system.list(`${face}/${hid}`);
  const hidraw = hid === undefined ? [] : await system.list(`${face}/${hid}/hidraw`);
  return {
    place,
    serial: await read('serial'),
    node: `/dev/bus/usb/${busnum}/${devnum}`,
    deviceDriver: await system.linkName(`${device}/driver`),
    interfaceDriver: await system.linkName(`${face}/driver`),
    hidDriver: hid === undefined ? undefined : await system.linkName(`${face}/${hid}/driver`),
    hidraw: hidraw.map((name) => `/dev/${name}`),
    adapters: below.filter((name) => /^i2c-[0-9]+$/.test(name)),
    gpiochips: below.filter((name) => /^gpiochip[0-9]+$/.test(name)),
    power: await read('power/control'),
  };
}

export async function localAdapters(system: System): Promise<LocalAdapter[]> {
  const names = (await system.list('/sys/bus/i2c/devices')).filter((name) => /^i2c-[0-9]+$/.test(name));
  return Promise.all(
    names.map(async (name) => {
      const node = `/dev/${name}`;
      return {
        name,
        description: (await system.read(`/sys/bus/i2c/devices/${name}/name`)) ?? '',
        node,
        uri: `i2c://${node}`,
      };
    }),
  );
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
