/** What an i2c-bus object is asked to do: either of its two styles, one transaction at a time. */
import { NvmemError } from '../base/errors.js';

/** The part of i2c-bus's PromisifiedBus that is used. Any object with these functions will do. */
export interface PromisifiedI2cBus {
  i2cRead(address: number, length: number, buffer: Buffer): Promise<{ bytesRead: number }>;
  i2cWrite(address: number, length: number, buffer: Buffer): Promise<{ bytesWritten: number }>;
  /** SMBus I2C block commands, at most 32 bytes: used where the adapter carries no plain I2C. */
  readI2cBlock?(
    address: number,
    command: number,
    length: number,
    buffer: Buffer,
  ): Promise<{ bytesRead: number }>;
  writeI2cBlock?(
    address: number,
    command: number,
    length: number,
    buffer: Buffer,
  ): Promise<{ bytesWritten: number }>;
}

type Count = (error: Error | null | undefined, bytes: number, buffer: Buffer) => void;

/** The same of i2c-bus's Bus, with callbacks. */
export interface CallbackI2cBus {
  i2cRead(address: number, length: number, buffer: Buffer, callback: Count): void;
  i2cWrite(address: number, length: number, buffer: Buffer, callback: Count): void;
  readI2cBlock?(address: number, command: number, length: number, buffer: Buffer, callback: Count): void;
  writeI2cBlock?(address: number, command: number, length: number, buffer: Buffer, callback: Count): void;
}

export type I2cBusObject = PromisifiedI2cBus | CallbackI2cBus;

type Name = 'i2cRead' | 'i2cWrite' | 'readI2cBlock' | 'writeI2cBlock';

/** The end of the last transaction of each object: what belongs together is not to be cut by another device's. */
const ends = new WeakMap<object, Promise<unknown>>();

export class BusCalls {
  readonly #bus: I2cBusObject;
  readonly #taken = new Set<number>();

  constructor(bus: I2cBusObject) {
    this.#bus = bus;
  }

  has(name: Name): boolean {
    return typeof this.#bus[name] === 'function';
  }

  /** Runs `body` when every transaction on this object that was asked for before has ended. */
  exclusive<T>(body: () => Promise<T>): Promise<T> {
    const run = (ends.get(this.#bus) ?? Promise.resolve()).then(body);
    ends.set(
      this.#bus,
      run.catch(() => undefined),
    );
    return run;
  }

  /** @throws what the object throws; NvmemError EIO where fewer bytes went over than were to. */
  async call(name: Name, address: number, ...rest: readonly (number | Buffer)[]): Promise<void> {
    if (this.#taken.has(address)) throw takenError(address);
    const length = rest[rest.length - 2] as number;
    const bytes = await this.#call(name, [address, ...rest]).catch((error: unknown) => {
      // i2c-bus remembers the descriptor, but not that its address was never set: the next call would
      // go to address 0, which every part on the bus listens to (i2c-bus.js, peripheral()).
      if ((error as { code?: unknown }).code === 'EBUSY') this.#taken.add(address);
      throw error;
    });
    if (bytes === length) return;
    const text = `${String(bytes)} of ${String(length)} bytes went over`;
    throw new NvmemError('EIO', `${name} at 0x${address.toString(16)}: ${text}`, { syscall: name });
  }

  /** i2c-bus's promises ignore the callback, and its callbacks come without a promise: whichever comes. */
  #call(name: Name, args: readonly (number | Buffer)[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const settle = (answer: unknown): void => {
        if (typeof answer === 'number') resolve(answer);
        else {
          const { bytesRead, bytesWritten } = answer as { bytesRead?: number; bytesWritten?: number };
          resolve(bytesRead ?? bytesWritten ?? -1);
        }
      };
      const fail = (error: unknown): void => {
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      const done = (error: unknown, bytes: unknown): void => {
        if (error) fail(error);
        else settle(bytes);
      };
      const method = (this.#bus as unknown as Record<Name, (...all: unknown[]) => unknown>)[name];
      const answer: unknown = method.call(this.#bus, ...args, done);
      if (typeof (answer as PromiseLike<unknown> | undefined)?.then === 'function') {
        (answer as PromiseLike<unknown>).then(settle, fail);
      }
    });
  }
}

function takenError(address: number): NvmemError {
  return new NvmemError('EBUSY', `a driver of the kernel has address 0x${address.toString(16)}`, {
    syscall: 'open',
    hint: 'Unbind the driver, and open the i2c-bus object again.',
  });
}
