/**
 * What a part that answers may be, from reading alone. The contents of the parts on a bus decide how much can be told: a
 * part of another size repeats itself where its address counter rolls over, and a blank one looks like any other.
 */
import { at24Chips, type At24Chip } from '../../chips/chips.js';
import { bytes } from '../../base/text.js';
import { readFrom, type Asking } from './ask.js';

export interface Guess {
  readonly chip: At24Chip;
  readonly addressBytes: 1 | 2;
  /** Addresses it takes, the first one included. */
  readonly addresses: readonly number[];
  /** Why, in a sentence. */
  readonly why: string;
}

type Width = 8 | 16 | undefined;

/** What was compared is long enough that equality is no accident, as far as contents go. */
const SAMPLE = 32;
const BLOCK = 256;

/** Guesses for the part whose first address is `address`; `present`: everybody who answers. None: it is no EEPROM. */
export async function guessesFor(
  asking: Asking,
  address: number,
  present: ReadonlySet<number>,
): Promise<Guess[]> {
  const width = await widthOf(asking, address);
  if (width === 8) return [await guessNarrow(asking, address, present)];
  if (width === 16 && hasRepeatedStart(asking)) return [await guessWide(asking, address, present)];
  if (width === 16)
    return [guess(4096, 2, [address], 'this bridge has no repeated START to look further with')];
  const why = 'it reads the same everywhere, so that neither address width nor size show';
  return [guess(256, 1, [address], why), guess(4096, 2, [address], why)];
}

/**
 * Version 1 of the CP2112 sends a STOP between address and data (CP2112_E10): to a part that has one address byte after all,
 * the second one would be data, and stored.
 */
function hasRepeatedStart({ lease }: Asking): boolean {
  return lease.bus.identity.get('version') !== '1';
}

/**
 * A part with one address byte gives the same bytes for the same address. One with two has not got its whole address: it
 * goes on where the last read ended.
 */
async function widthOf(asking: Asking, address: number): Promise<Width> {
  const geometry = { address, size: BLOCK, addressBytes: 1 } as const;
  const first = await readFrom(asking, geometry, 0, BLOCK);
  if (isUniform(first)) return undefined;
  const shifted = await readFrom(asking, geometry, 1, SAMPLE);
  const again = await readFrom(asking, geometry, 0, BLOCK - 1);
  const isSame = again.equals(first.subarray(0, BLOCK - 1)) && shifted.equals(first.subarray(1, 1 + SAMPLE));
  return isSame ? 8 : 16;
}

async function guessNarrow(asking: Asking, address: number, present: ReadonlySet<number>): Promise<Guess> {
  const block = await readFrom(asking, { address, size: BLOCK, addressBytes: 1 }, 0, BLOCK);
  const all = Array.from({ length: 8 }, (_, i) => (address & ~7) + i);
  if (repeats(block, 16) && all.every((one) => present.has(one))) {
    return guess(16, 1, all, 'its 16 bytes repeat, and it answers at all eight addresses');
  }
  if (repeats(block, 128)) return guess(128, 1, [address], 'its first 128 bytes repeat');
  for (const count of [8, 4, 2]) {
    const addresses = Array.from({ length: count }, (_, i) => address + i);
    if (address % count !== 0 || !addresses.every((one) => present.has(one))) continue;
    if (!(await runsThrough(asking, addresses))) continue;
    const last = `0x${(address + count - 1).toString(16)}`;
    return guess(count * BLOCK, 1, addresses, `a read runs on from one address into the next, up to ${last}`);
  }
  const own = block.subarray(0, SAMPLE);
  const rollsOver = !isUniform(own) && (await across(asking, address)).equals(own);
  const why = rollsOver ? 'a read begins again after 256 bytes' : 'it goes on at no other address';
  return guess(BLOCK, 1, [address], why);
}

/** What one transfer gives beyond the end of the block. */
async function across(asking: Asking, address: number): Promise<Buffer> {
  const twoBlocks = { address, size: 2 * BLOCK, addressBytes: 1, readRollover: true } as const;
  return (await readFrom(asking, twoBlocks, BLOCK - 1, 1 + SAMPLE)).subarray(1);
}

/** Does one transfer over the end of each block give what the next one begins with, and not the block's own beginning? */
async function runsThrough(asking: Asking, addresses: readonly number[]): Promise<boolean> {
  for (const address of addresses.slice(0, -1)) {
    const next = await readFrom(asking, { address: address + 1, size: BLOCK, addressBytes: 1 }, 0, SAMPLE);
    const own = await readFrom(asking, { address, size: BLOCK, addressBytes: 1 }, 0, SAMPLE);
    if (!(await across(asking, address)).equals(next) || next.equals(own)) return false;
  }
  return true;
}

async function guessWide(asking: Asking, address: number, present: ReadonlySet<number>): Promise<Guess> {
  const whole = { address, size: 0x10000, addressBytes: 2 } as const;
  const begin = await readFrom(asking, whole, 0, 4096);
  const places = samplePlaces(begin);
  if (places.length === 0) {
    return guess(4096, 2, [address], 'its first 4096 bytes are all the same, so that its size does not show');
  }
  for (let size = 4096; size < 0x10000; size *= 2) {
    if (await isRepeatedAt(asking, whole, begin, places, size)) {
      return guess(size, 2, [address], `what it begins with comes again after ${bytes(size)}`);
    }
  }
  const why = 'nothing repeats within 65536 bytes';
  return guess(
    0x10000,
    2,
    [address],
    present.has(address + 1) ? `${why}; with the next address it may be a 24c1024` : why,
  );
}

async function isRepeatedAt(
  asking: Asking,
  whole: { readonly address: number; readonly size: number; readonly addressBytes: 2 },
  begin: Buffer,
  places: readonly number[],
  size: number,
): Promise<boolean> {
  for (const place of places) {
    const found = await readFrom(asking, whole, size + place, SAMPLE);
    if (!found.equals(begin.subarray(place, place + SAMPLE))) return false;
  }
  return true;
}

/** The first and the last stretch of `data` that are not one byte over and over. */
function samplePlaces(data: Buffer): number[] {
  const places: number[] = [];
  for (let at = 0; at + SAMPLE <= data.length; at += SAMPLE) {
    if (!isUniform(data.subarray(at, at + SAMPLE))) places.push(at);
  }
  const [first, last] = [places[0], places.at(-1)];
  if (first === undefined || last === undefined) return [];
  return first === last ? [first] : [first, last];
}

function isUniform(data: Uint8Array): boolean {
  return data.every((byte) => byte === data[0]);
}

function repeats(data: Buffer, period: number): boolean {
  return data.every((byte, i) => byte === data[i % period]);
}

function guess(size: number, addressBytes: 1 | 2, addresses: readonly number[], why: string): Guess {
  const chip = at24Chips.find(
    (one) =>
      one.size === size &&
      one.addressBytes === addressBytes &&
      one.blockShift === 0 &&
      one.offsetAdd === 0 &&
      !one.readOnly &&
      one.address === 0x50,
  );
  if (chip === undefined) throw new RangeError(`no chip has ${bytes(size)}`);
  return { chip, addressBytes, addresses, why };
}
