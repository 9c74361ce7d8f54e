/**
 * Whether a part is what it is said to be, as far as its contents tell, without changing them.
 *
 * One address byte and a STOP are harmless to every part: one that wants two does not get as far as data. Two and a STOP are
 * not, for a part that wants one stores the second; and i2c-bus has no transfer without the STOP. So the part is asked with one
 * byte first. While that does not tell (it is blank), the second byte is the one that a part of one address byte holds at that
 * place already: stored, it changes nothing, and the place meant is read on to from there.
 */
import { NvmemError } from '../base/errors.js';
import type { EepromGeometry, Place, Wire } from './wire.js';

/** What one address byte reaches. */
const BLOCK = 256;
/** Bytes compared at a place. */
const WINDOW = 16;
/** Windows looked at for repeats. */
const MOST_WINDOWS = 8;

type State = 'unknown' | 'open' | 'right';

/** Reads and places of the part as it is said to be. */
export interface PartAccess {
  read(offset: number, length: number, signal: AbortSignal): Promise<Buffer>;
  place(offset: number): Place;
}

export class GeometryCheck {
  readonly #wire: Wire;
  readonly #part: EepromGeometry;
  readonly #access: PartAccess;
  #width: State = 'unknown';
  #size: State = 'unknown';
  /** What it gave with one address byte, from 0 on. */
  #first: Buffer = Buffer.alloc(0);
  #values = new Set<number>();
  /** Two address bytes and a STOP start no write cycle. */
  #isQuiet = false;

  /** `isForced`: it is what it is said to be. */
  constructor(wire: Wire, part: EepromGeometry, access: PartAccess, isForced: boolean) {
    this.#wire = wire;
    this.#part = part;
    this.#access = access;
    if (isForced) {
      this.#width = 'right';
      this.#size = 'right';
    }
    // A window of a larger part has no size of its own.
    if (part.offsetAdd !== 0 || !isPowerOfTwo(part.size)) this.#size = 'right';
  }

  /** @throws NvmemError EMEDIUMTYPE, before two address bytes were sent. */
  async beforeRead(signal: AbortSignal): Promise<void> {
    if (this.#part.addressBytes === 2 && this.#width === 'unknown') await this.#findWidth(signal);
  }

  /** @throws NvmemError EMEDIUMTYPE, before anything was written. */
  async beforeWrite(signal: AbortSignal): Promise<void> {
    if (this.#width === 'unknown') await this.#findWidth(signal);
    if (this.#size === 'unknown') await this.#findSize(signal);
  }

  /** Whether what is written next could be the first thing that tells. */
  get isOpen(): boolean {
    return this.#width === 'open' || this.#size === 'open';
  }

  /** The address to send for `place`, and the bytes to read over from there; no way round it where the width is known. */
  async start(place: Place): Promise<{ place: Place; skip: number }> {
    if (this.#part.addressBytes === 1 || this.#width === 'right') return { place, skip: 0 };
    const offset = place.word.readUInt16BE(0);
    const page = offset >> 8;
    const within = this.#first[page] ?? 0;
    const high = within <= (offset & 0xff) ? page : (page - 1) & 0xff;
    const low = this.#first[high] ?? 0;
    const safe = { device: place.device, word: Buffer.of(high, low) };
    if (!this.#isQuiet && (await this.#tookItForData(safe))) {
      throw this.#contradiction(
        'it takes the second address byte for data (the byte that it held already: nothing is changed)',
      );
    }
    this.#isQuiet = true;
    // From the end of a block some parts go on into the next one, others back; and no part of one address byte is that large.
    if (this.#part.size > 65_536) return { place, skip: 0 };
    // From its end every part counts on to its beginning, and 65,536 is a multiple of its size.
    return { place: safe, skip: (offset - (high << 8) - low + 65_536) % 65_536 };
  }

  /** What has just been read as it should be: a byte that a part of the other width does not hold tells. */
  note(data: Buffer): void {
    if (this.#width !== 'open' || this.#part.addressBytes !== 2) return;
    if (data.some((byte) => !this.#values.has(byte))) this.#width = 'right';
  }

  /**
   * After the first page was written to a part that did not tell: `data` should be at `offset`. `alias`: what was there before
   * where a part of half the size would have it as well.
   *
   * @throws NvmemError EMEDIUMTYPE; EBADMSG where something else is there, and nobody can tell why.
   */
  async afterPage(
    offset: number,
    data: Buffer,
    alias: Buffer | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#checkLow(this.#access.place(offset), signal);
    const held = await this.#access.read(offset, data.length, signal);
    if (!held.equals(data)) {
      await this.#findWidth(signal);
      if (this.#part.addressBytes === 1 && (await this.#isBehind(offset, data, signal))) {
        throw this.#contradiction(
          'what was written is where two address bytes lead',
          'part of the first page',
        );
      }
      throw new NvmemError('EBADMSG', `the first page, at ${String(offset)}, reads back differently`, {
        syscall: 'write',
        hint: 'Nothing more was written. Pull the WP pin of the part low for the write, and check chip and addressWidth.',
      });
    }
    if (this.#width === 'open' && data.some((byte) => !this.#values.has(byte))) this.#width = 'right';
    if (this.#size === 'open' && alias !== undefined && !alias.equals(data)) {
      const now = await this.#access.read(this.#aliasOf(offset), data.length, signal);
      if (now.equals(data)) throw this.#contradiction(this.#repeats(this.#part.size / 2), 'the first page');
      this.#size = 'right';
    }
  }

  /** Where half the part would have `offset` as well, as it is now; undefined where nobody asks. */
  async alias(offset: number, length: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#size === 'open' && length <= this.#part.size / 2
      ? this.#access.read(this.#aliasOf(offset), length, signal)
      : undefined;
  }

  #aliasOf(offset: number): number {
    const half = this.#part.size / 2;
    return offset < half ? offset + half : offset - half;
  }

  async #findWidth(signal: AbortSignal): Promise<void> {
    const first = await this.#withOneByte(0, BLOCK, signal);
    this.#first = first;
    this.#values = new Set(first);
    const places = placesIn(first);
    let same = 0;
    for (const at of places) {
      // Somebody else on the adapter may have moved the part's counter in between: that happens once, not three times.
      for (let tries = 0; ; tries++) {
        const again = await this.#withOneByte(at, WINDOW, signal);
        if (again.equals(first.subarray(at, at + WINDOW))) break;
        if (tries < 2) continue;
        this.#settle(2);
        return;
      }
      same++;
    }
    if (same === 2) this.#settle(1);
    else this.#width = 'open';
  }

  #settle(width: 1 | 2): void {
    if (this.#part.addressBytes === width) this.#width = 'right';
    else throw this.#contradiction(width === 1 ? 'it takes one address byte' : 'it wants two address bytes');
  }

  async #withOneByte(word: number, length: number, signal: AbortSignal): Promise<Buffer> {
    const data = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      signal.throwIfAborted();
      const place = { device: this.#part.address, word: Buffer.of((word + done) & 0xff) };
      done += await this.#wire.read(place, data.subarray(done));
    }
    return data;
  }

  async #tookItForData(safe: Place): Promise<boolean> {
    return (await this.#wire.cyclesUpon(safe)) && (await this.#wire.cyclesUpon(safe));
  }

  /** A part of one address byte took the low byte of the address for data. */
  async #checkLow({ word }: Place, signal: AbortSignal): Promise<void> {
    const [high = 0, low] = word;
    if (this.#width !== 'open' || low === undefined || low === this.#first[high]) return;
    const got = await this.#withOneByte(high, 1, signal);
    if (got[0] === low) throw this.#contradiction('it takes one address byte', 'the first page');
  }

  /** A part of two address bytes took the word address and the first byte of data for its address, and stored the rest. */
  async #isBehind(offset: number, data: Buffer, signal: AbortSignal): Promise<boolean> {
    const { device, word } = this.#access.place(offset);
    const rest = data.subarray(1);
    if (rest.length === 0 || rest.every((byte) => this.#values.has(byte))) return false;
    const to = ((word[0] ?? 0) << 8) | (data[0] ?? 0);
    const high = ((to >> 8) - 1) & 0xff;
    const low = this.#first[high] ?? 0;
    const over = Buffer.alloc(rest.length);
    signal.throwIfAborted();
    const skip = (to - (high << 8) - low + 65_536) % 65_536;
    const got = await this.#wire.read({ device, word: Buffer.of(high, low) }, over, skip);
    return got > 0 && over.subarray(0, got).equals(rest.subarray(0, got));
  }

  /** A part of half the size gives everything twice, for it does not look at the uppermost bit. */
  async #findSize(signal: AbortSignal): Promise<void> {
    let size = this.#part.size;
    let verdict: boolean | undefined;
    while (size > WINDOW) {
      const isTwice = await this.#isTwice(size / 2, signal);
      verdict ??= isTwice;
      if (isTwice !== true) break;
      size /= 2;
    }
    if (size !== this.#part.size) throw this.#contradiction(this.#repeats(size));
    this.#size = verdict === undefined ? 'open' : 'right';
  }

  #repeats(size: number): string {
    return `it repeats itself after ${String(size)} bytes, as a smaller part does`;
  }

  /** Whether the second `half` of the part is the first once more; undefined: it is the same everywhere. */
  async #isTwice(half: number, signal: AbortSignal): Promise<boolean | undefined> {
    const length = Math.min(2 * WINDOW, half);
    let told: boolean | undefined;
    const seen = new Set<number>();
    for (let i = 0; i < MOST_WINDOWS; i++) {
      const at = Math.min(Math.floor((half * i) / MOST_WINDOWS), half - length);
      if (seen.has(at)) continue;
      seen.add(at);
      const low = await this.#access.read(at, length, signal);
      const high = await this.#access.read(half + at, length, signal);
      if (!low.equals(high)) return false;
      if (new Set(low).size > 1) told = true;
    }
    return told;
  }

  #contradiction(looksLike: string, written?: string): NvmemError {
    const { address, addressBytes, size } = this.#part;
    const at = `0x${address.toString(16)}`;
    const said = `${String(size)} bytes with ${addressBytes === 1 ? 'one address byte' : 'two address bytes'}`;
    const done = written === undefined ? '' : `; ${written} has gone elsewhere`;
    return new NvmemError('EMEDIUMTYPE', `the part at ${at} is not one of ${said}: ${looksLike}${done}`, {
      syscall: written === undefined ? 'probe' : 'write',
      hint: 'Correct chip, size or addressWidth, or say forceGeometry: true where you know better.',
    });
  }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

/** Up to two places whose bytes are nowhere before them: one that reads elsewhere is found out. Odd steps, as no page counts. */
function placesIn(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = bytes.length - WINDOW - 5; at > 0 && found.length < 2; at--) {
    const isNear = found.some((other) => other - at < 7 || (other - at) % 8 === 0);
    if (!isNear && bytes.indexOf(bytes.subarray(at, at + WINDOW)) === at) found.push(at);
  }
  return found;
}
