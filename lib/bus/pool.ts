/** Buses that are open: several devices on one bus share it, and the last one to leave closes it. */
import { Deadline, settledWithin, type Ended } from '../base/deadline.js';
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { monotonicMs } from '../base/timers.js';
import type { BusOpening, NativeBus } from '../native/index.js';
import { DEFAULT_CLOCK_HZ, type BusUri } from '../uri/bus_uri.js';
import type { BusAccess } from './access.js';
import { busAccess } from './accesses.js';
import { noteBus, noteBusClosed } from './known.js';

interface Entry {
  /** Undefined: the kernel's. */
  readonly clockHz: number | undefined;
  readonly opening: Promise<BusOpening>;
  /** Its limit, where that has passed before it ended; milliseconds. */
  passedMs: number | undefined;
  users: number;
  /** Set while it closes: the server frees the bridge only then. */
  closing: Promise<void> | undefined;
}

/** One user's share in an open bus. */
export interface BusLease {
  readonly bus: NativeBus;
  readonly access: BusAccess;
  /** One more share in the same bus, also where it has gone: what is opened on it then says so. */
  share(): BusLease;
  /**
   * Idempotent; the last user's closes the bus. It resolves when that is done, or has taken too long: the rest then goes on
   * by itself, and who opens the bus again waits for it.
   */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly uri: string;
  readonly openTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Raising write protect is bounded, and so is the transfer on the wire; what takes longer sits in the kernel. */
const CLOSE_LIMIT_MS = 2000;
/** Opening has the same limit in the addon, which knows better what it was waiting for when that passed. */
const GRACE_MS = 250;

const entries = new Map<string, Entry>();

/**
 * `uri`: as the caller gave it, a device's or a bus's, for messages. `openTimeoutMs` and `signal` bound all of it.
 *
 * @throws NvmemError as opening the bus went; EBUSY: it is open with another clock; ETIMEDOUT; ABORT_ERR.
 */
export async function leaseBus(bus: BusUri, { uri, openTimeoutMs, signal }: LeaseOptions): Promise<BusLease> {
  const deadline = new Deadline(openTimeoutMs + GRACE_MS, signal);
  const late = (ended: Ended, doing: string): never => {
    throw endedError(uri, ended, `${doing}, after ${String(openTimeoutMs)} ms`, signal);
  };
  const found = await deadline.wait(lookFor(bus, uri));
  if ('ended' in found) return late(found.ended, `this machine is still looking for ${uri}`);
  const access = found.value;
  const { key } = access;
  let entry = entries.get(key);
  while (entry?.closing) {
    const closed = await deadline.wait(entry.closing);
    if ('ended' in closed) return late(closed.ended, `${access.what} is still being closed by this program`);
    entry = entries.get(key);
  }
  if (!entry) {
    const clockHz = bus.clockHz ?? DEFAULT_CLOCK_HZ;
    const began = monotonicMs();
    const opening = access.open(clockHz, openTimeoutMs);
    const made: Entry = {
      clockHz: access.setsClock ? clockHz : undefined,
      opening,
      passedMs: undefined,
      users: 0,
      closing: undefined,
    };
    void opening.then(
      (opened) => {
        if (opened.bus) noteBus(key, uri, opened.bus);
        if (monotonicMs() - began >= openTimeoutMs) made.passedMs = openTimeoutMs;
      },
      () => undefined,
    );
    entry = made;
    entries.set(key, made);
  } else if (bus.clockHz !== undefined && bus.clockHz !== entry.clockHz) {
    throw new NvmemError(
      'EBUSY',
      `${access.what} is open at ${String(entry.clockHz)} Hz, and ${uri} asks for ${String(bus.clockHz)} Hz`,
      {
        syscall: 'open',
        device: uri,
        hint: 'All parts on one bus share its clock: leave speed= out, give the same, or close the others first.',
      },
    );
  }
  const joining = await deadline.wait(joinBus(access, entry, uri), (lease) => lease.release());
  return 'ended' in joining ? late(joining.ended, `${access.what} is still being opened`) : joining.value;
}

async function lookFor(bus: BusUri, uri: string): Promise<BusAccess> {
  const access = await busAccess(bus, uri);
  await access.check?.();
  return access;
}

function endedError(uri: string, ended: Ended, says: string, signal: AbortSignal | undefined): NvmemError {
  const details = { syscall: 'open', device: uri };
  if (ended === 'timeout') return new NvmemError('ETIMEDOUT', says, details);
  const message = `the operation was aborted, open of ${uri}`;
  return new NvmemError('ABORT_ERR', message, { ...details, cause: signal?.reason });
}

async function joinBus(access: BusAccess, entry: Entry, uri: string): Promise<BusLease> {
  const { key } = access;
  entry.users++;
  const forget = (): void => {
    if (entries.get(key) === entry) entries.delete(key);
  };
  let opened: BusOpening;
  try {
    opened = await entry.opening;
  } catch (error) {
    forget();
    throw error;
  }
  if (opened.bus === undefined) {
    forget();
    throw openingError(access, uri, opened.status, opened.reason, entry.passedMs);
  }
  const { bus } = opened;
  // A bus that has gone is found by nobody any more: the next open() is a new connection.
  void bus.gone.then(forget);
  return shareOf();

  /** One of those that are counted in entry.users. */
  function shareOf(): BusLease {
    let released: Promise<void> | undefined;
    return {
      bus,
      access,
      share: () => {
        entry.users++;
        return shareOf();
      },
      release: () => {
        released ??= leave();
        return released;
      },
    };
  }

  async function leave(): Promise<void> {
    entry.users--;
    if (entry.users > 0) return;
    entry.closing = bus.close().then(() => {
      forget();
      noteBusClosed(key, uri, bus);
    });
    await settledWithin(entry.closing, CLOSE_LIMIT_MS);
  }
}
function openingError(
  access: BusAccess,
  uri: string,
  status: number,
  reason: string,
  passedMs: number | undefined,
): NvmemError {
  const code = codeOf(status);
  // A wait of the protocol's own may end long before the limit.
  const limit = code === 'ETIMEDOUT' && passedMs !== undefined ? ` within ${String(passedMs)} ms` : '';
  const sentence = `${access.sentences[code] ?? saysOf(code)}${limit}`;
  // Where the two would say the same, the transport's own words are the better ones.
  const both = code === 'EOPNOTSUPP' || code === 'ETIMEDOUT';
  const why = reason === '' ? sentence : both ? `${sentence} (${reason})` : reason;
  return new NvmemError(code, `cannot open ${access.what}: ${why}`, {
    errno: status,
    syscall: 'open',
    device: uri,
    hint: access.hint?.(code),
  });
}
