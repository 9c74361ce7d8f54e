/** The memories that are written with a journal: what is asked of a device, and how one is told from another. */
import type { ByteRange } from '../base/errors.js';
import {
  type OperationOptions,
  checkInteger,
  checkKeys,
  checkObject,
  checkString,
} from '../base/validate.js';
import type { NvmemWriteResult, WriteOptions } from '../base/write_options.js';
import { parseUri } from '../uri/uri.js';
import { uriKey } from '../uri/uri_key.js';

/** @internal Where a memory of this library keeps what its public face does not tell. */
export const JOURNALLED = Symbol('nvmem.journalled');

/** @internal */
export interface Journalled {
  /** Journalled writes, recoveries and atomic cells of what has the same key take turns. */
  readonly key: object;
  /** Stretches that no write reaches, `end` left out. */
  readonly keepouts: readonly { readonly start: number; readonly end: number }[];
  /**
   * Runs `body`, and meanwhile knows the memory by what was read from it before: another one that is plugged in instead is not
   * written. Absent: a memory that is gone for ever when it is unplugged.
   */
  readonly knownBy?: <T>(offset: number, content: Uint8Array, body: () => Promise<T>) => Promise<T>;
}

/** What journalledWrite(), recover() and atomic cells need of a device: an NvmemDevice has it. */
export interface JournalDevice {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The URI it was opened by, where there is one. */
  readonly uri?: string | undefined;
  /** @internal */
  readonly [JOURNALLED]?: Journalled;
  read(offset: number, length: number, options?: OperationOptions): Promise<Uint8Array>;
  write(offset: number, data: Uint8Array, options?: WriteOptions): Promise<NvmemWriteResult>;
}

/** Which memory it is, as far as that is known. */
export interface MemoryIdentity {
  /** As the registry knows the device. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The URI it was opened by. */
  readonly uri?: string | undefined;
  /** Write page, bytes: a power of two. */
  readonly pageSize?: number | undefined;
  /** What no other part has, in any form: its serial number or EUI. Where both sides know one, it alone decides. */
  readonly unique?: string | undefined;
}

/** What a device does not tell of itself. */
export type KnownOfMemory = Partial<Omit<MemoryIdentity, 'size'>>;

/** The longest write page of a 24Cxx part, bytes: what is taken where a memory does not say how long its pages are. */
const LONGEST_PAGE = 256;

/** Bytes that a power cut may change together. */
export function pageOf({ pageSize = LONGEST_PAGE }: MemoryIdentity): number {
  return pageSize;
}

/** @throws TypeError, RangeError naming the field. */
export function checkMemory(field: string, known: KnownOfMemory): void {
  checkKeys(field, checkObject(field, known), ['name', 'uri', 'pageSize', 'unique']);
  const { name, uri, pageSize, unique } = known;
  if (name !== undefined) checkString(`${field}.name`, name);
  if (uri !== undefined) uriKey(`${field}.uri`, uri);
  if (pageSize !== undefined) checkInteger(`${field}.pageSize`, pageSize, 1);
  if (unique !== undefined) checkString(`${field}.unique`, unique);
}

/** What a device says of itself, and what its caller knows beside that. */
export function identityOf(device: JournalDevice, known: KnownOfMemory = {}): MemoryIdentity {
  const uri = known.uri ?? device.uri;
  return {
    name: known.name ?? device.name,
    size: device.size,
    uri,
    pageSize: known.pageSize ?? (uri === undefined ? undefined : pageSizeOf(uri)),
    unique: known.unique,
  };
}

function pageSizeOf(uri: string): number | undefined {
  try {
    const parsed = parseUri(uri);
    return 'part' in parsed ? parsed.part.pageSize : undefined;
  } catch {
    return undefined; // a caller's own name for a memory
  }
}

/** Why `now` is not the memory `then`, as the middle of a sentence; undefined: nothing speaks against it. */
export function differenceOf(
  then: MemoryIdentity,
  now: MemoryIdentity,
  { moved }: { readonly moved: boolean },
): { readonly says: string; readonly mayHaveMoved: boolean } | undefined {
  const final = (says: string): ReturnType<typeof differenceOf> => ({ says, mayHaveMoved: false });
  if (then.size !== now.size) {
    return final(`that one has ${String(then.size)} bytes and ${now.name} ${String(now.size)}`);
  }
  if (then.unique !== undefined && now.unique !== undefined) {
    if (then.unique === now.unique) return undefined;
    return final(`that part is ${then.unique} and this one ${now.unique}`);
  }
  if (moved) return undefined;
  if (then.uri !== undefined && now.uri !== undefined) {
    if (keyOf(then.uri) === keyOf(now.uri)) return undefined;
    return { says: `that one was at ${then.uri}, this one is at ${now.uri}`, mayHaveMoved: true };
  }
  if (then.name === now.name) return undefined;
  return { says: `that one was called ${then.name}, this one is ${now.name}`, mayHaveMoved: true };
}

/** As a word for people. */
export function placeOf({ name, uri }: MemoryIdentity): string {
  return uri ?? name;
}

/** How a write is finished or undone from its journal, for the hint of an error. */
export function howToRecover(file: string, { uri }: MemoryIdentity): { finish: string; undo: string } {
  if (uri === undefined)
    return { finish: `recover(${JSON.stringify(file)}, device)`, undo: '{ back: true }' };
  return { finish: `nvmem recover ${quoted(file)} ${quoted(uri)}`, undo: '--back' };
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Two handles on one device are one memory. */
export function keyOfDevice(device: JournalDevice): object {
  return device[JOURNALLED]?.key ?? device;
}

/** The parts of a stretch that no write reaches: keepouts. */
export function holesIn(device: JournalDevice, start: number, end: number): ByteRange[] {
  const keepouts = device[JOURNALLED]?.keepouts ?? [];
  return keepouts
    .map((keepout) => ({ from: Math.max(keepout.start, start), to: Math.min(keepout.end, end) }))
    .filter(({ from, to }) => from < to)
    .map(({ from, to }) => ({ offset: from, length: to - from }));
}

/** Runs `body` on the memory that held `content` at `offset`, and on no other. */
export function onlyWhere<T>(
  device: JournalDevice,
  offset: number,
  content: Uint8Array,
  body: () => Promise<T>,
): Promise<T> {
  const { knownBy } = device[JOURNALLED] ?? {};
  return knownBy ? knownBy(offset, content, body) : body();
}

function keyOf(uri: string): string {
  return uriKey('uri', uri);
}
