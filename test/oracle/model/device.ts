/**
 * struct nvmem_device and what reads and writes it: drivers/nvmem/core.c of the series, written down again from the fact
 * sheet and the recorded answers, one function of it a function here. An answer is 0, a count, or the name of an error.
 */
import type { CellSpec, Ret } from '../types.js';
import { bytesForBits, putBits, shiftDown, shiftUp } from './bits.js';
import type { ModelLine, ModelRam } from './ram.js';
import type { Rules } from './rules.js';

/** Where an unsigned int wraps. */
const UINT_RANGE = 0x100000000;

export interface ModelCell {
  readonly name: string;
  readonly offset: number;
  readonly rawLen: number;
  readonly bytes: number;
  readonly bitOffset: number;
  readonly nbits: number;
  readonly postProcess: CellSpec['post_process'];
}

/** nvmem_cell_info_to_nvmem_cell_entry_nodup() */
export function cellOf(spec: CellSpec, wordSize: number, stride: number): ModelCell | 'EINVAL' {
  const { offset, bit_offset: bitOffset = 0, nbits = 0, raw_len: asked = 0 } = spec;
  let bytes = spec.bytes ?? 0;
  let rawLen = asked === 0 ? bytes : asked;
  if (nbits !== 0) {
    bytes = bytesForBits(nbits + bitOffset);
    rawLen = align(bytes, wordSize);
  }
  if ((offset & (stride - 1)) !== 0) return 'EINVAL';
  if ((rawLen & (wordSize - 1)) !== 0) {
    if (asked !== 0) return 'EINVAL';
    rawLen = align(rawLen, wordSize);
  }
  return { name: spec.name ?? '', offset, rawLen, bytes, bitOffset, nbits, postProcess: spec.post_process };
}

function align(value: number, unit: number): number {
  return ((value + unit - 1) & ~(unit - 1)) >>> 0;
}

export class ModelDevice {
  readonly cells: ModelCell[] = [];
  readonly wordSize: number;
  readonly stride: number;
  readOnly: boolean;
  /** What a writer through nvmem_device_write() is refused by where D19 is mended: not the line alone. */
  refusesWrites: boolean;
  /** The provider pointer; SRCU protects it. */
  ops: ModelRam | undefined;
  line: ModelLine | undefined;
  references = 1;
  readonly mode: number;
  #readers = 0;
  #quiet: (() => void)[] = [];
  #gone!: () => void;
  readonly #whenGone = new Promise<void>((resolve) => (this.#gone = resolve));

  constructor(
    readonly name: string,
    readonly id: number,
    readonly ram: ModelRam,
    readonly rules: Rules,
  ) {
    const { spec } = ram;
    this.ops = ram;
    this.wordSize = Math.max(spec.word_size ?? 0, 1);
    this.stride = Math.max(spec.stride ?? 0, 1);
    this.readOnly = spec.read_only === true || spec.read_only_property === true || !ram.canWrite;
    this.refusesWrites = this.readOnly && ram.canWrite;
    let mode = spec.root_only ? 0o400 : 0o444;
    if (!this.readOnly) mode |= 0o200;
    this.mode = mode & (ram.canRead ? ~0 : ~0o444);
  }

  /** synchronize_srcu() after the pointer was cleared. */
  async clear(): Promise<void> {
    this.ops = undefined;
    this.#gone();
    if (this.#readers > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve));
    // A grace period is long: who was inside has long returned when it ends.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async read(offset: number, out: Buffer): Promise<Ret> {
    return this.#pending(async () => {
      if (this.rules.has('D9') && !this.ops) return 'ENODEV';
      return this.#regRead(offset, out);
    });
  }

  async write(offset: number, data: Buffer): Promise<Ret> {
    return this.#pending(async () => {
      if (this.rules.has('D9') && !this.ops) return 'ENODEV';
      if (this.rules.has('D19') && this.refusesWrites) return 'EPERM';
      return this.#regWrite(offset, data);
    });
  }

  /** __nvmem_cell_read() */
  async readCell(cell: ModelCell, buffer: Buffer, id: string | null): Promise<Ret> {
    return this.#pending(async () => {
      if (this.rules.has('D9') && !this.ops) return 'ENODEV';
      const raw = buffer.subarray(0, cell.rawLen);
      this.#enter();
      try {
        const ret = await this.#regRead(cell.offset, raw);
        if (ret !== 0) return ret;
        if (cell.bitOffset !== 0 || cell.nbits !== 0) shiftDown(cell, buffer);
        return this.#postProcess(cell, raw, id);
      } finally {
        this.#leave();
      }
    });
  }

  /** __nvmem_cell_entry_write() */
  async writeCell(cell: ModelCell, data: Buffer): Promise<Ret> {
    const { bitOffset, nbits, bytes } = cell;
    if (this.readOnly || (bitOffset === 0 && data.length !== bytes)) return 'EINVAL';
    if (cell.postProcess) return 'EINVAL';
    if (bitOffset === 0 && nbits === 0) {
      return this.#pending(async () => {
        if (this.rules.has('D9') && !this.ops) return 'ENODEV';
        const ret = await this.#regWrite(cell.offset, data);
        return ret === 0 ? data.length : ret;
      });
    }
    if (data.length !== bytesForBits(nbits) && data.length !== bytes) return 'EINVAL';
    return this.#pending(async () => {
      if (this.rules.has('D9') && !this.ops) return 'ENODEV';
      const buffer = Buffer.alloc(bytes);
      data.copy(buffer);
      const failed = await (this.rules.has('D20') ? this.#mended(cell, buffer) : this.#prepare(cell, buffer));
      if (failed !== 0) return failed;
      const ret = await this.#regWrite(cell.offset, buffer);
      return ret === 0 ? data.length : ret;
    });
  }

  /** nvmem_cell_prepare_write_buffer() */
  async #prepare(cell: ModelCell, buffer: Buffer): Promise<Ret> {
    const { bitOffset, nbits, offset, bytes } = cell;
    const one = Buffer.alloc(1);
    let last = 0;
    if (bitOffset !== 0) {
      const ret = await this.#regRead(offset, one);
      if (ret !== 0) return ret;
      last = shiftUp(cell, buffer, one[0] ?? 0);
    }
    const rest = (nbits + bitOffset) % 8;
    if (rest !== 0) {
      const ret = await this.#regRead(offset + bytes - 1, one);
      if (ret !== 0) return ret;
      buffer[last] = (buffer[last] ?? 0) | ((one[0] ?? 0) & ~((1 << rest) - 1) & 0xff);
    }
    return 0;
  }

  /** The same without its faults: whole words where there are words, else the bytes that have neighbours in them. */
  async #mended(cell: ModelCell, buffer: Buffer): Promise<Ret> {
    const { bitOffset, nbits, offset, bytes } = cell;
    const { size } = this.ram.spec;
    const value = Buffer.from(buffer);
    const words = align(bytes, this.wordSize);
    const old = Buffer.alloc(words);
    // A word that the end of the device cuts is cut, where the cell itself is inside.
    const end = offset + bytes <= size ? size - offset : words;
    const fetch = async (from: number, to: number): Promise<Ret> =>
      this.#regRead(offset + from, old.subarray(from, Math.min(to, end)));
    let ret: Ret = 0;
    if (this.wordSize > 1 || nbits === 0) {
      ret = await fetch(0, words);
    } else {
      if (bitOffset !== 0) ret = await fetch(0, bytesForBits(bitOffset));
      if (ret === 0 && (bitOffset + nbits) % 8 !== 0) ret = await fetch(bytes - 1, bytes);
    }
    if (ret !== 0) return ret;
    old.copy(buffer);
    putBits(buffer, cell, value);
    return 0;
  }

  #postProcess({ postProcess: how, offset }: ModelCell, raw: Buffer, id: string | null): Ret {
    if (how === undefined) return 0;
    const ret = how === 'fail' ? 'EIO' : 0;
    if (how === 'reverse') raw.reverse();
    if (how === 'xor') raw.forEach((byte, i) => (raw[i] = byte ^ 0xff));
    this.ram.machine.note({ cb: 'post_process', id, offset, bytes: raw.length, ret });
    return ret;
  }

  async #regRead(offset: number, out: Buffer): Promise<Ret> {
    return this.#aroundKeepouts(offset, out, false);
  }

  async #regWrite(offset: number, data: Buffer): Promise<Ret> {
    return this.#aroundKeepouts(offset, data, true);
  }

  /** nvmem_access_with_keepouts() */
  async #aroundKeepouts(from: number, buffer: Buffer, write: boolean): Promise<Ret> {
    const { keepouts = [] } = this.ram.spec;
    const piece = (offset: number, part: Buffer): Promise<Ret> =>
      write ? this.#regWritePiece(offset, part) : this.#regReadPiece(offset, part);
    if (keepouts.length === 0) return piece(from, buffer);
    let offset = from;
    let done = 0;
    const end = (from + buffer.length) % UINT_RANGE;
    if (this.rules.has('bounds') && from + buffer.length >= UINT_RANGE) return 'EINVAL';
    for (const { start, end: stop, value } of keepouts) {
      if (stop <= from) continue;
      if (offset >= end) break;
      if (offset < start) {
        const size = Math.min(end, start) - offset;
        const ret = await piece(offset, buffer.subarray(done, done + size));
        if (ret !== 0) return ret;
        offset += size;
        done += size;
      }
      const size = Math.min(end, stop) - offset;
      if (!write) buffer.fill(value, done, done + size);
      offset += size;
      done += size;
    }
    return offset < end ? piece(offset, buffer.subarray(done, done + end - offset)) : 0;
  }

  /** __nvmem_reg_read() */
  async #regReadPiece(offset: number, out: Buffer): Promise<Ret> {
    const { ops } = this;
    if (!ops) return 'ENODEV';
    if (!ops.canRead) return 'EOPNOTSUPP';
    this.#enter();
    try {
      return await ops.read(offset, out);
    } finally {
      this.#leave();
    }
  }

  /** __nvmem_reg_write() */
  async #regWritePiece(offset: number, data: Buffer): Promise<Ret> {
    const { ops, line } = this;
    if (!ops) return 'ENODEV';
    if (!ops.canWrite) return 'EOPNOTSUPP';
    this.#enter();
    try {
      const unprotected = line?.set(0) ?? 0;
      if (unprotected !== 0) return unprotected;
      const ret = await ops.write(offset, data);
      const protectedAgain = line?.set(1) ?? 0;
      return protectedAgain === 0 || this.rules.has('D11') ? ret : protectedAgain;
    } finally {
      this.#leave();
    }
  }

  #enter(): void {
    this.#readers++;
  }

  #leave(): void {
    if (--this.#readers > 0 || this.ops) return;
    for (const quiet of this.#quiet.splice(0)) quiet();
  }

  /** Where D16 is mended whoever waits for a callback learns at once that the device goes. */
  async #pending(body: () => Promise<Ret>): Promise<Ret> {
    if (!this.rules.has('D16') || !this.ops) return body();
    return Promise.race([body(), this.#whenGone.then((): Ret => 'ENODEV')]);
  }
}
