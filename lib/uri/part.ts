/** The part of a device URI that says what is on the I2C bus: the same for every kind of bus. */
import { findChip, type At24Chip } from '../chips/chips.js';
import { chipAtAddress, FIRST_ADDRESS, isWindowAddress, LAST_ADDRESS } from '../chips/place.js';
import { otherFamily, similarChips } from '../chips/similar.js';
import { NvmemError } from '../base/errors.js';
import { addressMeant } from './corrected.js';
import { bytesOf, millisecondsOf, plainNumber } from './quantity.js';
import { refuse } from './refuse.js';
import { parseWp, type WpUri } from './wp.js';

/** An EEPROM on an I2C bus, as the URI describes it. */
export interface Part {
  readonly chip: At24Chip;
  /** Seven-bit device address. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly addressBytes: 1 | 2;
  /** Bytes. */
  readonly pageSize: number;
  /** What drives the WP pin, or undefined. */
  readonly wp: WpUri | undefined;
  /** How long a write cycle may take, milliseconds, where the URI says it (`twr=`). */
  readonly writeCycleMs: number | undefined;
}

/** Parameters of every part. */
export const PART_KEYS = ['chip', 'wp', 'size', 'page', 'addressWidth', 'twr'];
/** The longest write cycle that can be given, milliseconds. */
const MAX_WRITE_CYCLE_MS = 1000;

/** @param bus What the bus behind the URI can do. */
export function parsePart(
  uri: string,
  addressText: string,
  found: ReadonlyMap<string, string>,
  bus: { readonly hasGpio: boolean },
): Part {
  const number = (
    key: string,
    low: number,
    high: number,
    rule: string,
    valueOf = plainNumber,
  ): number | undefined => {
    const text = found.get(key);
    if (text === undefined) return undefined;
    const value = valueOf(text);
    if (!(value >= low && value <= high))
      refuse(uri, `${key}=${text} is not ${rule}`, `Give ${key}= ${rule}.`);
    return value;
  };
  const address = addressOf(uri, addressText);
  const asked = chipOf(uri, found.get('chip'));
  const sizeText = found.get('size');
  const chip = chipAtAddress(asked, address, sizeText === undefined ? undefined : bytesOf(sizeText));
  if ('problem' in chip) refuse(uri, chip.problem, chip.hint);
  for (const key of ['size', 'page', 'addressWidth']) {
    if (chip.paging !== 'none' && found.has(key))
      refuse(uri, `it has ${key}=`, `JEDEC says what a ${chip.name} is like: leave ${key}= out.`);
  }
  const width = number('addressWidth', 8, 16, '8 or 16');
  if (width !== undefined && width !== 8 && width !== 16) {
    refuse(uri, `addressWidth=${String(width)} is not 8 or 16`, 'Give addressWidth= 8 or 16.');
  }
  const addressBytes = width === undefined ? chip.addressBytes : width === 16 ? 2 : 1;
  const block = chip.paging !== 'none' ? chip.size : addressBytes === 2 ? 65_536 : 256;
  const rule = `a number of bytes from 1 to ${String(8 * block)}`;
  const size = number('size', 1, 8 * block, rule, bytesOf) ?? chip.size;
  const pageSize = number('page', 1, 256, 'a power of two from 1 to 256') ?? chip.pageSize;
  if ((pageSize & (pageSize - 1)) !== 0) {
    refuse(
      uri,
      `page=${String(pageSize)} is not a power of two`,
      'The data sheet says how long a write page is.',
    );
  }
  const part: Part = {
    chip,
    address,
    size,
    addressBytes,
    pageSize,
    wp: parseWp(uri, found.get('wp'), bus.hasGpio),
    writeCycleMs: number(
      'twr',
      1,
      MAX_WRITE_CYCLE_MS,
      `a number of milliseconds from 1 to ${String(MAX_WRITE_CYCLE_MS)}`,
      millisecondsOf,
    ),
  };
  if (isWindowAddress(address) && chip.address === 0x58 && addressBytes !== chip.addressBytes) {
    refuse(
      uri,
      `addressWidth=${String(addressBytes * 8)} is not that of a ${chip.name}`,
      'To another width what is read may be a command that locks the part for ever: leave addressWidth= out.',
    );
  }
  checkBlocks(uri, part, Math.ceil(size / block));
  return part;
}

function addressOf(uri: string, text: string): number {
  const address = /^0x[0-9a-f]{1,2}$/i.test(text) ? Number(text) : NaN;
  if (address >= FIRST_ADDRESS && address <= LAST_ADDRESS) return address;
  const meant = addressMeant(text);
  if (address > LAST_ADDRESS && meant !== undefined) {
    return refuse(
      uri,
      `${JSON.stringify(text)} is no seven-bit I2C address: with the read/write bit in it, it is ${meant} in seven bits`,
      `Write ${meant}.`,
    );
  }
  return refuse(
    uri,
    `${JSON.stringify(text)} is no seven-bit I2C address`,
    meant === undefined
      ? 'Give it in hexadecimal from 0x08 to 0x77; EEPROMs are at 0x50 to 0x57.'
      : `Give it in hexadecimal: ${meant}.`,
  );
}

function chipOf(uri: string, name: string | undefined): At24Chip {
  if (name === undefined || name === '') {
    refuse(uri, 'it does not say which chip it is', 'Add ?chip=, for example ?chip=24c256.');
  }
  const chip = findChip(name);
  if (chip) return chip;
  const other = otherFamily(name);
  if (other !== undefined) {
    throw new NvmemError('EINVAL', `a ${name} ${other}`, {
      syscall: 'open',
      device: uri,
      hint: 'nvmem reads EEPROMs of the 24Cxx kind, and SPD memories of DIMMs, over I2C.',
    });
  }
  throw new NvmemError('EINVAL', `unknown chip ${JSON.stringify(name)} in ${JSON.stringify(uri)}`, {
    syscall: 'open',
    hint: `Did you mean ${similarChips(name).join(', ')}? chip= takes the name on the part, or the kernel's.`,
  });
}

/** The block select bits take the place of address pins: a part of several blocks begins where they are all 0. */
function checkBlocks(uri: string, { chip, address }: Part, ofSize: number): void {
  // A window answers at as many addresses as its array.
  const blocks = chip.address === 0x58 ? chip.addresses : ofSize;
  if (blocks <= 1) return;
  const mask = (2 ** Math.ceil(Math.log2(blocks)) - 1) << chip.blockShift;
  if ((address & mask) === 0 && (address | mask) <= 0x77) return;
  const base = `0x${(address & ~mask).toString(16)}`;
  refuse(
    uri,
    `${chip.name} answers at ${String(blocks)} addresses and cannot begin at 0x${address.toString(16)}`,
    `Give the first of its addresses, probably ${base}.`,
  );
}
