/** What a URI names whose coming and going can be followed. */
import { checkObject, typeError } from '../base/validate.js';
import { refuse } from '../uri/refuse.js';
import {
  parseBusUri,
  parseUri,
  type Cp2112Uri,
  type HidrawUri,
  type I2cUri,
  type SysfsUri,
  type UsbipUri,
} from '../uri/uri.js';

/** The URI of a bus or of one of the kernel's own devices, taken apart. */
export type ParsedTarget =
  | Pick<Cp2112Uri, 'scheme' | 'uri' | 'bridge' | 'ids'>
  | Pick<HidrawUri, 'scheme' | 'uri' | 'path'>
  | Pick<I2cUri, 'scheme' | 'uri' | 'path'>
  | Pick<UsbipUri, 'scheme' | 'uri' | 'host' | 'port' | 'busid'>
  | Pick<SysfsUri, 'scheme' | 'uri' | 'name'>;

/** @throws NvmemError EINVAL: it is malformed, or names nothing that comes and goes; TypeError. */
export function targetOf(uri: string | ParsedTarget): ParsedTarget {
  if (typeof uri !== 'string') {
    const { scheme } = checkObject('uri', uri) as { scheme?: unknown };
    if (typeof scheme === 'string' && SCHEMES.includes(scheme)) return uri;
    throw typeError('uri.scheme', `one of ${SCHEMES.join(', ')}`, scheme);
  }
  if (/^sysfs:\/\//i.test(uri)) return parseUri(uri) as SysfsUri;
  if (/^(mem|file):\/\//i.test(uri)) {
    refuse(uri, 'what it names does not come and go', `Write a URI of ${SCHEMES.join('://, ')}://.`);
  }
  return parseBusUri(uri);
}

const SCHEMES: readonly string[] = ['cp2112', 'hidraw', 'i2c', 'usbip', 'sysfs'];
