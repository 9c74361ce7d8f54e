/**
 * The kernel's own nvmem devices (/sys/bus/nvmem/devices; Documentation/ABI/stable/sysfs-bus-nvmem) as devices of ours. Their
 * bytes go through the addon, on a thread of their own; what is read here are attributes, which need no I/O of the kernel's.
 */
import { constants, promises } from 'node:fs';
import { join } from 'node:path';

import { providerOfSlot } from '../core/provider_port.js';
import type { NvmemCellInfo, PostProcessContext } from '../core/cell_entry.js';
import type { NvmemType } from '../core/device_facts.js';
import { settledWithin } from '../base/deadline.js';
import { codeOf, errnoOf, NvmemError, saysOf } from '../base/errors.js';
import { native, type NativeBus, type NativeSlot } from '../native/index.js';
import type { SysfsUri } from '../uri/uri.js';
import type { Opened } from '../bus/opened.js';

/** As in open.ts: an error does not wait for longer. */
const LET_GO_MS = 1000;
const DEVICES = '/sys/bus/nvmem/devices';
/** As the kernel's type_show() has them (drivers/nvmem/core.c). */
const TYPES: readonly string[] = ['Unknown', 'EEPROM', 'OTP', 'Battery backed', 'FRAM'];

/**
 * Opening for writing clears the device's force_ro, where the kernel has one and it is set; closing sets it again.
 *
 * @param root Where the kernel's devices are.
 * @throws NvmemError ENOENT: the kernel has no such device; EACCES: not for this user; and as reading its first byte went.
 */
export async function openSysfs(
  uri: SysfsUri,
  readOnly: boolean,
  openTimeoutMs: number,
  signal: AbortSignal | undefined,
  root = DEVICES,
): Promise<Opened> {
  const folder = join(root, uri.name);
  const path = join(folder, 'nvmem');
  const fail = (cause: unknown): never => {
    throw openError(uri, errnoOf(cause), cause);
  };
  const { size, mode } = await promises.stat(path).catch(fail);
  const type = await attribute(join(folder, 'type'));
  // kernfs asks for one of the bits whoever opens; access(2) says whether this user has it.
  const writable =
    !readOnly && (mode & 0o222) !== 0 && (await mayAccess(path, constants.R_OK | constants.W_OK));
  if (!writable) await promises.access(path, constants.R_OK).catch(fail);

  const { status, bus, reason } = unwrap(await native().openSysfs({ folder, writable, openTimeoutMs }));
  if (bus === undefined) throw openError(uri, status, reason);
  const slot = bus.kernelFile({ path, size, writable });
  const slots: NativeSlot[] = [];
  const free = async (): Promise<void> => {
    await Promise.all(slots.map((one) => one.unregister()));
    await bus.close();
  };
  const discard = async (): Promise<void> => {
    await slot.unregister();
    await free();
  };
  let cells: NvmemCellInfo[];
  try {
    cells = await cellsOf(join(folder, 'cells'), bus, slots).catch(fail);
    const probed = await slot.probe({ timeoutMs: openTimeoutMs, signal });
    if (probed.status !== 0) throw openError(uri, probed.status, probed.reason);
  } catch (error) {
    await settledWithin(discard(), LET_GO_MS);
    throw error;
  }
  return {
    name: uri.name,
    provider: providerOfSlot(slot, size, { hasWpLine: false }),
    readOnly: !writable,
    type: TYPES.includes(type) ? (type as NvmemType) : 'Unknown',
    cells,
    identity: new Map([['path', path]]),
    gone: bus.gone,
    discard,
    free,
  };
}

function unwrap(opening: Awaited<ReturnType<ReturnType<typeof native>['openSysfs']>>): {
  status: number;
  bus: NativeBus | undefined;
  reason: string;
} {
  return opening.bus === undefined ? { ...opening, bus: undefined } : { ...opening, reason: '' };
}

/** An attribute's text; empty where this kernel does not have it. */
async function attribute(path: string): Promise<string> {
  return promises.readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}

async function mayAccess(path: string, mode: number): Promise<boolean> {
  return promises.access(path, mode).then(
    () => true,
    () => false,
  );
}

/**
 * The kernel's cells: files cells/NAME@OFFSET,BIT, both numbers hexadecimal. Their bytes come from these files and not from the
 * device's, because only the kernel knows how many bits a cell has and what its driver makes of them; it lets nobody write
 * them. A slot for each goes into `slots`.
 */
async function cellsOf(folder: string, bus: NativeBus, slots: NativeSlot[]): Promise<NvmemCellInfo[]> {
  const names = await promises.readdir(folder).catch(() => []);
  const cells = await Promise.all(
    names.sort().map(async (file): Promise<NvmemCellInfo | undefined> => {
      const [, name, offset] = /^(.+)@([0-9a-f]+)(?:,[0-9a-f]+)?$/.exec(file) ?? [];
      if (name === undefined || offset === undefined) return undefined;
      const path = join(folder, file);
      const { size } = await promises.stat(path);
      const slot = bus.kernelFile({ path, size, writable: false });
      slots.push(slot);
      return {
        name,
        offset: parseInt(offset, 16),
        bytes: size,
        async readPostProcess({ data }: PostProcessContext): Promise<void> {
          const outcome = await slot.read(0, size);
          if (outcome.status !== 0) {
            throw Object.assign(new Error(outcome.reason), { errno: outcome.status });
          }
          data.set(outcome.data);
        },
      };
    }),
  );
  return cells.filter((cell) => cell !== undefined);
}

function openError(uri: SysfsUri, status: number, cause: unknown): NvmemError {
  const code = codeOf(status);
  const says = typeof cause === 'string' && cause !== '' ? cause : saysOf(code);
  const why = code === 'ENOENT' ? 'the kernel has no such device' : says;
  const hints: Partial<Record<string, string>> = {
    ENOENT:
      'nvmem list shows what there is; an EEPROM needs its driver (modprobe at24, and a device for it).',
    EACCES:
      'The kernel shows it to root only: run as root, or open the part itself with i2c:// or cp2112://.',
  };
  return new NvmemError(code, `cannot open ${uri.uri}: ${why}`, {
    errno: status,
    syscall: 'open',
    device: uri.uri,
    cause: typeof cause === 'string' ? undefined : cause,
    hint: hints[code],
  });
}
