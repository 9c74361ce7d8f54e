/** The device addresses of a part, and what it uses each of them for: two parts on one bus must not differ about any. */
import { chipAt, findChip, type At24Chip } from './chips.js';

/** Where the bytes of a memory are. */
export interface Geometry {
  readonly chip: Pick<
    At24Chip,
    'name' | 'part' | 'paging' | 'blockShift' | 'offsetAdd' | 'addresses' | 'address'
  >;
  /** First device address, seven bits. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly addressBytes: 1 | 2;
}

export interface AddressUse {
  readonly address: number;
  /** The same for the same memory. '*' in front: it belongs to several parts of the bus. */
  readonly as: string;
}

/** Selects the page of every EE1004 on the bus (JEDEC EE1004, SPA0 and SPA1). */
const PAGE_SELECT = [0x36, 0x37];

/** Every address that a memory answers at, the other memory of the same part included where the part's name tells of one. */
export function usesOf(geometry: Geometry): AddressUse[] {
  const { chip, address } = geometry;
  const uses = memoryUses(geometry);
  const other = otherMemory(chip, address);
  if (other) uses.push(...memoryUses(other));
  if (chip.paging === 'ee1004') {
    for (const select of PAGE_SELECT) uses.push({ address: select, as: '*page select of EE1004' });
  }
  return uses;
}

function memoryUses({ chip, address, size, addressBytes }: Geometry): AddressUse[] {
  const { name, paging, blockShift, offsetAdd, addresses } = chip;
  const block = addressBytes === 2 ? 65_536 : 256;
  const isPlain = paging === 'none';
  const first = isPlain ? Math.floor(offsetAdd / block) : 0;
  const last = isPlain ? Math.floor((offsetAdd + size - 1) / block) : 0;
  // The 24C00 has no address pins, and a window does not look at the bits that select a block.
  const isEverywhere = name === '24c00';
  const count = Math.max(last - first + 1, isEverywhere || chip.address === 0x58 ? addresses : 0);
  const base = isEverywhere ? address & 0x78 : address;
  const as = [base, size, addressBytes, offsetAdd, blockShift, paging].join(' ');
  return Array.from({ length: count }, (_, i) => ({ address: base + ((first + i) << blockShift), as }));
}

/** The window of an array, or the array of a window. */
function otherMemory({ part }: Pick<At24Chip, 'part'>, address: number): Geometry | undefined {
  const whole = part === undefined ? undefined : findChip(part);
  if (whole?.window === undefined) return undefined;
  const isWindow = (address & 0x78) === 0x58;
  const chip = isWindow ? whole : chipAt(whole, 0x58);
  const { size, addressBytes } = chip;
  return { chip, address: (address & 0x07) | (isWindow ? 0x50 : 0x58), size, addressBytes };
}
