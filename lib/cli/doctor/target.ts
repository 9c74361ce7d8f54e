/** What a URI needs, looked at from the outside first, and then by opening it. */
import { NvmemError } from '../../base/errors.js';
import { open } from '../../open/open.js';
import { findBridge } from '../../machine/bridges.js';
import { exportedDevices } from '../../bus/usbip_devices.js';
import { parseUri, type BusUri, type Cp2112Uri, type NvmemUri, type SysfsUri } from '../../uri/uri.js';
import { describeFailure } from '../failure.js';
import { adaptersOfHidraw, kernelClients } from '../kernel_clients.js';
import { localBridges } from '../inventory.js';
import type { Session } from '../session.js';
import type { System } from '../system.js';
import { checkBridge, checkHeldParts, checkHolding, checkNode, unbind } from './bridge.js';
import { ok, problem, warning, type Check } from './check.js';
import { checkUsb } from './machine.js';
import { checkModules } from './modules.js';
import { checkUdevRule } from './udev.js';

/** Checks of one URI, in the order in which they have to hold. */
export async function checkTarget(session: Session, uri: string): Promise<Check[]> {
  const parsed = parseUri(uri);
  const before = await outside(session, parsed);
  if (before.some(({ status }) => status === 'problem')) return before;
  // With the bridge the kernel's drivers would lose their parts, and nobody asked for that.
  const isShared = before.some(({ name, status }) => status === 'warning' && name.endsWith(' parts'));
  if (parsed.scheme === 'cp2112' && isShared) {
    const remedy = `nvmem info '${uri}'`;
    return [
      ...before,
      warning('open', 'not tried: it would take the bridge from drivers of the kernel', remedy),
    ];
  }
  return [...before, ...(await inside(session, parsed))];
}

async function outside(session: Session, uri: NvmemUri): Promise<Check[]> {
  const { system } = session;
  const modules = await checkModules(system, uri.scheme);
  switch (uri.scheme) {
    case 'cp2112':
      return [await checkUsb(system), await checkUdevRule(system), ...(await checkLocalBridge(system, uri))];
    case 'hidraw':
      return [await checkUdevRule(system), ...modules, ...(await checkHidraw(system, uri.path))];
    case 'i2c':
      return [...modules, ...(await checkAdapter(system, uri.path, uri.part.address, uri.force))];
    case 'usbip':
      return checkServer(session, uri.host, uri.port, uri.busid);
    case 'sysfs':
      return [...modules, ...(await checkKernelDevice(system, uri))];
    default:
      return [];
  }
}

async function checkLocalBridge(system: System, { bridge, ids, uri }: Cp2112Uri): Promise<Check[]> {
  try {
    const found = await findBridge(bridge, uri, system.path('/sys'), ids);
    const listed = (await localBridges(system)).find(({ path }) => path === found.path);
    return await checkBridge(system, listed ?? { ...found, uri: `cp2112://${found.path}` });
  } catch (error) {
    return [failure('bridge', error)];
  }
}

async function checkHidraw(system: System, path: string): Promise<Check[]> {
  const node = await checkNode(system, 'node', path);
  if (node.status === 'problem') return [node];
  const adapters = await adaptersOfHidraw(system, path);
  const clients = (await Promise.all(adapters.map((adapter) => kernelClients(system, adapter)))).flat();
  return [node, checkHeldParts('parts', clients), await checkHolding(system, 'users', [path])];
}

async function checkAdapter(system: System, path: string, address: number, force: boolean): Promise<Check[]> {
  const node = await checkNode(system, 'node', path);
  if (node.status === 'problem') return [node];
  const clients = await kernelClients(system, path.replace(/^.*\//, ''));
  const own = clients.find((client) => client.address === address && client.driver !== undefined);
  const held = checkHeldParts('parts', clients);
  const checks = [node, await checkHolding(system, 'users', [path])];
  if (own === undefined || force) return [...checks, held];
  const at = `0x${address.toString(16)}`;
  const instead = own.driver === 'at24' ? '; nvmem list shows it as sysfs://' : '';
  return [
    ...checks,
    problem(
      'parts',
      `the kernel's driver ${own.driver ?? ''} has the part at ${at} (${own.device})${instead}`,
      unbind(own),
      'EBUSY',
    ),
  ];
}

async function checkServer(
  { options, io }: Session,
  host: string,
  port: number,
  busid: string,
): Promise<Check[]> {
  const name = 'server';
  try {
    const devices = await exportedDevices({ host, port, timeoutMs: options.timeout, signal: io.signal });
    const device = devices.find((one) => one.busid === busid);
    const list = devices.map((one) => one.busid).join(', ');
    const exports = list === '' ? 'it exports nothing' : `it exports ${list}`;
    if (device) return [ok(name, `a USB/IP server answers; ${exports}`)];
    // A server leaves out of its list what is in use.
    return [
      warning(
        name,
        `a USB/IP server answers, and ${busid} is not free: ${exports}`,
        'Check the bus id, or who uses it.',
      ),
    ];
  } catch (error) {
    return [failure(name, error)];
  }
}

async function checkKernelDevice(system: System, { name }: SysfsUri): Promise<Check[]> {
  const file = `/sys/bus/nvmem/devices/${name}/nvmem`;
  switch (await system.access(file, 'read')) {
    case 'ok': {
      const isWritable = (await system.access(file)) === 'ok';
      return [ok('file', `${file} can be read${isWritable ? ' and written' : ', and not written'}`)];
    }
    case 'denied':
      return [
        problem(
          'file',
          `${file} may not be read by ${system.user.name}`,
          `sudo nvmem info sysfs://${name}`,
          'EACCES',
        ),
      ];
    case 'missing':
      return [
        problem(
          'file',
          `the kernel has no nvmem device ${name}`,
          'nvmem list shows those it has; an EEPROM gets one from its driver (at24).',
          'ENOENT',
        ),
      ];
  }
}

/** Opens it as `nvmem info` does. */
async function inside(session: Session, uri: NvmemUri): Promise<Check[]> {
  const { options, io } = session;
  const limit = options.timeout === undefined ? {} : { openTimeoutMs: options.timeout };
  try {
    const device = await open(uri.uri, { readOnly: true, signal: io.signal, ...limit });
    try {
      await device.read(0, 1, session.limits);
    } finally {
      await device.close();
    }
  } catch (error) {
    if (io.signal.aborted) throw error;
    return [failure('open', error)];
  }
  const opened = ok('open', 'it opens, and its first byte can be read');
  return 'part' in uri ? [opened, checkWriteProtect(uri)] : [opened];
}

function checkWriteProtect({ part }: BusUri): Check {
  const name = 'write protect';
  if (part.chip.readOnly) return ok(name, `a ${part.chip.name} cannot be written`);
  if (part.wp === undefined) {
    return ok(name, 'the URI names no line (wp=): whether WP is high shows only when a write is read back');
  }
  const { chip, line } = part.wp;
  const where = chip === undefined ? `GPIO ${String(line)} of the bridge` : `line ${String(line)} of ${chip}`;
  return ok(name, `${where} could be driven, and protects now; a write lowers it`);
}

function failure(name: string, error: unknown): Check {
  const { message, hint } = describeFailure(error);
  const code = error instanceof NvmemError ? error.code : 'EIO';
  return problem(name, message.replace(`${code}: `, ''), hint, code);
}
