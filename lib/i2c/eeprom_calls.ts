/** A 24Cxx over the calls of an i2c-bus object, after drivers/misc/eeprom/at24.c. */
import { NvmemError } from '../base/errors.js';
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

const codeIn = (error: unknown): unknown => (error as { code?: unknown } | null | undefined)?.code;
const isSilence = (error: unknown): boolean => NOT_ACKNOWLEDGED.has(String(codeIn(error)));
const isRefusal = (error: unknown): boolean => REFUSED.has(String(codeIn(error)));

/** What the adapter turns out to carry in one transfer, bytes; `taken` is the most that went through. */
interface Limit {
  most: number;
  taken: number;
}

interface Place {
  readonly device: number;
  /** The word address, as it goes over the wire. */
  readonly word: Buffer;
  /** Bytes to where the device address changes. */
  readonly blockRest: number;
}

export class EepromCalls {
  readonly #calls: BusCalls;
  readonly #part: EepromGeometry;
  /** By SMBus block commands: the adapter carries no plain I2C. */
  #blocks = false;
  #reads: Limit = { most: PLAIN_LIMIT, taken: 0 };
  #writes: Limit = { most: PLAIN_LIMIT, taken: 0 };

  constructor(calls: BusCalls, part: EepromGeometry) {
    this.#calls = calls;
    this.#part = part;
  }

  async read(offset: number, length: number, signal: AbortSignal): Promise<Buffer> {
    const data = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      signal.throwIfAborted();
      const place = this.#place(offset + done);
      const count = Math.min(length - done, this.#reads.most, place.blockRest);
      const piece = data.subarray(done, done + count);
      if (
        await this.#fits(count, this.#reads, () => this.#patiently(place, () => this.#readAt(place, piece)))
      ) {
        done += count;
      }
    }
    return data;
  }

  async write(offset: number, data: Uint8Array, signal: AbortSignal): Promise<void> {
    const { offsetAdd, pageSize } = this.#part;
    let done = 0;
    try {
      while (done < data.length) {
        signal.throwIfAborted();
        const place = this.#place(offset + done);
        const pageRest = pageSize - ((offsetAdd + offset + done) % pageSize);
        const count = Math.min(data.length - done, this.#writes.most, pageRest, place.blockRest);
        const piece = Buffer.from(data.subarray(done, done + count));
        if (!(await this.#fits(count, this.#writes, () => this.#writePage(place, piece)))) continue;
        await this.#answers(place, 'the part does not come back from its write cycle');
        done += count;
      }
    } catch (error) {
      // The reason of a signal belongs to somebody else.
      if (error instanceof Error && !signal.aborted) Object.assign(error, { bytesTransferred: done });
      throw error;
    }
  }

  #place(offset: number): Place {
    const { address, addressBytes, blockShift, offsetAdd } = this.#part;
    const block = addressBytes === 2 ? 65_536 : 256;
    const at = offsetAdd + offset;
    const inside = at % block;
    return {
      device: address + (Math.floor(at / block) << blockShift),
      word: Buffer.from(addressBytes === 2 ? [inside >> 8, inside & 0xff] : [inside]),
      blockRest: block - inside,
    };
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
      if (this.#blocks || this.#part.addressBytes === 2 || !hasBlocks) throw error;
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
      await this.#answers(place, undefined);
      await body();
    }
  }

  #readAt({ device, word }: Place, into: Buffer): Promise<void> {
    return this.#calls.exclusive(async () => {
      if (this.#blocks) {
        await this.#calls.call('readI2cBlock', device, word[0] ?? 0, into.length, into);
      } else {
        await this.#calls.call('i2cWrite', device, word.length, word);
        await this.#calls.call('i2cRead', device, into.length, into);
      }
    });
  }

  async #writePage(place: Place, data: Buffer): Promise<void> {
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
      // It answers, and yet refuses the same bytes twice: parts of ST do with WC high.
      if (!isSilence(cause) || cause instanceof NvmemError) throw cause;
      const at = `0x${device.toString(16)}`;
      throw new NvmemError('EPERM', `the part at ${at} refuses data: it is write-protected`, {
        syscall: 'write',
        cause,
      });
    }
  }

  /**
   * Waits until the part acknowledges its address, as long as a write cycle may take and with one look after that.
   *
   * @throws NvmemError ETIMEDOUT with `late` as its reason, or without one ENXIO.
   */
  async #answers({ device, word }: Place, late: string | undefined): Promise<void> {
    const end = monotonicMs() + this.#part.writeCycleMs;
    for (;;) {
      const tried = monotonicMs();
      try {
        await this.#ask(device, word);
        return;
      } catch (cause) {
        if (!isSilence(cause) && codeIn(cause) !== 'EAGAIN') throw cause;
        if (tried >= end) {
          const says = late ?? `nothing answers at device address 0x${device.toString(16)}`;
          throw new NvmemError(late === undefined ? 'ENXIO' : 'ETIMEDOUT', says, { cause });
        }
      }
      await pause(POLL_INTERVAL_MS);
    }
  }

  /** By its address alone, which moves nothing but the part's address latch; SMBus blocks have at least a byte. */
  #ask(device: number, word: Buffer): Promise<void> {
    return this.#calls.exclusive(() =>
      this.#blocks
        ? this.#calls.call('readI2cBlock', device, word[0] ?? 0, 1, Buffer.alloc(1))
        : this.#calls.call('i2cWrite', device, word.length, word),
    );
  }
}
