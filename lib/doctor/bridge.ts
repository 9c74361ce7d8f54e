/** A CP2112 on this machine: may it be opened, whose is it now, and who else uses it? */
import { basename } from 'node:path';

import { CP2112_IDS, type UsbIds } from '../base/usb_ids.js';
import { holdersOf, nameHolders } from '../machine/holders.js';
import { kernelClients, type KernelClient } from '../machine/kernel_clients.js';
import { usbIdsOf } from '../machine/bridges.js';
import type { LocalBridge } from '../machine/list.js';
import type { Machine } from '../machine/machine.js';
import { ok, problem, warning, type Finding } from './finding.js';
import { installRule } from './udev.js';

export async function checkBridge(machine: Machine, bridge: LocalBridge): Promise<Finding[]> {
  const { path, uri, serial, node, hidraw } = bridge;
  const name = `bridge ${path}`;
  const ids = usbIdsOf(bridge);
  const identity = `${uri} is at ${path}`;
  return [
    ok(name, serial === '' ? `${identity}, without a serial number` : identity),
    await checkNode(machine, `${name} node`, node, ids),
    ...(await Promise.all(hidraw.map((one) => checkNode(machine, `${name} hidraw`, one, ids)))),
    await checkDriver(machine, bridge),
    await checkClients(machine, bridge),
    await checkHolding(machine, `${name} users`, [node, ...hidraw, ...bridge.i2c]),
    ...(await checkPower(machine, bridge)),
  ];
}

/**
 * A node that this user has to read and write.
 *
 * @param ids Of the bridge whose node it is.
 */
export async function checkNode(
  machine: Machine,
  name: string,
  node: string,
  ids = CP2112_IDS,
): Promise<Finding> {
  switch (await machine.access(node)) {
    case 'ok':
      return ok(name, `${node} can be read and written`);
    case 'denied':
      return problem(
        name,
        `${node} may not be read and written by ${machine.user.name}`,
        await permission(machine, node, ids),
        'EACCES',
      );
    case 'missing':
      return problem(name, `${node} is missing`, whereFrom(node), 'ENOENT');
  }
}

/**
 * How this user gets at a node: through its group where that one may, by our rule where the node is a bridge's; as the owner,
 * until the next boot or plug, where nothing makes it last.
 */
async function permission(machine: Machine, node: string, ids: UsbIds): Promise<string> {
  const { name } = machine.user;
  const owner = await machine.owner(node);
  if (owner && owner.gid !== 0 && (owner.mode & 0o060) === 0o060) {
    return `sudo usermod -aG ${owner.group ?? String(owner.gid)} ${name}, and log in again`;
  }
  const hasRule = !node.startsWith('/dev/i2c-') && (await machine.exists('/run/udev'));
  return hasRule ? installRule(ids) : `sudo chown ${name} ${node}`;
}

/** Who would have made a node that is missing. */
function whereFrom(node: string): string {
  if (node.startsWith('/dev/i2c-')) return 'sudo modprobe i2c-dev';
  if (node.startsWith('/dev/hidraw'))
    return 'Look at nvmem list: another number, or the bridge is not plugged in.';
  return `A container has to be given it: docker run -v /dev/bus/usb:/dev/bus/usb --device-cgroup-rule='c 189:* rmw' …`;
}

async function checkDriver(machine: Machine, { path, interfaces }: LocalBridge): Promise<Finding> {
  const name = `bridge ${path} driver`;
  // usbip-host takes the whole device; of others only the interfaces have drivers that matter.
  if ((await machine.linkName(`/sys/bus/usb/devices/${path}/driver`)) === 'usbip-host') {
    return problem(
      name,
      'it is exported over USB/IP, and cannot be opened here',
      `sudo usbip unbind -b ${path}`,
      'EBUSY',
    );
  }
  const { driver, hidDriver } = interfaces[0] ?? {};
  switch (driver) {
    case undefined:
      return ok(name, 'no driver is bound: cp2112:// can have it; hidraw:// and i2c:// cannot');
    case 'usbfs':
      return warning(
        name,
        'a program has claimed it through usbfs',
        'Let that program end, or share the bridge with it.',
      );
    default: {
      const hid = hidDriver === undefined ? '' : ` (${hidDriver})`;
      return ok(name, `${driver}${hid} is bound; cp2112:// takes its place while it is open`);
    }
  }
}

async function checkClients(machine: Machine, { path, i2c }: LocalBridge): Promise<Finding> {
  const clients = (await Promise.all(i2c.map((node) => kernelClients(machine, basename(node))))).flat();
  return checkHeldParts(`bridge ${path} parts`, clients);
}

/** Parts of a bus that drivers of the kernel have. */
export function checkHeldParts(name: string, clients: readonly KernelClient[]): Finding {
  const held = clients.filter(({ driver }) => driver !== undefined);
  const [first] = held;
  if (first === undefined) return ok(name, 'no driver of the kernel has a part behind it');
  const list = held.map(
    ({ address, driver, device }) => `0x${address.toString(16)} (${driver ?? ''}, ${device})`,
  );
  return warning(name, `drivers of the kernel have parts behind it: ${list.join(', ')}`, unbind(first));
}

/** Takes a driver of the kernel off a part. */
export function unbind({ device, driver = '' }: KernelClient): string {
  return `echo ${device} | sudo tee /sys/bus/i2c/drivers/${driver}/unbind`;
}

/** Who has one of the nodes open. */
export async function checkHolding(
  machine: Machine,
  name: string,
  nodes: readonly string[],
): Promise<Finding> {
  const holders = (await holdersOf(nodes, machine)).filter(({ pid }) => pid !== process.pid);
  if (holders.length === 0) {
    const unseen = machine.user.uid === 0 ? '' : ', as far as this user can see (sudo nvmem doctor sees all)';
    return ok(name, `no process has it open${unseen}`);
  }
  const adapter = holders.find(({ node }) => node.startsWith('/dev/i2c-'));
  const says = `open in ${nameHolders(holders)}`;
  return warning(
    name,
    adapter === undefined
      ? says
      : `${says}; while ${adapter.node} is open, unplugging its bridge leaves the kernel waiting`,
    `ps -p ${[...new Set(holders.map(({ pid }) => pid))].join(',')} -o pid,user,args`,
  );
}

async function checkPower(machine: Machine, { path }: LocalBridge): Promise<Finding[]> {
  const name = `bridge ${path} power`;
  const file = `/sys/bus/usb/devices/${path}/power/control`;
  const power = await machine.read(file);
  if (power === undefined) return [];
  if (power !== 'auto') return [ok(name, 'autosuspend is off')];
  return [
    warning(
      name,
      'autosuspend is on: the kernel may put it to sleep while nobody has it open',
      `echo on | sudo tee ${file}`,
    ),
  ];
}
