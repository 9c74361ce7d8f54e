import { codeOf, errorTable } from '../base/errors.js';
import { monotonicMs, pause, wallMs } from '../base/timers.js';
import { native, type BusOpening } from '../native/index.js';
import type { Cp2112Uri } from '../uri/bus_uri.js';
import { findBridge, usbIdsOf, type UsbBridge } from '../machine/bridges.js';
import { holdersOf, nameHolders } from '../machine/holders.js';
import { thisMachine } from '../machine/machine.js';
import { udevHint } from '../machine/udev.js';
import type { BusAccess } from './access.js';

/** udevd opens a node to users a moment after the kernel has made it, and programs that wait for a bridge are faster. */
const UDEV_TAKES_MS = 2000;
const LOOK_EVERY_MS = 50;

/**
 * A CP2112 of this machine, through libusb. The bridge is looked up here, so that every way to name it is one bus.
 *
 * @throws NvmemError ENOENT: no such bridge; EINVAL: several, and the URI does not say which.
 */
export async function usbAccess({ bridge: wanted, ids }: Cp2112Uri, uri: string): Promise<BusAccess> {
  const bridge = await findBridge(wanted, uri, undefined, ids);
  const { path, serial } = bridge;
  return {
    key: `usb ${path}`,
    what: `the bridge ${path}${serial === '' ? '' : ` (serial ${serial})`}`,
    setsClock: true,
    open: (clockHz, openTimeoutMs) => openUsb(bridge, clockHz, openTimeoutMs),
    sentences: {
      ENOENT: 'nothing is plugged in there any more',
      EOPNOTSUPP: 'the device is no CP2112',
      ETIMEDOUT: 'the bridge did not answer',
      EBUSY: 'another program has it',
      EACCES: 'no permission for its device node',
      ENODEV: 'it went away while it was being opened',
    },
    hint: (code) => hint(code, bridge),
    name: (identity) => identity.get('path') ?? path,
  };
}

async function openUsb(bridge: UsbBridge, clockHz: number, openTimeoutMs: number): Promise<BusOpening> {
  // Taking the bridge from the kernel's driver removes its I2C adapter, and that waits (in i2c_del_adapter(), where no
  // signal reaches it) until nobody has the adapter open.
  const users = await holdersOf(bridge.i2c);
  if (users.length > 0) {
    const nodes = [...new Set(users.map(({ node }) => node))].join(', ');
    return {
      status: -errorTable.EBUSY.errno,
      reason: `its I2C adapter ${nodes} is open in ${nameHolders(users)}`,
    };
  }
  const ids = usbIdsOf(bridge);
  const deadline = monotonicMs() + openTimeoutMs;
  let opened: BusOpening;
  for (;;) {
    const left = Math.max(deadline - monotonicMs(), 1);
    opened = await native().openUsb({ bridge: bridge.path, clockHz, openTimeoutMs: left, ids });
    if (opened.bus !== undefined || codeOf(opened.status) !== 'EACCES') break;
    if (left <= LOOK_EVERY_MS || !(await isNew(bridge.node))) break;
    await pause(LOOK_EVERY_MS);
  }
  if (opened.bus !== undefined || codeOf(opened.status) !== 'EBUSY') return opened;
  const others = await holdersOf([bridge.node]);
  if (others.length === 0) return opened;
  return { status: opened.status, reason: `it is claimed by ${nameHolders(others)}` };
}

async function isNew(node: string): Promise<boolean> {
  const status = await thisMachine.status(node);
  return wallMs() - (status?.madeAt ?? 0) < UDEV_TAKES_MS;
}

function hint(code: string, bridge: UsbBridge): string | undefined {
  switch (code) {
    case 'EACCES':
      return udevHint(usbIdsOf(bridge));
    case 'EBUSY':
      return 'Let the other program close the bridge, or use hidraw:///dev/hidrawN, which shares it with the kernel.';
    case 'ENODEV':
    case 'EPIPE':
      return 'Plug it in again and repeat.';
    case 'ETIMEDOUT':
      return 'It is plugged in and says nothing: plug it in again, which resets it. nvmem doctor with this URI says how far it gets.';
    case 'ENOENT':
    case 'EOPNOTSUPP':
      return 'nvmem list shows the bridges of this machine.';
    default:
      return undefined;
  }
}
