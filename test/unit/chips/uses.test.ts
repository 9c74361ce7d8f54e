import { findChip } from '../../../lib/chips/chips.js';
import { usesOf, type AddressUse } from '../../../lib/chips/uses.js';

function uses(name: string, address: number): readonly AddressUse[] {
  const chip = findChip(name);
  if (!chip) throw new Error(name);
  return usesOf({ chip, address, size: chip.size, addressBytes: chip.addressBytes });
}

const addresses = (name: string, address: number): number[] =>
  uses(name, address)
    .map((use) => use.address)
    .sort((a, b) => a - b);

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

// Device addresses by the data sheets of Microchip, ST and JEDEC.
test.each([
  ['24c02', 0x53, [0x53]],
  ['24c16', 0x50, range(0x50, 0x57)],
  ['24c08', 0x54, range(0x54, 0x57)],
  ['24c00', 0x50, range(0x50, 0x57)],
  ['24c00', 0x53, range(0x50, 0x57)],
  ['24c1024', 0x52, [0x52, 0x53]],
  ['24LC1025', 0x51, [0x51, 0x55]],
  ['AT24CM02', 0x54, range(0x54, 0x57)],
  ['24cs02', 0x59, [0x59]],
  ['AT24CS02', 0x51, [0x51, 0x59]],
  ['AT24MAC402', 0x57, [0x57, 0x5f]],
  ['M24C32-D', 0x50, [0x50, 0x58]],
  ['M24M02-D', 0x54, [...range(0x54, 0x57), ...range(0x5c, 0x5f)]],
  ['M24C16-A125', 0x50, range(0x50, 0x5f)],
  ['ee1004', 0x50, [0x36, 0x37, 0x50]],
  ['spd5118', 0x50, [0x50]],
  ['24AA025E48', 0x50, [0x50]],
])('%s at %i', (name, address, expected) => {
  expect(addresses(name, address)).toEqual(expected);
});

test('a part is used alike whichever of its memories is opened, and by whatever name', () => {
  const clash = (a: readonly AddressUse[], b: readonly AddressUse[]): boolean =>
    a.some(({ address, as }) => b.some((use) => use.address === address && use.as !== as));
  const window = (name: string, array: string): readonly AddressUse[] => {
    const chip = findChip(array);
    if (!chip) throw new Error(array);
    const found = findChip(name);
    if (!found) throw new Error(name);
    return usesOf({
      chip: { ...found, part: chip.part },
      address: 0x58,
      size: found.size,
      addressBytes: found.addressBytes,
    });
  };
  expect(clash(uses('AT24CS02', 0x50), window('24cs02', 'AT24CS02'))).toBe(false);
  expect(clash(uses('AT24CS02', 0x50), uses('24cs02', 0x58))).toBe(false);
  expect(clash(uses('AT24CS02', 0x50), uses('24c02', 0x50))).toBe(false);
  expect(clash(uses('AT24C32', 0x50), uses('24c32', 0x50))).toBe(false);
  expect(clash(uses('ee1004', 0x50), uses('AT34C04', 0x51))).toBe(false);
  expect(clash(uses('AT24CS02', 0x50), uses('24mac402', 0x58))).toBe(true);
  expect(clash(uses('24c32', 0x50), uses('24c16', 0x50))).toBe(true);
  expect(clash(uses('24LC1025', 0x50), uses('24c02', 0x54))).toBe(true);
});
