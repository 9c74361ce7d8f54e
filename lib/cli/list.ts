/** `nvmem list`: what there is to open, as URIs. */
import { hex4 } from '../base/usb_ids.js';
import { visible } from '../base/visible.js';
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

const DENIED = 'permission denied';

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
  if (isEmpty) await nothing(session, options.usbip);
  else await next(session, groups);
}

async function show(session: Session, groups: readonly [string, readonly Row[]][]): Promise<void> {
  const { colors, out } = session;
  const shown = groups.map(([title, rows]): [string, Row[]] => [
    visible(title),
    rows.map((row) => ({ ...row, uri: visible(row.uri), about: visible(row.about) })),
  ]);
  const width = Math.max(...shown.flatMap(([, rows]) => rows.map(({ uri }) => uri.length)), 0);
  // Where there is no room beside a URI, what it is stands below it.
  const room = out.isTTY ? session.width - width - 4 : Infinity;
  const isFirst = shown.findIndex(([, rows]) => rows.length > 0);
  for (const [i, [title, rows]] of shown.entries()) {
    if (rows.length === 0) continue;
    if (i !== isFirst) await session.say();
    await session.say(colors.bold(title));
    for (const { uri, about, access } of rows) {
      const denied = access === 'denied' ? `; ${DENIED}` : '';
      const isBeside = room >= 24;
      const lines = wrap(about + denied, isBeside ? room : session.width - 6);
      if (!isBeside) await session.say(`  ${uri}`);
      for (const [n, line] of lines.entries()) {
        const before = isBeside ? `  ${(n === 0 ? uri : '').padEnd(width)}  ` : '      ';
        const said = denied === '' ? line : line.replace(DENIED, colors.red);
        await session.say(`${before}${said}`.trimEnd());
      }
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

export interface Server {
  readonly host: string;
  readonly port: number;
}

/** @throws CliError */
export function serverOf(text: string): Server {
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

export function exportedUri({ host, port }: Server, { busid }: ExportedDevice): string {
  const name = host.includes(':') ? `[${host}]` : host;
  // A server may call a bus id what it likes, and this is there to be pasted into a shell.
  const id = busid.replace(/[^\w.:-]/g, (character) =>
    Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
      '',
    ),
  );
  return `usbip://${name}${port === USBIP_PORT ? '' : `:${String(port)}`}/${id}`;
}

function isCp2112({ vendorId, productId }: ExportedDevice): boolean {
  return vendorId === 0x10c4 && productId === 0xea90;
}

function exportedFacts(server: Server, device: ExportedDevice): Record<string, unknown> {
  const { busid, vendorId, productId, bcdDevice } = device;
  return {
    busid,
    vid: hex4(vendorId),
    pid: hex4(productId),
    release: hex4(bcdDevice),
    isCp2112: isCp2112(device),
    uri: exportedUri(server, device),
  };
}

function exportedRow(server: Server, device: ExportedDevice): Row {
  const ids = `${hex4(device.vendorId)}:${hex4(device.productId)}`;
  return {
    uri: exportedUri(server, device),
    about: isCp2112(device) ? `CP2112 (${ids})` : `${ids}, no CP2112 unless an OEM has given it those ids`,
  };
}

async function next(session: Session, groups: readonly [string, readonly Row[]][]): Promise<void> {
  const hasDenied = groups.some(([, rows]) => rows.some(({ access }) => access === 'denied'));
  const hasBus = groups.some(([, rows]) => rows.some(({ uri }) => !uri.startsWith('sysfs:')));
  if (hasBus || hasDenied) await session.say();
  if (hasBus) await session.tell('nvmem scan URI asks a bus which EEPROMs it has.');
  if (hasDenied) await session.tell('nvmem doctor says how to get the permissions that are missing.');
}

async function nothing(session: Session, usbip: string | undefined): Promise<void> {
  const there = usbip === undefined ? 'on this machine' : `on this machine, and ${usbip} exports nothing`;
  const said = `There is no bridge, no I2C adapter and no nvmem device ${there}.`;
  for (const line of wrap(visible(said), session.width)) await session.say(line);
  await session.say();
  const commands: [string, string][] = [
    ['nvmem doctor', 'says what is missing here'],
    ['nvmem list --usbip HOST', 'asks a machine that exports its bridges'],
    ['nvmem rig', 'runs a virtual bridge with EEPROMs, for a try'],
  ];
  const isNarrow = session.out.isTTY && session.width < 72;
  const lines = isNarrow
    ? commands.flatMap(([name, says]) => [
        `  ${name}`,
        ...wrap(says, session.width - 6).map((line) => `      ${line}`),
      ])
    : columns(commands, '  ');
  for (const line of lines) await session.say(line);
}
