/**
 * The parts that Linux's at24 driver knows (drivers/nvmem/at24.c, at24_ids), with the page sizes of their data sheets.
 *
 * One name covers many makers' parts, so each row is the careful one: the smallest page among them (a write of a
 * smaller power of two is right on a larger page too, only slower).
 */

export interface At24Chip {
  /** The kernel's name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Word address bytes on the wire. */
  readonly addressBytes: 1 | 2;
  /** Write page, bytes. */
  readonly pageSize: number;
  /** tWR, milliseconds: the longest in the data sheets of the parts of this row. */
  readonly writeCycleMs: number;
  /** Block select bits begin at this bit of the device address. */
  readonly blockShift: 0 | 2;
  /** Added to every offset: serial number and EUI windows begin there. */
  readonly offsetAdd: number;
  readonly readOnly: boolean;
  /** Where the part answers with A2 A1 A0 low. */
  readonly address: number;
  /** What is printed on parts of this row (without package and speed), and ACPI's names for it. */
  readonly parts: readonly string[];
}

type Row = [name: string, size: number, pageSize: number, parts: string, more?: Partial<At24Chip>];

const SERIAL_8: Partial<At24Chip> = { readOnly: true, offsetAdd: 0x80, address: 0x58 };
const SERIAL_16: Partial<At24Chip> = { readOnly: true, offsetAdd: 0x800, address: 0x58, addressBytes: 2 };
const A16: Partial<At24Chip> = { addressBytes: 2 };

// prettier-ignore
const rows: readonly Row[] = [
  ['24c00', 16, 1, '24LC00 24AA00'],
  ['24c01', 128, 8, 'AT24C01 24LC01 24AA01 24FC01 M24C01 BR24G01 CAT24C01 FM24C01 ST24C01'],
  ['24cs01', 16, 8, 'AT24CS01', SERIAL_8],
  ['24c02', 256, 8, 'AT24C02 AT24HC02 24LC02 24AA02 24FC02 24LC024 24LC025 M24C02 BR24G02 CAT24C02 FM24C02 ST24C02'],
  ['24cs02', 16, 8, 'AT24CS02', SERIAL_8],
  ['24mac402', 6, 16, 'AT24MAC402', { readOnly: true, offsetAdd: 0x9a, address: 0x58 }],
  ['24mac602', 8, 16, 'AT24MAC602', { readOnly: true, offsetAdd: 0x98, address: 0x58 }],
  ['24aa025e48', 6, 16, '24AA025E48 24AA02E48', { readOnly: true }],
  ['24aa025e64', 8, 16, '24AA025E64 24AA02E64', { readOnly: true }],
  ['spd', 256, 16, '', { readOnly: true }],
  ['24c02-vaio', 256, 8, '', { readOnly: true }],
  ['24c04', 512, 16, 'AT24C04 24LC04 24AA04 24FC04 M24C04 BR24G04 CAT24C04 FM24C04'],
  ['24cs04', 16, 16, 'AT24CS04', SERIAL_8],
  ['24c08', 1024, 16, 'AT24C08 24LC08 24AA08 24FC08 M24C08 BR24G08 CAT24C08 FM24C08 INT3499'],
  ['24cs08', 16, 16, 'AT24CS08', SERIAL_8],
  ['24c16', 2048, 16, 'AT24C16 24LC16 24AA16 24FC16 M24C16 BR24G16 CAT24C16 FM24C16 HT24LC16'],
  ['24cs16', 16, 16, 'AT24CS16', SERIAL_8],
  ['24c32', 4096, 32, 'AT24C32 24LC32 24AA32 24FC32 M24C32 BR24G32 CAT24C32 FM24C32', A16],
  ['24c32d-wl', 32, 32, '', { ...A16, address: 0x58 }],
  ['24cs32', 16, 32, 'AT24CS32', SERIAL_16],
  ['24c64', 8192, 32, 'AT24C64 24LC64 24AA64 24FC64 M24C64 BR24G64 CAT24C64 FM24C64', A16],
  ['24c64-wl', 32, 32, '', { ...A16, address: 0x58 }],
  ['24c64d-wl', 32, 32, '', { ...A16, address: 0x58 }],
  ['24cs64', 16, 32, 'AT24CS64', SERIAL_16],
  ['24c128', 16384, 64, 'AT24C128 24LC128 24AA128 24FC128 M24128 BR24G128 CAT24C128 FM24C128', A16],
  ['24c256', 32768, 64, 'AT24C256 24LC256 24AA256 24FC256 M24256 BR24G256 CAT24C256 FM24C256', A16],
  ['24256e-wl', 64, 64, '', { ...A16, address: 0x58 }],
  ['24c512', 65536, 128, 'AT24C512 24LC512 24AA512 24FC512 M24512 BR24G512 CAT24C512 FM24C512', A16],
  ['24c1024', 131072, 128, 'AT24CM01 AT24C1024 24LC1026 24AA1026 24FC1026 M24M01 BR24G1M CAT24M01 TPF0001', A16],
  ['24c1025', 131072, 128, '24LC1025 24AA1025 24FC1025', { ...A16, blockShift: 2 }],
  ['24c2048', 262144, 256, 'AT24CM02 M24M02 CAT24M02', { ...A16, writeCycleMs: 10 }],
];

/** All chips, in the kernel's order. */
export const at24Chips: readonly At24Chip[] = rows.map(([name, size, pageSize, parts, more]) => ({
  name,
  size,
  addressBytes: 1,
  pageSize,
  // Most say 5; FM24C256 6, and ST's older parts 10 at low supply.
  writeCycleMs: 10,
  blockShift: 0,
  offsetAdd: 0,
  readOnly: false,
  address: 0x50,
  parts: parts === '' ? [] : parts.split(' '),
  ...more,
}));

/** The longest write cycle that is waited for, milliseconds: the kernel's default (at24.c, write_timeout). */
export const WRITE_TIMEOUT_MS = 25;

const byName = new Map(at24Chips.map((chip) => [chip.name, chip]));
const printed = at24Chips
  .flatMap((chip) => chip.parts.map((part) => ({ part: part.toLowerCase(), chip })))
  .sort((a, b) => b.part.length - a.part.length);

/**
 * The chip of a name as the kernel spells it ('24c256') or as it is printed on a part, package and all
 * ('AT24C256C-SSHL', '24LC256-I/SN', 'M24C02-WMN6TP'). Case does not matter.
 */
export function findChip(name: string): At24Chip | undefined {
  const wanted = name.trim().toLowerCase();
  const known = byName.get(wanted);
  if (known) return known;
  // A digit after the part's name would make it another part: 24LC02 is no 24LC025.
  return printed.find(({ part }) => {
    const rest = wanted.slice(part.length);
    return wanted.startsWith(part) && (rest === '' || /^[a-z\-/ ][a-z0-9\-/ .]{0,15}$/.test(rest));
  })?.chip;
}

/** Names like `name`, nearest first: what was probably meant. */
export function similarChips(name: string, count = 4): string[] {
  const wanted = name.trim().toLowerCase();
  const names = [...byName.keys(), ...printed.map(({ part }) => part.toUpperCase())];
  return names
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || a.candidate.length - b.candidate.length)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitute, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
