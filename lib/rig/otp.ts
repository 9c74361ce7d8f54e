import type { DeviceSetup } from './setup.js';

/** The one-time programmable part of the CP2112 (AN495, reports 0x20 to 0x24). It survives resets and unplugs. */

/** Lock byte bits, 1 = still free. */
const LOCK = {
  vid: 0,
  pid: 1,
  power: 2,
  powerMode: 3,
  release: 4,
  manufacturer: 5,
  product: 6,
  serial: 7,
} as const;

export type OtpString = 'manufacturer' | 'product' | 'serial';

export interface OtpFields {
  vendorId: number;
  productId: number;
  /** Units of 2 mA. */
  maxPower: number;
  powerMode: number;
  releaseMajor: number;
  releaseMinor: number;
  manufacturer: string;
  product: string;
  serial: string;
}

export class Otp {
  readonly fields: OtpFields;
  lock = 0xff;

  constructor(serial: string, bcdDevice: number, own: Pick<DeviceSetup, 'vid' | 'pid' | 'product'> = {}) {
    this.fields = {
      vendorId: own.vid ?? 0x10c4,
      productId: own.pid ?? 0xea90,
      maxPower: 0x32,
      powerMode: 0,
      releaseMajor: (bcdDevice >> 8) & 0xff,
      releaseMinor: bcdDevice & 0xff,
      manufacturer: 'Silicon Laboratories',
      product: own.product ?? 'CP2112 HID USB-to-SMBus Bridge',
      serial,
    };
  }

  /** Report 0x20: a 0 bit locks for ever, a 1 bit changes nothing. */
  setLock(value: number): void {
    this.lock &= value;
  }

  /** Report 0x21, 9 bytes after the ID. */
  get usbConfig(): Uint8Array {
    const { vendorId, productId, maxPower, powerMode, releaseMajor, releaseMinor } = this.fields;
    return Uint8Array.of(
      vendorId & 0xff,
      vendorId >> 8,
      productId & 0xff,
      productId >> 8,
      maxPower,
      powerMode,
      releaseMajor,
      releaseMinor,
      this.lock,
    );
  }

  set usbConfig(report: Uint8Array) {
    const [
      vidLow = 0,
      vidHigh = 0,
      pidLow = 0,
      pidHigh = 0,
      power = 0,
      mode = 0,
      major = 0,
      minor = 0,
      mask = 0,
    ] = report;
    if (this.#claim(LOCK.vid, mask)) this.fields.vendorId = vidLow | (vidHigh << 8);
    if (this.#claim(LOCK.pid, mask)) this.fields.productId = pidLow | (pidHigh << 8);
    if (power <= 250 && this.#claim(LOCK.power, mask)) this.fields.maxPower = power;
    if (mode <= 2 && this.#claim(LOCK.powerMode, mask)) this.fields.powerMode = mode;
    if (this.#claim(LOCK.release, mask)) {
      this.fields.releaseMajor = major;
      this.fields.releaseMinor = minor;
    }
  }

  /** Reports 0x22 to 0x24, 62 bytes after the ID: length + 2, 3, UTF-16LE. */
  string(which: OtpString): Uint8Array {
    const bytes = new Uint8Array(62);
    bytes.set(stringDescriptor(this.fields[which]));
    return bytes;
  }

  setString(which: OtpString, report: Uint8Array): void {
    const length = (report[0] ?? 0) - 2;
    if (length < 0 || length > 60 || length % 2 !== 0 || report[1] !== 3 || report.length < length + 2)
      return;
    if (!this.#claim(LOCK[which], 1 << LOCK[which])) return;
    this.fields[which] = Buffer.from(report.subarray(2, 2 + length)).toString('utf16le');
  }

  /** Programming a field uses up its lock bit. */
  #claim(bit: number, mask: number): boolean {
    const flag = 1 << bit;
    if ((mask & flag) === 0 || (this.lock & flag) === 0) return false;
    this.lock &= ~flag;
    return true;
  }
}

/** A USB string descriptor: length, type 3, UTF-16LE. */
export function stringDescriptor(text: string): Uint8Array {
  const body = Buffer.from(text, 'utf16le');
  return Uint8Array.of(body.length + 2, 3, ...body);
}
