/**
 * SPD memories of DIMMs. Both show their bytes a page at a time through one device address.
 *
 * EE1004 (DDR4): JEDEC's document and the AT34C04 data sheet. SPD5118 (DDR5): JESD300-5 as the Linux driver
 * (drivers/hwmon/spd5118.c) uses it.
 */
import { Eeprom, type EepromOptions, type EepromWiring } from './eeprom.js';
import type { I2cTarget } from './i2c.js';

/** A write to one of them selects that page in every EE1004 on the bus. */
export const PAGE_SELECT = [0x36, 0x37] as const;

/** 512 bytes in two pages of 256. Only its own reads and writes look at the page, so it is a plain part behind that. */
export class Ee1004 extends Eeprom {
  /** Page 0 after power-up. */
  page = 0;

  /** A busy part does not hear the command. */
  selectPage(page: number, at: number): boolean {
    if (this.busy(at)) return false;
    this.page = page;
    return true;
  }

  protected override pageOffset(): number {
    return this.page * 256;
  }

  override powerOff(at: number): void {
    super.powerOff(at);
    this.page = 0;
  }
}

/** What answers at 0x36 or 0x37: all EE1004 of the bus together. */
export class PageSelect implements I2cTarget {
  #written = false;

  constructor(
    readonly page: number,
    readonly parts: readonly Ee1004[],
  ) {}

  /** A read says by its acknowledge whether page 0 is selected; there is none to ask for page 1. */
  start(_address: number, read: boolean, at: number): boolean {
    this.#written = !read;
    if (read) return this.page === 0 && this.parts.some((part) => !part.busy(at) && part.page === 0);
    return this.parts.some((part) => !part.busy(at));
  }

  /** The byte is not looked at; the standard leaves open whether it is acknowledged. */
  write(): boolean {
    return false;
  }

  read(): number {
    return 0xff;
  }

  stop(at: number): void {
    if (this.#written) for (const part of this.parts) part.selectPage(this.page, at);
    this.#written = false;
  }

  expectsData(): boolean {
    return false;
  }
}

const MR11 = 0x0b;

/** Registers 0x00 to 0x7f, and behind 0x80 to 0xff the page that MR11 selects. Its memory cannot be written here. */
export class Spd5118 extends Eeprom {
  readonly #registers = new Uint8Array(0x80);
  #register = 0;
  #loaded = 0;

  constructor(options: EepromOptions, wiring: EepromWiring) {
    super(options, wiring);
    // MR0, MR1: type; MR3, MR4: a maker (bank 1, with parity); MR5: it measures temperature.
    this.#registers.set([0x51, 0x18, 0x12, 0x80, 0xb3, 0x03]);
  }

  /** MR11. */
  get mode(): number {
    return this.#registers[MR11] ?? 0;
  }

  set mode(value: number) {
    this.#registers[MR11] = value;
  }

  override start(_address: number, read: boolean): boolean {
    if (!read) this.#loaded = 0;
    return true;
  }

  override expectsData(): boolean {
    return this.#loaded > 0;
  }

  /** With MR11 bit 3 set it takes two address bytes, the lower one first. */
  override write(byte: number): boolean {
    const addressBytes = this.mode & 0x08 ? 2 : 1;
    if (this.#loaded === 0) this.#register = byte;
    else if (this.#loaded < addressBytes) this.#register |= byte << 8;
    else this.#store(byte);
    this.#loaded++;
    return true;
  }

  override read(): number {
    const register = this.#register;
    this.#register = (register & ~0xff) | ((register + 1) & 0xff);
    const low = register & 0xff;
    if (low < 0x80) return this.#registers[low] ?? 0;
    const page = this.mode & 0x08 ? register >> 8 : this.mode & 0x07;
    const offset = (page & 0x07) * 128 + (low - 0x80);
    return this.outgoing(offset, this.image[offset] ?? 0xff);
  }

  override stop(): void {
    this.#loaded = 0;
  }

  override powerOff(at: number): void {
    super.powerOff(at);
    this.mode = 0;
  }

  #store(byte: number): void {
    const low = this.#register & 0xff;
    if (low === MR11) this.mode = byte & 0x0f;
    this.#register = (this.#register & ~0xff) | ((low + 1) & 0xff);
  }
}
