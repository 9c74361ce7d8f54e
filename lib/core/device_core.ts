/**
 * A registered memory, as the kernel's struct nvmem_device: everything behind the handles that users hold. It
 * outlives its provider, and is numb then: every operation gives ENODEV.
 */
import { EDEADLK, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EPERM } from '../base/errno.js';
import type { ProviderPort, WriteHow } from './provider_port.js';
import { insertBits } from './bits.js';
import { isA, lengthOf } from '../base/foreign.js';
import { checkCellData, isBitCell, type CellEntry } from './cell_entry.js';
import { cellValue, neighbours } from './cell_value.js';
import { boundsError, CallSite, NvmemError } from '../base/errors.js';
import { waitsForItself } from './callback_scope.js';
import { isTraced, traced } from './diagnostics.js';
import { DeviceErrors } from './device_errors.js';
import type { DeviceFacts } from './device_facts.js';
import { splitAtKeepouts } from './keepouts.js';
import { anyBytes, copyOf, Destination, zeros } from '../base/memory.js';
import { Interrupted, Operation, type Failure } from './operation.js';
import { PendingOperations } from './pending.js';
import { nothingWritten, type ReadEnd, readSegments, writeSegments, type WriteEnd } from './transfer.js';
import { postProcess } from './post_process.js';
import { callUser } from './report.js';
import type { OperationCounts } from './stats.js';
import { type OperationOptions } from '../base/validate.js';
import type { NvmemWriteResult, WriteOptions } from '../base/write_options.js';
import { WriterLock } from './writer_lock.js';

const UINT_MAX = 0xffffffff;

/** A write that could only have its turn after its own caller has ended. */
const DEADLOCK: Failure = {
  status: EDEADLK,
  reason:
    'it was asked for inside of a call of the core into a provider that this write would have to wait for',
};

export type { NvmemWriteResult, WriteOptions };

/** What the kernel's own entry points ask for beyond the public options: what lies beyond the end goes to the provider. */
export interface CoreOptions extends WriteOptions {
  readonly unbounded?: boolean | undefined;
}

/** Who may write: everybody; not cells and the user boundary (a write-protect line is there); nobody. */
export type ReadOnly = 'no' | 'wp' | 'yes';

/** A public function of the library; frames from it upwards are left out of stacks. */
export type Below = (...args: never[]) => unknown;

export class DeviceCore {
  /** As in the kernel two cells may have one name; the first is found. */
  readonly cells: CellEntry[] = [];
  readOnly: ReadOnly;
  /** Why the provider is gone, in a few words; undefined while it is there. */
  gone: string | undefined;
  /** Told of every write as it is asked for, whoever asks: the bytes that may be others from now on. */
  wrote: ((offset: number, length: number) => void) | undefined;
  /** What journalled writes of it take turns by: this, or what follows it over replugs. */
  turnKey: object = this;
  readonly counts: OperationCounts = { operations: 0, failures: 0, bytesRead: 0, bytesWritten: 0 };
  readonly #lock = new WriterLock();
  readonly #pending = new PendingOperations(this.counts);
  readonly #errors = new DeviceErrors(this);

  constructor(
    readonly facts: DeviceFacts,
    readonly port: ProviderPort,
    readOnly: ReadOnly,
  ) {
    this.readOnly = readOnly;
    const { takeTurn } = port;
    if (takeTurn) this.#lock.share(takeTurn);
  }

  read(offset: number, length: number, options: CoreOptions, below: Below): Promise<Buffer> {
    if (!isTraced()) return this.#read(offset, length, options, below);
    const run = (): Promise<Buffer> => this.#read(offset, length, options, below);
    return this.#traced('read', offset, length, run, () => length);
  }

  async #read(offset: number, length: number, options: CoreOptions, below: Below): Promise<Buffer> {
    const { port, counts } = this;
    const data =
      this.#isImmediate(options) && this.#inside(offset, length) && length > 0 ? anyBytes(length) : undefined;
    if (data) {
      const status = port.readNow(offset, data);
      counts.operations++;
      if (status !== 0) {
        counts.failures++;
        throw this.#errors.error(this.#operation('read', offset, length, options, below), { status });
      }
      counts.bytesRead += length;
      reportWhole(options, length);
      return data;
    }
    return this.#track('read', offset, length, options, below, async (operation) => {
      const refused = this.#refusal(operation, port.canRead || options.unbounded ? 0 : EOPNOTSUPP);
      if (refused) throw this.#errors.error(operation, refused);
      this.#checkBounds(offset, length, options);
      return this.#hold(operation, async () => this.#readOut(operation, offset, length));
    });
  }

  write(offset: number, data: Uint8Array, options: CoreOptions, below: Below): Promise<NvmemWriteResult> {
    if (!isTraced()) return this.#write(offset, data, options, below);
    const run = (): Promise<NvmemWriteResult> => this.#write(offset, data, options, below);
    return this.#traced('write', offset, lengthOf(data), run, storedBy);
  }

  async #write(
    offset: number,
    data: Uint8Array,
    options: CoreOptions,
    below: Below,
  ): Promise<NvmemWriteResult> {
    const { port, counts } = this;
    // The array may be anybody's: it goes to the addon, or is copied, without being asked for more.
    const length = lengthOf(data);
    this.wrote?.(offset, length);
    const immediate =
      this.#isImmediate(options) && this.#inside(offset, length) && length > 0 && this.readOnly !== 'yes';
    if (immediate && this.#lock.tryAcquire()) {
      const status = port.writeNow(offset, data);
      this.#lock.release();
      if (status === 0) {
        counts.operations++;
        counts.bytesWritten += length;
        reportWhole(options, length);
        return { bytesWritten: length, bytesSkipped: 0, bytesUnchanged: 0, protectError: undefined };
      }
    }
    const body = async (operation: Operation): Promise<NvmemWriteResult> => {
      const refused = this.#refusal(operation, this.#writeRefusal(options), length);
      if (refused)
        throw this.#errors.writeError(operation, nothingWritten(refused, this.#split(offset, length)));
      this.#checkBounds(offset, length, options);
      const copy = copyOf(data);
      if (!copy)
        throw this.#errors.writeError(
          operation,
          nothingWritten({ status: ENOMEM }, this.#split(offset, length)),
        );
      return this.#exclusive(operation, async () =>
        writeSegments(port, operation, this.#split(offset, length), copy, howOf(options)),
      );
    };
    return this.#track('write', offset, length, options, below, body, storedBy);
  }

  readCell(
    cell: CellEntry,
    id: string | undefined,
    index: number,
    options: CoreOptions,
    below: Below,
  ): Promise<Buffer> {
    if (!isTraced()) return this.#readCell(cell, id, index, options, below);
    const run = (): Promise<Buffer> => this.#readCell(cell, id, index, options, below);
    const { offset, rawLength } = cell;
    return this.#traced('cell-read', offset, rawLength, run, () => rawLength);
  }

  async #readCell(
    cell: CellEntry,
    id: string | undefined,
    index: number,
    options: CoreOptions,
    below: Below,
  ): Promise<Buffer> {
    const { offset, rawLength, bytes, readPostProcess } = cell;
    const now =
      !readPostProcess && this.#isImmediate(options) && this.#inside(offset, rawLength) && rawLength > 0;
    const data = now ? zeros(Math.max(rawLength, bytes)) : undefined;
    if (data) {
      const status = this.port.readNow(offset, rawLength < data.length ? data.subarray(0, rawLength) : data);
      // Whatever else it is, the long way finds it again and tells it in full.
      if (status === 0) {
        this.counts.operations++;
        this.counts.bytesRead += rawLength;
        return cellValue(cell, data);
      }
    }
    return this.#track('cell-read', offset, rawLength, options, below, async (operation) => {
      const refused = this.#refusal(operation, this.port.canRead || options.unbounded ? 0 : EOPNOTSUPP);
      if (refused) throw this.#errors.error(operation, refused);
      this.#checkBounds(offset, rawLength, options);
      return this.#hold(operation, async () => {
        const whole = await this.#readOut(operation, offset, rawLength, Math.max(rawLength, bytes));
        const value = cellValue(cell, whole);
        if (readPostProcess) {
          const raw = whole.subarray(0, rawLength);
          await postProcess(this.port, operation, this.#errors, cell.name, raw, () =>
            readPostProcess({ id, index, offset, data: raw }),
          );
        }
        return value;
      });
    });
  }

  /** `value` has the cell's length or, for a bit cell, that of its bits. One read-modify-write, alone on the device. */
  writeCell(cell: CellEntry, value: unknown, options: CoreOptions, below: Below): Promise<NvmemWriteResult> {
    if (!isTraced()) return this.#writeCell(cell, value, options, below);
    const run = (): Promise<NvmemWriteResult> => this.#writeCell(cell, value, options, below);
    const { offset, bytes } = cell;
    return this.#traced('cell-write', offset, bytes, run, storedBy);
  }

  async #writeCell(
    cell: CellEntry,
    value: unknown,
    options: CoreOptions,
    below: Below,
  ): Promise<NvmemWriteResult> {
    const { offset, bytes, bitOffset, nbits } = cell;
    const { name, size, wordSize } = this.facts;
    const how = howOf(options);
    this.wrote?.(offset, bytes);
    const body = async (operation: Operation): Promise<NvmemWriteResult> => {
      const { canRead, canWrite } = this.port;
      const kept = isBitCell(cell) ? neighbours(cell, wordSize) : [];
      // All that is touched is what is checked: the words around a field as well.
      const reach = Math.max(bytes, ...kept.map(([, to]) => to));
      const able = canWrite && (canRead || kept.length === 0);
      // As in the kernel what is wrong with the request itself comes before the provider's absence.
      const readOnly = this.readOnly !== 'no';
      const data = readOnly ? Buffer.alloc(0) : checkCellData(cell, value, name);
      const refused = readOnly
        ? { status: EINVAL, reason: 'the device is read-only' }
        : this.#refusal(operation, options.unbounded || able ? 0 : EOPNOTSUPP, bytes);
      if (refused)
        throw this.#errors.writeError(operation, nothingWritten(refused, this.#split(offset, bytes)));
      this.#checkBounds(offset, reach, options);
      // Without bounds the kernel reads no more than the field's own bytes, so a word that the end of the device cuts is cut.
      const rest = bytes <= size - offset ? size - offset : reach;
      return this.#exclusive(operation, async () => {
        const segments = this.#split(offset, bytes);
        if (!isBitCell(cell)) return writeSegments(this.port, operation, segments, data, how);
        const whole = zeros(bytes);
        if (!whole) return nothingWritten({ status: ENOMEM }, segments);
        for (const [from, to] of kept) {
          const old = new Destination(Math.min(to, rest) - from);
          const { failure } = await this.#readInto(old, operation, offset + from, old.room);
          if (failure !== undefined) return nothingWritten(failure, segments);
          old.take()?.copy(whole, from);
        }
        insertBits(whole, bitOffset, nbits, data);
        return writeSegments(this.port, operation, segments, whole, how);
      });
    };
    return this.#track('cell-write', offset, bytes, options, below, body, storedBy);
  }

  /** What the part itself is asked for, or told: counted, and told to who traces. */
  async asked<T>(syscall: string, length: number, ask: () => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      this.counts.operations++;
      try {
        return await ask();
      } catch (error) {
        this.counts.failures++;
        throw error;
      }
    };
    return isTraced() ? this.#traced(syscall, 0, length, run, () => 0) : run();
  }

  /** Writers in other threads count from now on. */
  shareWrites(): void {
    const { slot } = this.port;
    if (slot) this.#lock.share(() => slot.takeTurn());
  }

  /** The provider pointer has just been taken away: whoever waits in JavaScript learns it now. */
  detach(reason: string): void {
    this.gone = reason;
    this.#pending.deviceGone();
  }

  /** Resolves when no operation is pending. */
  idle(): Promise<void> {
    return this.#pending.idle();
  }

  /** No piece of it needs more than one call, and nothing can end it early. */
  #isImmediate(options: OperationOptions): boolean {
    if (!this.port.immediate) return false;
    return this.facts.keepouts.length === 0 && this.gone === undefined && !options.signal?.aborted;
  }

  #inside(offset: number, length: number): boolean {
    return length <= this.facts.size - offset;
  }

  #split(offset: number, length: number): ReturnType<typeof splitAtKeepouts> {
    return splitAtKeepouts(this.facts.keepouts, offset, length);
  }

  /**
   * A provider that cannot write is EOPNOTSUPP before it is read-only. The kernel's own entry points find that out only when
   * a piece that is no keepout gets to it.
   */
  #writeRefusal({ unbounded }: CoreOptions): number {
    if (!this.port.canWrite) return unbounded ? 0 : EOPNOTSUPP;
    return this.readOnly === 'yes' ? EPERM : 0;
  }

  #checkBounds(offset: number, length: number, { unbounded = false }: CoreOptions): void {
    const { name, size, keepouts } = this.facts;
    if (!unbounded && !this.#inside(offset, length)) throw boundsError(name, size, offset, length);
    // With keepouts the kernel adds the two in 32 bits, and reports success for what it never did. Not here.
    if (keepouts.length > 0 && offset + length > UINT_MAX) {
      throw new NvmemError('EINVAL', 'offset + length must fit into 32 bits', { device: name, offset });
    }
  }

  #operation(
    syscall: string,
    offset: number,
    length: number,
    options: OperationOptions,
    below: Below,
  ): Operation {
    return new Operation(this.facts.name, syscall, offset, length, new CallSite(below), options);
  }

  #traced<T>(
    syscall: string,
    offset: number,
    length: number,
    run: () => Promise<T>,
    bytesOf: (value: T) => number,
  ): Promise<T> {
    return traced({ device: this.facts.name, syscall, offset, length }, run, bytesOf);
  }

  /** Runs `body`; its promise is one that idle() waits for. */
  #track<T>(
    syscall: string,
    offset: number,
    length: number,
    options: OperationOptions,
    below: Below,
    body: (operation: Operation) => Promise<T>,
    bytesOf: (value: T) => number = () => length,
  ): Promise<T> {
    const operation = this.#operation(syscall, offset, length, options, below);
    return this.#pending.track(operation, body, bytesOf);
  }

  /** Why an operation may not begin. `status`: what the device itself has against it; `held`: bytes that it is to keep. */
  #refusal(operation: Operation, status: number, held = 0): Failure | undefined {
    if (operation.status !== 0) return { status: operation.status };
    if (this.gone !== undefined) return { status: ENODEV, reason: this.gone };
    if (status !== 0) return { status };
    return this.#pending.admit(operation, held);
  }

  /** One operation is one section, however many pieces it has (docs/defects.md, D10). */
  async #hold<T>(operation: Operation, body: () => Promise<T>): Promise<T> {
    const hold = this.port.hold(`${this.facts.name}: ${operation.syscall}`);
    if (typeof hold === 'number') throw this.#errors.error(operation, { status: hold });
    try {
      return await body();
    } finally {
      hold.release();
    }
  }

  /** A write: alone on the device, in one section, and whatever became of it told in full. */
  async #exclusive(operation: Operation, body: () => Promise<WriteEnd>): Promise<NvmemWriteResult> {
    const untouched = (failure: Failure): WriteEnd =>
      nothingWritten(failure, this.#split(operation.offset, operation.length));
    try {
      // At once where it can be: what is called first is on the wire first.
      if (!this.#lock.tryAcquire(operation)) {
        if (waitsForItself(this.#lock)) throw this.#errors.writeError(operation, untouched(DEADLOCK));
        await this.#lock.acquire(operation);
      }
    } catch (error) {
      if (!isA(error, Interrupted)) throw error;
      throw this.#errors.writeError(operation, untouched(error));
    }
    try {
      const hold = this.port.hold(`${this.facts.name}: ${operation.syscall}`);
      if (typeof hold === 'number') throw this.#errors.writeError(operation, untouched({ status: hold }));
      try {
        const end = await body();
        if (end.failure !== undefined) throw this.#errors.writeError(operation, end);
        return {
          bytesWritten: operation.length,
          bytesSkipped: end.skipped,
          bytesUnchanged: end.unchanged,
          protectError: this.#errors.protectError(end.protectStatus),
        };
      } finally {
        hold.release();
      }
    } finally {
      const { writing } = this.port;
      if (writing) {
        void writing.then(() => {
          this.#lock.release();
        });
      } else {
        this.#lock.release();
      }
    }
  }

  /** `room` bytes, of which `length` are read. @throws NvmemError with what is good. */
  async #readOut(operation: Operation, offset: number, length: number, room = length): Promise<Buffer> {
    const out = new Destination(room);
    const end = await this.#readInto(out, operation, offset, length);
    const data = end.failure === undefined || end.good > 0 ? out.take() : Buffer.alloc(0);
    if (end.failure === undefined && data) return data;
    const good = data ? end.good : 0;
    const partial = data?.subarray(0, good) ?? Buffer.alloc(0);
    throw this.#errors.error(operation, end.failure ?? { status: ENOMEM }, {
      bytesTransferred: good,
      partial,
    });
  }

  #readInto(out: Destination, operation: Operation, offset: number, length: number): Promise<ReadEnd> {
    return readSegments(this.port, operation, this.#split(offset, length), out);
  }
}

/** Keepouts have stored nothing. */
function storedBy({ bytesWritten, bytesSkipped }: NvmemWriteResult): number {
  return bytesWritten - bytesSkipped;
}

function howOf({ verify = true, skipEqual = false }: WriteOptions): WriteHow {
  return { verify, skipEqual };
}

function reportWhole({ onProgress }: OperationOptions, length: number): void {
  if (onProgress) callUser(onProgress, length, length);
}
