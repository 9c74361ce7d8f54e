import { stringDescriptor, type OtpFields } from './otp.js';

/** The CP2112's descriptors, byte for byte (AN495; a real unit's listing for bcdUSB, HID version and endpoints). */

type Kind = 'feature' | 'output' | 'input';

/** Report ID, kind and declared bytes after the ID, in the order of the report descriptor. */
const REPORTS: readonly (readonly [id: number, kind: Kind, count: number])[] = [
  [0x01, 'feature', 1],
  [0x02, 'feature', 4],
  [0x03, 'feature', 1],
  [0x04, 'feature', 2],
  [0x05, 'feature', 2],
  [0x06, 'feature', 13],
  [0x10, 'output', 63],
  [0x11, 'output', 63],
  [0x12, 'output', 63],
  [0x13, 'input', 63],
  [0x14, 'output', 63],
  [0x15, 'output', 63],
  [0x16, 'input', 63],
  [0x17, 'output', 63],
  [0x20, 'feature', 1],
  [0x21, 'feature', 9],
  [0x22, 'feature', 62],
  [0x23, 'feature', 62],
  [0x24, 'feature', 62],
];

const MAIN_ITEM: Readonly<Record<Kind, number>> = { feature: 0xb1, output: 0x91, input: 0x81 };

/** 258 bytes: vendor page 0xff00, one application collection, 8-bit fields, Data-Variable-Absolute. */
export function reportDescriptor(): Uint8Array {
  const bytes = [0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01];
  for (const [id, kind, count] of REPORTS) {
    bytes.push(0x85, id, 0x95, count);
    // Size and logical range are global items: from 0x20 on they are not said again.
    if (id < 0x20) bytes.push(0x75, 0x08, 0x26, 0xff, 0x00, 0x15, 0x00);
    bytes.push(0x09, 0x01, MAIN_ITEM[kind], 0x02);
  }
  bytes.push(0xc0);
  return Uint8Array.from(bytes);
}

/** Bytes after the ID that the report descriptor declares for a feature report, or undefined for other IDs. */
export function featureLength(id: number): number | undefined {
  return REPORTS.find(([report, kind]) => report === id && kind === 'feature')?.[2];
}

const HID_DESCRIPTOR = [0x09, 0x21, 0x01, 0x01, 0x00, 0x01, 0x22, 0x02, 0x01] as const;

export function deviceDescriptor(otp: OtpFields): Uint8Array {
  const low = (value: number): number => value & 0xff;
  const high = (value: number): number => (value >> 8) & 0xff;
  const { vendorId, productId, releaseMajor, releaseMinor } = otp;
  // prettier-ignore
  return Uint8Array.of(
    18, 1, 0x10, 0x01, 0, 0, 0, 64,
    low(vendorId), high(vendorId), low(productId), high(productId), releaseMinor, releaseMajor,
    1, 2, 3, 1,
  );
}

/** 41 bytes: configuration, interface, HID, endpoint 0x81 IN, endpoint 0x01 OUT. */
export function configurationDescriptor(otp: OtpFields): Uint8Array {
  const attributes = otp.powerMode === 0 ? 0x80 : 0xc0;
  // prettier-ignore
  return Uint8Array.of(
    9, 2, 41, 0, 1, 1, 0, attributes, otp.maxPower,
    9, 4, 0, 0, 2, 3, 0, 0, 0,
    ...HID_DESCRIPTOR,
    7, 5, 0x81, 3, 64, 0, 1,
    7, 5, 0x01, 3, 64, 0, 1,
  );
}

/** The descriptor that GET_DESCRIPTOR asks for, whole, or undefined (a STALL). */
export function findDescriptor(otp: OtpFields, type: number, index: number): Uint8Array | undefined {
  switch (type) {
    case 0x01:
      return index === 0 ? deviceDescriptor(otp) : undefined;
    case 0x02:
      return index === 0 ? configurationDescriptor(otp) : undefined;
    case 0x03:
      if (index === 0) return Uint8Array.of(4, 3, 0x09, 0x04);
      if (index === 1) return stringDescriptor(otp.manufacturer);
      if (index === 2) return stringDescriptor(otp.product);
      if (index === 3) return stringDescriptor(otp.serial);
      return undefined;
    case 0x21:
      return index === 0 ? Uint8Array.from(HID_DESCRIPTOR) : undefined;
    case 0x22:
      return index === 0 ? reportDescriptor() : undefined;
    default:
      return undefined;
  }
}
