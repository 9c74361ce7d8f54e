/** What is known of a part by its name. */

/** How the memory is seen through its device address: whole, or a page at a time that has to be selected first. */
export type Paging = 'none' | 'ee1004' | 'spd5118';

/**
 * What a part does with data while its WP (WC) pin is high. `drop`: it acknowledges and forgets, only reading back shows it
 * (Microchip, Atmel); `refuse`: it does not acknowledge the data bytes (ST, onsemi).
 */
export type WriteProtectStyle = 'drop' | 'refuse';

export interface At24Chip {
  /** The kernel's name. */
  readonly name: string;
  /** The maker's name, without package and speed, where the chip was asked for by it. */
  readonly part: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** Word address bytes on the wire. */
  readonly addressBytes: 1 | 2;
  /** How many device addresses it answers at. */
  readonly addresses: number;
  /** Write page, bytes. */
  readonly pageSize: number;
  /** tWR, milliseconds: the maximum of the data sheet, of a kernel's name the longest among its parts. */
  readonly writeCycleMs: number;
  /** Block select bits begin at this bit of the device address. */
  readonly blockShift: 0 | 2;
  /** Added to every offset: serial number and EUI windows begin there. */
  readonly offsetAdd: number;
  /** As in Linux; `forceRo = false` lets writes through all the same, but for `neverWritten`. */
  readonly readOnly: boolean;
  /** Nothing may be written, whoever asks: what a maker has stored, or where a write may be a command that lasts for ever. */
  readonly neverWritten: boolean;
  /** Where the part answers with A2 A1 A0 low: device code 1010 is 0x50, 1011 (windows) is 0x58. */
  readonly address: number;
  readonly paging: Paging;
  /** Undefined: not the same for all parts of that name, or not known. */
  readonly writeProtect: WriteProtectStyle | undefined;
  /** The name of the second memory of the same part (serial number, EUI, lockable page), 8 device addresses up. */
  readonly window: string | undefined;
  /** Of a lockable page: the word address of the command that makes it read-only for ever (Lock ID). */
  readonly lockWord: number | undefined;
}
