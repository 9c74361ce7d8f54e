/**
 * Device URIs, the same in the command line, the library and configuration files. Parsing does no I/O.
 *
 *     usbip://HOST[:PORT]/BUSID/0xADDR?chip=24c256&wp=0&speed=400000
 *     file:///path/image.bin
 *     mem://32768
 */
import { fileURLToPath } from 'node:url';

import { chipAt, findChip, similarChips, type At24Chip } from '../at24/chips.js';
import { NvmemError } from '../core/errors.js';

/** The EEPROM behind the bridge, as the URI describes it. */
export interface PartUri {
  readonly chip: At24Chip;
  /** Seven-bit device address. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly addressBytes: 1 | 2;
  /** Bytes. */
  readonly pageSize: number;
  /** Bridge GPIO on the WP pin, or undefined. */
  readonly wpLine: number | undefined;
  /** SCL, hertz; undefined: that of the bridge if it is open, else DEFAULT_CLOCK_HZ. */
  readonly clockHz: number | undefined;
}

export interface UsbipUri {
  readonly scheme: 'usbip';
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  readonly busid: string;
  readonly part: PartUri;
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

export type NvmemUri = UsbipUri | MemUri | FileUri;

/** USB/IP's registered port. */
export const USBIP_PORT = 3240;
/** Every 24Cxx part can do standard mode. */
export const DEFAULT_CLOCK_HZ = 100_000;

const SCHEMES = 'usbip://HOST[:PORT]/BUSID/0xADDR?chip=NAME, mem://SIZE and file:///PATH';
const LATER = ['cp2112', 'hidraw', 'i2c', 'sysfs'];
const PART_KEYS = ['chip', 'wp', 'speed', 'size', 'page', 'addressWidth'];

/**
 * @throws NvmemError EINVAL: the URI breaks a rule that the message names; ENOTSUP: a scheme this version cannot open.
 */
export function parseUri(uri: string): NvmemUri {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase();
  if (scheme === undefined) refuse(uri, 'it has no scheme', `Write one of ${SCHEMES}.`);
  if (LATER.includes(scheme)) {
    throw new NvmemError('ENOTSUP', `${scheme}:// cannot be opened by this version`, {
      syscall: 'open',
      hint: `This version opens ${SCHEMES}.`,
    });
  }
  if (!['usbip', 'mem', 'file'].includes(scheme)) {
    refuse(uri, `the scheme ${scheme}:// is unknown`, `Write one of ${SCHEMES}.`);
  }
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    return refuse(uri, 'it is malformed', `Write one of ${SCHEMES}.`);
  }
  if (url.username !== '' || url.password !== '') refuse(uri, 'it has a user name', 'Leave USER@ out.');
  if (url.hash !== '') refuse(uri, 'it has a fragment', "Write '#' in a path as %23.");
  if (scheme === 'usbip') return parseUsbip(uri, url);
  return scheme === 'mem' ? parseMem(uri, url) : parseFile(uri, url);
}

function refuse(uri: string, what: string, hint: string): never {
  throw new NvmemError('EINVAL', `the URI ${JSON.stringify(uri)} is wrong: ${what}`, {
    syscall: 'open',
    hint,
  });
}

function parseUsbip(uri: string, url: URL): UsbipUri {
  if (url.hostname === '')
    refuse(uri, 'it names no host', 'Write usbip://HOST[:PORT]/BUSID/0xADDR?chip=NAME.');
  const port = url.port === '' ? USBIP_PORT : Number(url.port);
  if (port === 0) refuse(uri, 'port 0 cannot be connected to', `The usual port is ${String(USBIP_PORT)}.`);
  const path = url.pathname.split('/').slice(1).map(decode);
  const [busid = '', address = ''] = path;
  if (path.length !== 2 || busid === '' || address === '') {
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
  return {
    scheme: 'usbip',
    uri,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    busid,
    part: parsePart(uri, address, query(uri, url, PART_KEYS)),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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

function parsePart(uri: string, addressText: string, found: ReadonlyMap<string, string>): PartUri {
  const number = (key: string, low: number, high: number, rule: string): number | undefined => {
    const text = found.get(key);
    if (text === undefined) return undefined;
    const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : NaN;
    if (!(value >= low && value <= high))
      refuse(uri, `${key}=${text} is not ${rule}`, `Give ${key}= ${rule}.`);
    return value;
  };
  const address = /^0x[0-9a-f]{1,2}$/i.test(addressText) ? Number(addressText) : NaN;
  // I2C reserves the addresses below 0x08 and above 0x77.
  if (!(address >= 0x08 && address <= 0x77)) {
    refuse(
      uri,
      `${JSON.stringify(addressText)} is no seven-bit I2C address`,
      'Give it in hexadecimal from 0x08 to 0x77; EEPROMs are at 0x50 to 0x57.',
    );
  }
  const chip = chipAt(chipOf(uri, found.get('chip')), address);
  if (chip.address === 0x58 && (address & 0x78) === 0x50) {
    const window = `0x${(address | 0x08).toString(16)}`;
    refuse(
      uri,
      `${chip.name} is the part's second memory, at device code 1011`,
      `It answers at ${window}; at 0x${address.toString(16)} is the array, which chip= calls by the name on the part.`,
    );
  }
  const wp = found.get('wp');
  if (wp?.includes(':')) {
    refuse(
      uri,
      `wp=${wp} is a line of another chip`,
      'Here wp= takes the number of a GPIO of the bridge, 0 to 7.',
    );
  }
  if (chip.paging !== 'none' && (address & 0x78) !== 0x50) {
    refuse(uri, `${addressText} is no SPD address`, `A ${chip.name} answers at 0x50 to 0x57.`);
  }
  for (const key of ['size', 'page', 'addressWidth']) {
    if (chip.paging !== 'none' && found.has(key))
      refuse(uri, `it has ${key}=`, `JEDEC says what a ${chip.name} is like: leave ${key}= out.`);
  }
  const width = number('addressWidth', 8, 16, '8 or 16');
  if (width !== undefined && width !== 8 && width !== 16) {
    refuse(uri, `addressWidth=${String(width)} is not 8 or 16`, 'Give addressWidth= 8 or 16.');
  }
  const addressBytes = width === undefined ? chip.addressBytes : width === 16 ? 2 : 1;
  const block = chip.paging !== 'none' ? chip.size : addressBytes === 2 ? 65_536 : 256;
  const size = number('size', 1, 8 * block, `a number of bytes from 1 to ${String(8 * block)}`) ?? chip.size;
  const pageSize = number('page', 1, 256, 'a power of two from 1 to 256') ?? chip.pageSize;
  if ((pageSize & (pageSize - 1)) !== 0) {
    refuse(
      uri,
      `page=${String(pageSize)} is not a power of two`,
      'The data sheet says how long a write page is.',
    );
  }
  const part: PartUri = {
    chip,
    address,
    size,
    addressBytes,
    pageSize,
    wpLine: number('wp', 0, 7, 'a GPIO of the bridge, 0 to 7'),
    clockHz: number('speed', 1, 1_000_000, 'a clock in hertz from 1 to 1000000'),
  };
  checkBlocks(uri, part, Math.ceil(size / block));
  return part;
}

function chipOf(uri: string, name: string | undefined): At24Chip {
  if (name === undefined || name === '') {
    refuse(uri, 'it does not say which chip it is', 'Add ?chip=, for example ?chip=24c256.');
  }
  const chip = findChip(name);
  if (chip) return chip;
  throw new NvmemError('EINVAL', `unknown chip ${JSON.stringify(name)} in ${JSON.stringify(uri)}`, {
    syscall: 'open',
    hint: `Did you mean ${similarChips(name).join(', ')}? chip= takes the name on the part, or the kernel's.`,
  });
}

/** The block select bits take the place of address pins: a part of several blocks begins where they are all 0. */
function checkBlocks(uri: string, { chip, address }: PartUri, blocks: number): void {
  if (blocks <= 1) return;
  const mask = (2 ** Math.ceil(Math.log2(blocks)) - 1) << chip.blockShift;
  if ((address & mask) === 0 && (address | mask) <= 0x77) return;
  const base = `0x${(address & ~mask).toString(16)}`;
  refuse(
    uri,
    `${chip.name} answers at ${String(blocks)} addresses and cannot begin at 0x${address.toString(16)}`,
    `Give the first of its addresses, probably ${base}.`,
  );
}

function parseMem(uri: string, url: URL): MemUri {
  query(uri, url, []);
  const size = /^[0-9]+$/.test(url.hostname) ? Number(url.hostname) : NaN;
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
  try {
    return { scheme: 'file', uri, path: fileURLToPath(url) };
  } catch {
    return refuse(uri, 'its path is malformed', hint);
  }
}

/** Size of the memory, bytes, where the URI alone tells it. */
export function sizeOf(uri: NvmemUri): number | undefined {
  return uri.scheme === 'usbip' ? uri.part.size : uri.scheme === 'mem' ? uri.size : undefined;
}
