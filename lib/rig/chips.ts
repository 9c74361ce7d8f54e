/**
 * The parts the bench can put on its I2C bus, under the names the Linux at24 driver gives them.
 *
 * Sizes, address bytes and I2C addresses follow drivers/misc/eeprom/at24.c; page sizes and write times the makers' data
 * sheets (AT24C01C/02C DS20006111, 24LC16B DS21703, AT24C32E DS20006109, AT24C128C/256C DS20006270, AT24C512C DS20006161,
 * AT24CM01 DS20006170, AT24CM02 DS20006197, 24LC1025, AT24CS/AT24MAC; ST M24Cxx; for its identification pages M24C16-A125
 * DocID025622, M24256-D, M24M01-DF DocID12943, M24M02-DR DocID18204, M24M02E-F DS14157).
 */

/** A second, small memory of the same chip, at device code 1011 (0x58 + pins). */
export interface ChipWindow {
  /** First word address of the window. */
  readonly offset: number;
  readonly size: number;
  readonly content: 'serial' | 'eui' | 'page';
  /** Of a page, which word addresses are not its bytes, and which of those is Lock ID. */
  readonly command?: WindowCommand;
}

export interface WindowCommand {
  /** The address bits that are not don't care: all 0 for a byte of the page. */
  readonly bits: number;
  /** What they are for Lock ID; anything else is another register, and not modelled. */
  readonly lock: number;
}

export interface ChipModel {
  readonly name: string;
  /** Bytes of the main array. */
  readonly size: number;
  readonly addressBytes: 1 | 2;
  /** Write page, bytes; a power of two. 1: the part has no page mode. */
  readonly page: number;
  /** The page of ST's part with the same size, where it differs. */
  readonly stPage?: number;
  /** How many I2C addresses the array answers on. */
  readonly addresses: number;
  /** The bit of the device address that carries the lowest block bit: 0, or 2 for the 24xx1025 (base and base + 4). */
  readonly blockShift: number;
  /** The part answers on all its addresses with the same bytes (24C00). */
  readonly aliases: boolean;
  /** A sequential read wraps inside its block of 2^(8·addressBytes) bytes, not at the end of the array. */
  readonly blockRollover: boolean;
  /** Self-timed write cycle, milliseconds (data sheet maximum). */
  readonly writeCycleMs: number;
  /** Word addresses from here up cannot be written (24AA025Exx). */
  readonly protectedFrom?: number;
  readonly window?: ChipWindow;
  /** DIMM parts that show a page of their memory at a time. */
  readonly spd?: 'ee1004' | 'spd5118';
}

interface Traits {
  addressBytes?: 1 | 2;
  page?: number;
  stPage?: number;
  addresses?: number;
  blockShift?: number;
  aliases?: boolean;
  blockRollover?: boolean;
  writeCycleMs?: number;
  protectedFrom?: number;
  window?: ChipWindow;
  spd?: 'ee1004' | 'spd5118';
}

function chip(name: string, size: number, page: number, traits: Traits = {}): ChipModel {
  const addressBytes = traits.addressBytes ?? (size > 2048 ? 2 : 1);
  return {
    name,
    size,
    page,
    addressBytes,
    addresses: Math.max(1, Math.ceil(size / 2 ** (8 * addressBytes))),
    blockShift: 0,
    aliases: false,
    blockRollover: false,
    writeCycleMs: 5,
    ...traits,
  };
}

/** ST's Lock ID: A7 of one address byte; A10 of two; A15 to A13 = 011 for the M24xxxE types. */
const LOCK_A7: WindowCommand = { bits: 0x80, lock: 0x80 };
const LOCK_A10: WindowCommand = { bits: 0x0400, lock: 0x0400 };
const LOCK_E: WindowCommand = { bits: 0xe000, lock: 0x6000 };
const idPage = (size: number, command = LOCK_A10): { window: ChipWindow } => ({
  window: { offset: 0, size, content: 'page', command },
});

const SERIAL_1: ChipWindow = { offset: 0x80, size: 16, content: 'serial' };
const SERIAL_2: ChipWindow = { offset: 0x800, size: 16, content: 'serial' };

const MODELS: readonly ChipModel[] = [
  chip('24c00', 16, 1, { addresses: 8, aliases: true }),
  chip('24c01', 128, 8, { stPage: 16 }),
  chip('24c02', 256, 8, { stPage: 16 }),
  chip('24c02-vaio', 256, 16),
  chip('spd', 256, 16),
  chip('24c04', 512, 16),
  chip('24c08', 1024, 16),
  chip('24c16', 2048, 16),
  chip('24c32', 4096, 32),
  chip('24c64', 8192, 32),
  chip('24c128', 16384, 64),
  chip('24c256', 32768, 64),
  chip('24c512', 65536, 128),
  chip('24c1024', 131072, 256),
  chip('24c1025', 131072, 128, { blockShift: 2, blockRollover: true }),
  chip('24c2048', 262144, 256, { writeCycleMs: 10 }),
  chip('24cs01', 128, 8, { window: SERIAL_1 }),
  chip('24cs02', 256, 8, { window: SERIAL_1 }),
  chip('24cs04', 512, 16, { window: SERIAL_1 }),
  chip('24cs08', 1024, 16, { window: SERIAL_1 }),
  chip('24cs16', 2048, 16, { window: SERIAL_1 }),
  chip('24cs32', 4096, 32, { window: SERIAL_2 }),
  chip('24cs64', 8192, 32, { window: SERIAL_2 }),
  chip('24mac402', 256, 16, { window: { offset: 0x9a, size: 6, content: 'eui' } }),
  chip('24mac602', 256, 16, { window: { offset: 0x98, size: 8, content: 'eui' } }),
  chip('24aa025e48', 256, 16, { protectedFrom: 0x80 }),
  chip('24aa025e64', 256, 16, { protectedFrom: 0x80 }),
  chip('ee1004', 512, 16, { addresses: 1, spd: 'ee1004' }),
  chip('spd5118', 1024, 16, { addressBytes: 1, addresses: 1, spd: 'spd5118' }),
  chip('24c02-d', 256, 16, idPage(16, LOCK_A7)),
  chip('24c04-d', 512, 16, idPage(16, LOCK_A7)),
  chip('24c08-d', 1024, 16, idPage(16, LOCK_A7)),
  chip('24c16-d', 2048, 16, idPage(16, LOCK_A7)),
  chip('24c32d-wl', 4096, 32, idPage(32)),
  chip('24c64d-wl', 8192, 32, idPage(32)),
  chip('24128-d', 16384, 64, idPage(64)),
  chip('24256-d', 32768, 64, idPage(64)),
  chip('24512-d', 65536, 128, idPage(128)),
  chip('24m01-d', 131072, 256, idPage(256)),
  chip('24m02-d', 262144, 256, { ...idPage(256), writeCycleMs: 10 }),
  chip('24256e-wl', 32768, 64, idPage(64, LOCK_E)),
  chip('24512e-wl', 65536, 128, idPage(128, LOCK_E)),
  chip('24m01e-wl', 131072, 256, idPage(256, LOCK_E)),
  chip('24m02e-wl', 262144, 256, idPage(256, LOCK_E)),
];

const BY_NAME: ReadonlyMap<string, ChipModel> = new Map(MODELS.map((model) => [model.name, model]));

/** Every chip name, smallest part first within its family. */
export function chipNames(): string[] {
  return MODELS.map((model) => model.name);
}

/** The part of that name ("24c256"; "at24c256", "24lc256", "24aa02" and case are understood too), or undefined. */
export function findChip(name: string): ChipModel | undefined {
  const lower = name
    .toLowerCase()
    .replace(/^m24(c32|c64)-d.*$/, '24$1d-wl')
    .replace(/^m(24(?:[cm][0-9]{2}|[0-9]{3})-d).*$/, '$1')
    .replace(/^m(24(?:m0[12]|256|512)e).*$/, '$1-wl');
  return (
    BY_NAME.get(lower) ??
    // The driver's I2C id and its device tree name differ in a letter.
    BY_NAME.get(lower.replace(/^24c64-wl$/, '24c64d-wl')) ??
    BY_NAME.get(lower.replace(/^(at|m|microchip,|atmel,|st,)(?=24)/, '')) ??
    BY_NAME.get(lower.replace(/^24(lc|aa|fc|l|w)(?=\d)/, '24c'))
  );
}

/** The I2C addresses on which a part with this array address answers, main array first, then the window's. */
export function chipAddresses(model: ChipModel, base: number): { array: number[]; window: number[] } {
  const array: number[] = [];
  for (let block = 0; block < model.addresses; block++) array.push(base + (block << model.blockShift));
  if (!model.window) return { array, window: [] };
  // The bits that select a block are don't care to ST's pages; Microchip's serial numbers want them 0 (AT24CS16).
  return { array, window: model.window.content === 'page' ? array.map((one) => one + 8) : [base + 8] };
}

/** Says in one sentence why the part cannot sit at this address, or undefined when it can. */
export function addressProblem(model: ChipModel, base: number): string | undefined {
  const mask = ((1 << Math.ceil(Math.log2(model.addresses))) - 1) << model.blockShift;
  if (!Number.isInteger(base) || base < 0x08 || base > 0x77) {
    return `address ${hex(base)} is outside 0x08 to 0x77`;
  }
  if ((base & mask) !== 0) {
    return `a ${model.name} takes ${String(model.addresses)} addresses, and ${hex(base)} is not the first of such a group`;
  }
  if (base + mask > 0x77) return `a ${model.name} at ${hex(base)} would reach beyond 0x77`;
  if (model.spd && (base < 0x50 || base > 0x57)) return `a ${model.name} is at 0x50 to 0x57`;
  if (model.window && (base < 0x50 || base > 0x57)) {
    return `a ${model.name} has its array at 0x50 to 0x57 and its window at 0x58 to 0x5f`;
  }
  return undefined;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}
