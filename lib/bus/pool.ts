/** Buses that are open: several devices on one bus share it, and the last one to leave closes it. */
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import type { BusOpening, NativeBus } from '../native/index.js';
import { DEFAULT_CLOCK_HZ, type BusUri } from '../uri/uri.js';
import { busSource, type BusSource } from './source.js';

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
  readonly source: BusSource;
  /** Idempotent; the last user's closes the bus. */
  release(): Promise<void>;
}

const entries = new Map<string, Entry>();

/**
 * @throws NvmemError as opening the bus went, or EBUSY: it is open with another clock.
 */
export async function leaseBus(uri: BusUri, openTimeoutMs: number): Promise<BusLease> {
  const source = await busSource(uri);
  await source.check?.(uri);
  const { key } = source;
  let entry = entries.get(key);
  while (entry?.closing) {
    await entry.closing;
    entry = entries.get(key);
  }
  if (!entry) {
    const clockHz = uri.part.clockHz ?? DEFAULT_CLOCK_HZ;
    const began = performance.now();
    const opening = source.open(clockHz, openTimeoutMs);
    const made: Entry = {
      clockHz: source.setsClock ? clockHz : undefined,
      opening,
      passedMs: undefined,
      users: 0,
      closing: undefined,
    };
    void opening.then(
      () => {
        if (performance.now() - began >= openTimeoutMs) made.passedMs = openTimeoutMs;
      },
      () => undefined,
    );
    entry = made;
    entries.set(key, made);
  } else if (uri.part.clockHz !== undefined && uri.part.clockHz !== entry.clockHz) {
    throw new NvmemError(
      'EBUSY',
      `${source.what} is open at ${String(entry.clockHz)} Hz, and ${uri.uri} asks for ${String(uri.part.clockHz)} Hz`,
      {
        syscall: 'open',
        device: uri.uri,
        hint: 'All parts on one bus share its clock: leave speed= out, give the same, or close the others first.',
      },
    );
  }
  return joinBus(source, entry, uri);
}

async function joinBus(source: BusSource, entry: Entry, uri: BusUri): Promise<BusLease> {
  const { key } = source;
  entry.users++;
  const opened = await entry.opening;
  const forget = (): void => {
    if (entries.get(key) === entry) entries.delete(key);
  };
  if (opened.bus === undefined) {
    forget();
    throw openingError(source, uri, opened.status, opened.reason, entry.passedMs);
  }
  const { bus } = opened;
  // A bus that has gone is found by nobody any more: the next open() is a new connection.
  void bus.gone.then(forget);
  let released: Promise<void> | undefined;
  return {
    bus,
    source,
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

function openingError(
  source: BusSource,
  uri: BusUri,
  status: number,
  reason: string,
  passedMs: number | undefined,
): NvmemError {
  const code = codeOf(status) === 'EOPNOTSUPP' ? 'ENOTSUP' : codeOf(status);
  // A wait of the protocol's own may end long before the limit.
  const limit = code === 'ETIMEDOUT' && passedMs !== undefined ? ` within ${String(passedMs)} ms` : '';
  const sentence = `${source.sentences[code] ?? saysOf(code)}${limit}`;
  // Where the two would say the same, the transport's own words are the better ones.
  const both = code === 'ENOTSUP' || code === 'ETIMEDOUT';
  const why = reason === '' ? sentence : both ? `${sentence} (${reason})` : reason;
  return new NvmemError(code, `cannot open ${source.what}: ${why}`, {
    errno: status,
    syscall: 'open',
    device: uri.uri,
    hint: source.hint?.(code),
  });
}
