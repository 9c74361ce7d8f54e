import { at24Chips, findChip, similarChips } from '../../lib/at24/chips.js';

// drivers/nvmem/at24.c: byte_len and AT24_FLAG_ADDR16 by name.
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
};

test('the table is the kernel’s', () => {
  const ours = Object.fromEntries(
    at24Chips.map(({ name, size, addressBytes }) => [name, [size, addressBytes]]),
  );
  expect(ours).toEqual(KERNEL);
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
  ['AT24MAC402', '24mac402'],
  ['AT24CS02-STUM', '24cs02'],
])('%s is a %s', (printed, name) => {
  expect(findChip(printed)?.name).toBe(name);
});

test.each(['', '24c', '24c2560', '24LC2567', '24c03', 'at24', '24c02-vayo', 'AT24C256_', 'x24c02'])(
  '%j is none',
  (name) => {
    expect(findChip(name)).toBeUndefined();
  },
);

test('every printed name leads to one chip', () => {
  const names = at24Chips.flatMap((chip) => [
    ...new Set([chip.name, ...chip.parts].map((name) => name.toLowerCase())),
  ]);
  expect(new Set(names).size).toBe(names.length);
  for (const chip of at24Chips) for (const part of chip.parts) expect(findChip(part)).toBe(chip);
});

test('near misses are named', () => {
  expect(similarChips('24c257')).toContain('24c256');
  expect(similarChips('AT24LC256')).toContain('24LC256');
  expect(similarChips('24c02-vayo')[0]).toBe('24c02-vaio');
});
