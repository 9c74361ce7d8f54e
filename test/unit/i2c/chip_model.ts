/** An EEPROM or FRAM as its data sheet has it, on an adapter with its driver's habits. It knows nothing of who drives it. */
import type { CallbackI2cBus, PromisifiedI2cBus } from '../../../lib/i2c/bus_calls.js';

export const failure = (code: string): Error => Object.assign(new Error(`${code}, I/O`), { code });

export interface ChipShape {
  /** Bytes, a power of two. */
  readonly size: number;
  readonly addressBytes: 1 | 2;
  readonly page: number;
  /** Stores every byte as it comes, and is never busy. */
  readonly isFram?: boolean;
  /** What a lone address byte and a STOP do to the counter of one that wants two. */
  readonly lone?: 'nothing' | 'high' | 'shift';
}

export class Chip {
  readonly memory: Buffer;
  readonly log: string[] = [];
  /** Bytes that are not what they were. */
  changed = 0;
  /** How many more times it does not acknowledge: the write cycle. */
  busy = 0;
  cycle = 2;
  protectedBy: 'nothing' | 'refusal' | 'silent drop' = 'nothing';
  /** Data bytes that it stores before it refuses one, with protectedBy 'refusal'. */
  taken = 0;
  silence = 'ENXIO';
  plain = true;
  maxWrite = 8192;
  maxRead = 8192;
  #counter = 0;

  constructor(
    readonly shape: ChipShape,
    fill: (i: number) => number = (i) => (i * 7 + (i >> 8) * 29 + (i >> 3)) & 0xff,
  ) {
    this.memory = Buffer.from(Array.from({ length: shape.size }, (_, i) => fill(i)));
  }

  write(address: number, bytes: Buffer): number {
    this.#admit('W', address, bytes.length, this.maxWrite);
    const { addressBytes, lone = 'nothing', size } = this.shape;
    if (bytes.length < addressBytes) {
      const [byte = 0] = bytes;
      if (lone === 'high') this.#set((byte << 8) | (this.#counter & 0xff));
      if (lone === 'shift') this.#set(((this.#counter & 0xff) << 8) | byte);
      return bytes.length;
    }
    const block = addressBytes === 2 ? 65_536 : 256;
    const word = addressBytes === 2 ? bytes.readUInt16BE(0) : bytes.readUInt8(0);
    this.#set((address - 0x50) * block + word);
    const data = bytes.subarray(addressBytes);
    if (data.length === 0) return bytes.length;
    if (this.protectedBy === 'refusal') {
      this.#store(data.subarray(0, this.taken));
      throw failure('EIO');
    }
    if (this.protectedBy === 'nothing') this.#store(data);
    this.#counter %= size;
    return bytes.length;
  }

  read(address: number, into: Buffer): number {
    this.#admit('R', address, into.length, this.maxRead);
    for (let i = 0; i < into.length; i++) {
      into[i] = this.memory[this.#counter] ?? 0;
      this.#set(this.#counter + 1);
    }
    return into.length;
  }

  #store(data: Buffer): void {
    if (data.length === 0) return;
    const { page, size, isFram = false } = this.shape;
    const first = isFram ? 0 : this.#counter - (this.#counter % page);
    const span = isFram ? size : page;
    for (const byte of data) {
      if (this.memory[this.#counter] !== byte) this.changed++;
      this.memory[this.#counter] = byte;
      this.#set(first + ((this.#counter - first + 1) % span));
    }
    if (!isFram) this.busy = this.cycle;
  }

  #set(counter: number): void {
    this.#counter = counter % this.shape.size;
  }

  #admit(what: string, address: number, length: number, most: number): void {
    if (!this.plain) throw failure('EOPNOTSUPP');
    if (length > most) throw failure('EINVAL');
    this.log.push(`${what}${address.toString(16)} ${String(length)}`);
    const { size, addressBytes } = this.shape;
    const blocks = Math.ceil(size / (addressBytes === 2 ? 65_536 : 256));
    if (this.busy > 0) {
      this.busy--;
      throw failure(this.silence);
    }
    if (address < 0x50 || address >= 0x50 + blocks) throw failure(this.silence);
  }
}

/** A function whose answer, or failure, comes as a promise. */
export function soon<A extends unknown[], R>(body: (...args: A) => R): (...args: A) => Promise<R> {
  return (...args) => Promise.resolve(args).then((given) => body(...given));
}

export function promisified(chip: Chip): PromisifiedI2cBus {
  return {
    i2cRead: soon((address: number, length: number, buffer: Buffer) => ({
      bytesRead: chip.read(address, buffer.subarray(0, length)),
    })),
    i2cWrite: soon((address: number, length: number, buffer: Buffer) => ({
      bytesWritten: chip.write(address, buffer.subarray(0, length)),
    })),
  };
}

export function withCallbacks(chip: Chip): CallbackI2cBus {
  const later = (
    body: () => number,
    callback: (error: Error | null, bytes: number, buffer: Buffer) => void,
    buffer: Buffer,
  ): void => {
    setImmediate(() => {
      try {
        callback(null, body(), buffer);
      } catch (error) {
        callback(error as Error, 0, buffer);
      }
    });
  };
  return {
    i2cRead: (address, length, buffer, callback) => {
      later(() => chip.read(address, buffer.subarray(0, length)), callback, buffer);
    },
    i2cWrite: (address, length, buffer, callback) => {
      later(() => chip.write(address, buffer.subarray(0, length)), callback, buffer);
    },
  };
}
