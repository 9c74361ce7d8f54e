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
import {
  BUS_FORMS,
  busOf,
  decode,
  kindOf,
  misshapen,
  type BusScheme,
  type BusUri,
  type Kind,
} from './bus_uri.js';
import { corrected } from './corrected.js';
import { parsePart, PART_KEYS, type Part } from './part.js';
import { bytesOf } from './quantity.js';
import { refuse } from './refuse.js';

export type { BusUri, Cp2112Uri, HidrawUri, I2cUri, UsbipUri } from './bus_uri.js';
export type { Part } from './part.js';
export type { WpUri } from './wp.js';

/** A part on a bus that several devices may share. */
export interface PartUri {
  readonly scheme: BusScheme;
  /** Of the device. */
  readonly uri: string;
  readonly bus: BusUri;
  readonly part: Part;
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

export type NvmemUri = PartUri | SysfsUri | MemUri | FileUri;

const SCHEMES =
  'cp2112://, hidraw:///dev/hidrawN, i2c:///dev/i2c-N or usbip://HOST/BUSID with /0xADDR?chip=NAME behind it, ' +
  'sysfs://NAME, mem://SIZE or file:///PATH';

const parsers: Record<string, ((uri: string, url: URL) => NvmemUri) | undefined> = {
  sysfs: parseSysfs,
  mem: parseMem,
  file: parseFile,
};

/** @throws NvmemError EINVAL: the URI breaks a rule that the message names; the hint has the URI that was probably meant. */
export function parseUri(uri: string): NvmemUri {
  return orMeant(uri, parseExactly);
}

/**
 * The URI of a bus: that of a device without the part.
 *
 * @throws NvmemError EINVAL: it breaks a rule that the message names, or it is none of a bus.
 */
export function parseBusUri(uri: string): BusUri {
  return orMeant(uri, parseBusExactly);
}

/**
 * The URI of a part on a bus.
 *
 * @throws NvmemError EINVAL: it breaks a rule that the message names, or it is none of a part.
 */
export function parsePartUri(uri: string): PartUri {
  const parsed = parseUri(uri);
  return 'part' in parsed ? parsed : refuse(uri, 'it is the URI of no part', `Write one of ${SCHEMES}.`);
}

/** What `parse` makes of the URI, or its error with what was probably meant. */
function orMeant<T>(uri: string, parse: (uri: string) => T): T {
  try {
    return parse(uri);
  } catch (error) {
    if (!(error instanceof NvmemError)) throw error;
    const meant = corrected(uri);
    if (meant === uri || !isRight(meant, parse)) throw error;
    const { message, device } = error;
    throw new NvmemError('EINVAL', message.replace(/^EINVAL: /, ''), {
      syscall: 'open',
      device,
      hint: `Write ${meant}.`,
    });
  }
}

function isRight(uri: string, parse: (uri: string) => unknown): boolean {
  try {
    parse(uri);
    return true;
  } catch {
    return false;
  }
}

/** @throws NvmemError EINVAL, as the URI stands. */
function parseExactly(uri: string): NvmemUri {
  const scheme = schemeOf(uri);
  if (scheme === undefined) refuse(uri, 'it has no scheme', `Write one of ${SCHEMES}.`);
  const parse = Object.hasOwn(parsers, scheme) ? parsers[scheme] : undefined;
  const isBus = kindOf(scheme) !== undefined;
  if (parse === undefined && !isBus)
    refuse(uri, `the scheme ${scheme}:// is unknown`, `Write one of ${SCHEMES}.`);
  const url = urlOf(uri, scheme, SCHEMES);
  return parse === undefined ? partBehind(uri, url) : parse(uri, url);
}

function parseBusExactly(uri: string): BusUri {
  const kind = kindOf(schemeOf(uri) ?? '');
  if (kind === undefined) return refuse(uri, 'it is the URI of no bus', `Write one of ${BUS_FORMS}.`);
  if (/\/0x[0-9a-f]{1,2}\/?(\?|$)/i.test(uri) || /[?&]chip=/.test(uri)) {
    refuse(
      uri,
      'it names a part, and a bus is asked for',
      'Leave the address and chip= out, or use nvmem info.',
    );
  }
  const url = urlOf(uri, kind.scheme, BUS_FORMS);
  const segments = path(url);
  // A slash at the end is nothing.
  if (segments.at(-1) === '') segments.pop();
  return busOf({ uri, url, segments, parameters: busQuery(uri, url, kind, []), of: 'bus' });
}

function partBehind(uri: string, url: URL): PartUri {
  const kind = kindOf(url.protocol.slice(0, -1));
  if (kind === undefined) return refuse(uri, 'it is the URI of no part', `Write one of ${SCHEMES}.`);
  const segments = path(url);
  const address = segments.pop() ?? '';
  if (address === '') misshapen({ uri, of: 'part' }, kind.scheme);
  const parameters = busQuery(uri, url, kind, PART_KEYS);
  const bus = busOf({ uri, url, segments, parameters, of: 'part' });
  return { scheme: bus.scheme, uri, bus, part: parsePart(uri, address, parameters, kind) };
}

/** The parameters of a bus, and those of a part behind it. */
function busQuery(uri: string, url: URL, kind: Kind, more: readonly string[]): Map<string, string> {
  if (kind.scheme === 'i2c' && url.searchParams.has('speed')) {
    refuse(
      uri,
      'it has speed=',
      'The clock of a kernel adapter is set by its driver or the device tree: leave it out.',
    );
  }
  return query(uri, url, [...more, ...kind.keys]);
}

function schemeOf(uri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase();
}

function urlOf(uri: string, scheme: string, forms: string): URL {
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    return refuse(uri, 'it is malformed', `Write one of ${forms}.`);
  }
  if (url.username !== '' || url.password !== '') refuse(uri, 'it has a user name', 'Leave USER@ out.');
  if (url.hash !== '') refuse(uri, 'it has a fragment', "Write '#' in a path as %23.");
  if (url.port !== '' && scheme !== 'usbip') refuse(uri, 'it has a port', 'Only usbip:// has one.');
  return url;
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
