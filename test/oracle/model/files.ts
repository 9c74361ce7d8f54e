/** The user boundary of the model: the files of a device and what read(2) and write(2) of them answer. */
import type { Ret } from '../types.js';
import type { ModelCell, ModelDevice } from './device.js';

const PAGE = 4096;

export interface ModelFile {
  readonly mode: number;
  readonly size: number;
  /** Bytes, or why not. */
  read(position: number, count: number): Promise<Buffer | Ret>;
  write(position: number, data: Buffer): Promise<Ret>;
}

export type FileTable = ReadonlyMap<string, ModelFile>;

/** May `as` root or somebody else open it so? kernfs_fop_open() wants a bit of anybody's even from root. */
export function mayOpen({ mode }: ModelFile, how: string, root: boolean): boolean {
  const [read, write] = root ? [0o444, 0o222] : [0o004, 0o002];
  return (how === 'w' || (mode & read) !== 0) && (how === 'r' || (mode & write) !== 0);
}

export function filesOf(device: ModelDevice): FileTable {
  const files = new Map<string, ModelFile>();
  const { spec } = device.ram;
  if (device.mode !== 0) files.set('nvmem', memoryFile(device));
  files.set(
    'type',
    textFile(0o444, () => spec.type ?? 'Unknown'),
  );
  if (device.ram.canWrite) files.set('force_ro', forceRo(device));
  for (const cell of device.cells) files.set(`cells/${fileName(cell)}`, cellFile(device, cell));
  return files;
}

export function fileName({ name, offset, bitOffset }: ModelCell): string {
  return `${name}@${offset.toString(16)},${bitOffset.toString(16)}`;
}

export function compatFilesOf(device: ModelDevice): FileTable {
  return new Map([[device.ram.spec.type === 'FRAM' ? 'fram' : 'eeprom', memoryFile(device)]]);
}

/** sysfs_kf_bin_read(), sysfs_kf_bin_write(), and bin_attr_nvmem_read(), bin_attr_nvmem_write() behind them. */
function memoryFile(device: ModelDevice): ModelFile {
  const { spec } = device.ram;
  const { size } = spec;
  const { wordSize, stride } = device;
  const words = (position: number, count: number): number =>
    (position & (stride - 1)) !== 0 || count < wordSize ? -1 : (count & ~(wordSize - 1)) >>> 0;
  const outside = (ret: Ret, missing: boolean): Ret =>
    ret === 'EOPNOTSUPP' && (missing || !device.rules.has('D12')) ? 'EPERM' : ret;
  return {
    mode: device.mode,
    size,
    async read(position, asked) {
      if (asked === 0) return Buffer.alloc(0);
      if (size !== 0 && position >= size) return Buffer.alloc(0);
      const count = words(position, Math.min(asked, PAGE, size === 0 ? PAGE : size - position));
      if (count < 0) return 'EINVAL';
      const data = Buffer.alloc(count);
      const ret = outside(await device.read(position, data), !device.ram.canRead);
      if (typeof ret === 'string') return ret;
      return ret === 0 ? data : data.subarray(0, ret);
    },
    async write(position, asked) {
      if (size !== 0 && position >= size) return 'EFBIG';
      const data = asked.subarray(0, Math.min(PAGE, size === 0 ? PAGE : size - position));
      if (data.length === 0) return 0;
      const count = words(position, data.length);
      if (count < 0) return 'EINVAL';
      if (device.readOnly) return 'EPERM';
      const ret = outside(await device.write(position, data.subarray(0, count)), !device.ram.canWrite);
      return ret === 0 ? count : ret;
    },
  };
}

function cellFile(device: ModelDevice, cell: ModelCell): ModelFile {
  return {
    mode: device.mode & 0o444,
    size: cell.bytes,
    async read(position, asked) {
      if (asked === 0 || (cell.bytes !== 0 && position >= cell.bytes)) return Buffer.alloc(0);
      const buffer = Buffer.alloc(Math.max(cell.rawLen, cell.bytes));
      const ret = await device.readCell(cell, buffer, cell.name);
      if (ret !== 0) return ret;
      return buffer.subarray(0, cell.bytes).subarray(position, position + Math.min(asked, PAGE));
    },
    write: () => Promise.resolve('EIO'),
  };
}

function textFile(mode: number, text: () => string): ModelFile {
  return {
    mode,
    size: PAGE,
    read: (position, count) =>
      Promise.resolve(Buffer.from(`${text()}\n`).subarray(position, position + count)),
    write: () => Promise.resolve('EIO'),
  };
}

function forceRo(device: ModelDevice): ModelFile {
  return {
    ...textFile(0o644, () => (device.readOnly ? '1' : '0')),
    write(_position, data) {
      if (data.length === 0) return Promise.resolve(0);
      const word = data.toString('latin1');
      const [yes, no] = [/^([1yYtT]|[oO][nN])/.test(word), /^([0nNfF]|[oO][fF])/.test(word)];
      if (!yes && !no) return Promise.resolve('EINVAL');
      device.readOnly = yes;
      device.refusesWrites = yes;
      return Promise.resolve(data.length);
    },
  };
}
