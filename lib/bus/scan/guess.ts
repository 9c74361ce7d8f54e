/**
 * What a part that answers may be, from reading alone. The contents of the parts on a bus decide how much can be told: a
 * part of another size repeats itself where its address counter rolls over, and a blank one looks like any other.
 */
import { at24Chips, type At24Chip } from '../../chips/chips.js';
import { bytes } from '../../base/text.js';
import { readFrom, type Asking } from './ask.js';
import { groupAt, type Group, type Seen } from './group.js';

export interface Guess {
  readonly chip: At24Chip;
  readonly addressBytes: 1 | 2;
  /** Addresses it takes, the first one included. */
  readonly addresses: readonly number[];
  /** So many of them share the addresses: one at each. */
  readonly parts: number;
  /** Why, in a sentence. */
  readonly why: string;
}

type Width = 8 | 16 | undefined;

/** What was compared is long enough that equality is no accident, as far as contents go. */
const SAMPLE = 32;
const BLOCK = 256;

/** What has been read so far on one bus: no address is asked twice. */
export type SeenParts = Map<number, Seen>;

/**
 * Guesses for the part whose first address is `address`, the likeliest first; `present`: everybody who answers. What nothing
 * contradicts is one part before it is several.
 */
export async function guessesFor(
  asking: Asking,
  address: number,
  present: ReadonlySet<number>,
  seen: SeenParts = new Map(),
): Promise<Guess[]> {
  for (const one of present) {
    if (one >= 0x50 && one <= 0x57 && !seen.has(one)) seen.set(one, await look(asking, one));
  }
  const own = seen.get(address) ?? (await look(asking, address));
  const module = memoryModule(own);
  if (module) return [module];
  if (own.width === 16) return guessWide(asking, address, seen);
  const group = groupAt(address, seen);
  if (group.addresses.length > 1) return guessBlocks(group, seen);
  if (own.width === 8) return [guessNarrow(own)];
  const why = 'it reads the same everywhere, so that neither address width nor size show';
  return [guess(256, 1, [address], why), guess(4096, 2, [address], why)];
}

async function look(asking: Asking, address: number): Promise<Seen> {
  const width = await widthOf(asking, address);
  const block = await readFrom(asking, { address, size: BLOCK, addressBytes: 1 }, 0, BLOCK);
  return {
    address,
    width,
    start: block.subarray(0, SAMPLE),
    across: width === 16 ? block.subarray(0, 0) : await across(asking, address),
    period: isUniform(block) ? undefined : repeats(block, 16) ? 16 : repeats(block, 128) ? 128 : undefined,
  };
}

/** SPD memories say what they are: an SPD5118 in its registers MR0 and MR1, the others in byte 2 of what they hold. */
function memoryModule({ address, width, start }: Seen): Guess | undefined {
  const named = (name: string, why: string): Guess | undefined => {
    const chip = at24Chips.find((one) => one.name === name);
    return chip && { chip, addressBytes: 1, addresses: [address], parts: 1, why };
  };
  if (start[0] === 0x51 && start[1] === 0x18) {
    return named('spd5118', 'its first two bytes are those of an SPD5118 hub (DDR5)');
  }
  if (width !== 8) return undefined;
  // JEDEC: bytes used and in all; revision; kind of memory.
  if (start[2] === 0x0c && [0x23, 0x24].includes(start[0] ?? 0)) {
    return named('ee1004', 'it begins as the SPD data of a DDR4 module');
  }
  return start[2] === 0x0b && [0x92, 0x93, 0x11, 0x13].includes(start[0] ?? 0)
    ? named('spd', 'it begins as the SPD data of a DDR3 module')
    : undefined;
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

/** One part of several blocks, and what else it may be. */
function guessBlocks({ addresses, isShown }: Group, seen: SeenParts): Guess[] {
  const last = `0x${(addresses.at(-1) ?? 0).toString(16)}`;
  if (addresses.length === 8 && addresses.every((one) => seen.get(one)?.period === 16)) {
    return [guess(16, 1, addresses, 'its 16 bytes repeat, and it answers at all eight addresses')];
  }
  const size = addresses.length * BLOCK;
  if (isShown) {
    return [
      guess(
        size,
        1,
        addresses,
        `a read runs on from one address into the next, and nothing ends it up to ${last}`,
      ),
    ];
  }
  const why = `it answers at every address up to ${last}, and what it holds says nothing against one part`;
  const count = addresses.length;
  const several = (what: Guess): Guess => ({
    ...what,
    parts: count,
    why: `${String(count)} parts that hold the same look like one`,
  });
  const isWidthKnown = addresses.some((one) => seen.get(one)?.width === 8);
  return [
    guess(size, 1, addresses, why),
    several(guess(BLOCK, 1, addresses, '')),
    ...(isWidthKnown ? [] : [several(guess(4096, 2, addresses, ''))]),
  ];
}

function guessNarrow({ address, start, across: after, period }: Seen): Guess {
  if (period !== undefined) return guess(128, 1, [address], 'its first 128 bytes repeat');
  const rollsOver = !isUniform(start) && after.equals(start);
  const why = rollsOver ? 'a read begins again after 256 bytes' : 'it goes on at no other address';
  return guess(BLOCK, 1, [address], why);
}

/** What one transfer gives beyond the end of the block. */
async function across(asking: Asking, address: number): Promise<Buffer> {
  const twoBlocks = { address, size: 2 * BLOCK, addressBytes: 1, readRollover: true } as const;
  return (await readFrom(asking, twoBlocks, BLOCK - 1, 1 + SAMPLE)).subarray(1);
}

/** A part with two address bytes, alone or with others that make one part with it. */
async function guessWide(asking: Asking, address: number, seen: SeenParts): Promise<Guess[]> {
  if (!hasRepeatedStart(asking)) {
    return [guess(4096, 2, [address], 'this bridge has no repeated START to look further with')];
  }
  const own = await sizeOfWide(asking, address);
  if (own.size !== WIDE_BLOCK) return [guess(own.size ?? 4096, 2, [address], own.why)];
  const single = guess(WIDE_BLOCK, 2, [address], own.why);
  for (const [steps, name] of WIDE_PARTS) {
    const addresses = steps.map((step) => address + step);
    // A block that is all alike does not tell its width, and is no word against it.
    const others = addresses.map((one) => seen.get(one));
    if (!others.every((one) => one !== undefined && one.width !== 8)) continue;
    if ((address & (steps.at(-1) ?? 0)) !== 0) continue;
    const together = await wideTogether(asking, addresses, name);
    const chip = at24Chips.find((one) => one.name === name);
    if (together === 'no' || chip === undefined) continue;
    const where = addresses.map((one) => `0x${one.toString(16)}`).join(', ');
    const why =
      together === 'shown'
        ? `a read runs on from one of ${where} into the next`
        : `${own.why} at ${where}, and what they hold says nothing against one part`;
    const parts = addresses.length;
    const several = `${String(parts)} parts of 65536 bytes may hold the same`;
    return [
      { chip, addressBytes: 2, addresses, parts: 1, why },
      ...(together === 'shown' ? [] : [{ ...single, addresses, parts, why: several }]),
    ];
  }
  return [single];
}

const WIDE_BLOCK = 0x10000;
/** Parts of several blocks of 64 KiB, by where those are; the most blocks first. */
const WIDE_PARTS: readonly (readonly [steps: readonly number[], name: string])[] = [
  [[0, 1, 2, 3], '24c2048'],
  [[0, 1], '24c1024'],
  [[0, 4], '24c1025'],
];

/** Are blocks of 64 KiB one part? 'maybe': nothing says that they are parts of their own. */
async function wideTogether(
  asking: Asking,
  addresses: readonly number[],
  name: string,
): Promise<'shown' | 'maybe' | 'no'> {
  let isShown = false;
  for (const [i, address] of addresses.entries()) {
    const { size } = i === 0 ? { size: WIDE_BLOCK } : await sizeOfWide(asking, address);
    if (size !== undefined && size !== WIDE_BLOCK) return 'no';
    const next = addresses[i + 1];
    if (next === undefined) continue;
    const two = { address, size: 2 * WIDE_BLOCK, addressBytes: 2, readRollover: true } as const;
    const over = (await readFrom(asking, two, WIDE_BLOCK - 1, 1 + SAMPLE)).subarray(1);
    const start = await readFrom(asking, two, 0, SAMPLE);
    const after = await readFrom(asking, { ...two, address: next }, 0, SAMPLE);
    // A 24LC1025 begins its half again, as a part of its own does.
    if (!over.equals(name === '24c1025' ? start : after)) return 'no';
    isShown ||= name !== '24c1025' && !after.equals(start);
  }
  return isShown ? 'shown' : 'maybe';
}

/** Undefined: it holds nothing to tell by. */
async function sizeOfWide(
  asking: Asking,
  address: number,
): Promise<{ readonly size: number | undefined; readonly why: string }> {
  const whole = { address, size: WIDE_BLOCK, addressBytes: 2 } as const;
  const begin = await readFrom(asking, whole, 0, 4096);
  const places = samplePlaces(begin);
  if (places.length === 0) {
    return { size: undefined, why: 'its first 4096 bytes are all the same, so that its size does not show' };
  }
  for (let size = 4096; size < WIDE_BLOCK; size *= 2) {
    if (await isRepeatedAt(asking, whole, begin, places, size)) {
      return { size, why: `what it begins with comes again after ${bytes(size)}` };
    }
  }
  return { size: WIDE_BLOCK, why: `nothing repeats within ${String(WIDE_BLOCK)} bytes` };
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
  return { chip, addressBytes, addresses, parts: 1, why };
}
