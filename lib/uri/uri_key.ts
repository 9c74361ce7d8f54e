/** What a device URI points to, without how it is to be used: two URIs of one memory have one key. */
import { checkString, rangeError } from '../base/validate.js';

/** The port that a USB/IP server has where the URI names none. */
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'usbip:': '3240' };

/**
 * Scheme and host in lower case, the usual port left out, the path decoded with its numbers in one form; parameters (`chip=`,
 * `wp=`, `speed=`) left out, because they say how a memory is used and not which one it is.
 *
 * @throws TypeError, RangeError: it is no URI.
 */
export function uriKey(field: string, uri: unknown): string {
  const text = checkString(field, uri);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw rangeError(field, 'a device URI (SCHEME://…)', uri);
  }
  const { protocol, hostname, port, pathname } = url;
  const shownPort = port === '' || port === DEFAULT_PORTS[protocol] ? '' : `:${port}`;
  const path = pathname.split('/').map(decoded).map(plainNumber).join('/').replace(/\/+$/, '');
  return `${protocol}//${hostname.toLowerCase()}${shownPort}${path}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** "0x5A", "0X05a": an address is an address. */
function plainNumber(part: string): string {
  return /^0x[0-9a-f]+$/i.test(part) ? `0x${Number(part).toString(16)}` : part;
}
