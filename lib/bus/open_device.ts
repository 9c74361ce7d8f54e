/** Devices that are opened, whatever is behind them: registered, and let go of when they are closed. */
import { Deadline, settledWithin } from '../base/deadline.js';
import { NvmemError } from '../base/errors.js';
import { checkBoolean, checkKeys, checkObject, checkSignal, checkTimeout } from '../base/validate.js';
import type { NvmemCellInfo } from '../core/cell_entry.js';
import { coreOf, NvmemDevice } from '../core/device.js';
import { CLOSED } from '../core/device_end.js';
import type { Keepout } from '../core/keepouts.js';
import type { NvmemId } from '../core/naming.js';
import { nvmem, type Registry } from '../core/registry.js';
import type { Opened } from './opened.js';

export interface OpenOptions {
  /** Name in the registry. Default: bus and address ('1-1-0050'), 'mem' or 'file', with a number. */
  readonly name?: string | undefined;
  /** Default: 'none' with a name, else 'auto'. */
  readonly id?: NvmemId | undefined;
  /** Refuse every write. Default false: opening is the explicit act that lets writes through, WP line or not. */
  readonly readOnly?: boolean | undefined;
  readonly cells?: readonly NvmemCellInfo[] | undefined;
  readonly keepouts?: readonly Keepout[] | undefined;
  /** Limit for connecting, configuring the bridge and finding the part, milliseconds. Default 5000. */
  readonly openTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * The part is what the URI says, whatever it looks like. Default false: before the first write (and behind a CP2112 of
   * version 1 before the first two address bytes, in open() already) it is asked with reads that change no part, and one of
   * another width or a smaller size is EMEDIUMTYPE; what a blank part does not tell, its first page does, before the second.
   */
  readonly forceGeometry?: boolean | undefined;
  /** Where the device is registered. Default: `nvmem`. */
  readonly registry?: Registry | undefined;
}

const KEYS = [
  ...['name', 'id', 'readOnly', 'cells', 'keepouts', 'openTimeoutMs', 'signal', 'registry'],
  ...['forceGeometry'],
];
/** Limit for opening, milliseconds. */
export const DEFAULT_OPEN_TIMEOUT_MS = 5000;
/** What limits itself (the addon, the pool of buses) knows better what it was waiting for, and gets the time to say so. */
const GRACE_MS = 500;
/** An error does not wait for longer than this until what was opened is let go of; that then goes on by itself. */
export const LET_GO_MS = 1000;

/** Registers what has been opened. Nothing of it stays after a failure. */
export async function registerOpened(
  opening: Promise<Opened>,
  uri: string,
  options: OpenOptions,
): Promise<NvmemDevice> {
  const { signal, registry = nvmem } = options;
  const opened = await withinLimit(opening, options.openTimeoutMs ?? DEFAULT_OPEN_TIMEOUT_MS, signal, uri);
  try {
    throwIfAborted(signal, uri);
    const device = registry.registerNow(
      {
        provider: opened.provider,
        name: options.name ?? opened.name,
        id: options.id ?? (options.name === undefined ? 'auto' : 'none'),
        type: opened.type,
        readOnly: opened.readOnly || options.readOnly === true,
        cells: opened.cells ? [...opened.cells, ...(options.cells ?? [])] : options.cells,
        keepouts: options.keepouts,
      },
      () => opened.free(),
      uri,
    );
    opened.named?.(device.name);
    if (options.readOnly !== true && coreOf(device).readOnly === 'wp') device.forceRo = false;
    const handle = new NvmemDevice(coreOf(device), {
      close: () => registry.unregister(device, CLOSED),
      uri,
      identity: Object.freeze(Object.fromEntries(opened.identity)),
      part: opened.part,
      holds: 'open',
    });
    registry.addHandle(device, handle);
    void opened.gone?.then((reason) =>
      registry.unregister(device, { cause: 'unplugged', reason: reason === '' ? 'unplugged' : reason }),
    );
    return handle;
  } catch (error) {
    await settledWithin(opened.discard(), LET_GO_MS);
    throw error;
  }
}

export function checkOpenOptions(options: OpenOptions): void {
  checkKeys('options', checkObject('options', options), KEYS);
  if (options.readOnly !== undefined) checkBoolean('options.readOnly', options.readOnly);
  if (options.openTimeoutMs !== undefined) checkTimeout('options.openTimeoutMs', options.openTimeoutMs);
  if (options.signal !== undefined) checkSignal('options.signal', options.signal);
  if (options.forceGeometry !== undefined) checkBoolean('options.forceGeometry', options.forceGeometry);
  if (options.registry !== undefined) checkObject('options.registry', options.registry);
}

export function throwIfAborted(signal: AbortSignal | undefined, uri: string): void {
  if (!signal?.aborted) return;
  throw new NvmemError('ABORT_ERR', `the operation was aborted, open of ${uri}`, {
    syscall: 'open',
    device: uri,
    cause: signal.reason,
  });
}

/** Gives up waiting when the time limit or the signal says so; what then still opens is let go of. */
async function withinLimit(
  opening: Promise<Opened>,
  openTimeoutMs: number,
  signal: AbortSignal | undefined,
  uri: string,
): Promise<Opened> {
  const deadline = new Deadline(openTimeoutMs + GRACE_MS, signal);
  const first = await deadline.wait(opening, (opened) => opened.discard());
  if ('value' in first) return first.value;
  throwIfAborted(signal, uri);
  throw new NvmemError('ETIMEDOUT', `cannot open ${uri}: it is not open after ${String(openTimeoutMs)} ms`, {
    syscall: 'open',
    device: uri,
  });
}
