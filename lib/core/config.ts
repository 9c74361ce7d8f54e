/** What a provider hands to register(), checked and completed as nvmem_register() does. */
import { type BoardCell, boardCellInfo } from './board_cells.js';
import { type CellEntry, makeCellEntry, type NvmemCellInfo } from './cell_entry.js';
import type { NvmemType } from './device_facts.js';
import { NvmemError } from '../base/errors.js';
import { validateKeepouts, type Keepout } from './keepouts.js';
import { checkId, checkName, type Names, type NvmemId } from './naming.js';
import { NativeProvider, type NvmemProvider } from './provider.js';
import type { ProviderCalls } from './javascript_port.js';
import { checkWpLine, type CheckedLine, type WpLine } from './wp_line.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkMethod,
  checkObject,
  checkString,
  rangeError,
  typeError,
} from '../base/validate.js';

/** struct nvmem_config, as far as it makes sense outside the kernel. */
export interface NvmemConfig {
  readonly provider: NvmemProvider | NativeProvider;
  /** Default: 'nvmem' and a number. */
  readonly name?: string | undefined;
  /** How a number goes onto the name; default 'auto'. */
  readonly id?: NvmemId | undefined;
  /** Default 'Unknown'. */
  readonly type?: NvmemType | undefined;
  /** Bytes. Default: that of the provider. */
  readonly size?: number | undefined;
  /** Smallest access, bytes. Default 1. */
  readonly wordSize?: number | undefined;
  /** Granularity of offsets, bytes. Default 1. */
  readonly stride?: number | undefined;
  /** No writes, whatever the provider can do. */
  readonly readOnly?: boolean | undefined;
  /** Only the owner may read it at the user boundary. */
  readonly rootOnly?: boolean | undefined;
  /** Sorted, without overlap. Copied. */
  readonly keepouts?: readonly Keepout[] | undefined;
  readonly cells?: readonly NvmemCellInfo[] | undefined;
  /** The provider's write-protect line is its own affair: the device does not begin read-only because of it. */
  readonly ignoreWp?: boolean | undefined;
  /** Name of the parent device. Absent: none is needed. null is refused (EINVAL), as in the kernel. */
  readonly dev?: string | null | undefined;
  /**
   * The write-protect line of a provider in JavaScript: it protects from registration on, and is lowered around each
   * write. A provider of the addon brings its own.
   */
  readonly wp?: WpLine | undefined;
  /** Name of the layout that finds the cells; see Registry.addLayout(). */
  readonly layout?: string | undefined;
  /** Cells as a board file has them. */
  readonly boardCells?: readonly BoardCell[] | undefined;
  /** May change what came out of `boardCells` before it becomes a cell (fixup_dt_cell_info). */
  readonly fixupCellInfo?: ((info: NvmemCellInfo) => NvmemCellInfo) | undefined;
  /** Also offer the memory as the file `eeprom` (`fram` for type FRAM) of `baseDev`, as at24 does. */
  readonly compat?: boolean | undefined;
  /** Name of the device that gets that file. */
  readonly baseDev?: string | undefined;
}

export interface CheckedConfig {
  readonly provider: ProviderCalls | NativeProvider;
  readonly name: string | undefined;
  readonly id: NvmemId;
  readonly type: NvmemType;
  readonly size: number;
  readonly wordSize: number;
  readonly stride: number;
  readonly readOnly: boolean;
  readonly rootOnly: boolean;
  readonly ignoreWp: boolean;
  readonly keepouts: readonly Keepout[];
  readonly infos: readonly NvmemCellInfo[];
  readonly boardCells: readonly BoardCell[];
  readonly fixupCellInfo: NvmemConfig['fixupCellInfo'];
  readonly wp: CheckedLine | undefined;
  readonly layout: string | undefined;
  readonly compat: boolean;
  readonly baseDev: string | undefined;
}

const KEYS = [
  'provider',
  'name',
  'id',
  'type',
  'size',
  'wordSize',
  'stride',
  'readOnly',
  'rootOnly',
  'keepouts',
  'cells',
  'ignoreWp',
  'dev',
  'wp',
  'layout',
  'boardCells',
  'fixupCellInfo',
  'compat',
  'baseDev',
];

const TYPES: readonly NvmemType[] = ['Unknown', 'EEPROM', 'OTP', 'Battery backed', 'FRAM'];

/**
 * The types of all fields, and the kernel's first rules: a parent (EINVAL), a callback (EINVAL). The others follow in the
 * kernel's order when the line is taken: see checkRanges() and makeCells().
 */
export function checkConfig(config: NvmemConfig, names: Names = 'checked'): CheckedConfig {
  checkKeys('config', checkObject('config', config), KEYS);
  const { provider } = config;
  checkObject('provider', provider);
  const isNative = provider instanceof NativeProvider;
  const calls = isNative ? undefined : checkCalls(provider);
  const name = config.name === undefined ? undefined : checkName(config.name, names);
  const id = checkId(config.id ?? 'auto');
  const type = config.type ?? 'Unknown';
  if (!TYPES.includes(type)) throw rangeError('type', `one of ${TYPES.join(', ')}`, type);
  const size = checkInteger('size', config.size ?? provider.size, 0);
  if (isNative && size > provider.size) {
    throw rangeError('size', `at most ${String(provider.size)}, the size of the provider`, size);
  }
  // As in the kernel 0 stands for 1.
  const wordSize = checkInteger('wordSize', config.wordSize ?? 1, 0, 0x7fffffff) || 1;
  const stride = checkInteger('stride', config.stride ?? 1, 0, 0x7fffffff) || 1;
  const readOnly = checkBoolean('readOnly', config.readOnly ?? false);
  const rootOnly = checkBoolean('rootOnly', config.rootOnly ?? false);
  const ignoreWp = checkBoolean('ignoreWp', config.ignoreWp ?? false);
  const keepouts = checkArray('keepouts', config.keepouts).map((keepout, i) => checkKeepout(keepout, i));
  const infos = checkArray('cells', config.cells);
  const boardCells = checkArray('boardCells', config.boardCells);
  if (config.fixupCellInfo !== undefined) checkFunction('fixupCellInfo', config.fixupCellInfo);
  const wp = config.wp && checkWpLine(config.wp);
  if (wp && isNative) throw typeError('wp', 'left to the provider, which is one of the addon', wp);
  const layout = config.layout === undefined ? undefined : checkString('layout', config.layout);
  const compat = checkBoolean('compat', config.compat ?? false);
  const baseDev = config.baseDev === undefined ? undefined : checkString('baseDev', config.baseDev);
  const { dev } = config;
  if (dev !== undefined && dev !== null) checkString('dev', dev);

  if (dev === null) throw new NvmemError('EINVAL', 'dev must name the parent', { syscall: 'register' });
  if (calls && calls.read === undefined && calls.write === undefined) {
    throw new NvmemError('EINVAL', 'provider needs a read or a write function', { syscall: 'register' });
  }
  return {
    provider: calls ?? (provider as NativeProvider),
    name,
    id,
    type,
    size,
    wordSize,
    stride,
    readOnly: readOnly || (calls !== undefined && calls.write === undefined),
    rootOnly,
    ignoreWp,
    keepouts,
    infos,
    boardCells,
    fixupCellInfo: config.fixupCellInfo,
    wp,
    layout,
    compat,
    baseDev,
  };
}

function checkCalls(self: NvmemProvider): ProviderCalls {
  return { read: checkMethod('provider', self, 'read'), write: checkMethod('provider', self, 'write') };
}

/** A name (ENOMEM), keepouts (ERANGE, EINVAL), then the folder of the compat file (EINVAL). */
export function checkRanges(config: CheckedConfig): void {
  const { name, id, keepouts, wordSize, stride, compat, baseDev } = config;
  if (name === undefined && id === 'none') {
    throw new NvmemError('ENOMEM', "id 'none' makes the name alone the device's, and there is no name", {
      syscall: 'register',
      hint: "Give a name, or id: 'auto'.",
    });
  }
  validateKeepouts(keepouts, wordSize, stride);
  if (compat && baseDev === undefined) {
    throw new NvmemError('EINVAL', 'compat needs baseDev, the device that gets the file', {
      syscall: 'register',
    });
  }
}

/** Puts the cells of the configuration, then those of the board file, into `cells`; EINVAL at the first bad one. */
export function makeCells(config: CheckedConfig, cells: CellEntry[], names: Names = 'checked'): void {
  const { infos, boardCells, fixupCellInfo, wordSize, stride } = config;
  infos.forEach((info, i) => {
    cells.push(makeCellEntry(`cells[${String(i)}]`, info, wordSize, stride, names));
  });
  boardCells.forEach((node, i) => {
    const field = `boardCells[${String(i)}]`;
    const info = boardCellInfo(field, node);
    if (info) cells.push(makeCellEntry(field, fixupCellInfo?.(info) ?? info, wordSize, stride));
  });
}

/** Cells become files at the user boundary, so no two may be the same one (EEXIST). */
export function checkCellFiles(cells: readonly CellEntry[]): void {
  const files = new Set<string>();
  for (const { name, offset, bitOffset } of cells) {
    const file = `${name}@${offset.toString(16)},${bitOffset.toString(16)}`;
    if (files.has(file)) {
      throw new NvmemError('EEXIST', `there are two cells ${file}`, {
        syscall: 'register',
        hint: 'Give one of them another name.',
      });
    }
    files.add(file);
  }
}

/** nvmem_bin_attr_get_umode(): the permission bits of the file `nvmem`. */
export function fileMode(rootOnly: boolean, readOnly: boolean, canRead: boolean, canWrite: boolean): number {
  let mode = 0o400;
  if (!rootOnly) mode |= 0o044;
  if (!readOnly) mode |= 0o200;
  if (!canWrite) mode &= ~0o200;
  if (!canRead) mode &= ~0o444;
  return mode;
}

function checkArray<T>(field: string, value: readonly T[] | undefined): readonly T[] {
  const list: unknown = value ?? [];
  if (!Array.isArray(list)) throw typeError(field, 'an array', list);
  return value ?? [];
}

function checkKeepout(keepout: Keepout, i: number): Keepout {
  const field = `keepouts[${String(i)}]`;
  checkKeys(field, checkObject(field, keepout), ['start', 'end', 'value']);
  return {
    start: checkInteger(`${field}.start`, keepout.start, 0),
    end: checkInteger(`${field}.end`, keepout.end, 0),
    value: checkInteger(`${field}.value`, keepout.value, 0, 255),
  };
}
