/**
 * URIs of buses, and what a device URI says of its bus.
 *
 *     cp2112://SERIAL-or-BUS-PORT[?speed=400000]     (empty authority: the only bridge there is)
 *     hidraw:///dev/hidraw0[?force=1]
 *     i2c:///dev/i2c-1
 *     usbip://HOST[:PORT]/BUSID
 */
import { parseUsbIds, type UsbIds } from '../base/usb_ids.js';
import { hertzOf } from './quantity.js';
import { refuse } from './refuse.js';

/** A CP2112 on this machine, through libusb. */
export interface Cp2112Uri {
  readonly scheme: 'cp2112';
  /** Of the bus alone. */
  readonly uri: string;
  /** Serial number, or bus and ports as in sysfs ('1-1.4'); empty: the only bridge there is. */
  readonly bridge: string;
  /** `id=VVVV:PPPP`. Left out: a CP2112's own, and any others of a device that shows that it is one. */
  readonly ids?: UsbIds | undefined;
  /** SCL, hertz; undefined: that of the bus if it is open, else DEFAULT_CLOCK_HZ. */
  readonly clockHz: number | undefined;
}

/** A CP2112 that the kernel's driver has too. */
export interface HidrawUri {
  readonly scheme: 'hidraw';
  /** Of the bus alone. */
  readonly uri: string;
  readonly path: string;
  /** Also where drivers of the kernel use parts of the same bridge. */
  readonly force: boolean;
  /** As in Cp2112Uri. */
  readonly clockHz: number | undefined;
}

/** An I2C adapter of the kernel, whose clock is the kernel's affair. */
export interface I2cUri {
  readonly scheme: 'i2c';
  /** Of the bus alone. */
  readonly uri: string;
  readonly path: string;
  /** Also where a driver of the kernel has the part's address. */
  readonly force: boolean;
  readonly clockHz: undefined;
}

/** A CP2112 that a USB/IP server exports. */
export interface UsbipUri {
  readonly scheme: 'usbip';
  /** Of the bus alone. */
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  readonly busid: string;
  /** As in Cp2112Uri. */
  readonly ids?: UsbIds | undefined;
  /** As in Cp2112Uri. */
  readonly clockHz: number | undefined;
}

/** An I2C bus: what a part can be on. */
export type BusUri = Cp2112Uri | HidrawUri | I2cUri | UsbipUri;
export type BusScheme = BusUri['scheme'];

/** USB/IP's registered port. */
export const USBIP_PORT = 3240;
/** Every 24Cxx part can do standard mode. */
export const DEFAULT_CLOCK_HZ = 100_000;

/** A URI on its way from text to value. */
export interface UriText {
  /** As given, for messages. */
  readonly uri: string;
  readonly url: URL;
  /** Of the path, decoded; those of a part without its address. */
  readonly segments: readonly string[];
  readonly parameters: ReadonlyMap<string, string>;
  /** The whole form that is asked for: a device on a bus, or a bus. */
  readonly of: 'part' | 'bus';
}

/** What is particular about one kind of bus. */
export interface Kind {
  readonly scheme: BusScheme;
  /** Parameters that belong to the bus. */
  readonly keys: readonly string[];
  /** The bus has GPIOs that wp=N can name. */
  readonly hasGpio: boolean;
  /** Examples of its path, for messages. */
  readonly example: string;
  readonly form: string;
  parse(text: UriText, uri: string): BusUri;
}

const kinds: Readonly<{ [S in BusScheme]: Kind & { readonly scheme: S } }> = {
  cp2112: {
    scheme: 'cp2112',
    keys: ['speed', 'id'],
    hasGpio: true,
    example: 'cp2112://',
    form: 'cp2112://BRIDGE',
    parse: parseCp2112,
  },
  hidraw: {
    scheme: 'hidraw',
    keys: ['speed', 'force'],
    hasGpio: true,
    example: 'hidraw:///dev/hidraw0',
    form: 'hidraw:///dev/hidrawN',
    parse: parseHidraw,
  },
  i2c: {
    scheme: 'i2c',
    keys: ['force'],
    hasGpio: false,
    example: 'i2c:///dev/i2c-1',
    form: 'i2c:///dev/i2c-N',
    parse: parseI2c,
  },
  usbip: {
    scheme: 'usbip',
    keys: ['speed', 'id'],
    hasGpio: true,
    example: 'usbip://127.0.0.1:3240/1-1',
    form: 'usbip://HOST[:PORT]/BUSID',
    parse: parseUsbip,
  },
};

export const BUS_FORMS = Object.values(kinds)
  .map(({ form }) => form)
  .join(', ');

export function kindOf(scheme: string): Kind | undefined {
  return Object.hasOwn(kinds, scheme) ? kinds[scheme as BusScheme] : undefined;
}

/** The device URI of a part on that bus. `parameters` as in a query: 'chip=24c256&wp=0'. */
export function partUriOn({ uri }: BusUri, address: number, parameters: string): string {
  const [base = '', query = ''] = uri.split('?', 2);
  const more = query === '' ? '' : `&${query}`;
  return `${base}/0x${address.toString(16).padStart(2, '0')}?${parameters}${more}`;
}

/** @throws NvmemError EINVAL */
export function busOf(text: UriText): BusUri {
  const kind = kindOf(text.url.protocol.slice(0, -1));
  if (kind === undefined) return refuse(text.uri, 'it is the URI of no bus', `Write one of ${BUS_FORMS}.`);
  const [, rest = ''] = /^[^:]*:\/\/([^?]*)/.exec(text.uri) ?? [];
  const base = text.of === 'part' ? rest.replace(/\/[^/]*$/, '') : rest.replace(/\/$/, '');
  const own = kind.keys.flatMap((key) => {
    const value = text.parameters.get(key);
    return value === undefined ? [] : [`${key}=${value}`];
  });
  return kind.parse(text, `${kind.scheme}://${base}${own.length === 0 ? '' : `?${own.join('&')}`}`);
}

function parseCp2112(text: UriText, uri: string): Cp2112Uri {
  if (text.segments.length > 0) misshapen(text, 'cp2112');
  const bridge = decode(text.url.hostname);
  // CP2112 strings have up to 30 characters (AN495, report 0x24); other devices' 126.
  if (bridge.length > 126 || !/^[\x20-\x7e]*$/.test(bridge)) {
    refuse(
      text.uri,
      `${JSON.stringify(bridge)} is no serial number and no place of a bridge`,
      'nvmem list shows them.',
    );
  }
  return { scheme: 'cp2112', uri, bridge, ids: idsOf(text), clockHz: clockOf(text) };
}

function parseHidraw(text: UriText, uri: string): HidrawUri {
  return {
    scheme: 'hidraw',
    uri,
    path: nodeOf(text, 'hidraw'),
    force: forceOf(text),
    clockHz: clockOf(text),
  };
}

function parseI2c(text: UriText, uri: string): I2cUri {
  return { scheme: 'i2c', uri, path: nodeOf(text, 'i2c'), force: forceOf(text), clockHz: undefined };
}

function parseUsbip(text: UriText, uri: string): UsbipUri {
  const { url, segments } = text;
  if (url.hostname === '') misshapen(text, 'usbip', 'it names no host');
  const port = url.port === '' ? USBIP_PORT : Number(url.port);
  if (port === 0)
    refuse(text.uri, 'port 0 cannot be connected to', `The usual port is ${String(USBIP_PORT)}.`);
  const [busid = ''] = segments;
  if (segments.length !== 1 || busid === '') misshapen(text, 'usbip');
  // USB/IP carries the bus id in 32 bytes, the last of them NUL.
  if (!/^[\x21-\x7e]{1,31}$/.test(busid)) {
    refuse(
      text.uri,
      `${JSON.stringify(busid)} is no bus id`,
      'A bus id looks like 1-1; usbip list -r HOST shows them.',
    );
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { scheme: 'usbip', uri, host, port, busid, ids: idsOf(text), clockHz: clockOf(text) };
}

/** The device node that the path names. */
function nodeOf(text: UriText, scheme: 'hidraw' | 'i2c'): string {
  const { url, segments } = text;
  const node = `/${segments.join('/')}`;
  const isWrong =
    url.hostname !== '' || segments.length === 0 || segments.includes('') || node.includes('\0');
  if (isWrong) misshapen(text, scheme);
  return node;
}

/** @throws NvmemError EINVAL: the URI has not the form of its scheme. */
export function misshapen({ uri, of }: Pick<UriText, 'uri' | 'of'>, scheme: BusScheme, what?: string): never {
  const { form, example } = kinds[scheme];
  const [behind, shown] = of === 'part' ? ['/0xADDR', '/0x50?chip=24c256'] : ['', ''];
  const asked = of === 'part' ? `it is not ${form}${behind}` : 'it is the URI of no bus';
  refuse(uri, what ?? asked, `Write ${form}${behind}, for example ${example}${shown}.`);
}

function clockOf({ uri, parameters }: UriText): number | undefined {
  const text = parameters.get('speed');
  if (text === undefined) return undefined;
  const clock = hertzOf(text);
  const rule = 'a clock in hertz from 1 to 1000000, such as 400k';
  if (!(clock >= 1 && clock <= 1_000_000))
    refuse(uri, `speed=${text} is not ${rule}`, `Give speed= ${rule}.`);
  return clock;
}

function idsOf({ uri, parameters }: UriText): UsbIds | undefined {
  const text = parameters.get('id');
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

function forceOf({ uri, parameters }: UriText): boolean {
  const text = parameters.get('force') ?? '0';
  if (text !== '0' && text !== '1')
    refuse(uri, `force=${text} is not 0 or 1`, 'Give force=1, or leave it out.');
  return text === '1';
}

export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
