/** The part of a device URI that says what is on the I2C bus: the same for every kind of bus. */
import { chipAt, findChip, similarChips, type At24Chip } from '../chips/chips.js';
import { NvmemError } from '../base/errors.js';
import { refuse } from './refuse.js';

/** What a WP pin is wired to. */
export interface WpUri {
  /** A Linux gpiochip, by name ('gpiochip0') or label; undefined: the bridge that carries the bus. */
  readonly chip: string | undefined;
  /** Number of the GPIO on its chip; of a gpiochip also the line's name. */
  readonly line: number | string;
}

/** An EEPROM on an I2C bus, as the URI describes it. */
export interface PartUri {
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
  /** SCL, hertz; undefined: that of the bus if it is open, else DEFAULT_CLOCK_HZ. */
  readonly clockHz: number | undefined;
}

/** Parameters of every part. */
export const PART_KEYS = ['chip', 'wp', 'size', 'page', 'addressWidth'];

/** @param bus What the bus behind the URI can do. */
export function parsePart(
  uri: string,
  addressText: string,
  found: ReadonlyMap<string, string>,
  bus: { readonly hasGpio: boolean },
): PartUri {
  const number = (key: string, low: number, high: number, rule: string): number | undefined => {
    const text = found.get(key);
    if (text === undefined) return undefined;
    const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : NaN;
    if (!(value >= low && value <= high))
      refuse(uri, `${key}=${text} is not ${rule}`, `Give ${key}= ${rule}.`);
    return value;
  };
  const address = /^0x[0-9a-f]{1,2}$/i.test(addressText) ? Number(addressText) : NaN;
  // I2C reserves the addresses below 0x08 and above 0x77.
  if (!(address >= 0x08 && address <= 0x77)) {
    refuse(
      uri,
      `${JSON.stringify(addressText)} is no seven-bit I2C address`,
      'Give it in hexadecimal from 0x08 to 0x77; EEPROMs are at 0x50 to 0x57.',
    );
  }
  const chip = chipAt(chipOf(uri, found.get('chip')), address);
  if (chip.address === 0x58 && (address & 0x78) === 0x50) {
    const window = `0x${(address | 0x08).toString(16)}`;
    refuse(
      uri,
      `${chip.name} is the part's second memory, at device code 1011`,
      `It answers at ${window}; at 0x${address.toString(16)} is the array, which chip= calls by the name on the part.`,
    );
  }
  if (chip.paging !== 'none' && (address & 0x78) !== 0x50) {
    refuse(uri, `${addressText} is no SPD address`, `A ${chip.name} answers at 0x50 to 0x57.`);
  }
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
  const size = number('size', 1, 8 * block, `a number of bytes from 1 to ${String(8 * block)}`) ?? chip.size;
  const pageSize = number('page', 1, 256, 'a power of two from 1 to 256') ?? chip.pageSize;
  if ((pageSize & (pageSize - 1)) !== 0) {
    refuse(
      uri,
      `page=${String(pageSize)} is not a power of two`,
      'The data sheet says how long a write page is.',
    );
  }
  const part: PartUri = {
    chip,
    address,
    size,
    addressBytes,
    pageSize,
    wp: wpOf(uri, found.get('wp'), bus.hasGpio),
    clockHz: number('speed', 1, 1_000_000, 'a clock in hertz from 1 to 1000000'),
  };
  checkBlocks(uri, part, Math.ceil(size / block));
  return part;
}

/** `N` is GPIO N of the bridge, `CHIP:LINE` a line of a Linux gpiochip. The chip's name may contain colons itself. */
function wpOf(uri: string, text: string | undefined, hasGpio: boolean): WpUri | undefined {
  if (text === undefined) return undefined;
  const colon = text.lastIndexOf(':');
  if (colon >= 0) {
    const [chip, line] = [text.slice(0, colon), text.slice(colon + 1)];
    if (chip === '' || line === '' || !/^[\x21-\x7e ]+$/.test(chip + line)) {
      refuse(uri, `wp=${text} is no line of a gpiochip`, 'Write wp=CHIP:LINE, for example wp=gpiochip0:17.');
    }
    return { chip, line: /^[0-9]+$/.test(line) ? Number(line) : line };
  }
  if (!hasGpio) {
    refuse(
      uri,
      `wp=${text} names a GPIO of the bridge, and an adapter of the kernel has none`,
      'Write wp=CHIP:LINE, for example wp=gpiochip0:17; gpioinfo lists them.',
    );
  }
  if (!/^(0x)?[0-7]$/i.test(text)) {
    refuse(
      uri,
      `wp=${text} is not a GPIO of the bridge, 0 to 7`,
      'Give wp= a GPIO of the bridge, 0 to 7, or CHIP:LINE.',
    );
  }
  return { chip: undefined, line: Number(text) };
}

function chipOf(uri: string, name: string | undefined): At24Chip {
  if (name === undefined || name === '') {
    refuse(uri, 'it does not say which chip it is', 'Add ?chip=, for example ?chip=24c256.');
  }
  const chip = findChip(name);
  if (chip) return chip;
  throw new NvmemError('EINVAL', `unknown chip ${JSON.stringify(name)} in ${JSON.stringify(uri)}`, {
    syscall: 'open',
    hint: `Did you mean ${similarChips(name).join(', ')}? chip= takes the name on the part, or the kernel's.`,
  });
}

/** The block select bits take the place of address pins: a part of several blocks begins where they are all 0. */
function checkBlocks(uri: string, { chip, address }: PartUri, blocks: number): void {
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
