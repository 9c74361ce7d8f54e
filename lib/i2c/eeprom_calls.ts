/** A 24Cxx over the calls of an i2c-bus object: reads and writes of any length, page by page. */
import { NvmemError } from '../base/errors.js';
import { errnoOf, codeOf } from '../base/errors.js';
import { isA, messageOf } from '../base/foreign.js';
import type { BusCalls } from './bus_calls.js';
import { GeometryCheck } from './geometry_check.js';
import { Wire, type EepromGeometry, type Place } from './wire.js';

interface PlaceInBlock extends Place {
  /** Bytes to where the device address changes. */
  readonly blockRest: number;
}

export class EepromCalls {
  readonly #wire: Wire;
  readonly #part: EepromGeometry;
  readonly #check: GeometryCheck;

  constructor(calls: BusCalls, part: EepromGeometry, isForced: boolean) {
    this.#part = part;
    this.#wire = new Wire(calls, part);
    const access = {
      read: (offset: number, length: number, signal: AbortSignal): Promise<Buffer> =>
        this.#readAll(offset, length, signal),
      place: (offset: number): Place => this.#place(offset),
    };
    this.#check = new GeometryCheck(this.#wire, part, access, isForced);
  }

  async read(offset: number, length: number, signal: AbortSignal): Promise<Buffer> {
    await this.#check.beforeRead(signal);
    return this.#readAll(offset, length, signal);
  }

  async write(offset: number, data: Uint8Array, signal: AbortSignal): Promise<void> {
    const { offsetAdd, pageSize } = this.#part;
    let done = 0;
    try {
      await this.#check.beforeWrite(signal);
      while (done < data.length) {
        signal.throwIfAborted();
        const place = this.#place(offset + done);
        const pageRest = pageSize - ((offsetAdd + offset + done) % pageSize);
        const count = Math.min(data.length - done, pageRest, place.blockRest);
        done += await this.#writePage(
          place,
          offset + done,
          Buffer.from(data.subarray(done, done + count)),
          signal,
        );
      }
    } catch (error) {
      // The reason of a signal belongs to somebody else.
      if (signal.aborted) throw error;
      throw stopped(error, done);
    }
  }

  async #readAll(offset: number, length: number, signal: AbortSignal): Promise<Buffer> {
    const data = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      signal.throwIfAborted();
      const place = this.#place(offset + done);
      const count = Math.min(length - done, place.blockRest);
      const { place: from, skip } = await this.#check.start(place);
      done += await this.#wire.read(from, data.subarray(done, done + count), skip);
    }
    this.#check.note(data);
    return data;
  }

  async #writePage(place: Place, offset: number, data: Buffer, signal: AbortSignal): Promise<number> {
    const back = (): Promise<Buffer> => this.#readAll(offset, data.length, signal);
    if (!this.#check.isOpen) return this.#wire.write(place, data, back);
    const alias = await this.#check.alias(offset, data.length, signal);
    const count = await this.#wire.write(place, data, back);
    await this.#check.afterPage(offset, data.subarray(0, count), alias?.subarray(0, count), signal);
    return count;
  }

  #place(offset: number): PlaceInBlock {
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
}

/** The object's error stays as it is; how much is stored goes around it. */
function stopped(error: unknown, bytesTransferred: number): NvmemError {
  const isOurs = isA(error, NvmemError);
  const errno = errnoOf(error);
  const code = isOurs ? error.code : codeOf(errno);
  const message = isOurs ? error.message.slice(code.length + 2) : messageOf(error);
  return new NvmemError(code, message, {
    errno,
    syscall: isOurs ? error.syscall : 'write',
    cause: isOurs ? (error.cause ?? error) : error,
    hint: isOurs ? error.hint : undefined,
    bytesTransferred,
  });
}
