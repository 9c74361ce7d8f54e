import { promises } from 'node:fs';

import { NvmemError } from '../base/errors.js';
import { native } from '../native/index.js';
import type { HidrawUri } from '../uri/bus_uri.js';
import { wireOfNode } from './wire.js';
import type { BusAccess } from './access.js';
import {
  adaptersOfHidraw,
  heldClients,
  isProbingHidraw,
  usbIdsOfHidraw,
  type KernelClient,
} from '../machine/kernel_clients.js';
import { monotonicMs, pause } from '../base/timers.js';
import { type Machine, thisMachine } from '../machine/machine.js';
import { udevHint } from '../machine/udev.js';
import type { UsbIds } from '../base/usb_ids.js';

const HINTS: Readonly<Partial<Record<string, string>>> = {
  ENOENT: 'Plug the bridge in; nvmem list says which node is its own.',
  EOPNOTSUPP: 'nvmem list shows the nodes of bridges.',
  EBUSY: 'Close it there, or end that process, then repeat.',
  ENODEV: 'Plug the bridge in again and repeat.',
  ETIMEDOUT: 'Plug the bridge in again and repeat.',
};

/**
 * A CP2112 that the kernel's driver keeps. Both use it and neither knows of the other, for the protocol has no tags.
 * What we hand out is checked for that (native/cp2112/bridge.h); what the kernel's driver hands out is not.
 */
export function hidrawAccess({ path, force }: HidrawUri, uri: string, machine = thisMachine): BusAccess {
  let ids: UsbIds | undefined;
  return {
    key: `hidraw ${path}`,
    what: `the bridge ${path}`,
    wire: async () => wireOfNode(await promises.realpath(path).catch(() => path), machine),
    setsClock: true,
    check: async () => {
      await probed(machine, path);
      const clients = force ? [] : await heldClients(machine, await adaptersOfHidraw(machine, path));
      if (clients.length > 0) throw inUse(path, uri, clients);
    },
    open: async (clockHz, openTimeoutMs) => {
      ids = await usbIdsOfHidraw(machine, path);
      return native().openHidraw({ path, clockHz, openTimeoutMs });
    },
    sentences: {
      ENOENT: 'there is no such node',
      ENODEV: 'the bridge went away while it was being opened',
      EACCES: 'the node is not yours to open',
      EPERM: 'the node is not yours to open',
      EBUSY: 'another open() of this package, here or in another process, has the node',
      EOPNOTSUPP: 'the device is no CP2112',
      ETIMEDOUT: 'the bridge did not answer',
    },
    hint: (code) => (code === 'EACCES' || code === 'EPERM' ? notPermitted(ids) : HINTS[code]),
    name: () => path.replace(/^.*\//, ''),
  };
}

/** For a driver of the kernel that has its adapter; one that never makes any is not waited for any longer. */
const PROBE_LIMIT_MS = 2000;
const LOOK_EVERY_MS = 5;

/** The driver's probe would write its own configuration over ours. Nothing announces its end. */
async function probed(machine: Machine, path: string): Promise<void> {
  const end = monotonicMs() + PROBE_LIMIT_MS;
  while ((await isProbingHidraw(machine, path)) && monotonicMs() < end) await pause(LOOK_EVERY_MS);
}

function notPermitted(ids: UsbIds | undefined): string {
  return `${udevHint(ids)}\nA container has to be given the node as well.`;
}

function inUse(path: string, uri: string, clients: readonly KernelClient[]): NvmemError {
  const [first] = clients;
  const adapter = first?.adapter ?? '';
  const device = first?.device ?? '';
  const driver = first?.driver ?? '';
  const names = clients
    .map((client) => `${client.driver ?? ''} has 0x${client.address.toString(16)}`)
    .join(', ');
  return new NvmemError(
    'EBUSY',
    `cannot open the bridge ${path}: drivers of the kernel use the same chip (${names} on ${adapter}), and their transfers and ours would get in each other's way`,
    {
      syscall: 'open',
      device: uri,
      hint:
        `Go through the kernel (i2c:///dev/${adapter}/0xADDR, or sysfs:// for the part itself), take the bridge away from it ` +
        `(cp2112://), let its driver go (echo ${device} > /sys/bus/i2c/drivers/${driver}/unbind), or say force=1.`,
    },
  );
}
