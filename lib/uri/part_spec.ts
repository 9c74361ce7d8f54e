/** A part as a program describes it, and the URI that says the same. */
import { checkInteger, checkKeys, checkObject, checkString, typeError } from '../base/validate.js';
import { partUriOn, type BusUri } from './bus_uri.js';

/** What `bus.device()` takes: the parameters of a device URI, as values. */
export interface PartSpec {
  /** Seven-bit device address, 0x50 for example. */
  readonly address: number;
  /** Its name, as in `chip=`: '24c256', or what is printed on it. */
  readonly chip: string;
  /** What drives the WP pin, as in `wp=`: GPIO 0 to 7 of the bridge, or 'CHIP:LINE'; '!' in front: it protects when low. */
  readonly wp?: number | string | undefined;
  /** Bytes, where the part differs from its name. */
  readonly size?: number | undefined;
  /** Write page, bytes: a power of two from 1 to 256. */
  readonly page?: number | undefined;
  /** Bits of the word address. */
  readonly addressWidth?: 8 | 16 | undefined;
  /** How long a write cycle may take, milliseconds, 1 to 1000. */
  readonly twr?: number | undefined;
}

const KEYS = ['address', 'chip', 'wp', 'size', 'page', 'addressWidth', 'twr'];

/**
 * The URI of that part. Whether there is such a chip, and what it may be like, is for parsePartUri() to say.
 *
 * @throws TypeError, RangeError for values that no URI could have.
 */
export function partUriOf(bus: BusUri, spec: PartSpec): string {
  const { address, chip, wp, size, page, addressWidth, twr } = spec;
  checkKeys('part', checkObject('part', spec), KEYS);
  checkInteger('part.address', address, 0, 0x7f);
  checkString('part.chip', chip);
  if (wp !== undefined && typeof wp !== 'number') {
    if (typeof wp !== 'string') throw typeError('part.wp', 'a number or a string', wp);
    checkString('part.wp', wp);
  } else if (wp !== undefined) checkInteger('part.wp', wp, 0, 7);
  const numbers = { size, page, addressWidth, twr };
  for (const [key, value] of Object.entries(numbers)) {
    if (value !== undefined) checkInteger(`part.${key}`, value, 1);
  }
  const parameters = Object.entries({ chip, wp, ...numbers }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`],
  );
  return partUriOn(bus, address, parameters.join('&'));
}
