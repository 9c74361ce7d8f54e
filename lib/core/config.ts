/** What a provider hands to register(), checked and completed as nvmem_register() does. */
import { type CellEntry, makeCellEntry, type NvmemCellInfo } from './cell_entry.js';
import type { NvmemType } from './device_core.js';
import { NvmemError } from './errors.js';
import { validateKeepouts, type Keepout } from './keepouts.js';
import { checkId, checkName, type NvmemId } from './naming.js';
import { NativeProvider, type NvmemProvider } from './provider.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  rangeError,
  typeError,
} from './validate.js';

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
}

export interface CheckedConfig {
  readonly provider: NvmemProvider | NativeProvider;
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
  readonly cells: readonly CellEntry[];
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
];

const TYPES: readonly NvmemType[] = ['Unknown', 'EEPROM', 'OTP', 'Battery backed', 'FRAM'];

/**
 * First the types of all fields, then the kernel's own rules in the kernel's order: a callback is there (EINVAL),
 * keepouts (ERANGE, EINVAL), cells (EINVAL).
 */
export function checkConfig(config: NvmemConfig): CheckedConfig {
  checkKeys('config', checkObject('config', config), KEYS);
  const { provider } = config;
  checkObject('provider', provider);
  const isNative = provider instanceof NativeProvider;
  if (!isNative) {
    for (const name of ['read', 'write'] as const) {
      const method = Reflect.get(provider, name) as unknown;
      if (method !== undefined) checkFunction(`provider.${name}`, method);
    }
  }
  const name = config.name === undefined ? undefined : checkName(config.name);
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

  if (!isNative && provider.read === undefined && provider.write === undefined) {
    throw new NvmemError('EINVAL', 'provider needs a read or a write function', { syscall: 'register' });
  }
  validateKeepouts(keepouts, wordSize, stride);
  const cells = infos.map((info, i) => makeCellEntry(`cells[${String(i)}]`, info, wordSize, stride));
  return {
    provider,
    name,
    id,
    type,
    size,
    wordSize,
    stride,
    readOnly: readOnly || (!isNative && provider.write === undefined),
    rootOnly,
    ignoreWp,
    keepouts,
    cells,
  };
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
