/** The synchronous fast path: a read that is prepared once. */
import { types } from 'node:util';

import { ENODEV, EOPNOTSUPP } from '../base/errno.js';
import { bytesOf } from '../base/foreign.js';
import { goneHint } from '../base/part_words.js';

import { extractBits } from './bits.js';
import { isBitCell, type CellEntry } from './cell_entry.js';
import type { Below, DeviceCore } from './device_core.js';
import { boundsError, CallSite, type NvmemError } from '../base/errors.js';
import { splitAtKeepouts } from './keepouts.js';
import { Operation } from './operation.js';
import { checkInteger, typeError } from '../base/validate.js';

/**
 * A read of one place that is carried out as often as wanted, without a promise and without an allocation. It keeps nothing
 * alive: once the provider is gone readSync() says ENODEV.
 */
export class NvmemReader {
  /** What readSync() reads into, over and over: in a SharedArrayBuffer, so that it can be given to other threads. */
  readonly buffer: Buffer;
  readonly #read: () => number | undefined;
  readonly #failed: (status: number, below: Below) => NvmemError;
  readonly #finish: ((buffer: Buffer) => void) | undefined;

  /** @internal Readers come from NvmemDevice.reader() and NvmemCell.reader(). */
  constructor(
    buffer: Buffer,
    read: () => number | undefined,
    failed: (status: number, below: Below) => NvmemError,
    finish?: (buffer: Buffer) => void,
  ) {
    this.buffer = buffer;
    this.#read = read;
    this.#failed = failed;
    this.#finish = finish;
  }

  /**
   * Reads into `buffer` and gives it, on the calling thread and inside one section.
   *
   * @throws NvmemError ENODEV: the provider is gone. What `buffer` holds then is not to be relied on.
   */
  readSync(): Buffer {
    const status = this.#read();
    // eslint-disable-next-line @typescript-eslint/unbound-method -- only named, as the end of a stack trace
    if (status !== undefined) throw this.#failed(status, NvmemReader.prototype.readSync);
    if (this.#finish !== undefined) this.#finish(this.buffer);
    return this.buffer;
  }
}

/** `into`: a length in bytes, or memory of the caller's. */
export function makeReader(
  core: DeviceCore,
  offset: number,
  into: number | Uint8Array,
  below: Below,
): NvmemReader {
  checkInteger('offset', offset, 0);
  const buffer = destination(into);
  const read = bind(core, offset, buffer.length, buffer, below);
  return new NvmemReader(buffer, read, failureOf(core, offset, buffer.length));
}

export function makeCellReader(core: DeviceCore, cell: CellEntry, below: Below): NvmemReader {
  const { offset, rawLength, bytes, bitOffset, nbits } = cell;
  if (cell.readPostProcess) {
    const reason = `cell ${cell.name} has a readPostProcess, which may take its time: use read()`;
    throw operation(core, offset, rawLength, below).error({ status: EOPNOTSUPP, reason });
  }
  const whole = destination(Math.max(rawLength, bytes, 1));
  const read = bind(core, offset, rawLength, whole, below);
  const finish = isBitCell(cell)
    ? (value: Buffer): void => {
        extractBits(value, bitOffset, nbits);
      }
    : undefined;
  return new NvmemReader(whole.subarray(0, bytes), read, failureOf(core, offset, rawLength), finish);
}

function destination(into: number | Uint8Array): Buffer {
  if (typeof into === 'number') {
    return Buffer.from(new SharedArrayBuffer(checkInteger('length', into, 1, 2 ** 31 - 1)));
  }
  const rule = 'a number of bytes, or a Uint8Array with a SharedArrayBuffer (others can be detached)';
  const bytes = bytesOf(into);
  if (bytes === undefined || !types.isSharedArrayBuffer(bytes.buffer)) throw typeError('length', rule, into);
  checkInteger('length.length', bytes.length, 1);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function bind(
  core: DeviceCore,
  offset: number,
  length: number,
  into: Buffer,
  below: Below,
): () => number | undefined {
  const { name, size, keepouts } = core.facts;
  if (length > size - offset) throw boundsError(name, size, offset, length);
  const fail = (status: number): NvmemError => failureOf(core, offset, length)(status, below);
  if (core.gone !== undefined) throw fail(ENODEV);
  const { slot } = core.port;
  const read = slot ? slot.bind(splitAtKeepouts(keepouts, offset, length), into) : EOPNOTSUPP;
  if (typeof read === 'number') throw fail(read);
  return read;
}

function operation(core: DeviceCore, offset: number, length: number, below: Below): Operation {
  return new Operation(core.facts.name, 'read', offset, length, new CallSite(below), {});
}

function failureOf(
  core: DeviceCore,
  offset: number,
  length: number,
): (status: number, below: Below) => NvmemError {
  return (status, below) => {
    const waiting = 'it has to be waited for: use read()';
    const reason = status === ENODEV ? core.gone : status === EOPNOTSUPP ? waiting : undefined;
    const hint = status === ENODEV ? goneHint(core.gone) : undefined;
    return operation(core, offset, length, below).error({ status, reason, hint });
  };
}
