import {
  at24Chips,
  chipAt,
  chipNames,
  findChip,
  printedNames,
  serialPartOf,
} from '../../../lib/chips/chips.js';
import { chipAtAddress } from '../../../lib/chips/place.js';
import { otherFamily, similarChips } from '../../../lib/chips/similar.js';

// drivers/nvmem/at24.c: byte_len and AT24_FLAG_ADDR16 by name; ee1004.c and spd5118.c.
const KERNEL: Record<string, [size: number, addressBytes: 1 | 2]> = {
  '24c00': [16, 1],
  '24c01': [128, 1],
  '24cs01': [16, 1],
  '24c02': [256, 1],
  '24cs02': [16, 1],
  '24mac402': [6, 1],
  '24mac602': [8, 1],
  '24aa025e48': [6, 1],
  '24aa025e64': [8, 1],
  spd: [256, 1],
  '24c02-vaio': [256, 1],
  '24c04': [512, 1],
  '24cs04': [16, 1],
  '24c08': [1024, 1],
  '24cs08': [16, 1],
  '24c16': [2048, 1],
  '24cs16': [16, 1],
  '24c32': [4096, 2],
  '24c32d-wl': [32, 2],
  '24cs32': [16, 2],
  '24c64': [8192, 2],
  '24c64-wl': [32, 2],
  '24c64d-wl': [32, 2],
  '24cs64': [16, 2],
  '24c128': [16384, 2],
  '24c256': [32768, 2],
  '24256e-wl': [64, 2],
  '24c512': [65536, 2],
  '24c1024': [131072, 2],
  '24c1025': [131072, 2],
  '24c2048': [262144, 2],
  ee1004: [512, 1],
  spd5118: [1024, 1],
};

// at24.c: num_addresses, or 8 with AT24_FLAG_TAKE8ADDR; those not named take one.
const ADDRESSES: Record<string, number> = {
  '24c00': 8,
  '24c04': 2,
  '24c08': 4,
  '24c16': 8,
  '24c1024': 2,
  '24c1025': 2,
  '24c2048': 4,
};

test('the table is the kernel’s', () => {
  const ours = Object.fromEntries(
    at24Chips.map(({ name, size, addressBytes }) => [name, [size, addressBytes]]),
  );
  expect(ours).toEqual(KERNEL);
});

test('the device addresses are the kernel’s', () => {
  for (const { name, addresses } of at24Chips)
    expect({ name, addresses }).toEqual({ name, addresses: ADDRESSES[name] ?? 1 });
});

test.each(at24Chips.map((chip) => [chip.name, chip] as const))('%s can exist', (_name, chip) => {
  const { pageSize, readOnly, offsetAdd, blockShift, address, writeCycleMs } = chip;
  expect(Math.log2(pageSize) % 1).toBe(0);
  expect(writeCycleMs).toBeGreaterThanOrEqual(5);
  expect(blockShift).toBe(chip.name === '24c1025' ? 2 : 0);
  expect(address).toBe(offsetAdd > 0 || chip.name.endsWith('-wl') ? 0x58 : 0x50);
  if (offsetAdd > 0) expect(readOnly).toBe(true);
});

test.each([
  ['24cs02', 0x80],
  ['24cs64', 0x800],
  ['24mac402', 0x9a],
  ['24mac602', 0x98],
  ['24c02', 0],
])('the window of %s begins at %i', (name, offsetAdd) => {
  expect(findChip(name)?.offsetAdd).toBe(offsetAdd);
});

test.each([
  ['24C256', '24c256'],
  [' 24c02 ', '24c02'],
  ['AT24C256', '24c256'],
  ['AT24C256C-SSHL-T', '24c256'],
  ['24LC256', '24c256'],
  ['24LC256-I/SN', '24c256'],
  ['24AA02E48', '24aa025e48'],
  ['24AA025E64T-I/OT', '24aa025e64'],
  ['24LC025', '24c02'],
  ['M24C02', '24c02'],
  ['M24C02-WMN6TP', '24c02'],
  ['M24256-BWMN6TP', '24c256'],
  ['M24M01-RMN6TP', '24c1024'],
  ['AT24CM02', '24c2048'],
  ['24LC1025', '24c1025'],
  ['24LC1026', '24c1024'],
  ['AT24MAC402', '24c02'],
  ['AT24CS02-STUM', '24c02'],
  ['AT34C04', 'ee1004'],
  ['atmel,24c256', '24c256'],
  ['microchip,24c32', '24c32'],
  ['microchip,24lc256', '24c256'],
  ['st,24c02', '24c02'],
  ['atmel,24cs02', '24cs02'],
  ['atmel,spd', 'spd'],
  ['rohm,br24t01', '24c01'],
  ['renesas,r1ex24002', '24c02'],
  ['giantec,gt24c32a', '24c32'],
  ['jedec,spd5118', 'spd5118'],
])('%s is a %s', (printed, name) => {
  expect(findChip(printed)?.name).toBe(name);
});

test.each([
  '',
  '24c',
  '24c2560',
  '24LC2567',
  '24c03',
  'at24',
  '24c02-vayo',
  'AT24C256_',
  'x24c02',
  'acme,24c02',
  ',24c02',
])('%j is none', (name) => {
  expect(findChip(name)).toBeUndefined();
});

// Data sheet maxima: AT24CM01 DS20006170, 24LC1025, 24LC1026, M24C02 DocID024020, AT24C02C DS20006111, AT24CM02 DS20006197,
// FM24C256 DS800023, CAT24C01/D, BR24G02-3, 24AA02E48 DS20002124.
test.each([
  ['AT24CM01', 256, 5],
  ['24LC1025', 128, 5],
  ['24LC1026', 128, 5],
  ['24c1024', 128, 10],
  ['M24C02-WMN6TP', 16, 5],
  ['AT24C02', 8, 5],
  ['CAT24C01', 16, 5],
  ['BR24G02', 8, 5],
  ['24c02', 8, 10],
  ['st,24c02', 8, 10],
  ['FM24C02', 8, 10],
  ['AT24CM02', 256, 10],
  ['M24M02-DRMN6TP', 256, 10],
  ['FM24C256', 64, 6],
  ['24AA02E48', 8, 5],
  ['24AA025E48-I/SN', 16, 5],
  ['24LC00', 1, 5],
])('%s: a page of %i bytes, %i ms', (name, pageSize, writeCycleMs) => {
  expect(findChip(name)).toMatchObject({ pageSize, writeCycleMs });
});

test('a maker’s part is one of the kernel’s rows and never less careful than its own data sheet allows', () => {
  const names = printedNames();
  expect(
    new Set([...names.map((name) => name.toLowerCase()), ...at24Chips.map(({ name }) => name)]).size,
  ).toBe(names.length + at24Chips.length);
  for (const name of names) {
    const chip = findChip(name);
    const row = at24Chips.find((one) => one.name === chip?.name);
    expect(chip).toBeDefined();
    expect(chip?.part?.toUpperCase() ?? name).toBe(name);
    // The kernel's name must be safe on every one of them.
    expect({ name, page: (chip?.pageSize ?? 0) % (row?.pageSize ?? 0) }).toEqual({ name, page: 0 });
    expect(row?.writeCycleMs).toBeGreaterThanOrEqual(chip?.writeCycleMs ?? 0);
    expect(chip).toMatchObject({ addressBytes: row?.addressBytes, blockShift: row?.blockShift });
  }
});

test.each([
  ['24LC256', 'drop'],
  ['AT24C02', 'drop'],
  ['M24C02', 'refuse'],
  ['CAT24C02', 'refuse'],
  ['24c02', undefined],
])('%s with WP high: %s', (name, style) => {
  expect(findChip(name)?.writeProtect).toBe(style);
});

test.each([
  ['AT24CS02', '24c02', 256, '24cs02', 16, 0x80],
  ['AT24CS16', '24c16', 2048, '24cs16', 16, 0x80],
  ['AT24CS64', '24c64', 8192, '24cs64', 16, 0x800],
  ['AT24MAC402', '24c02', 256, '24mac402', 6, 0x9a],
  ['AT24MAC602', '24c02', 256, '24mac602', 8, 0x98],
  ['M24C32-DFMN6TP', '24c32', 4096, '24c32d-wl', 32, 0],
  ['M24256-DFMN6TP', '24c256', 32_768, '24256e-wl', 64, 0],
])('%s is an array and a window', (name, array, size, window, windowSize, offsetAdd) => {
  const chip = findChip(name);
  if (!chip) throw new Error(name);
  expect(chipAt(chip, 0x53)).toMatchObject({ name: array, size, offsetAdd: 0, readOnly: false });
  expect(chipAt(chip, 0x5b)).toMatchObject({ name: window, size: windowSize, offsetAdd, part: chip.part });
  expect(serialPartOf(chip)).toMatchObject({ address: 0x58, chip: { name: window } });
  expect(serialPartOf(chip, 0x53)?.address).toBe(0x5b);
});

// ST: M24C32-D to M24M02-D, M24C02-A125 (DocID025755) and M24C16-A125 (DocID025622), M24xxxE.
test.each([
  ['M24C02-A125', 16, 1, 0x80],
  ['M24C04-DRMF3G', 16, 1, 0x80],
  ['M24C08-A125', 16, 1, 0x80],
  ['M24C16-DRE', 16, 1, 0x80],
  ['M24C32-DFDW6TP', 32, 2, 0x400],
  ['M24C64-DFMC6TG', 32, 2, 0x400],
  ['M24128-DFMN6TP', 64, 2, 0x400],
  ['M24256-DRMN6TP', 64, 2, 0x6400],
  ['M24512-DFMC6TG', 128, 2, 0x400],
  ['M24M01-DFDW6TP', 256, 2, 0x400],
  ['M24M02-DRMN6TP', 256, 2, 0x400],
  ['M24512E-FMN6TP', 128, 2, 0x6400],
  ['M24M01E-F', 256, 2, 0x6400],
  ['M24M02E-F', 256, 2, 0x6400],
])('%s has a page of %i bytes that can be locked for ever', (name, size, addressBytes, lockWord) => {
  const chip = findChip(name);
  if (!chip) throw new Error(name);
  const page = chipAt(chip, 0x58);
  expect(page).toMatchObject({ size, pageSize: size, addressBytes, lockWord, readOnly: false, offsetAdd: 0 });
  expect(page.addresses).toBe(chip.addresses);
  // No byte of it is at an address that the part takes for the command.
  for (const bit of addressBytes === 1 ? [0x80] : [0x400, 0x2000]) {
    if ((lockWord & bit) !== 0) expect((size - 1) & bit).toBe(0);
  }
  expect(findChip(page.name)).toMatchObject({ size, lockWord });
});

test('what a maker has stored is written to by nobody', () => {
  for (const chip of at24Chips)
    expect({ name: chip.name, never: chip.neverWritten }).toEqual({
      name: chip.name,
      never: chip.offsetAdd > 0,
    });
});

test.each([
  ['24AA025E48', 256, 16],
  ['24aa025e48', 256, 16],
  ['24AA025E64', 256, 16],
  ['24AA02E48', 256, 8],
  ['microchip,24aa025e48', 6, 8],
  ['atmel,24aa025e64', 8, 8],
  ['24mac402', 6, 16],
  ['AT24MAC402', 256, 16],
])('%s: %i bytes', (name, size, pageSize) => {
  expect(findChip(name)).toMatchObject({ size, pageSize });
});

test.each([
  ['AT24C256', 0x58, undefined, 'EINVAL'],
  ['M24256-BWMN6TP', 0x5a, undefined, 'EINVAL'],
  ['FM24C02', 0x58, 16, 'EINVAL'],
  ['24LC1025', 0x58, undefined, 'EINVAL'],
  ['24aa025e48', 0x58, undefined, 'EINVAL'],
  ['24c02', 0x30, undefined, 'EINVAL'],
  ['24c256', 0x37, undefined, 'EINVAL'],
  ['24cs02', 0x31, undefined, 'EINVAL'],
  ['24cs02', 0x48, undefined, 'EINVAL'],
  ['M24C32-D', 0x58, 33, 'EINVAL'],
  ['24c32d-wl', 0x58, 64, 'EINVAL'],
  ['AT24CS02', 0x58, 256, 'EINVAL'],
  ['M24C32-D', 0x58, 16, 'may be written'],
  ['24c32', 0x58, undefined, 'read only'],
  ['24c32', 0x58, 4096, 'read only'],
  ['24c32', 0x58, 1024, 'may be written'],
  ['24c02', 0x5f, 256, 'read only'],
  ['24c02', 0x5f, 16, 'may be written'],
  ['24c02', 0x20, undefined, 'may be written'],
  ['AT24C02', 0x57, undefined, 'may be written'],
])('%s at %i with size %s: %s', (name, address, size, expected) => {
  const chip = findChip(name);
  if (!chip) throw new Error(name);
  const found = chipAtAddress(chip, address, size);
  const is = 'problem' in found ? 'EINVAL' : found.neverWritten ? 'read only' : 'may be written';
  expect(is).toBe(expected);
});

test('most parts have no window, and are themselves everywhere', () => {
  const chip = findChip('AT24C02');
  if (!chip) throw new Error('AT24C02');
  expect(serialPartOf(chip)).toBeUndefined();
  expect(chipAt(chip, 0x58)).toBe(chip);
});

test('near misses are named', () => {
  expect(similarChips('24c257')).toContain('24c256');
  expect(similarChips('AT24LC256')).toContain('24LC256');
  expect(similarChips('24c02-vayo')[0]).toBe('24c02-vaio');
});

test.each([
  ['24LC512X', '24LC512'],
  ['AT24C257', 'AT24C256'],
  ['24C1024X', '24c1024'],
  ['M24M1-D', 'M24M01-D'],
  ['AT24C0256', 'AT24C256'],
  ['24AA02E46', '24AA02E48'],
  ['CAT24C0064', 'CAT24C64'],
])('%s was probably to be %s', (typed, meant) => {
  expect(similarChips(typed)[0]).toBe(meant);
});

test.each([
  ...[
    '25LC256',
    'AT25256B',
    'M95256-WMN6TP',
    '25AA1024',
    'CAT25128',
    'FM25V10',
    'W25Q128JV',
    'microchip,25lc256',
  ].map((name) => [name, /SPI/] as const),
  ...['93C46', '93LC66B', 'AT93C46D', 'M93C86', 'CAT93C56'].map((name) => [name, /Microwire/] as const),
  ...['DS2431', 'DS28E07', 'DS28EC20', 'DS2502', 'DS24B33', 'AT21CS01'].map(
    (name) => [name, /1-Wire/] as const,
  ),
  ...['11LC160', '11AA02E48'].map((name) => [name, /UNI\/O/] as const),
])('%s is of another family', (name, says) => {
  expect(findChip(name)).toBeUndefined();
  expect(otherFamily(name)).toMatch(says);
});

test('no name of this table is of another family, nor is a misspelt one', () => {
  for (const name of [...chipNames(), 'ST25DV04K', '24LC2566', 'x24c02'])
    expect(otherFamily(name)).toBeUndefined();
});
