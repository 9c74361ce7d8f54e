/** The transfers of a 24Cxx over the calls of an i2c-bus object, after drivers/misc/eeprom/at24.c. */
import { NvmemError } from '../base/errors.js';
import { isA, propertyOf } from '../base/foreign.js';
import { monotonicMs, pause } from '../base/timers.js';
import type { BusCalls } from './bus_calls.js';

export interface EepromGeometry {
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly addressBytes: 1 | 2;
  /** Bytes. */
  readonly pageSize: number;
  readonly blockShift: number;
  readonly offsetAdd: number;
  readonly readOnly: boolean;
  readonly writeCycleMs: number;
}

/** Of one transfer, bytes: at24's io_limit, and I2C_SMBUS_BLOCK_MAX. */
const PLAIN_LIMIT = 128;
const BLOCK_LIMIT = 32;
/** Between two looks whether the part answers, milliseconds. */
const POLL_INTERVAL_MS = 1;

/** What drivers give for an address or a byte that is not acknowledged; hid-cp2112 says ETIMEDOUT. */
const NOT_ACKNOWLEDGED = new Set(['ENXIO', 'EREMOTEIO', 'EIO', 'ETIMEDOUT']);
/** A transfer that the adapter's driver does not carry; found before anything is on the wire. */
const REFUSED = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOTSUP']);

/** The object's own words; what is said here about an answer of it is not one of them. */
const codeIn = (error: unknown): string => (isA(error, NvmemError) ? '' : String(propertyOf(error, 'code')));
export const isSilence = (error: unknown): boolean => NOT_ACKNOWLEDGED.has(codeIn(error));
const isRefusal = (error: unknown): boolean => REFUSED.has(codeIn(error));

/** What the adapter turns out to carry in one transfer, bytes; `taken` is the most that went through. */
interface Limit {
  most: number;
  taken: number;
}

/** A place in a part, as it goes over the wire. */
export interface Place {
  readonly device: number;
  /** The word address: one byte or two. */
  readonly word: Buffer;
}

export class Wire {
  readonly #calls: BusCalls;
  readonly #writeCycleMs: number;
  readonly #needsPlain: boolean;
  /** By SMBus block commands: the adapter carries no plain I2C. */
  #blocks = false;
  #reads: Limit = { most: PLAIN_LIMIT, taken: 0 };
  #writes: Limit = { most: PLAIN_LIMIT, taken: 0 };

  constructor(calls: BusCalls, { writeCycleMs, addressBytes }: EepromGeometry) {
    this.#calls = calls;
    this.#writeCycleMs = writeCycleMs;
    this.#needsPlain = addressBytes === 2;
  }

  /** Fills the beginning of `into` from `place` on, and says how far: what one transfer carries. `skip`: read over before. */
  async read(place: Place, into: Buffer, skip = 0): Promise<number> {
    for (;;) {
      const count = Math.min(into.length, this.#reads.most);
      const piece = into.subarray(0, count);
      const done = this.#fits(Math.max(count, Math.min(skip, this.#reads.most)), this.#reads, () =>
        this.#patiently(place, () => this.#readAt(place, piece, skip)),
      );
      if (await done) return count;
    }
  }

  /**
   * Sends the beginning of `data` to `place`, waits for the end of the write cycle, and says how far it came.
   *
   * @throws NvmemError EPERM: it refuses data and has stored none. EIO: it refuses data, and some may be stored.
   */
  async write(place: Place, data: Buffer, back: () => Promise<Buffer>): Promise<number> {
    for (;;) {
      const count = Math.min(data.length, this.#writes.most);
      const piece = data.subarray(0, count);
      if (await this.#fits(count, this.#writes, () => this.#send(place, piece, back))) {
        await this.answers(place, 'the part does not come back from its write cycle');
        return count;
      }
    }
  }

  /** Runs one transfer of `count` bytes; false: it was too much for the adapter, and less is tried from now on. */
  async #fits(count: number, limit: Limit, body: () => Promise<void>): Promise<boolean> {
    try {
      await body();
      limit.taken = Math.max(limit.taken, count);
      return true;
    } catch (error) {
      // Where as much went through before, its length is not the reason.
      if (!isRefusal(error) || count <= limit.taken) throw error;
      if (count > 1) {
        limit.most = Math.ceil(count / 2);
        return false;
      }
      const hasBlocks = this.#calls.has('readI2cBlock') && this.#calls.has('writeI2cBlock');
      if (this.#blocks || !hasBlocks || this.#needsPlain) throw noPlainI2c(error, this.#needsPlain);
      this.#blocks = true;
      this.#reads = { most: BLOCK_LIMIT, taken: 0 };
      this.#writes = { most: BLOCK_LIMIT, taken: 0 };
      return false;
    }
  }

  /** A part that does not acknowledge may be in the write cycle of somebody else: it gets the time for that, once. */
  async #patiently(place: Place, body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      if (!isSilence(error)) throw error;
      await this.answers(place, undefined);
      await body();
    }
  }

  #readAt({ device, word }: Place, into: Buffer, skip: number): Promise<void> {
    return this.#calls.exclusive(async () => {
      if (this.#blocks) {
        await this.#calls.call('readI2cBlock', device, word[0] ?? 0, into.length, into);
        return;
      }
      await this.#calls.call('i2cWrite', device, word.length, word);
      for (let left = skip; left > 0;) {
        const over = Buffer.alloc(Math.min(left, this.#reads.most));
        await this.#calls.call('i2cRead', device, over.length, over);
        left -= over.length;
      }
      await this.#calls.call('i2cRead', device, into.length, into);
    });
  }

  /**
   * Whether the part falls silent upon an address and a STOP, which starts a write cycle in one that took the last byte of it for
   * data. The address has to be acknowledged, else it was busy before.
   */
  async cyclesUpon(place: Place): Promise<boolean> {
    await this.answers(place, undefined);
    const isSilent = await this.#calls.exclusive(async () => {
      await this.#calls.call('i2cWrite', place.device, place.word.length, place.word);
      try {
        await this.#calls.call('i2cRead', place.device, 1, Buffer.alloc(1));
        return false;
      } catch (error) {
        if (!isSilence(error)) throw error;
        return true;
      }
    });
    if (isSilent) await this.answers(place, undefined);
    return isSilent;
  }

  async #send(place: Place, data: Buffer, back: () => Promise<Buffer>): Promise<void> {
    const { device, word } = place;
    const send = (): Promise<void> =>
      this.#calls.exclusive(async () => {
        if (this.#blocks) {
          await this.#calls.call('writeI2cBlock', device, word[0] ?? 0, data.length, data);
        } else {
          const frame = Buffer.concat([word, data]);
          await this.#calls.call('i2cWrite', device, frame.length, frame);
        }
      });
    try {
      await this.#patiently(place, send);
    } catch (cause) {
      if (!isSilence(cause)) throw cause;
      // It answers, and yet refuses the same bytes twice. What it has stored of them is for itself to say.
      await this.answers(place, 'the part does not come back from its write cycle');
      const held = await back();
      const at = `0x${device.toString(16)}`;
      if (held[0] !== data[0]) {
        throw new NvmemError('EPERM', `the part at ${at} refuses data: it is write-protected`, {
          syscall: 'write',
          cause,
          hint: 'Pull the WP pin of the part low for the write.',
        });
      }
      throw new NvmemError('EIO', `the part at ${at} refuses data, and some of it may be stored`, {
        syscall: 'write',
        cause,
        hint: 'Read back what it holds now; the WP pin of the part, and the wiring, are the usual reasons.',
      });
    }
  }

  /**
   * Waits until the part acknowledges its address, as long as a write cycle may take and with one look after that.
   *
   * @throws NvmemError ETIMEDOUT with `late` as its reason, or without one ENXIO.
   */
  async answers({ device, word }: Place, late: string | undefined): Promise<void> {
    const end = monotonicMs() + this.#writeCycleMs;
    for (;;) {
      const tried = monotonicMs();
      try {
        await this.#ask(device, word);
        return;
      } catch (cause) {
        if (!isSilence(cause) && codeIn(cause) !== 'EAGAIN') throw cause;
        if (tried >= end) {
          const says = late ?? `nothing answers at device address 0x${device.toString(16)}`;
          throw new NvmemError(late === undefined ? 'ENXIO' : 'ETIMEDOUT', says, {
            cause,
            hint:
              late === undefined
                ? 'Check the address, that the part has power, and SDA and SCL with their pull-ups.'
                : `Give a longer writeCycleMs than ${String(this.#writeCycleMs)}.`,
          });
        }
      }
      await pause(POLL_INTERVAL_MS);
    }
  }

  /**
   * With the first byte of its address: one byte and a STOP are data for no part, whatever its width. SMBus blocks have at least
   * a byte to read.
   */
  #ask(device: number, word: Buffer): Promise<void> {
    return this.#calls.exclusive(() =>
      this.#blocks
        ? this.#calls.call('readI2cBlock', device, word[0] ?? 0, 1, Buffer.alloc(1))
        : this.#calls.call('i2cWrite', device, 1, word.subarray(0, 1)),
    );
  }
}

function noPlainI2c(cause: unknown, needsPlain: boolean): NvmemError {
  const why = needsPlain
    ? ', and a part with two address bytes needs plain I2C'
    : ', and no block commands either';
  return new NvmemError('EOPNOTSUPP', `the adapter carries SMBus commands only${why}`, {
    syscall: 'open',
    cause,
    hint: 'Use another adapter: i2cdetect -F N shows what each can do.',
  });
}
