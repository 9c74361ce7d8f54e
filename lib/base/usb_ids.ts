/** Vendor and product of a USB device, 0 to 0xffff each. */
export interface UsbIds {
  readonly vid: number;
  readonly pid: number;
}

/** Of a CP2112 as it leaves the factory; an OEM can program others, once (AN495, report 0x21). */
export const CP2112_IDS: UsbIds = { vid: 0x10c4, pid: 0xea90 };

/** As lsusb writes them: '10c4:ea90'. Undefined: it is no vendor and product, or 0:0, which no device has. */
export function parseUsbIds(text: string): UsbIds | undefined {
  const [, vid, pid] = /^(?:0x)?([0-9a-f]{1,4}):(?:0x)?([0-9a-f]{1,4})$/i.exec(text) ?? [];
  if (vid === undefined || pid === undefined) return undefined;
  const ids = { vid: Number.parseInt(vid, 16), pid: Number.parseInt(pid, 16) };
  return ids.vid === 0 && ids.pid === 0 ? undefined : ids;
}

/** '10c4:ea90' */
export function usbIdText({ vid, pid }: UsbIds): string {
  return `${hex4(vid)}:${hex4(pid)}`;
}

export function sameUsbIds(a: UsbIds, b: UsbIds): boolean {
  return a.vid === b.vid && a.pid === b.pid;
}

/** Four hexadecimal digits. */
export function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
