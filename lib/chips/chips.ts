/**
 * The parts that Linux's at24, ee1004 and spd5118 drivers know, under the kernel's names, and what makers print on them.
 *
 * A kernel's name covers many makers' parts, so its row is the careful one: the smallest page among them (a write of a
 * smaller power of two is right on a larger page too, only slower) and the longest write cycle. A name printed on a part
 * is that part: it gets the page and write cycle of its data sheet.
 */
import type { At24Chip } from './chip.js';
import { PARTS, VENDORS } from './parts.js';

export type { At24Chip, Paging, WriteProtectStyle } from './chip.js';

type Row = [name: string, size: number, pageSize: number, more?: Partial<At24Chip>];

/** What a maker has stored in a memory of its own at device code 1011. */
const STORED: Partial<At24Chip> = { readOnly: true, neverWritten: true, address: 0x58 };
const SERIAL_8: Partial<At24Chip> = { ...STORED, offsetAdd: 0x80 };
const SERIAL_16: Partial<At24Chip> = { ...STORED, offsetAdd: 0x800, addressBytes: 2 };
const A16: Partial<At24Chip> = { addressBytes: 2 };
/**
 * The word addresses of ST's Lock ID. -D types want A10 set, M24xxxE types A15 to A13 = 011; both call the other bits don't
 * care. So 0x6400 is right where a name may mean either (M24256-D, M24256E). One address byte: A7 (M24C02-A125 to M24C16-A125).
 */
const LOCK_D = 0x0400;
const LOCK_E = 0x6400;
const LOCK_8 = 0x80;
const PAGE_D: Partial<At24Chip> = { ...A16, address: 0x58, lockWord: LOCK_D };
const PAGE_E: Partial<At24Chip> = { ...A16, address: 0x58, lockWord: LOCK_E };

// prettier-ignore
const rows: readonly Row[] = [
  ['24c00', 16, 1, { addresses: 8 }],
  ['24c01', 128, 8],
  ['24cs01', 16, 8, SERIAL_8],
  ['24c02', 256, 8],
  ['24cs02', 16, 8, SERIAL_8],
  ['24mac402', 6, 16, { ...STORED, offsetAdd: 0x9a }],
  ['24mac602', 8, 16, { ...STORED, offsetAdd: 0x98 }],
  ['24aa025e48', 6, 8, { readOnly: true }],
  ['24aa025e64', 8, 8, { readOnly: true }],
  ['spd', 256, 16, { readOnly: true }],
  ['24c02-vaio', 256, 8, { readOnly: true }],
  ['24c04', 512, 16],
  ['24cs04', 16, 16, SERIAL_8],
  ['24c08', 1024, 16],
  ['24cs08', 16, 16, SERIAL_8],
  ['24c16', 2048, 16],
  ['24cs16', 16, 16, SERIAL_8],
  ['24c32', 4096, 32, A16],
  ['24c32d-wl', 32, 32, PAGE_D],
  ['24cs32', 16, 32, SERIAL_16],
  ['24c64', 8192, 32, A16],
  ['24c64-wl', 32, 32, PAGE_D],
  ['24c64d-wl', 32, 32, PAGE_D],
  ['24cs64', 16, 32, SERIAL_16],
  ['24c128', 16384, 64, A16],
  ['24c256', 32768, 64, A16],
  ['24256e-wl', 64, 64, PAGE_E],
  ['24c512', 65536, 128, A16],
  ['24c1024', 131072, 128, A16],
  ['24c1025', 131072, 128, { ...A16, blockShift: 2 }],
  ['24c2048', 262144, 256, A16],
  // drivers/misc/eeprom/ee1004.c; 16-byte write pages and 5 ms: AT34C04.
  ['ee1004', 512, 16, { readOnly: true, paging: 'ee1004', addresses: 1, writeCycleMs: 5 }],
  // drivers/hwmon/spd5118.c, which does not write; nor does this library.
  ['spd5118', 1024, 16, { readOnly: true, paging: 'spd5118', addresses: 1 }],
];

/** Lockable pages of ST's parts that the kernel has no name for, as it might name them. */
// prettier-ignore
const pages: readonly Row[] = [
  ['24c02d-wl', 16, 16, { address: 0x58, lockWord: LOCK_8 }],
  ['24128d-wl', 64, 64, PAGE_D],
  ['24512d-wl', 128, 128, PAGE_D],
  ['24m01d-wl', 256, 256, PAGE_D],
  ['24m02d-wl', 256, 256, PAGE_D],
  ['24512e-wl', 128, 128, PAGE_E],
  ['24m01e-wl', 256, 256, PAGE_E],
  ['24m02e-wl', 256, 256, PAGE_E],
];

/** All kernel names, in the kernel's order. */
export const at24Chips: readonly At24Chip[] = rows.map(makeChip);

function makeChip([name, size, pageSize, more]: Row): At24Chip {
  return {
    name,
    part: undefined,
    size,
    addressBytes: 1,
    addresses: Math.ceil(size / (more?.addressBytes === 2 ? 65_536 : 256)),
    pageSize,
    // Most say 5; Fairchild's FM24C256 6, AT24CM02 and ST's older parts at low supply 10.
    writeCycleMs: 10,
    blockShift: 0,
    offsetAdd: 0,
    readOnly: false,
    neverWritten: false,
    address: 0x50,
    paging: 'none',
    writeProtect: undefined,
    window: undefined,
    lockWord: undefined,
    ...more,
  };
}

/** The longest write cycle that is waited for, milliseconds: the kernel's default (at24.c, write_timeout). */
export const WRITE_TIMEOUT_MS = 25;

const byName = new Map([...at24Chips, ...pages.map(makeChip)].map((chip) => [chip.name, chip]));

function rowOf(name: string): At24Chip {
  const row = byName.get(name);
  if (!row) throw new Error(`no row ${name}`);
  return row;
}

/** What is printed on parts, and the row of each; the longest names first. */
const printed = PARTS.flatMap(({ names, chip, more }) =>
  names.split(' ').map((part) => ({ part: part.toLowerCase(), chip: { ...rowOf(chip), part, ...more } })),
).sort((a, b) => b.part.length - a.part.length);

/** Every name printed on parts that findChip() knows, without package and speed; but for those that the kernel has as well. */
export function printedNames(): string[] {
  const names = printed.filter(({ part }) => !byName.has(part)).map(({ part }) => part.toUpperCase());
  return names.sort();
}

/**
 * The chip of a name as the kernel spells it ('24c256'; 'atmel,24c256' as in a device tree), or as it is printed on a part,
 * package and all ('AT24C256C-SSHL', '24LC256-I/SN', 'M24C02-WMN6TP'). Case does not matter. Where a name is both, it is the
 * part's, and with the vendor in front the kernel's ('24AA025E48': 256 bytes; 'microchip,24aa025e48': the first 6 of them).
 */
export function findChip(name: string): At24Chip | undefined {
  const asked = name.trim().toLowerCase();
  const comma = asked.indexOf(',');
  if (comma >= 0 && !VENDORS.includes(asked.slice(0, comma))) return undefined;
  const wanted = asked.slice(comma + 1);
  const known = byName.get(wanted);
  if (known && comma >= 0) return known;
  const exact = printed.find(({ part }) => part === wanted);
  if (exact ?? known) return exact?.chip ?? known;
  // A digit after the part's name would make it another part: 24LC02 is no 24LC025.
  return printed.find(({ part }) => {
    const rest = wanted.slice(part.length);
    return wanted.startsWith(part) && /^[a-z\-/ ][a-z0-9\-/ .]{0,15}$/.test(rest);
  })?.chip;
}

/**
 * What of a part answers at a device address: at 0x58 to 0x5f the window of a part that has one, as a chip of its own
 * (the serial number of an AT24CS02, say), else the part itself.
 */
export function chipAt(chip: At24Chip, address: number): At24Chip {
  if (chip.window === undefined || (address & 0x78) !== 0x58) return chip;
  // The bits that select a block of the array are don't care to the window: it answers at as many addresses.
  return { ...rowOf(chip.window), part: chip.part, addresses: chip.addresses };
}

/** A memory at its device address. */
export interface ChipPlace {
  readonly chip: At24Chip;
  /** Seven bits. */
  readonly address: number;
}

/**
 * The serial number, EUI or lockable page that a part has beside its array, which is a device of its own: an AT24CS02 at
 * 0x50 has its serial number at 0x58. Undefined: the part has none.
 *
 * Both share the part's one address counter (AT24CS16 data sheet), which is why every read of this library sets it.
 */
export function serialPartOf(chip: At24Chip, address: number = chip.address): ChipPlace | undefined {
  if (chip.window === undefined) return undefined;
  return { chip: chipAt(chip, 0x58), address: (address & 0x07) | 0x58 };
}

/** Every name that findChip() knows as it is. */
export function chipNames(): string[] {
  return [...byName.keys(), ...printedNames()];
}
