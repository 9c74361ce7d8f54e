import { NvmemError, type ByteRange, type NvmemErrorDetails } from '../base/errors.js';
import { isA } from '../base/foreign.js';
import { needCopy } from '../base/memory.js';
import { coreOf, type NvmemDevice } from '../core/device.js';
import type { Below, NvmemWriteResult } from '../core/device_core.js';
import { splitAtKeepouts } from '../core/keepouts.js';
import { Call, type Rest, type Surroundings } from './call.js';
import type { FollowWriteOptions } from './options.js';
import { bytesIn, joined, without } from '../base/ranges.js';
import { wholePages, type Known } from './evidence.js';

/** Bytes that are still to be written. */
interface Piece extends ByteRange {
  /** An unplug has caught it: it may be stored already, or torn. */
  readonly isUncertain: boolean;
}

/**
 * A write that goes on after each unplug: what may be stored is read again and taken over where it is, what is not is written, and
 * what was only acknowledged before the unplug is read back in the end.
 */
export class Writing {
  readonly call: Call;
  #data: Uint8Array;
  readonly #verify: boolean;
  readonly #skipEqual: boolean;
  readonly #around: Surroundings;
  #todo: Piece[];
  #stored: ByteRange[] = [];
  /** Stored, and not read back. */
  #unverified: ByteRange[] = [];
  #skipped = 0;
  #unchanged = 0;
  #protectError: NvmemError | undefined;

  constructor(
    around: Surroundings,
    syscall: string,
    offset: number,
    data: Uint8Array,
    options: FollowWriteOptions,
    below: Below,
  ) {
    const { verify = true, skipEqual = false } = options;
    this.#around = around;
    this.call = new Call(around, syscall, offset, data.length, options, below);
    this.#data = needCopy(data);
    this.#verify = verify;
    this.#skipEqual = skipEqual;
    this.#todo = [{ offset, length: data.length, isUncertain: false }];
  }

  /** For an error. */
  readonly told = (): NvmemErrorDetails => {
    const committed = joined(this.#stored);
    return {
      bytesTransferred: bytesIn(committed),
      committed,
      uncertain: joined(this.#todo.filter(({ isUncertain }) => isUncertain)),
      untouched: joined(this.#todo.filter(({ isUncertain }) => !isUncertain)),
      protectError: this.#protectError,
    };
  };

  run(): Promise<NvmemWriteResult> {
    return this.call.inTurn(
      () => this.call.run((device, rest) => this.attempt(device, rest), this.told),
      this.told,
    );
  }

  /** All that is left of it, on a device that is there. */
  async attempt(device: NvmemDevice, rest: () => Rest): Promise<NvmemWriteResult> {
    for (let piece = this.#todo[0]; piece !== undefined; piece = this.#todo[0]) {
      const { offset, length, isUncertain } = piece;
      const before = bytesIn(this.#stored) + this.#skipped;
      await this.piece(device, piece, () =>
        device.write(offset, this.#bytes(piece), {
          ...rest(),
          verify: this.#verify,
          skipEqual: this.#skipEqual || isUncertain,
          ...(this.call.tells && {
            onProgress: (done: number) => {
              this.call.progress(before + Math.min(done, length));
            },
          }),
        }),
      );
    }
    for (const range of [...this.#unverified]) await this.#readBack(device, range, rest);
    return {
      bytesWritten: this.call.length,
      bytesSkipped: this.#skipped,
      bytesUnchanged: this.#skipEqual ? this.#unchanged : 0,
      protectError: this.#protectError,
    };
  }

  /** Carries out one piece, and learns from how it ends. */
  async piece(
    device: NvmemDevice,
    piece: Piece,
    write: () => Promise<NvmemWriteResult>,
  ): Promise<NvmemWriteResult> {
    try {
      const result = await write();
      this.#todo = this.#todo.slice(1);
      const { keepouts } = coreOf(device).facts;
      const segments = splitAtKeepouts(keepouts, piece.offset, piece.length);
      this.#stored.push(...segments.filter(({ fill }) => fill === undefined));
      this.#skipped += result.bytesSkipped;
      this.#unchanged += result.bytesUnchanged;
      this.#protectError = result.protectError;
      return result;
    } catch (error) {
      if (isA(error, NvmemError)) this.#learn(piece, error);
      throw error;
    }
  }

  /** All of it, where nothing of it may have been reached so far. */
  get whole(): Piece | undefined {
    const [piece] = this.#todo;
    const isWhole = piece?.length === this.call.length && !piece.isUncertain;
    return isWhole ? piece : undefined;
  }

  /** What is to be written instead: the same bytes, with neighbours in them. */
  use(data: Uint8Array): void {
    this.#data = data;
  }

  #learn(piece: Piece, { committed, uncertain, untouched, protectError }: NvmemError): void {
    if (!committed || !uncertain || !untouched) return;
    // Write protect goes up again when it is opened again.
    this.#protectError = protectError;
    this.#stored.push(...committed);
    if (this.#verify) this.#unverified.push(...committed);
    this.#skipped += piece.length - bytesIn(committed) - bytesIn(uncertain) - bytesIn(untouched);
    this.#todo = [
      ...uncertain.map((range) => ({ ...range, isUncertain: true })),
      ...untouched.map((range) => ({ ...range, isUncertain: piece.isUncertain })),
      ...this.#todo.slice(1),
    ].sort((a, b) => a.offset - b.offset);
    // A page that may be torn says nothing of anything in it.
    const doubtful = uncertain.map((range) => wholePages(range, this.#around.pageSize));
    for (const range of without(committed, doubtful)) {
      this.call.evidence.add(range.offset, this.#bytes(range));
    }
    for (const known of this.#around.before) {
      for (const { offset, length } of without(overlap(untouched, known), doubtful)) {
        const start = offset - known.offset;
        this.call.evidence.add(offset, known.data.subarray(start, start + length));
      }
    }
  }

  async #readBack(device: NvmemDevice, range: ByteRange, rest: () => Rest): Promise<void> {
    const found = await device.read(range.offset, range.length, rest());
    const wanted = this.#bytes(range);
    const differ = [...wanted.keys()].filter((i) => wanted[i] !== found[i]);
    const [first] = differ;
    if (first === undefined) {
      this.#unverified = this.#unverified.filter((one) => one !== range);
      return;
    }
    // A part that drops a write acknowledges it like any other.
    this.#stored = this.#stored.filter((one) => one.offset !== range.offset);
    this.#todo.push({ ...range, isUncertain: true });
    throw this.call.error('EBADMSG', '', {
      ...this.told(),
      mismatchOffset: range.offset + first,
      mismatchCount: differ.length,
      hint: 'Write protect is the usual reason: tie WP low, or name the bridge GPIO on it with wp=N.',
    });
  }

  #bytes({ offset, length }: ByteRange): Uint8Array {
    const start = offset - this.call.offset;
    return this.#data.subarray(start, start + length);
  }
}

/** What of `ranges` lies where something is known. */
function overlap(ranges: readonly ByteRange[], { offset: from, data }: Known): ByteRange[] {
  return ranges.flatMap(({ offset, length }) => {
    const start = Math.max(offset, from);
    const end = Math.min(offset + length, from + data.length);
    return end > start ? [{ offset: start, length: end - start }] : [];
  });
}
