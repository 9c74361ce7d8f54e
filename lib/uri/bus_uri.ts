/**
 * URIs of a whole bus: those of devices without the part.
 *
 *     cp2112://SERIAL-or-BUS-PORT[?speed=400000]
 *     hidraw:///dev/hidraw0[?force=1]
 *     i2c:///dev/i2c-1
 *     usbip://HOST[:PORT]/BUSID
 */
import { NvmemError } from '../base/errors.js';
import { refuse } from './refuse.js';
import { parseExactly, type BusUri } from './uri.js';

/** A bus, and how to name a part on it. */
export interface WholeBusUri {
  readonly uri: string;
  readonly scheme: BusUri['scheme'];
  /** The device URI of a part. `parameters` as in a query: 'chip=24c256&wp=0'. */
  partUri(address: number, parameters: string): string;
  /** The same, taken apart. */
  part(address: number, parameters: string): BusUri;
}

const FORMS = 'cp2112://BRIDGE, hidraw:///dev/hidrawN, i2c:///dev/i2c-N or usbip://HOST[:PORT]/BUSID';
const NODE = /^(\/[^/?#]+)+$/;
const shapes: Readonly<Record<BusUri['scheme'], RegExp>> = {
  cp2112: /^[^/?#]*$/,
  hidraw: NODE,
  i2c: NODE,
  usbip: /^[^/?#]+\/[^/?#]+$/,
};

/** @throws NvmemError EINVAL: the URI is none of a bus; the message says why. */
export function parseBusUri(uri: string): WholeBusUri {
  const [, name = '', rest = '', query = ''] =
    /^([a-z][a-z0-9+.-]*):\/\/([^?]*)(?:\?(.*))?$/is.exec(uri) ?? [];
  const scheme = name.toLowerCase();
  if (!isBusScheme(scheme)) refuse(uri, 'it is the URI of no bus', `Write ${FORMS}.`);
  if (/\/0x[0-9a-f]{1,2}\/?$/i.test(rest) || /(^|&)chip=/.test(query)) {
    refuse(
      uri,
      'it names a part, and a bus is asked for',
      'Leave the address and chip= out, or use nvmem info.',
    );
  }
  const base = rest.replace(/\/$/, '');
  if (!shapes[scheme].test(base)) refuse(uri, 'it is the URI of no bus', `Write ${FORMS}.`);
  const partUri = (address: number, parameters: string): string => {
    const more = query === '' ? '' : `&${query}`;
    return `${scheme}://${base}/0x${address.toString(16).padStart(2, '0')}?${parameters}${more}`;
  };
  const part = (address: number, parameters: string): BusUri => {
    const device = partUri(address, parameters);
    try {
      return parseExactly(device) as BusUri;
    } catch (error) {
      if (!(error instanceof NvmemError)) throw error;
      const said = error.message
        .replace(/^EINVAL: /, '')
        .replace(JSON.stringify(device), JSON.stringify(uri));
      throw new NvmemError('EINVAL', said, { syscall: 'open', hint: error.hint });
    }
  };
  part(0x50, 'chip=24c01'); // whatever else is wrong with it shows now
  return { uri, scheme, partUri, part };
}

function isBusScheme(scheme: string): scheme is BusUri['scheme'] {
  return Object.hasOwn(shapes, scheme);
}
