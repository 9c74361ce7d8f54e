/** What the kernel of this machine makes of a device while nobody has it open. */
import { basename, dirname, resolve } from 'node:path';

import type { NvmemUri } from '../uri/uri.js';
import { findBridge } from './bridges.js';
import { adaptersOfHidraw, kernelClients } from './kernel_clients.js';
import type { Machine } from './machine.js';

const NVMEM = '/sys/bus/nvmem/devices';

export interface KernelView {
  /** The drivers of the bridge, outermost first: ['usbhid', 'cp2112']; empty: none, or there is no bridge. */
  readonly bridgeDrivers: readonly string[];
  /** What the kernel declared at the part's address: '0-0050'. */
  readonly device: string | undefined;
  readonly driver: string | undefined;
}

/** Undefined: the kernel has nothing to do with what that URI means. */
export async function kernelView(machine: Machine, uri: NvmemUri): Promise<KernelView | undefined> {
  if (uri.scheme === 'sysfs') {
    // The nvmem device is a child of the device that provides it: …/0-0050/0-00501.
    const target = await machine.link(`${NVMEM}/${uri.name}`);
    if (target === undefined) return undefined;
    const provider = dirname(resolve(NVMEM, target));
    const driver = await machine.linkName(`${provider}/driver`);
    return { bridgeDrivers: [], device: basename(provider), driver };
  }
  if (!('bus' in uri)) return undefined;
  const { bus, part } = uri;
  switch (bus.scheme) {
    case 'cp2112': {
      const bridge = await findBridge(bus.bridge, uri.uri, machine, bus.ids).catch(() => undefined);
      if (bridge === undefined) return undefined;
      const drivers = bridge.interfaces.flatMap(({ driver, hidDriver }) => [driver, hidDriver]);
      const adapters = bridge.i2c.map((node) => basename(node));
      return {
        bridgeDrivers: drivers.filter((driver) => driver !== undefined),
        ...(await clientAt(machine, adapters, part.address)),
      };
    }
    case 'hidraw': {
      const driver = await machine.linkName(`/sys/class/hidraw/${basename(bus.path)}/device/driver`);
      const adapters = await adaptersOfHidraw(machine, bus.path);
      return {
        bridgeDrivers: driver === undefined ? [] : [driver],
        ...(await clientAt(machine, adapters, part.address)),
      };
    }
    case 'i2c':
      return { bridgeDrivers: [], ...(await clientAt(machine, [basename(bus.path)], part.address)) };
    case 'usbip':
      return undefined;
  }
}

async function clientAt(
  machine: Machine,
  adapters: readonly string[],
  address: number,
): Promise<Pick<KernelView, 'device' | 'driver'>> {
  const clients = (await Promise.all(adapters.map((adapter) => kernelClients(machine, adapter)))).flat();
  const client = clients.find((one) => one.address === address);
  return { device: client?.device, driver: client?.driver };
}

/** One line for people. */
export function describeKernelView({ bridgeDrivers, device, driver }: KernelView): string {
  const part =
    device === undefined
      ? 'nothing declared at that address'
      : `${device} with ${driver === undefined ? 'no driver' : `driver ${driver}`}`;
  return bridgeDrivers.length === 0 ? part : `${part}; bridge with ${bridgeDrivers.join(' and ')}`;
}
