/** What a URI needs, looked at from the outside first, and then by opening it. */
import type { UsbIds } from '../base/usb_ids.js';
import { entryOf, NvmemError } from '../base/errors.js';
import { contradiction } from '../bus/geometry.js';
import type { NvmemGeometry } from '../core/part_commands.js';
import { openParsed } from '../open/open.js';
import { findBridge, usbIdsOf, type UsbBridge } from '../machine/bridges.js';
import { exportedDevices } from '../bus/usbip_devices.js';
import type { Cp2112Uri } from '../uri/bus_uri.js';
import { parseUri, type NvmemUri, type Part, type PartUri, type SysfsUri } from '../uri/uri.js';
import { adaptersOfHidraw, kernelClients, usbIdsOfHidraw } from '../machine/kernel_clients.js';
import { localBridge } from '../machine/list.js';
import type { Machine } from '../machine/machine.js';
import { checkBridge, checkHeldParts, checkHolding, checkNode, unbind } from './bridge.js';
import { ok, problem, warning, type DoctorOptions, type Finding } from './finding.js';
import { checkUsb } from './here.js';
import { checkModules } from './modules.js';
import { checkUdevRule } from './udev.js';

/** Checks of one URI, in the order in which they have to hold. */
export async function checkTarget(machine: Machine, uri: string, options: DoctorOptions): Promise<Finding[]> {
  const parsed = parseUri(uri);
  const before = await outside(machine, parsed, options);
  if (before.some(({ state }) => state === 'problem')) return before;
  // With the bridge the kernel's drivers would lose their parts, and nobody asked for that.
  const isShared = before.some(({ subject, state }) => state === 'warning' && subject.endsWith(' parts'));
  if (parsed.scheme === 'cp2112' && isShared) {
    const remedy = `nvmem info '${uri}'`;
    return [
      ...before,
      warning('open', 'not tried: it would take the bridge from drivers of the kernel', remedy),
    ];
  }
  return [...before, ...(await inside(parsed, options))];
}

async function outside(machine: Machine, uri: NvmemUri, options: DoctorOptions): Promise<Finding[]> {
  if ('bus' in uri) return outsideBus(machine, uri, options);
  if (uri.scheme !== 'sysfs') return [];
  return [...(await checkModules(machine, uri.scheme)), ...(await checkKernelDevice(machine, uri))];
}

async function outsideBus(
  machine: Machine,
  { bus, part, uri }: PartUri,
  options: DoctorOptions,
): Promise<Finding[]> {
  const modules = await checkModules(machine, bus.scheme);
  switch (bus.scheme) {
    case 'cp2112':
      return [await checkUsb(machine), ...(await checkLocalBridge(machine, bus, uri))];
    case 'hidraw': {
      const ids = await usbIdsOfHidraw(machine, bus.path);
      return [await checkUdevRule(machine, ids), ...modules, ...(await checkHidraw(machine, bus.path, ids))];
    }
    case 'i2c':
      return [...modules, ...(await checkAdapter(machine, bus.path, part.address, bus.force))];
    case 'usbip':
      return checkServer(options, bus.host, bus.port, bus.busid);
  }
}

async function checkLocalBridge(
  machine: Machine,
  { bridge, ids }: Cp2112Uri,
  uri: string,
): Promise<Finding[]> {
  let found: UsbBridge;
  try {
    found = await findBridge(bridge, uri, machine, ids);
  } catch (error) {
    return [await checkUdevRule(machine, ids), failure('bridge', error)];
  }
  return [
    await checkUdevRule(machine, usbIdsOf(found)),
    ...(await checkBridge(machine, await localBridge(machine, found))),
  ];
}

async function checkHidraw(machine: Machine, path: string, ids?: UsbIds): Promise<Finding[]> {
  const node = await checkNode(machine, 'node', path, ids);
  if (node.state === 'problem') return [node];
  const adapters = await adaptersOfHidraw(machine, path);
  const clients = (await Promise.all(adapters.map((adapter) => kernelClients(machine, adapter)))).flat();
  return [node, checkHeldParts('parts', clients), await checkHolding(machine, 'users', [path])];
}

async function checkAdapter(
  machine: Machine,
  path: string,
  address: number,
  force: boolean,
): Promise<Finding[]> {
  const node = await checkNode(machine, 'node', path);
  if (node.state === 'problem') return [node];
  const clients = await kernelClients(machine, path.replace(/^.*\//, ''));
  const own = clients.find((client) => client.address === address && client.driver !== undefined);
  const held = checkHeldParts('parts', clients);
  const checks = [node, await checkHolding(machine, 'users', [path])];
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
  { timeoutMs, signal }: DoctorOptions,
  host: string,
  port: number,
  busid: string,
): Promise<Finding[]> {
  const name = 'server';
  try {
    const devices = await exportedDevices({ host, port, timeoutMs, signal });
    const device = devices.find((one) => one.busid === busid);
    const list = devices.map((one) => one.busid).join(', ');
    const exports = list === '' ? 'it exports nothing' : `it exports ${list}`;
    if (device) return [ok(name, `a USB/IP server answers; ${exports}`)];
    // A server leaves out of its list what is in use.
    return [
      warning(
        name,
        `a USB/IP server answers, and ${busid} is not free: ${exports}`,
        'Finding the bus id, or who uses it.',
      ),
    ];
  } catch (error) {
    return [failure(name, error)];
  }
}

async function checkKernelDevice(machine: Machine, { name }: SysfsUri): Promise<Finding[]> {
  const file = `/sys/bus/nvmem/devices/${name}/nvmem`;
  switch (await machine.access(file, 'read')) {
    case 'ok': {
      const isWritable = (await machine.access(file)) === 'ok';
      return [ok('file', `${file} can be read${isWritable ? ' and written' : ', and not written'}`)];
    }
    case 'denied':
      return [
        problem(
          'file',
          `${file} may not be read by ${machine.user.name}`,
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
async function inside(uri: NvmemUri, { timeoutMs, signal }: DoctorOptions): Promise<Finding[]> {
  let geometry: NvmemGeometry | undefined;
  try {
    const device = await openParsed(uri, { readOnly: true, signal, openTimeoutMs: timeoutMs });
    try {
      await device.read(0, 1, { signal, timeoutMs });
      geometry = await contradiction(device, { signal, timeoutMs });
    } finally {
      await device.close();
    }
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return [failure('open', error)];
  }
  const opened = ok('open', 'it opens, and its first byte can be read');
  if (!('part' in uri)) return [opened];
  return [opened, ...(geometry ? [checkGeometry(geometry)] : []), checkWriteProtect(uri.part)];
}

function checkGeometry({ reason }: NvmemGeometry): Finding {
  return warning(
    'geometry',
    `this may not be the part that the URI names: ${reason}`,
    'Correct chip=, or size= and addressWidth=; nvmem scan proposes one.',
  );
}

function checkWriteProtect(part: Part): Finding {
  const name = 'write protect';
  if (part.chip.readOnly) return ok(name, `a ${part.chip.name} cannot be written`);
  if (part.wp === undefined) {
    return ok(name, 'the URI names no line (wp=): whether WP is high shows only when a write is read back');
  }
  const { chip, line } = part.wp;
  const where = chip === undefined ? `GPIO ${String(line)} of the bridge` : `line ${String(line)} of ${chip}`;
  return ok(name, `${where} could be driven, and protects now; a write lowers it`);
}

function failure(name: string, error: unknown): Finding {
  const { message = String(error), code: given } = error as { message?: string; code?: unknown };
  const code = typeof given === 'string' ? given : 'EIO';
  const hint = error instanceof NvmemError ? error.hint : (entryOf(code)?.hint ?? '');
  return problem(name, message.replace(`${code}: `, ''), hint, code);
}
