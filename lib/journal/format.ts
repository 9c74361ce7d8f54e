/** A journal as bytes; docs/journal.md says what each of them is. */
import { crc32c } from '../base/crc32c.js';
import { NvmemError, type ByteRange } from '../base/errors.js';
import { bytes } from '../base/text.js';
import { checkMemory, type MemoryIdentity } from './memory.js';

/** What a write was to do, and what was there before: enough to finish it or to undo it. */
export interface Journal {
  readonly memory: MemoryIdentity;
  /** Where the write begins in the memory. */
  readonly offset: number;
  /** What it was to write. */
  readonly content: Uint8Array;
  /** Where the first page of the write begins. */
  readonly start: number;
  /** What all of its pages held before, those parts included that the write leaves alone. */
  readonly old: Uint8Array;
  /** The parts of those pages that no write reaches (keepouts), ascending. Their bytes in `old` mean nothing. */
  readonly holes: readonly ByteRange[];
}

const MAGIC = Buffer.from('nvmemjnl', 'latin1');
const VERSION = 1;
/** Of every version: the magic and the version. */
const PREFIX = 12;
const CRC = 4;
/** Up to its own CRC, and with it. */
const HEADER_BODY = 52;
export const JOURNAL_HEADER = HEADER_BODY + CRC;
const HOLE = 16;

/** A file cannot be used as a journal; `message` says why. */
function refuse(file: string, why: string, hint: string, code = 'EINVAL'): never {
  throw new NvmemError(code, `${file} ${why}`, { syscall: 'journal', hint });
}

const FOREIGN_HINT = 'Check the path: a journal is what a write with a journal has left behind.';
const TORN_HINT =
  'A journal is whole on the disk before the first byte of the memory is written, so a torn one was cut off before that, or ' +
  'damaged since. Read the memory; if it is as it should be, remove the file.';

export function encodeJournal({ memory, offset, content, start, old, holes }: Journal): Buffer {
  const identity = Buffer.from(JSON.stringify(memory), 'utf8');
  const header = Buffer.alloc(JOURNAL_HEADER);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(identity.length, 12);
  header.writeBigUInt64LE(BigInt(offset), 16);
  header.writeBigUInt64LE(BigInt(content.length), 24);
  header.writeBigUInt64LE(BigInt(start), 32);
  header.writeBigUInt64LE(BigInt(old.length), 40);
  header.writeUInt32LE(holes.length, 48);
  header.writeUInt32LE(crc32c(header.subarray(0, HEADER_BODY)), HEADER_BODY);
  const table = Buffer.alloc(HOLE * holes.length);
  holes.forEach((hole, index) => {
    table.writeBigUInt64LE(BigInt(hole.offset), HOLE * index);
    table.writeBigUInt64LE(BigInt(hole.length), HOLE * index + 8);
  });
  const body = [header, identity, table, old, content];
  const check = Buffer.alloc(CRC);
  check.writeUInt32LE(body.reduce((crc, part) => crc32c(part, crc), 0));
  return Buffer.concat([...body, check]);
}

/** Lengths of the parts behind the header. */
interface Shape {
  readonly identity: number;
  readonly offset: number;
  readonly content: number;
  readonly start: number;
  readonly old: number;
  readonly holes: number;
  /** Of the whole file. */
  readonly total: number;
}

/**
 * What the first bytes of a file say of it: up to JOURNAL_HEADER of them, fewer where the file is shorter.
 *
 * @throws NvmemError EINVAL: no journal, or a torn one; EOPNOTSUPP: one of another version.
 */
export function decodeHeader(file: string, head: Buffer): Shape {
  if (head.length === 0)
    refuse(file, 'is empty: a journal that was cut off while it was being made', TORN_HINT);
  const known = Math.min(head.length, MAGIC.length);
  if (!head.subarray(0, known).equals(MAGIC.subarray(0, known))) {
    refuse(file, 'is no journal: it does not begin with "nvmemjnl"', FOREIGN_HINT);
  }
  if (head.length < PREFIX) refuse(file, `is torn: it ends after ${bytes(head.length)}`, TORN_HINT);
  const version = head.readUInt32LE(8);
  if (version !== VERSION) {
    refuse(
      file,
      `is a journal of version ${String(version)}, and this nvmem knows version ${String(VERSION)}`,
      'Recover it with the nvmem that made it, or with a newer one.',
      'EOPNOTSUPP',
    );
  }
  if (head.length < JOURNAL_HEADER) refuse(file, `is torn: it ends after ${bytes(head.length)}`, TORN_HINT);
  if (head.readUInt32LE(HEADER_BODY) !== crc32c(head.subarray(0, HEADER_BODY))) {
    refuse(file, 'is damaged: the checksum of its first 52 bytes is wrong', TORN_HINT);
  }
  const long = (at: number): number => Number(head.readBigUInt64LE(at));
  const shape = {
    identity: head.readUInt32LE(12),
    offset: long(16),
    content: long(24),
    start: long(32),
    old: long(40),
    holes: head.readUInt32LE(48),
  };
  const total = JOURNAL_HEADER + shape.identity + HOLE * shape.holes + shape.old + shape.content + CRC;
  const { offset, content, start, old } = shape;
  const inside = start <= offset && offset + content <= start + old && Number.isSafeInteger(start + old);
  if (!inside || content === 0) refuse(file, 'is damaged: its ranges make no sense', TORN_HINT);
  return { ...shape, total };
}

/** Whether a file of `size` bytes can be it. @throws NvmemError EINVAL: torn, or with something behind it. */
export function checkJournalSize(file: string, size: number, { total }: Shape): void {
  if (size < total) refuse(file, `is torn: it ends after ${String(size)} of ${bytes(total)}`, TORN_HINT);
  if (size > total) refuse(file, `is damaged: ${bytes(size - total)} stand behind its end`, TORN_HINT);
}

/**
 * A whole file.
 *
 * @throws NvmemError as decodeHeader() and checkJournalSize(), and EINVAL: damaged.
 */
export function decodeJournal(file: string, data: Buffer): Journal {
  const shape = decodeHeader(file, data.subarray(0, JOURNAL_HEADER));
  checkJournalSize(file, data.length, shape);
  const end = data.length - CRC;
  if (data.readUInt32LE(end) !== crc32c(data.subarray(0, end))) {
    refuse(file, 'is damaged: its checksum is wrong', TORN_HINT);
  }
  let at = JOURNAL_HEADER;
  const next = (length: number): Buffer => data.subarray(at, (at += length));
  const memory = decodeIdentity(file, next(shape.identity));
  const holes = decodeHoles(file, next(HOLE * shape.holes), shape);
  const old = next(shape.old);
  const content = next(shape.content);
  if (shape.start + shape.old > memory.size) refuse(file, 'is damaged: it goes beyond its memory', TORN_HINT);
  return { memory, offset: shape.offset, content, start: shape.start, old, holes };
}

function decodeIdentity(file: string, text: Buffer): MemoryIdentity {
  try {
    const { name, size, uri, pageSize, unique } = JSON.parse(text.toString('utf8')) as Record<
      string,
      unknown
    >;
    const known = { name, uri, pageSize, unique } as Omit<MemoryIdentity, 'size'>;
    checkMemory('memory', known);
    if (typeof known.name === 'string' && Number.isSafeInteger(size))
      return { ...known, size: size as number };
  } catch {
    // as one that is missing
  }
  return refuse(file, 'is damaged: it does not say which memory it is of', TORN_HINT);
}

function decodeHoles(file: string, table: Buffer, { start, old }: Shape): ByteRange[] {
  const holes: ByteRange[] = [];
  let from = start;
  for (let at = 0; at < table.length; at += HOLE) {
    const [offset, length] = [Number(table.readBigUInt64LE(at)), Number(table.readBigUInt64LE(at + 8))];
    if (offset < from || offset + length > start + old)
      refuse(file, 'is damaged: its ranges make no sense', TORN_HINT);
    from = offset + length;
    holes.push({ offset, length });
  }
  return holes;
}
