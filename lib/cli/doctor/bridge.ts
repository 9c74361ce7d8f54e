/** A CP2112 on this machine: may it be opened, whose is it now, and who else uses it? */
import { kernelClients, type KernelClient } from '../kernel_clients.js';
import type { LocalBridge } from '../inventory.js';
import type { System } from '../system.js';
import { ok, problem, warning, type Check } from './check.js';
import { describeHolders, holdersOf } from './holders.js';
import { INSTALL_RULE } from './udev.js';

export async function checkBridge(system: System, bridge: LocalBridge): Promise<Check[]> {
  const name = `bridge ${bridge.place}`;
  const identity = `${bridge.uri} is at ${bridge.place}`;
  return [
    ok(name, bridge.serial === undefined ? `${identity}, without a serial number` : identity),
    await checkNode(system, `${name} node`, bridge.node),
    ...(await Promise.all(bridge.hidraw.map((node) => checkNode(system, `${name} hidraw`, node)))),
    checkDriver(bridge),
    await checkClients(system, bridge),
    await checkHolders(system, bridge),
    ...checkPower(bridge),
  ];
}

/** A node that this user has to read and write. */
export async function checkNode(system: System, name: string, node: string): Promise<Check> {
  switch (await system.access(node)) {
    case 'ok':
      return ok(name, `${node} can be read and written`);
    case 'denied':
      return problem(
        name,
        `${node} may not be read and written by ${system.user.name}`,
        await permission(system, node),
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
async function permission(system: System, node: string): Promise<string> {
  const { name } = system.user;
  const owner = await system.owner(node);
  if (owner && owner.gid !== 0 && (owner.mode & 0o060) === 0o060) {
    return `sudo usermod -aG ${owner.group ?? String(owner.gid)} ${name}, and log in again`;
  }
  const isOurs = !node.startsWith('/dev/i2c-') || (await isBridgeAdapter(system, node));
  return isOurs && (await system.exists('/run/udev')) ? INSTALL_RULE : `sudo chown ${name} ${node}`;
}

async function isBridgeAdapter(system: System, node: string): Promise<boolean> {
  const adapter = node.replace(/^\/dev\//, '');
  return ((await system.read(`/sys/bus/i2c/devices/${adapter}/name`)) ?? '').startsWith('CP2112 ');
}

/** Who would have made a node that is missing. */
function whereFrom(node: string): string {
  if (node.startsWith('/dev/i2c-')) return 'sudo modprobe i2c-dev';
  if (node.startsWith('/dev/hidraw'))
    return 'Look at nvmem list: another number, or the bridge is not plugged in.';
  return `A container has to be given it: docker run -v /dev/bus/usb:/dev/bus/usb --device-cgroup-rule='c 189:* rmw' …`;
}

function checkDriver({ place, deviceDriver, interfaceDriver, hidDriver }: LocalBridge): Check {
  const name = `bridge ${place} driver`;
  if (deviceDriver === 'usbip-host') {
    return problem(
      name,
      'it is exported over USB/IP, and cannot be opened here',
      `sudo usbip unbind -b ${place}`,
      'EBUSY',
    );
  }
  switch (interfaceDriver) {
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
      return ok(name, `${interfaceDriver}${hid} is bound; cp2112:// takes its place while it is open`);
    }
  }
}

async function checkClients(system: System, { place, adapters }: LocalBridge): Promise<Check> {
  const clients = (await Promise.all(adapters.map((adapter) => kernelClients(system, adapter)))).flat();
  return checkHeldParts(`bridge ${place} parts`, clients);
}

/** Parts of a bus that drivers of the kernel have. */
export function checkHeldParts(name: string, clients: readonly KernelClient[]): Check {
  const held = clients.filter(({ driver }) => driver !== undefined);
  const [first] = held;
  if (first === undefined) return ok(name, 'no driver of the kernel has a part behind it');
  const list = held.map(
    ({ address, driver, device }) => `0x${address.toString(16)} (${driver ?? ''}, ${device})`,
  );
  return warning(
    name,
    `drivers of the kernel have parts behind it: ${list.join(', ')}`,
    `echo ${first.device} | sudo tee /sys/bus/i2c/drivers/${first.driver ?? ''}/unbind`,
  );
}

async function checkHolders(system: System, bridge: LocalBridge): Promise<Check> {
  const { place, node, hidraw, adapters } = bridge;
  const nodes = [node, ...hidraw, ...adapters.map((adapter) => `/dev/${adapter}`)];
  return checkHolding(system, `bridge ${place} users`, nodes);
}

/** Who has one of the nodes open. */
export async function checkHolding(system: System, name: string, nodes: readonly string[]): Promise<Check> {
  const { found, hidden } = await holdersOf(system, nodes);
  if (found.length === 0) {
    const others =
      hidden === 1 ? '1 process of other users does' : `${String(hidden)} processes of other users do`;
    const unseen = hidden === 0 ? '' : `; ${others} not show (sudo nvmem doctor)`;
    return ok(name, `no process has it open${unseen}`);
  }
  const adapter = found.find(({ node }) => node.startsWith('/dev/i2c-'));
  const says = `open in ${describeHolders(found)}`;
  return warning(
    name,
    adapter === undefined
      ? says
      : `${says}; while ${adapter.node} is open, unplugging the bridge leaves the kernel waiting`,
    `ps -p ${[...new Set(found.map(({ pid }) => pid))].join(',')} -o pid,user,args`,
  );
}

function checkPower({ place, power }: LocalBridge): Check[] {
  const name = `bridge ${place} power`;
  if (power === undefined) return [];
  if (power !== 'auto') return [ok(name, 'autosuspend is off')];
  return [
    warning(
      name,
      'autosuspend is on: the kernel may put it to sleep while nobody has it open',
      `echo on | sudo tee /sys/bus/usb/devices/${place}/power/control`,
    ),
  ];
}
