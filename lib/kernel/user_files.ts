/* eslint-disable @typescript-eslint/unbound-method -- methods are only named, as the end of a stack trace */
/**
 * The user boundary: the files that sysfs shows of a device, with their modes, sizes and errnos (fs/sysfs/file.c and
 * nvmem core). Handles stay valid for ever and say ENODEV once the provider is gone.
 */
import { isAligned, roundDown } from '../core/align.js';
import { coreOf, type NvmemDevice } from '../core/device.js';
import type { Registry } from '../core/registry.js';
import type { CellEntry } from '../core/cell_entry.js';
import { Turns } from '../core/turns.js';
import { orCount, readOrCount } from './count_answer.js';
import type { DeviceCore, NvmemWriteResult, WriteOptions } from '../core/device_core.js';
import { NvmemError } from '../base/errors.js';
import { goneHint } from '../base/part_words.js';
import {
  checkWriteOptions,
  checkBytes,
  checkInteger,
  checkKeys,
  checkObject,
  checkOperationOptions,
  checkString,
  type OperationOptions,
  rangeError,
} from '../base/validate.js';
import { needCopy, needZeros } from '../base/memory.js';

/** One read(2) or write(2) of such a file moves a page at most. */
const PAGE = 4096;

export interface NvmemFileStat {
  /** Permission bits, 0o644. */
  readonly mode: number;
  /** Bytes; a text file says a page. */
  readonly size: number;
}

export interface NvmemOpenOptions {
  /** 'r', 'w' or 'r+'. Default 'r'. */
  readonly flags?: 'r' | 'w' | 'r+' | undefined;
  /** Who asks: the owner, or others, whom the mode may keep out. Default 'owner'. */
  readonly as?: 'owner' | 'other' | undefined;
}

interface FileNode extends NvmemFileStat {
  /** One read(2), one write(2): of what lies inside the file, and of a page at most. */
  read(position: number, count: number): Promise<Buffer>;
  write(position: number, data: Uint8Array): Promise<number>;
  /** All of it as one operation; absent where a page is all there is. */
  readonly whole?: {
    read(position: number, length: number, options: OperationOptions): Promise<Buffer>;
    write(position: number, data: Uint8Array, options: WriteOptions): Promise<NvmemWriteResult>;
  };
}

/** The files of one device (or of the parent that has its compat file). */
export interface NvmemFiles {
  /** Names in the folder, sorted: '' is the device's own, 'cells' that of its cells. @throws NvmemError ENOENT */
  list(folder?: string): string[];
  /** @throws NvmemError ENOENT */
  stat(name: string): NvmemFileStat;
  /** @throws NvmemError ENOENT; EACCES: the mode does not allow it, to whoever asks. */
  open(name: string, options?: NvmemOpenOptions): NvmemFile;
}

/** The files that sysfs shows of a device: `nvmem`, `type`, `force_ro`, `cells/NAME@OFFSET,BIT`. */
export function filesOf(device: NvmemDevice): NvmemFiles {
  const core = coreOf(device);
  return new Files(core, () => nodesOf(core));
}

/** The file that a device has in the folder of its parent (compat): `eeprom`, or `fram` of a FRAM. */
export function compatFilesOf(registry: Registry, baseDev: string): NvmemFiles {
  const device = registry.compatOf(checkString('baseDev', baseDev));
  const core = device && coreOf(device);
  const nodes = new Map<string, FileNode>();
  if (core) nodes.set(core.facts.type === 'FRAM' ? 'fram' : 'eeprom', memoryNode(core));
  return new Files(core, () => nodes);
}

class Files implements NvmemFiles {
  readonly #core: DeviceCore | undefined;
  readonly #nodes: () => Map<string, FileNode>;

  constructor(core: DeviceCore | undefined, nodes: () => Map<string, FileNode>) {
    this.#core = core;
    this.#nodes = nodes;
  }

  list(folder = ''): string[] {
    if (folder !== '') checkString('folder', folder);
    const prefix = folder === '' ? '' : `${folder}/`;
    const names = [...this.#present().keys()].filter((name) => name.startsWith(prefix));
    if (prefix !== '' && names.length === 0) throw noSuchFile(folder, this.#core);
    const heads = names.map((name) => name.slice(prefix.length).replace(/\/.*$/s, ''));
    return [...new Set(heads)].sort();
  }

  stat(name: string): NvmemFileStat {
    const { mode, size } = this.#node(name);
    return { mode, size };
  }

  open(name: string, options: NvmemOpenOptions = {}): NvmemFile {
    checkString('name', name);
    checkKeys('options', checkObject('options', options), ['flags', 'as']);
    const { flags = 'r', as = 'owner' } = options;
    if (!['r', 'w', 'r+'].includes(flags)) throw rangeError('options.flags', "'r', 'w' or 'r+'", flags);
    if (!['owner', 'other'].includes(as)) throw rangeError('options.as', "'owner' or 'other'", as);
    const node = this.#node(name);
    // kernfs_fop_open() wants one of the bits whoever asks, root included; the bits of others keep others out.
    const [read, write] = as === 'owner' ? [0o444, 0o222] : [0o004, 0o002];
    const refused = (flags !== 'w' && !(node.mode & read)) || (flags !== 'r' && !(node.mode & write));
    if (refused) {
      const mode = `0${node.mode.toString(8)}`;
      throw new NvmemError('EACCES', `${name} has the mode ${mode}`, {
        syscall: 'open',
        hint: 'Open it with other flags, or as its owner.',
      });
    }
    return new NvmemFile(name, node, flags, this.#core);
  }

  #present(): Map<string, FileNode> {
    return this.#core?.gone === undefined ? this.#nodes() : new Map<string, FileNode>();
  }

  #node(name: string): FileNode {
    checkString('name', name);
    const node = this.#present().get(name);
    if (!node) throw noSuchFile(name, this.#core);
    return node;
  }
}

function noSuchFile(name: string, core: DeviceCore | undefined): NvmemError {
  return new NvmemError('ENOENT', `there is no file ${name}`, {
    syscall: 'open',
    device: core?.facts.name,
    hint: core?.gone === undefined ? 'list() names the files that there are.' : goneHint(core.gone),
  });
}

/** An open file: positional reads and writes, whole ones (read, write) or as read(2) and write(2) do them. */
export class NvmemFile {
  readonly name: string;
  readonly #node: FileNode;
  readonly #flags: string;
  readonly #core: DeviceCore | undefined;
  #closed = false;
  /** One call at a time, as the descriptor's mutex has it. */
  readonly #turns: Turns;

  /** @internal */
  constructor(name: string, node: FileNode, flags: string, core: DeviceCore | undefined) {
    this.name = name;
    this.#node = node;
    this.#flags = flags;
    this.#core = core;
    this.#turns = new Turns(`the file ${name}`);
  }

  get size(): number {
    return this.#node.size;
  }

  /**
   * One pread(2): at most a page, clipped at the end (0 bytes there and beyond), then whole words. Rejects with NvmemError
   * EBADF (closed, or not open for reading), ENODEV, EINVAL (off the stride; less than a word), EPERM (the provider cannot
   * read), and what the provider says.
   */
  async pread(count: number, position: number): Promise<Buffer> {
    checkInteger('count', count, 0);
    checkInteger('position', position, 0);
    return this.#next('w', async () => {
      const room = roomAt(this.#node, position);
      return count === 0 || room <= 0 ? Buffer.alloc(0) : this.#node.read(position, Math.min(count, room));
    });
  }

  /** One pwrite(2): as pread(), and EFBIG at the end and beyond, EPERM on a read-only device. Gives the bytes taken. */
  async pwrite(data: Uint8Array, position: number): Promise<number> {
    const copy = needCopy(checkBytes('data', data));
    checkInteger('position', position, 0);
    return this.#next('r', async () => {
      const room = roomAt(this.#node, position);
      if (room <= 0) throw this.#error('EFBIG', `${this.name} ends at ${String(this.size)}`);
      const count = Math.min(copy.length, room);
      return count === 0 ? 0 : this.#node.write(position, copy.subarray(0, count));
    });
  }

  /**
   * `length` bytes from `position`, fewer only at the end of the file: what read(2) after read(2) would bring, as one
   * operation of the device. Rejects as pread() and, with what is good, as NvmemDevice.read(); NvmemError EINVAL where it
   * is not whole words.
   */
  async read(position: number, length: number, options: OperationOptions = {}): Promise<Buffer> {
    checkInteger('position', position, 0);
    checkInteger('length', length, 0);
    checkOperationOptions(options, ['signal', 'timeoutMs', 'onProgress']);
    const { size, whole } = this.#node;
    if (whole) {
      const fits = size === 0 ? length : Math.min(length, size - position);
      return this.#next('w', async () => (fits <= 0 ? Buffer.alloc(0) : whole.read(position, fits, options)));
    }
    const parts: Buffer[] = [];
    for (let done = 0; done < length;) {
      const part = await this.pread(length - done, position + done);
      if (part.length === 0) break;
      parts.push(part);
      done += part.length;
    }
    return Buffer.concat(parts);
  }

  /**
   * All of `data`, as one operation of the device, which is read back and compared unless `verify` is false. Rejects as
   * pwrite() and, with the committed, uncertain and untouched ranges, as NvmemDevice.write(); EFBIG before anything is
   * written where it does not fit, EINVAL where it is not whole words.
   */
  async write(position: number, data: Uint8Array, options: WriteOptions = {}): Promise<NvmemWriteResult> {
    checkInteger('position', position, 0);
    const copy = needCopy(checkBytes('data', data));
    checkWriteOptions(options, ['signal', 'timeoutMs', 'onProgress', 'verify', 'skipEqual']);
    const { size, whole } = this.#node;
    if (position + copy.length > size) throw this.#error('EFBIG', `${this.name} ends at ${String(size)}`);
    if (whole && copy.length > 0) return this.#next('r', () => whole.write(position, copy, options));
    const bytesWritten = copy.length === 0 ? 0 : await this.pwrite(copy, position);
    return { bytesWritten, bytesSkipped: 0, bytesUnchanged: 0, protectError: undefined };
  }

  /** Idempotent. Nothing waits for it. */
  close(): void {
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #next<T>(not: 'r' | 'w', call: () => Promise<T>): Promise<T> {
    const run = (): Promise<T> => {
      if (this.#closed || this.#flags === not) {
        throw this.#error('EBADF', `${this.name} is closed, or open with '${this.#flags}' only`);
      }
      if (this.#core?.gone !== undefined) throw this.#error('ENODEV', this.#core.gone);
      return call();
    };
    // Only where JavaScript is behind it can a call come back to this file.
    return this.#turns.next(run, this.#core !== undefined && this.#core.port.slot === undefined);
  }

  #error(code: NvmemError['code'], message: string): NvmemError {
    const hint = code === 'ENODEV' ? goneHint(this.#core?.gone) : undefined;
    return new NvmemError(code, message, { syscall: 'file', device: this.#core?.facts.name, hint });
  }
}

/** What one call moves at most, bytes. sysfs clips at the end of a file, but not where its size is said to be 0. */
function roomAt({ size }: FileNode, position: number): number {
  return size === 0 ? PAGE : Math.min(size - position, PAGE);
}

/** A folder of text and bytes: what is visible of a device right now. */
function nodesOf(core: DeviceCore): Map<string, FileNode> {
  const nodes = new Map<string, FileNode>();
  if (core.facts.mode !== 0) nodes.set('nvmem', memoryNode(core));
  nodes.set(
    'type',
    textNode(0o444, () => core.facts.type),
  );
  if (core.port.canWrite) nodes.set('force_ro', forceRoNode(core));
  for (const cell of core.cells) {
    const { name, offset, bitOffset } = cell;
    const file = `cells/${name}@${offset.toString(16)},${bitOffset.toString(16)}`;
    if (!nodes.has(file)) nodes.set(file, cellNode(core, cell));
  }
  return nodes;
}

function memoryNode(core: DeviceCore): FileNode {
  const { name, size, wordSize, stride, mode } = core.facts;
  const refuse = (code: 'EINVAL' | 'EPERM', rule: string): never => {
    throw new NvmemError(code, `${name}: ${rule}`, { syscall: 'file', device: name });
  };
  /** As bin_attr_nvmem_read() and _write(): the stride, a word at least, then whole words. */
  const words = (position: number, count: number): number => {
    if (!isAligned(position, stride))
      refuse('EINVAL', `the position must be on the stride, ${String(stride)}`);
    if (count < wordSize) refuse('EINVAL', `at least a word of ${String(wordSize)} bytes`);
    return roundDown(count, wordSize);
  };
  const wholeWords = (position: number, length: number): void => {
    if (words(position, length) !== length)
      refuse('EINVAL', `${String(length)} bytes are not whole words of ${String(wordSize)}`);
  };
  const checkWritable = (): void => {
    if (!core.port.canWrite || core.readOnly !== 'no') refuse('EPERM', 'it is read-only');
  };
  const checkReadable = (): void => {
    if (!core.port.canRead) refuse('EPERM', 'its provider cannot read');
  };
  return {
    mode,
    size,
    async read(position, count) {
      const length = words(position, count);
      checkReadable();
      const call = core.read(position, length, { unbounded: size === 0 }, memoryNode);
      return readOrCount(call, () => needZeros(length));
    },
    async write(position, data) {
      const length = words(position, data.length);
      checkWritable();
      // A keepout that ends beyond the file's words is the core's affair, not the file's.
      const options = { verify: false, unbounded: size === 0 };
      const end = await orCount(core.write(position, data.subarray(0, length), options, memoryNode));
      return typeof end === 'number' ? Math.min(end, length) : length;
    },
    whole: {
      async read(position, length, options) {
        wholeWords(position, length);
        checkReadable();
        return core.read(position, length, options, NvmemFile.prototype.read);
      },
      async write(position, data, options) {
        wholeWords(position, data.length);
        checkWritable();
        return core.write(position, data, options, NvmemFile.prototype.write);
      },
    },
  };
}

function cellNode(core: DeviceCore, cell: CellEntry): FileNode {
  return {
    mode: core.facts.mode & 0o444,
    size: cell.bytes,
    async read(position, count) {
      const value = await core.readCell(cell, cell.name, 0, { unbounded: true }, cellNode);
      return value.subarray(position, position + count);
    },
    write: notPermitted,
  };
}

function textNode(mode: number, text: () => string): FileNode {
  return {
    mode,
    size: PAGE,
    read: (position, count) =>
      Promise.resolve(Buffer.from(`${text()}\n`).subarray(position, position + count)),
    write: notPermitted,
  };
}

function notPermitted(): Promise<number> {
  return Promise.reject(new NvmemError('EPERM', 'this file cannot be written', { syscall: 'file' }));
}

function forceRoNode(core: DeviceCore): FileNode {
  return {
    ...textNode(0o644, () => (core.readOnly === 'no' ? '0' : '1')),
    write(_position, data) {
      const value = kernelBoolean(Buffer.from(data).toString('latin1'));
      if (value === undefined) {
        return Promise.reject(new NvmemError('EINVAL', 'force_ro takes 0 or 1', { syscall: 'file' }));
      }
      core.readOnly = value ? 'yes' : 'no';
      return Promise.resolve(data.length);
    },
  };
}

/** kstrtobool() */
function kernelBoolean(text: string): boolean | undefined {
  if (/^(?:[1yYtT]|[oO][nN])/.test(text)) return true;
  if (/^(?:[0nNfF]|[oO][fF])/.test(text)) return false;
  return undefined;
}
