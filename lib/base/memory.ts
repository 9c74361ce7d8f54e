/** Memory for what operations carry. Where there is none the operation fails with ENOMEM, and nothing else does. */
import { isOutOfMemory, NvmemError, saysOf } from './errors.js';

/** Zeros; undefined where there is no memory for so many. */
export function zeros(length: number): Buffer | undefined {
  return attempt(() => Buffer.alloc(length));
}

/** Bytes of any value; undefined where there is no memory for so many. */
export function anyBytes(length: number): Buffer | undefined {
  return attempt(() => Buffer.allocUnsafe(length));
}

/** Undefined where there is no memory for it. */
export function copyOf(data: Uint8Array): Uint8Array | undefined {
  return attempt(() => new Uint8Array(data));
}

/** As zeros(). @throws NvmemError ENOMEM */
export function needZeros(length: number): Buffer {
  return zeros(length) ?? refuse(length);
}

/** As copyOf(). @throws NvmemError ENOMEM */
export function needCopy(data: Uint8Array): Uint8Array {
  return copyOf(data) ?? refuse(data.length);
}

function refuse(length: number): never {
  throw new NvmemError('ENOMEM', `${saysOf('ENOMEM')} for ${String(length)} bytes`);
}

/** Where a piece of what is read goes. */
export interface Place {
  /** Bytes. */
  readonly length: number;
  /** To be called once something is there, so that what only waits takes no memory; undefined where there is none. */
  take(): Uint8Array | undefined;
  /** Instead: that becomes the memory, and is nobody else's from now on. False where it does not fit. */
  adopt(data: Buffer): boolean;
}

/** Where all that an operation reads goes: `room` bytes, zeros at first. */
export class Destination {
  #memory: Buffer | undefined;

  constructor(readonly room: number) {}

  take(): Buffer | undefined {
    return (this.#memory ??= zeros(this.room));
  }

  place(start: number, length: number): Place {
    return {
      length,
      take: () => this.take()?.subarray(start, start + length),
      adopt: (data) => {
        // Only all of it, before anything else is there.
        if (length !== this.room || data.length !== this.room || this.#memory !== undefined) return false;
        this.#memory = data;
        return true;
      },
    };
  }
}

function attempt<T>(allocate: () => T): T | undefined {
  try {
    return allocate();
  } catch (error) {
    if (isOutOfMemory(error)) return undefined;
    throw error;
  }
}
