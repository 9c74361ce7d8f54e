/** What a URI that breaks a rule was probably meant to be: mistakes that people make again and again. */

/** Parameters by how they are also written. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ...['chip', 'wp', 'size', 'page', 'addressWidth', 'twr', 'speed', 'force', 'id'].map(
    (name) => [name.toLowerCase(), name] as const,
  ),
  ['pagesize', 'page'],
  ['address-width', 'addressWidth'],
  ['width', 'addressWidth'],
  ['clock', 'speed'],
]);

/** What stands between two parameters, or in front of the first: any of what people use for that. */
const BETWEEN = /\s*[?&,;\s]+\s*(?=[a-z-]+\s*=)/i;

/** The same URI without the mistakes; it may be wrong all the same. */
export function corrected(uri: string): string {
  const [head = '', ...parameters] = uri.trim().split(BETWEEN);
  const query = parameters.map((parameter) => {
    const [name = '', ...value] = parameter.split('=');
    const key = name.trim();
    return `${NAMES.get(key.toLowerCase()) ?? key}=${value
      .join('=')
      .trim()
      .replace(/[?&,;]+$/, '')}`;
  });
  const path = head.replace(/[?&,;\s]+$/, '').replace(/\/+$/, '');
  const place = path.replace(/\/([^/]*)$/, (whole, address: string) => {
    const meant = addressMeant(address);
    return meant === undefined ? whole : `/${meant}`;
  });
  return query.length === 0 ? place : `${place}?${query.join('&')}`;
}

/** The seven-bit address that some other way of writing it stands for; undefined: it is one already, or none at all. */
export function addressMeant(text: string): string | undefined {
  const [, digits = ''] = /^(?:0x)?([0-9a-f]{2})h?$/i.exec(text) ?? [];
  if (digits === '') return undefined;
  const value = parseInt(digits, 16);
  // With the read/write bit, as many data sheets print it.
  if (value > 0x77) return isHex(text) || value >= 0xa0 ? hex(value >> 1) : decimal(digits);
  if (/^0x/i.test(text)) return undefined;
  return isHex(text) || (value >= 0x50 && value <= 0x5f) ? hex(value) : decimal(digits);
}

/** 80 to 95 are 0x50 to 0x5f. */
function decimal(digits: string): string | undefined {
  const value = /^[0-9]+$/.test(digits) ? Number(digits) : NaN;
  return value >= 0x50 && value <= 0x5f ? hex(value) : undefined;
}

function isHex(text: string): boolean {
  return /^0x|h$/i.test(text);
}

function hex(address: number): string {
  return `0x${address.toString(16).padStart(2, '0')}`;
}
