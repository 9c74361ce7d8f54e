/** Numbers of a URI as people write them. */

/** A whole number, decimal or 0x…; NaN: it is none. */
export function plainNumber(text: string): number {
  return /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : NaN;
}

/** '32768', '0x8000', '32K', '32KiB', '2M': bytes, by 1024. */
export function bytesOf(text: string): number {
  const [, digits, unit = ''] = /^([0-9]+)(k|kib|m|mib)$/i.exec(text) ?? [];
  if (digits === undefined) return plainNumber(text);
  return Number(digits) * (unit.toLowerCase().startsWith('k') ? 1024 : 1024 * 1024);
}

/** '400000', '400k', '400kHz', '1M', '0.4MHz': hertz. */
export function hertzOf(text: string): number {
  const [, digits = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)(k|m)?(?:hz)?$/i.exec(text) ?? [];
  if (digits === '') return plainNumber(text);
  const factor = { k: 1000, m: 1_000_000 }[unit.toLowerCase()] ?? 1;
  const hertz = Math.round(Number(digits) * factor * 1000) / 1000;
  return Number.isInteger(hertz) ? hertz : NaN;
}

/** '50', '50ms': milliseconds. */
export function millisecondsOf(text: string): number {
  return plainNumber(text.replace(/ms$/i, ''));
}
