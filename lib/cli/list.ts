/** `nvmem list`: what there is to open, as URIs. */
import { exportedDevices, type ExportedDevice } from '../bus/usbip_devices.js';
import { USBIP_PORT } from '../uri/bus_uri.js';
import { CliError, withoutUndefined } from './failure.js';
import { bytes } from './format.js';
import { listOf, type KernelMemory, type LocalAdapter, type LocalBridge } from '../machine/list.js';
import type { Session } from './session.js';
import type { Access, Machine } from '../machine/machine.js';
import { columns, wrap } from './table.js';

export interface ListCommandOptions {
  /** HOST[:PORT] of a USB/IP server to ask as well. */
  readonly usbip?: string;
}

/** A line of the list: what to type, and what it is. */
interface Row {
  readonly uri: string;
  readonly about: string;
  /** May this user open it? */
  readonly access?: Access | undefined;
}

export async function listCommand(session: Session, options: ListCommandOptions): Promise<void> {
  const { machine } = session;
  const server = options.usbip === undefined ? undefined : serverOf(options.usbip);
  const [{ bridges, adapters, nvmem }, exported] = await Promise.all([
    listOf(machine),
    server && exportedDevices({ ...server, timeoutMs: session.options.timeout, signal: session.io.signal }),
  ]);
  session.answer({
    bridges,
    adapters: adapters.map((adapter) => withoutUndefined({ ...adapter })),
    nvmem: nvmem.map((memory) => withoutUndefined({ ...memory })),
    usbip: server && exported?.map((device) => exportedFacts(server, device)),
  });
  if (session.json) return;
  const groups: [string, Row[]][] = [
    ['CP2112 bridges', await bridgeRows(machine, bridges)],
    ['I2C adapters of the kernel', adapterRows(adapters)],
    ["The kernel's own nvmem devices", memoryRows(nvmem)],
  ];
  if (server) {
    const title = `Exported by ${server.host}:${String(server.port)}`;
    groups.push([title, (exported ?? []).map((device) => exportedRow(server, device))]);
  }
  await show(session, groups);
  const isEmpty = groups.every(([, rows]) => rows.length === 0);
  for (const line of isEmpty ? nothing(session, options.usbip) : next(groups)) await session.say(line);
}

async function show(session: Session, groups: readonly [string, readonly Row[]][]): Promise<void> {
  const { colors } = session;
  const width = Math.max(...groups.flatMap(([, rows]) => rows.map(({ uri }) => uri.length)), 0);
  let isFirst = true;
  for (const [title, rows] of groups) {
    if (rows.length === 0) continue;
    await session.say(`${isFirst ? '' : '\n'}${colors.bold(title)}`);
    isFirst = false;
    for (const { uri, about, access } of rows) {
      const denied = access === 'denied' ? `${about}; ${colors.red('permission denied')}` : about;
      await session.say(columns([[uri.padEnd(width), denied]], '  ').join('\n'));
    }
  }
}

async function bridgeRows(machine: Machine, bridges: readonly LocalBridge[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { uri, path, access, serial, interfaces, hidraw } of bridges) {
    const [face] = interfaces;
    const driver = face?.hidDriver ?? face?.driver;
    const who = driver === undefined ? 'no driver' : `driver ${driver}`;
    const named = serial !== '' && !uri.endsWith(serial) ? `, serial number ${serial}` : '';
    rows.push({ uri, about: `at ${path}${named}, ${who}`, access });
    for (const one of hidraw) {
      rows.push({ uri: `hidraw://${one}`, about: 'the same bridge', access: await machine.access(one) });
    }
  }
  return rows;
}

function adapterRows(adapters: readonly LocalAdapter[]): Row[] {
  return adapters.map(({ uri, name, path, node, access }) => {
    const missing = node === undefined ? `; ${path} is missing: sudo modprobe i2c-dev` : '';
    return { uri, about: `${name}${missing}`, access };
  });
}

function memoryRows(memories: readonly KernelMemory[]): Row[] {
  return memories.map(({ uri, type, size, cells, access }) => {
    const facts = [type ?? '', size === undefined ? '' : bytes(size), cellText(cells)];
    return { uri, about: facts.filter((fact) => fact !== '').join(', '), access };
  });
}

/** 'cells mac, serial': without their places. */
function cellText(cells: readonly string[]): string {
  if (cells.length === 0) return '';
  const names = cells.map((cell) => cell.replace(/@.*$/, ''));
  const shown = names.length > 4 ? [...names.slice(0, 4), `${String(names.length - 4)} more`] : names;
  return `${names.length === 1 ? 'cell' : 'cells'} ${shown.join(', ')}`;
}

interface Server {
  readonly host: string;
  readonly port: number;
}

/** @throws CliError */
function serverOf(text: string): Server {
  const [, bracketed, plain, portText] =
    /^(?:\[([0-9a-f:.]+)\]|([^:/[\]\s]+))(?::([0-9]{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? USBIP_PORT : Number(portText);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new CliError(
      'ERR_USAGE',
      `--usbip ${text} is not HOST[:PORT]`,
      'For example --usbip 127.0.0.1:3240, or --usbip [::1].',
      2,
    );
  }
  return { host, port };
}

function exportedUri({ host, port }: Server, { busid }: ExportedDevice): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `usbip://${name}${port === USBIP_PORT ? '' : `:${String(port)}`}/${busid}`;
}

function isCp2112({ vendorId, productId }: ExportedDevice): boolean {
  return vendorId === 0x10c4 && productId === 0xea90;
}

function exportedFacts(server: Server, device: ExportedDevice): Record<string, unknown> {
  const { busid, vendorId, productId, bcdDevice } = device;
  return {
    busid,
    vid: hex(vendorId),
    pid: hex(productId),
    release: hex(bcdDevice),
    isCp2112: isCp2112(device),
    uri: exportedUri(server, device),
  };
}

function exportedRow(server: Server, device: ExportedDevice): Row {
  const ids = `${hex(device.vendorId)}:${hex(device.productId)}`;
  return {
    uri: exportedUri(server, device),
    about: isCp2112(device) ? `CP2112 (${ids})` : `${ids}, no CP2112`,
  };
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function next(groups: readonly [string, readonly Row[]][]): string[] {
  const hasDenied = groups.some(([, rows]) => rows.some(({ access }) => access === 'denied'));
  const hasBus = groups.some(([, rows]) => rows.some(({ uri }) => !uri.startsWith('sysfs:')));
  const lines = hasBus ? ['nvmem scan URI asks a bus which EEPROMs it has.'] : [];
  if (hasDenied) lines.push('nvmem doctor says how to get the permissions that are missing.');
  return lines.length === 0 ? [] : ['', ...lines];
}

function nothing({ width }: Session, usbip: string | undefined): string[] {
  const there = usbip === undefined ? 'on this machine' : `on this machine, and ${usbip} exports nothing`;
  return [
    ...wrap(`There is no bridge, no I2C adapter and no nvmem device ${there}.`, width),
    '',
    ...columns(
      [
        ['nvmem doctor', 'says what is missing here'],
        ['nvmem list --usbip HOST', 'asks a machine that exports its bridges'],
        ['nvmem rig', 'runs a virtual bridge with EEPROMs, for a try'],
      ],
      '  ',
    ),
  ];
}
