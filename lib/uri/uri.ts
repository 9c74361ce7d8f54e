/**
 * Device URIs, the same in the command line, the library and configuration files. Parsing does no I/O.
 *
 *     cp2112://SERIAL-or-BUS-PORT/0xADDR?chip=24c256&wp=0&speed=400000    (empty authority: the only bridge there is)
 *     cp2112:///0xADDR?chip=24c256&id=1234:abcd                           (a bridge with an OEM's vendor and product)
 *     hidraw:///dev/hidraw0/0xADDR?chip=24c256
 *     i2c:///dev/i2c-1/0xADDR?chip=24c02&wp=gpiochip0:17
 *     usbip://HOST[:PORT]/BUSID/0xADDR?chip=24c256
 *     sysfs://0-00521
 *     file:///path/image.bin
 *     mem://32768
 */
import { fileURLToPath } from 'node:url';

import { NvmemError } from '../base/errors.js';
import { corrected } from './corrected.js';
import { parsePart, PART_KEYS, type PartUri } from './part.js';
import { bytesOf } from './quantity.js';
import { parseUsbIds, type UsbIds } from '../base/usb_ids.js';
import { refuse } from './refuse.js';

export type { PartUri } from './part.js';
export type { WpUri } from './wp.js';

/** A CP2112 on this machine, through libusb. */
export interface Cp2112Uri {
  readonly scheme: 'cp2112';
  readonly uri: string;
  /** Serial number, or bus and ports as in sysfs ('1-1.4'); empty: the only bridge there is. */
  readonly bridge: string;
  /** `id=VVVV:PPPP`. Left out: a CP2112's own, and any others of a device that shows that it is one. */
  readonly ids?: UsbIds | undefined;
  readonly part: PartUri;
}

/** A CP2112 that the kernel's driver has too. */
export interface HidrawUri {
  readonly scheme: 'hidraw';
  readonly uri: string;
  readonly path: string;
  /** Also where drivers of the kernel use parts of the same bridge. */
  readonly force: boolean;
  readonly part: PartUri;
}

/** An I2C adapter of the kernel. */
export interface I2cUri {
  readonly scheme: 'i2c';
  readonly uri: string;
  readonly path: string;
  /** Also where a driver of the kernel has the part's address. */
  readonly force: boolean;
  readonly part: PartUri;
}

export interface UsbipUri {
  readonly scheme: 'usbip';
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  readonly busid: string;
  /** As for cp2112://. */
  readonly ids?: UsbIds | undefined;
  readonly part: PartUri;
}

/** A device of the kernel's own nvmem subsystem. */
export interface SysfsUri {
  readonly scheme: 'sysfs';
  readonly uri: string;
  /** As in /sys/bus/nvmem/devices. */
  readonly name: string;
}

export interface MemUri {
  readonly scheme: 'mem';
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
}

export interface FileUri {
  readonly scheme: 'file';
  readonly uri: string;
  readonly path: string;
}

/** A part on a bus that several devices may share. */
export type BusUri = Cp2112Uri | HidrawUri | I2cUri | UsbipUri;
export type NvmemUri = BusUri | SysfsUri | MemUri | FileUri;

/** USB/IP's registered port. */
export const USBIP_PORT = 3240;
/** Every 24Cxx part can do standard mode. */
export const DEFAULT_CLOCK_HZ = 100_000;

const SCHEMES =
  'cp2112://, hidraw:///dev/hidrawN, i2c:///dev/i2c-N or usbip://HOST/BUSID with /0xADDR?chip=NAME behind it, ' +
  'sysfs://NAME, mem://SIZE or file:///PATH';

const parsers: Record<string, ((uri: string, url: URL) => NvmemUri) | undefined> = {
  cp2112: parseCp2112,
  hidraw: parseHidraw,
  i2c: parseI2c,
  usbip: parseUsbip,
  sysfs: parseSysfs,
  mem: parseMem,
  file: parseFile,
};

/** @throws NvmemError EINVAL: the URI breaks a rule that the message names; the hint has the URI that was probably meant. */
export function parseUri(uri: string): NvmemUri {
  try {
    return parseExactly(uri);
  } catch (error) {
    if (!(error instanceof NvmemError)) throw error;
    const meant = corrected(uri);
    if (meant === uri || !isRight(meant)) throw error;
    const { message, device } = error;
    throw new NvmemError('EINVAL', message.replace(/^EINVAL: /, ''), {
      syscall: 'open',
      device,
      hint: `Write ${meant}.`,
    });
  }
}

function isRight(uri: string): boolean {
  try {
    parseExactly(uri);
    return true;
  } catch {
    return false;
  }
}

/** @throws NvmemError EINVAL, as the URI stands. */
export function parseExactly(uri: string): NvmemUri {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase();
  if (scheme === undefined) refuse(uri, 'it has no scheme', `Write one of ${SCHEMES}.`);
  const parse = Object.hasOwn(parsers, scheme) ? parsers[scheme] : undefined;
  if (parse === undefined) refuse(uri, `the scheme ${scheme}:// is unknown`, `Write one of ${SCHEMES}.`);
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    return refuse(uri, 'it is malformed', `Write one of ${SCHEMES}.`);
  }
  if (url.username !== '' || url.password !== '') refuse(uri, 'it has a user name', 'Leave USER@ out.');
  if (url.hash !== '') refuse(uri, 'it has a fragment', "Write '#' in a path as %23.");
  if (url.port !== '' && scheme !== 'usbip') refuse(uri, 'it has a port', 'Only usbip:// has one.');
  return parse(uri, url);
}

function parseCp2112(uri: string, url: URL): Cp2112Uri {
  const [address = '', ...more] = path(url);
  if (address === '' || more.length > 0) {
    refuse(
      uri,
      'it is not cp2112://BRIDGE/0xADDR',
      'For example cp2112:///0x50?chip=24c256, or with the serial number of the bridge, or its place such as 1-1.4, in front of /0x50.',
    );
  }
  const bridge = decode(url.hostname);
  // CP2112 strings have up to 30 characters (AN495, report 0x24); other devices' 126.
  if (bridge.length > 126 || !/^[\x20-\x7e]*$/.test(bridge)) {
    refuse(
      uri,
      `${JSON.stringify(bridge)} is no serial number and no place of a bridge`,
      'nvmem list shows them.',
    );
  }
  const found = query(uri, url, [...PART_KEYS, 'speed', 'id']);
  const part = parsePart(uri, address, found, { hasGpio: true });
  return { scheme: 'cp2112', uri, bridge, ids: idsOf(uri, found), part };
}

function parseHidraw(uri: string, url: URL): HidrawUri {
  const { node, address } = nodeAndAddress(uri, url, '/dev/hidraw0');
  const found = query(uri, url, [...PART_KEYS, 'speed', 'force']);
  const part = parsePart(uri, address, found, { hasGpio: true });
  return { scheme: 'hidraw', uri, path: node, force: forceOf(uri, found), part };
}

function parseI2c(uri: string, url: URL): I2cUri {
  const { node, address } = nodeAndAddress(uri, url, '/dev/i2c-1');
  if (url.searchParams.has('speed')) {
    refuse(
      uri,
      'it has speed=',
      'The clock of a kernel adapter is set by its driver or the device tree: leave it out.',
    );
  }
  const found = query(uri, url, [...PART_KEYS, 'force']);
  const part = parsePart(uri, address, found, { hasGpio: false });
  return { scheme: 'i2c', uri, path: node, force: forceOf(uri, found), part };
}

function parseUsbip(uri: string, url: URL): UsbipUri {
  if (url.hostname === '')
    refuse(uri, 'it names no host', 'Write usbip://HOST[:PORT]/BUSID/0xADDR?chip=NAME.');
  const port = url.port === '' ? USBIP_PORT : Number(url.port);
  if (port === 0) refuse(uri, 'port 0 cannot be connected to', `The usual port is ${String(USBIP_PORT)}.`);
  const segments = path(url);
  const [busid = '', address = ''] = segments;
  if (segments.length !== 2 || busid === '' || address === '') {
    refuse(uri, 'its path is not /BUSID/0xADDR', 'For example usbip://127.0.0.1:3240/1-1/0x50?chip=24c256.');
  }
  // USB/IP carries the bus id in 32 bytes, the last of them NUL.
  if (!/^[\x21-\x7e]{1,31}$/.test(busid)) {
    refuse(
      uri,
      `${JSON.stringify(busid)} is no bus id`,
      'A bus id looks like 1-1; usbip list -r HOST shows them.',
    );
  }
  const found = query(uri, url, [...PART_KEYS, 'speed', 'id']);
  return {
    scheme: 'usbip',
    uri,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    busid,
    ids: idsOf(uri, found),
    part: parsePart(uri, address, found, { hasGpio: true }),
  };
}

function parseSysfs(uri: string, url: URL): SysfsUri {
  query(uri, url, []);
  const name = decode(url.hostname);
  if (!['', '/'].includes(url.pathname) || name === '' || ['.', '..'].includes(name) || /[/\0]/.test(name)) {
    refuse(
      uri,
      'sysfs:// takes the name of a device',
      'Write sysfs:// and a name out of /sys/bus/nvmem/devices, for example sysfs://0-00500.',
    );
  }
  return { scheme: 'sysfs', uri, name };
}

function parseMem(uri: string, url: URL): MemUri {
  query(uri, url, []);
  const size = bytesOf(url.hostname);
  if (!(size >= 1 && size < 2 ** 31) || !['', '/'].includes(url.pathname)) {
    refuse(uri, 'mem:// takes a size', 'Write mem:// and a number of bytes, for example mem://32768.');
  }
  return { scheme: 'mem', uri, size };
}

function parseFile(uri: string, url: URL): FileUri {
  query(uri, url, []);
  const hint = 'Write file:// and an absolute path, for example file:///tmp/image.bin.';
  if (url.hostname !== '')
    refuse(uri, `file:// has no host, and ${JSON.stringify(url.hostname)} is one`, hint);
  if (url.pathname === '/') refuse(uri, 'it names no file', hint);
  // The kernel's names end there, and another file than the one named would be opened.
  if (url.pathname.includes('%00'))
    refuse(uri, 'its path has a NUL byte (%00), and no file name has one', hint);
  try {
    return { scheme: 'file', uri, path: fileURLToPath(url) };
  } catch {
    return refuse(uri, 'its path is malformed', hint);
  }
}

/** The segments of the path, decoded. */
function path(url: URL): string[] {
  return url.pathname.split('/').slice(1).map(decode);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A device node, and the address behind it. */
function nodeAndAddress(uri: string, url: URL, example: string): { node: string; address: string } {
  const scheme = url.protocol;
  const segments = path(url);
  const address = segments.pop() ?? '';
  const node = `/${segments.join('/')}`;
  if (url.hostname !== '' || segments.length === 0 || segments.includes('') || node.includes('\0')) {
    refuse(
      uri,
      `it is not ${scheme}///dev/NODE/0xADDR`,
      `For example ${scheme}//${example}/0x50?chip=24c256.`,
    );
  }
  return { node, address };
}

function idsOf(uri: string, found: ReadonlyMap<string, string>): UsbIds | undefined {
  const text = found.get('id');
  if (text === undefined) return undefined;
  return (
    parseUsbIds(text) ??
    refuse(
      uri,
      `id=${text} is no vendor and product`,
      'Write the ids of the bridge as lsusb shows them, for example id=1234:abcd; leave it out for a CP2112 with its own (10c4:ea90).',
    )
  );
}

function forceOf(uri: string, found: ReadonlyMap<string, string>): boolean {
  const text = found.get('force') ?? '0';
  if (text !== '0' && text !== '1')
    refuse(uri, `force=${text} is not 0 or 1`, 'Give force=1, or leave it out.');
  return text === '1';
}

/** The parameters, each known and given once. */
function query(uri: string, url: URL, known: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of url.searchParams) {
    const allowed = known.length === 0 ? 'It takes no parameters.' : `It takes ${known.join('=, ')}=.`;
    if (!known.includes(key)) refuse(uri, `it has an unknown parameter ${key}=`, allowed);
    if (found.has(key)) refuse(uri, `it has ${key}= twice`, 'Give every parameter once.');
    found.set(key, value);
  }
  return found;
}

/** Size of the memory, bytes, where the URI alone tells it. */
export function sizeOf(uri: NvmemUri): number | undefined {
  return 'part' in uri ? uri.part.size : uri.scheme === 'mem' ? uri.size : undefined;
}
