/** What an i2c-bus object is asked to do: either of its two styles, one transaction at a time. */
import { NvmemError } from '../base/errors.js';
import { propertyOf, show, take } from '../base/foreign.js';
import { Turns } from '../core/turns.js';

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

/** Of each object: what belongs together is not to be cut by another device's. */
const turns = new WeakMap<object, Turns>();

export class BusCalls {
  readonly #bus: I2cBusObject;
  readonly #turns: Turns;
  readonly #taken = new Set<number>();

  constructor(bus: I2cBusObject) {
    this.#bus = bus;
    this.#turns = turns.get(bus) ?? new Turns('the i2c-bus object');
    turns.set(bus, this.#turns);
  }

  has(name: Name): boolean {
    return typeof propertyOf(this.#bus, name) === 'function';
  }

  /** Runs `body` when every transaction on this object that was asked for before has ended. */
  exclusive<T>(body: () => Promise<T>): Promise<T> {
    return this.#turns.next(body);
  }

  /**
   * @throws what the object throws; NvmemError EIO where fewer bytes went over than were to, EPROTO where its answer is no
   *   number of bytes that could have.
   */
  async call(name: Name, address: number, ...rest: readonly (number | Buffer)[]): Promise<void> {
    if (this.#taken.has(address)) throw takenError(address);
    const length = rest[rest.length - 2] as number;
    let answer: unknown;
    try {
      answer = await this.#call(name, [address, ...rest]);
    } catch (error) {
      // i2c-bus remembers the descriptor, but not that its address was never set: the next call would
      // go to address 0, which every part on the bus listens to (i2c-bus.js, peripheral()).
      if (propertyOf(error, 'code') === 'EBUSY') this.#taken.add(address);
      throw error;
    }
    const bytes = countIn(answer, name);
    if (bytes === length) return;
    const what = `${name}() of the i2c-bus object, at 0x${address.toString(16)},`;
    const isCount = typeof bytes === 'number' && Number.isInteger(bytes) && bytes >= 0 && bytes < length;
    throw isCount
      ? new NvmemError('EIO', `${what} moved ${String(bytes)} of ${String(length)} bytes`, {
          syscall: name,
          hint: 'Repeat; an adapter that always moves fewer has a limit that the object should tell.',
        })
      : new NvmemError('EPROTO', `${what} says that it moved ${show(bytes)} of ${String(length)} bytes`, {
          syscall: name,
          hint: `Mend the object: it has to give { ${isWrite(name) ? 'bytesWritten' : 'bytesRead'} }, or the number.`,
        });
  }

  /** i2c-bus's promises ignore the callback, and its callbacks come without a promise: whichever comes first. */
  #call(name: Name, args: readonly (number | Buffer)[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const done = (error: unknown, bytes: unknown): void => {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as the object gave it
        if (error !== null && error !== undefined && error !== false) reject(error);
        else resolve(bytes);
      };
      const method: unknown = Reflect.get(this.#bus, name);
      if (typeof method !== 'function') throw new TypeError(`${name} of the i2c-bus object is no function`);
      const taken = take<unknown>(Reflect.apply(method, this.#bus, [...args, done]));
      if (taken.pending !== undefined) taken.pending.then(resolve, reject);
      // Anything but a count, mostly the object itself, is for chaining: the callback will say.
      else if (typeof countIn(taken.value, name) === 'number') resolve(taken.value);
    });
  }
}

function isWrite(name: Name): boolean {
  return name === 'i2cWrite' || name === 'writeI2cBlock';
}

/** The number of bytes in an answer, whatever it is. */
function countIn(answer: unknown, name: Name): unknown {
  return typeof answer === 'object' && answer !== null
    ? propertyOf(answer, isWrite(name) ? 'bytesWritten' : 'bytesRead')
    : answer;
}

function takenError(address: number): NvmemError {
  return new NvmemError('EBUSY', `a driver of the kernel has address 0x${address.toString(16)}`, {
    syscall: 'open',
    hint: 'Unbind the driver, and open the i2c-bus object again.',
  });
}
