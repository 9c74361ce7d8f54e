/** HID 1.11 §6.2.2.2 and §6.2.2.3: a prefix is tag, type and size; long items carry their size behind it. */
const LONG_ITEM = 0xfe;
const REPORT_ID = 0x84;
const SIZE_BITS = 0x03;

/** The reports of a transfer: read, addressed read, ask, data, write, status request, status, cancel (AN495). */
const FIRST = 0x10;
const LAST = 0x17;

/** Whether a HID report descriptor is a CP2112's: ids can be programmed, the reports of a transfer can't. */
export function hasTransferReports(descriptor: Uint8Array): boolean {
  const missing = new Set(Array.from({ length: LAST - FIRST + 1 }, (_, i) => FIRST + i));
  for (let at = 0; at < descriptor.length;) {
    const prefix = descriptor[at] ?? 0;
    if (prefix === LONG_ITEM) {
      at += 3 + (descriptor[at + 1] ?? 0);
      continue;
    }
    const code = prefix & SIZE_BITS;
    const size = code === 3 ? 4 : code;
    if ((prefix & ~SIZE_BITS) === REPORT_ID && size > 0) missing.delete(descriptor[at + 1] ?? 0);
    at += 1 + size;
  }
  return missing.size === 0;
}
