/** A value that power cuts cannot tear: two copies, of which a write only ever touches the older one. */
import { crc32c } from '../base/crc32c.js';
import { NvmemError } from '../base/errors.js';
import { bytes as inBytes } from '../base/text.js';
import {
  checkBoolean,
  checkBytes,
  checkInteger,
  checkKeys,
  checkObject,
  checkOperationOptions,
  checkString,
  rangeError,
  typeError,
  type OperationOptions,
} from '../base/validate.js';
import { inTurn, Limits } from './limits.js';
import { holesIn, identityOf, keyOfDevice, onlyWhere, type JournalDevice } from './memory.js';
import { wholePages } from './pages.js';

export interface AtomicCellConfig {
  /** For messages. */
  readonly name: string;
  /**
   * Where the two copies begin. Each takes `bytes` + 8 bytes. Give each pages of its own: a power cut in a write cycle may
   * change the whole page.
   */
  readonly copies: readonly [{ readonly offset: number }, { readonly offset: number }];
  /** Length of the value, at least 1. */
  readonly bytes: number;
  /** Write page of the memory, where its URI does not tell it, bytes. */
  readonly pageSize?: number | undefined;
}

type CellOptions = Pick<OperationOptions, 'signal' | 'timeoutMs'>;

export interface AtomicCellWriteOptions extends CellOptions {
  /** Leave the memory alone where it holds that value already (default false). */
  readonly skipEqual?: boolean | undefined;
  /** Begin anew where both copies are damaged, or hold something else: that is lost then. Default false. */
  readonly format?: boolean | undefined;
}

export interface AtomicCellWriteResult {
  /** How often the cell has been written since its first use, this time included; see AtomicCell.inspect(). */
  readonly writes: number;
  /** Nothing was written, because the value was there already (`skipEqual`). */
  readonly unchanged: boolean;
  /** Putting write protect back up failed: the value is stored, the part is NOT protected. */
  readonly protectError: NvmemError | undefined;
}

export interface AtomicCopy {
  readonly offset: number;
  /** `blank`: never written (all 0xff, or all 0x00). */
  readonly state: 'whole' | 'blank' | 'damaged';
}

export interface AtomicCellState {
  /** undefined: never written. */
  readonly value: Buffer | undefined;
  /**
   * How often the cell has been written since its first use: its wear, kept in the cell itself. The copies take turns, so that
   * the pages of each have been through half of that many write cycles. It begins again after 4294967294.
   */
  readonly writes: number;
  readonly copies: readonly [AtomicCopy, AtomicCopy];
}

const SEQUENCE = 4;
const CRC = 4;
/** 1 to this: 0 and 0xffffffff are what memories hold that nobody has written. */
const LAST_SEQUENCE = 0xfffffffe;

interface Copy extends AtomicCopy {
  readonly sequence: number;
  readonly value: Buffer;
  /** All of it. */
  readonly raw: Buffer;
}

/**
 * Describes a cell; nothing is read or written yet, and one description serves any number of devices.
 *
 * @throws TypeError, RangeError naming the field; copies that overlap are one.
 *
 * @example
 * const settings = atomicCell({ name: 'settings', copies: [{ offset: 0 }, { offset: 64 }], bytes: 24 });
 * const value = (await settings.read(board)) ?? DEFAULTS; // undefined: never written
 * await settings.write(board, value);
 */
export function atomicCell(config: AtomicCellConfig): AtomicCell {
  return new AtomicCell(config);
}

export class AtomicCell {
  readonly name: string;
  /** Length of the value. */
  readonly bytes: number;
  /** Bytes that each copy takes. */
  readonly copyBytes: number;
  readonly #offsets: readonly [number, number];
  readonly #pageSize: number | undefined;

  /** @internal Cells come from atomicCell(). */
  constructor(config: AtomicCellConfig) {
    checkKeys('config', checkObject('config', config), ['name', 'copies', 'bytes', 'pageSize']);
    const { name, copies, bytes, pageSize } = config;
    this.name = checkString('config.name', name);
    this.bytes = checkInteger('config.bytes', bytes, 1, 2 ** 31 - 1);
    this.copyBytes = SEQUENCE + bytes + CRC;
    const given: unknown = copies;
    if (!Array.isArray(given) || given.length !== 2) {
      throw typeError('config.copies', 'an array of two objects with an offset', given);
    }
    const [first, second] = copies.map((copy, index) => {
      const field = `config.copies[${String(index)}]`;
      checkKeys(field, checkObject(field, copy), ['offset']);
      return checkInteger(`${field}.offset`, copy.offset, 0);
    }) as [number, number];
    this.#offsets = [first, second];
    if (pageSize !== undefined) checkInteger('config.pageSize', pageSize, 1);
    this.#pageSize = pageSize;
    if (Math.abs(first - second) < this.copyBytes) {
      throw rangeError(
        'config.copies',
        `at least ${inBytes(this.copyBytes)} apart, which each of them takes`,
        Math.abs(first - second),
      );
    }
  }

  /**
   * The newest value that is whole, or undefined where the cell has never been written. It waits for writes of this thread.
   *
   * Rejects as NvmemDevice.read(), and with NvmemError EBADMSG (both copies are damaged), EINVAL (the copies share a page, or
   * lie in a keepout or beyond the end of the device).
   */
  async read(device: JournalDevice, options: CellOptions = {}): Promise<Buffer | undefined> {
    return (await this.inspect(device, options)).value;
  }

  /** The value, how it is kept, and the wear. Rejects as read(). */
  async inspect(device: JournalDevice, options: CellOptions = {}): Promise<AtomicCellState> {
    checkOperationOptions(options, ['signal', 'timeoutMs']);
    const limits = this.#limits('read', device, options);
    this.#checkPlaces(device);
    return inTurn(keyOfDevice(device), limits, async () => {
      const copies = await this.#readCopies(device, limits);
      const newest = this.#newest(copies);
      if (!newest && !isUnused(copies)) throw this.#damaged(device, 'read');
      const [first, second] = copies;
      return {
        value: newest?.value,
        writes: newest?.sequence ?? 0,
        copies: [shown(first), shown(second)],
      };
    });
  }

  /**
   * Stores a value: in the older copy, or in one that is not whole, which is then read back. Cut off at any point, read() gives
   * the value before or this one. Writes to one device take turns within a thread; a cell has its writers in one thread.
   *
   * Rejects as NvmemDevice.write(), and with NvmemError EBADMSG (both copies are damaged, or hold something else: `format`), EINVAL
   * as read(); RangeError: `value` has not the length of the cell. The value before is still there then, or this one.
   */
  async write(
    device: JournalDevice,
    value: Uint8Array,
    options: AtomicCellWriteOptions = {},
  ): Promise<AtomicCellWriteResult> {
    const {
      skipEqual = false,
      format = false,
      ...bounds
    } = checkObject('options', options) as AtomicCellWriteOptions;
    checkOperationOptions(bounds, ['signal', 'timeoutMs']);
    checkBoolean('options.skipEqual', skipEqual);
    checkBoolean('options.format', format);
    if (checkBytes('value', value).length !== this.bytes) {
      throw rangeError('value', `${inBytes(this.bytes)} long, as the cell ${this.name} is`, value.length);
    }
    const kept = Buffer.from(value);
    const limits = this.#limits('write', device, bounds);
    this.#checkPlaces(device);
    return inTurn(keyOfDevice(device), limits, async () => {
      const copies = await this.#readCopies(device, limits);
      const newest = this.#newest(copies);
      if (!newest && !isUnused(copies) && !format) throw this.#damaged(device, 'write');
      if (newest && skipEqual && newest.value.equals(kept)) {
        return { writes: newest.sequence, unchanged: true, protectError: undefined };
      }
      const sequence = newest ? (newest.sequence % LAST_SEQUENCE) + 1 : 1;
      const target = newest === copies[0] ? 1 : 0;
      // What is written follows from the copy that stays, and so has to come to the memory that has it.
      const { offset, raw } = copies[target === 0 ? 1 : 0];
      const { protectError } = await onlyWhere(device, offset, raw, () =>
        device.write(this.#offsets[target], this.#encode(sequence, kept), {
          ...limits.next(),
          verify: true,
        }),
      );
      return { writes: sequence, unchanged: false, protectError };
    });
  }

  #limits(what: string, device: JournalDevice, options: CellOptions): Limits {
    return new Limits(options, `${what} of the atomic cell ${this.name} of ${device.name}`, device.name);
  }

  /** @throws NvmemError EINVAL */
  #checkPlaces(device: JournalDevice): void {
    const refuse = (says: string, hint: string): never => {
      throw new NvmemError(
        'EINVAL',
        `the atomic cell ${this.name} cannot be kept in ${device.name}: ${says}`,
        {
          device: device.name,
          hint,
        },
      );
    };
    const pageSize = this.#pageSize ?? identityOf(device).pageSize;
    const length = this.copyBytes;
    const pages = this.#offsets.map((offset) => wholePages(offset, length, pageSize ?? 1, device.size));
    this.#offsets.forEach((offset, index) => {
      const copy = `copies[${String(index)}], ${inBytes(length)} at ${String(offset)},`;
      if (offset + length > device.size) {
        refuse(`${copy} goes beyond its end at ${String(device.size)}`, 'Choose a smaller offset.');
      }
      const [hole] = holesIn(device, offset, offset + length);
      if (hole) refuse(`${copy} lies in a keepout at ${String(hole.offset)}`, 'Choose another offset.');
    });
    const [first, second] = pages;
    if (pageSize !== undefined && first && second && first.start < second.end && second.start < first.end) {
      refuse(
        `its copies share a page of ${inBytes(pageSize)}, which a power cut may damage as a whole`,
        `Give the second copy an offset of at least ${String(Math.min(first.end, second.end))}, or pages apart.`,
      );
    }
  }

  async #readCopies(device: JournalDevice, limits: Limits): Promise<readonly [Copy, Copy]> {
    const [first, second] = this.#offsets;
    const one = async (offset: number): Promise<Copy> =>
      this.#decode(offset, Buffer.from(await device.read(offset, this.copyBytes, limits.next())));
    return [await one(first), await one(second)];
  }

  #encode(sequence: number, value: Buffer): Buffer {
    const copy = Buffer.alloc(this.copyBytes);
    copy.writeUInt32LE(sequence);
    value.copy(copy, SEQUENCE);
    copy.writeUInt32LE(this.#crc(copy), SEQUENCE + this.bytes);
    return copy;
  }

  #decode(offset: number, copy: Buffer): Copy {
    const sequence = copy.readUInt32LE(0);
    const end = SEQUENCE + this.bytes;
    const [first] = copy;
    const isBlank = (first === 0 || first === 0xff) && copy.every((byte) => byte === first);
    const isWhole = sequence > 0 && sequence <= LAST_SEQUENCE && copy.readUInt32LE(end) === this.#crc(copy);
    const state = isBlank ? 'blank' : isWhole ? 'whole' : 'damaged';
    return { offset, state, sequence, value: copy.subarray(SEQUENCE, end), raw: copy };
  }

  /** Of the length of the value too, so that a cell that was declared with another one is not taken for this. */
  #crc(copy: Buffer): number {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(this.bytes);
    return crc32c(copy.subarray(0, SEQUENCE + this.bytes), crc32c(length));
  }

  #newest([first, second]: readonly [Copy, Copy]): Copy | undefined {
    if (first.state !== 'whole') return second.state === 'whole' ? second : undefined;
    if (second.state !== 'whole') return first;
    // Counted round: 1 comes after LAST_SEQUENCE.
    const ahead = (second.sequence - first.sequence + LAST_SEQUENCE) % LAST_SEQUENCE;
    return ahead > 0 && ahead < LAST_SEQUENCE / 2 ? second : first;
  }

  #damaged(device: JournalDevice, syscall: string): NvmemError {
    const [first, second] = this.#offsets;
    return new NvmemError(
      'EBADMSG',
      `both copies of the atomic cell ${this.name} of ${device.name} are damaged, or hold something else ` +
        `(${inBytes(this.copyBytes)} each at ${String(first)} and ${String(second)})`,
      {
        syscall,
        device: device.name,
        offset: first,
        hint: 'Check the offsets and the length; to begin anew, and lose what is there, write it with { format: true }.',
      },
    );
  }
}

/** Nothing there yet, or only what is left of a first write that was cut off: the first copy is written first. */
function isUnused([first, second]: readonly [Copy, Copy]): boolean {
  return second.state === 'blank' && first.state !== 'whole';
}

function shown({ offset, state }: Copy): AtomicCopy {
  return { offset, state };
}
