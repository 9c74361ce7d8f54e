import type { Maker, PowerLoss } from './eeprom.js';

/** Revision of the chip; cp2112.ts says how they differ. */
export type SiliconVersion = 1 | 2 | 3;

/** `real`: wire and USB frames take their time. `off`: everything is over at once and in a fixed order. */
export type TimeMode = 'real' | 'off';

export interface EepromSetup {
  /** 7-bit address of the array (or, for a part with a window at device code 1011, that window's). */
  readonly address: number;
  /** A name of the Linux at24 driver: "24c02", "24c256", … */
  readonly chip: string;
  /** The bridge's GPIO (0 to 7) its WP pin is wired to, or true: tied high. Left out: tied low. */
  readonly wp?: number | true;
  /** An inverter is between that GPIO and the WP pin: low protects. Default false. */
  readonly wpInverted?: boolean;
  /** Content from the start of the array; the rest is 0xff. */
  readonly image?: Uint8Array;
  /** Content of the serial number, EUI or page window. */
  readonly window?: Uint8Array;
  /** Whose part it is: Microchip acknowledges a protected write and drops it, ST refuses the data bytes. Default microchip. */
  readonly maker?: Maker;
  readonly pageSize?: number;
  /** Milliseconds of a write cycle. Default: the part's maximum. */
  readonly writeCycleMs?: number;
  /** What an unplug in a write cycle leaves behind. Default `keep`: the old bytes. */
  readonly powerLoss?: PowerLoss;
}

export interface DeviceSetup {
  /** USB/IP bus id. Default "1-1". */
  readonly busid?: string;
  /** Serial number string, up to 30 characters. */
  readonly serial?: string;
  /** Silicon version 1, 2 or 3 (F01 to F03). Default 2. */
  readonly version?: SiliconVersion;
  /** Vendor and product, where an OEM has programmed its own. Default 0x10c4 and 0xea90. */
  readonly vid?: number;
  readonly pid?: number;
  /** Product string, up to 30 characters. Default "CP2112 HID USB-to-SMBus Bridge". */
  readonly product?: string;
  /** Release number of the device descriptor. Default 0x0000, as a real unit says (the data sheet: 0x0100). */
  readonly bcdDevice?: number;
  readonly eeproms?: readonly EepromSetup[];
  /** A force send that finds no data is answered by an empty 0x13 instead of by nothing. Default false. */
  readonly answerEmpty?: boolean;
  /** How long the device is away after a Reset report, milliseconds. Default 0. */
  readonly reenumerateMs?: number;
  /** Without time: how many addresses an EEPROM refuses after a write. Default 3. */
  readonly busyPolls?: number;
  /** False: the device begins unplugged. */
  readonly plugged?: boolean;
}
