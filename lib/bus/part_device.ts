/** A part on a bus that is open, made into a device. */
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { settledWithin } from '../base/deadline.js';
import { diagnosed } from '../base/diagnosis.js';
import { partWords } from '../base/part_words.js';
import { monotonicMs } from '../base/timers.js';
import { WRITE_TIMEOUT_MS } from '../chips/chips.js';
import { providerOfSlot } from '../core/provider_port.js';
import type { PartCommands } from '../core/part_commands.js';
import type { NativeSlot } from '../native/index.js';
import type { BusUri } from '../uri/bus_uri.js';
import type { Part } from '../uri/part.js';
import { claimPart, holderOf } from './claim.js';
import { LET_GO_MS, throwIfAborted } from './open_device.js';
import { geometryOf } from './geometry.js';
import type { Opened } from './opened.js';
import { PageLock } from './page_lock.js';
import { leaseBus, type BusLease, type LeaseOptions } from './pool.js';
import { wpError, wpLineOf } from './wp.js';

export interface PartOptions extends LeaseOptions {
  readonly forceGeometry?: boolean | undefined;
}

/** A part, and the URI it was given by, for messages. */
interface Asked {
  readonly part: Part;
  readonly uri: string;
}

/**
 * Opens the bus, or takes a share in it where it is open, and the part on it, which is asked for a byte.
 *
 * @throws NvmemError as open() says.
 */
export async function openPart(bus: BusUri, part: Part, options: PartOptions): Promise<Opened> {
  const deadline = monotonicMs() + options.openTimeoutMs;
  const lease = await leaseBus(bus, options);
  return openPartOn(lease, part, { ...options, openTimeoutMs: Math.max(deadline - monotonicMs(), 1) });
}

/**
 * The same on a bus that is open. The lease is let go of with what is opened, and where it cannot be.
 *
 * @throws NvmemError as open() says.
 */
export async function openPartOn(lease: BusLease, part: Part, options: PartOptions): Promise<Opened> {
  const { uri, openTimeoutMs, signal, forceGeometry = false } = options;
  const asked: Asked = { part, uri };
  let claim: number | undefined;
  try {
    await lease.access.checkPart?.(part, uri);
    claim = await claimPart(lease, part, uri);
  } catch (error) {
    await lease.release();
    throw error;
  }
  const slot = lease.bus.at24({
    address: part.address,
    size: part.size,
    addressBytes: part.addressBytes,
    pageSize: part.pageSize,
    writeCycleMs: part.writeCycleMs ?? Math.max(WRITE_TIMEOUT_MS, part.chip.writeCycleMs),
    blockShift: part.chip.blockShift,
    offsetAdd: part.chip.offsetAdd,
    // Not every part of several blocks counts on into the next one, and a new address every block costs nothing.
    readRollover: false,
    ...wpLineOf(lease.bus, part.wp),
    paging: part.chip.paging,
    writable: part.chip.neverWritten ? false : undefined,
    lockWord: part.chip.lockWord,
    claim,
    forceGeometry,
  });
  const discard = async (): Promise<void> => {
    await slot.unregister();
    await lease.release();
  };
  try {
    await probe(asked, slot, lease, openTimeoutMs, signal);
  } catch (error) {
    await settledWithin(discard(), LET_GO_MS);
    throw error;
  }
  const address = part.address.toString(16).padStart(4, '0');
  return {
    name: `${lease.access.name(lease.bus.identity)}-${address}`,
    provider: providerOfSlot(slot, part.size, {
      hasWpLine: part.wp !== undefined,
      sharesWriters: true,
      isPart: true,
    }),
    part: commandsOf(slot, part),
    named: (device) => {
      if (claim !== undefined) lease.bus.nameClaim?.(claim, holderOf(uri, device));
    },
    readOnly: part.chip.readOnly,
    type: 'EEPROM',
    identity: lease.bus.identity,
    gone: lease.bus.gone,
    discard,
    free: () => lease.release(),
  };
}

function commandsOf(slot: NativeSlot, part: Part): PartCommands {
  const page = new PageLock(slot, part);
  return {
    isLocked: (device, options, below) => page.isLocked(device, options, below),
    lock: (device, readOnly, options, below) => page.lock(device, readOnly, options, below),
    geometry: (device, io) => geometryOf(slot, device, io),
  };
}

function clockOf(lease: BusLease): string {
  const clockHz = lease.bus.identity.get('clock_hz');
  return clockHz === undefined ? '' : `, at ${clockHz} Hz`;
}

/** Is the part there? at24's probe asks for one byte as well. */
async function probe(
  { part, uri }: Asked,
  slot: NativeSlot,
  lease: BusLease,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { status, protectStatus, reason, finding, found } = await slot.probe({ timeoutMs, signal });
  if (status === 0) return;
  throwIfAborted(signal, uri);
  const code = codeOf(status);
  if (part.wp !== undefined && protectStatus !== 0 && code !== 'ENODEV') {
    throw wpError(uri, part.wp, status, reason);
  }
  const at = `0x${part.address.toString(16)} on ${lease.access.what}`;
  const detail = reason === '' || code === 'ENXIO' ? '' : ` (${reason})`;
  const bus = lease.access.what;
  const sentences: Partial<Record<string, string>> = {
    ENXIO: `no part answers at ${at}`,
    ENODEV: `${bus} went away while it was being opened`,
    ETIMEDOUT: `the part at ${at} did not answer in time${clockOf(lease)}`,
    EMEDIUMTYPE: `the part at ${at} is no ${part.chip.name}`,
    EAGAIN: `another master keeps the I2C bus of ${bus}`,
    EBUSY: `the I2C bus of ${bus} is stuck: the part at ${at} cannot be reached`,
  };
  const sentence =
    sentences[code] ?? `the part at ${at} cannot be read: ${partWords(code)?.says ?? saysOf(code)}`;
  throw new NvmemError(code, `${sentence}${detail}`, {
    errno: status,
    syscall: 'open',
    device: uri,
    hint:
      lease.access.partHint?.(code) ??
      (code === 'ENODEV' ? lease.access.hint?.(code) : partWords(code)?.hint),
    ...diagnosed({ finding, found }),
  });
}
