/** Bridges that are open: several devices on one bridge share one bus, and the last one to leave closes it. */
import { native, type BusOpening, type NativeBus } from '../native/index.js';
import { codeOf, NvmemError, saysOf } from '../core/errors.js';
import { DEFAULT_CLOCK_HZ, type UsbipUri } from '../uri/uri.js';

interface Entry {
  readonly clockHz: number;
  readonly opening: Promise<BusOpening>;
  users: number;
  /** Set while it closes: the server frees the bridge only then. */
  closing: Promise<void> | undefined;
}

/** One user's share in an open bus. */
export interface BusLease {
  readonly bus: NativeBus;
  readonly clockHz: number;
  /** Idempotent; the last user's closes the bus. */
  release(): Promise<void>;
}

const entries = new Map<string, Entry>();

/**
 * @throws NvmemError as opening the bridge went, or EBUSY: it is open with another clock.
 */
export async function leaseBus(uri: UsbipUri, openTimeoutMs: number): Promise<BusLease> {
  const key = `${uri.host.toLowerCase()} ${String(uri.port)} ${uri.busid}`;
  let entry = entries.get(key);
  while (entry?.closing) {
    await entry.closing;
    entry = entries.get(key);
  }
  if (!entry) {
    const clockHz = uri.part.clockHz ?? DEFAULT_CLOCK_HZ;
    const { host, port, busid } = uri;
    const opening = native().openUsbip({ host, port, busid, clockHz, openTimeoutMs });
    entry = { clockHz, opening, users: 0, closing: undefined };
    entries.set(key, entry);
  } else if (uri.part.clockHz !== undefined && uri.part.clockHz !== entry.clockHz) {
    throw new NvmemError(
      'EBUSY',
      `the bridge ${where(uri)} is open at ${String(entry.clockHz)} Hz, and ${uri.uri} asks for ${String(uri.part.clockHz)} Hz`,
      {
        syscall: 'open',
        device: uri.uri,
        hint: 'All parts on one bus share its clock: leave speed= out, give the same, or close the others first.',
      },
    );
  }
  return joinBus(key, entry, uri, openTimeoutMs);
}

async function joinBus(key: string, entry: Entry, uri: UsbipUri, openTimeoutMs: number): Promise<BusLease> {
  entry.users++;
  const opened = await entry.opening;
  const forget = (): void => {
    if (entries.get(key) === entry) entries.delete(key);
  };
  if (opened.bus === undefined) {
    forget();
    throw openingError(uri, opened.status, opened.reason, openTimeoutMs);
  }
  const { bus } = opened;
  // A bridge that has gone is found by nobody any more: the next open() is a new connection.
  void bus.gone.then(forget);
  let released: Promise<void> | undefined;
  return {
    bus,
    clockHz: entry.clockHz,
    release: () => {
      released ??= leave();
      return released;
    },
  };

  async function leave(): Promise<void> {
    entry.users--;
    if (entry.users > 0) return;
    entry.closing = bus.close().then(forget);
    await entry.closing;
  }
}

/** For messages. */
export function where(uri: UsbipUri): string {
  const host = uri.host.includes(':') ? `[${uri.host}]` : uri.host;
  return `${uri.busid} at ${host}:${String(uri.port)}`;
}

function openingError(uri: UsbipUri, status: number, reason: string, openTimeoutMs: number): NvmemError {
  const code = codeOf(status) === 'EOPNOTSUPP' ? 'ENOTSUP' : codeOf(status);
  const sentences: Partial<Record<string, string>> = {
    ECONNREFUSED: 'nobody listens there',
    ENOENT: 'the server exports no such device',
    ENOTSUP: 'the device is no CP2112',
    EPROTO: 'what answers is no USB/IP server',
    ETIMEDOUT: `the server or the bridge did not answer within ${String(openTimeoutMs)} ms`,
    EBUSY: 'the bridge is in use by someone else',
    ENODEV: 'the server hung up, or the bridge went away, while it was being opened',
  };
  const sentence = sentences[code] ?? saysOf(code);
  // Where the two would say the same, the transport's own words are the better ones.
  const both = code === 'ENOTSUP' || code === 'ETIMEDOUT';
  const why = reason === '' ? sentence : both ? `${sentence} (${reason})` : reason;
  return new NvmemError(code, `cannot open the bridge ${where(uri)}: ${why}`, {
    errno: status,
    syscall: 'open',
    device: uri.uri,
  });
}
