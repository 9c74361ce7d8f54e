/** The buses that this thread has open, and what each of them has counted over all its openings. */
import { tellBus, type BusMessage } from '../core/diagnostics.js';
import { sumOfCounters } from '../core/stats.js';
import type { NativeBus } from '../native/index.js';
import type { BusStats } from './stats.js';

/** Buses that are gone and may come back; of more than these the one that was not there for longest is forgotten. */
const MOST_REMEMBERED = 256;

export interface KnownBus {
  /** The same for every URI that means it. */
  readonly bus: string;
  /** Since the first opening that is remembered. */
  readonly stats: BusStats;
}

class Openings {
  /** Of those that are closed. */
  before: BusStats | undefined;
  serial: string | undefined;
  /** More than one while the one before is still being closed. */
  readonly open = new Set<NativeBus>();

  get stats(): BusStats | undefined {
    const [first, ...more] = [
      ...(this.before ? [this.before] : []),
      ...[...this.open].map((bus) => bus.stats()),
    ];
    return first && sumOfCounters(first, ...more);
  }
}

const known = new Map<string, Openings>();

/** `bus` has been opened as `key`; `uri`: by whom. */
export function noteBus(key: string, uri: string, bus: NativeBus): void {
  const openings = known.get(key) ?? new Openings();
  // To the end: the ones before are those to be forgotten.
  known.delete(key);
  known.set(key, openings);
  for (const [old, { open }] of known) {
    if (known.size <= MOST_REMEMBERED) break;
    if (open.size === 0 && old !== key) known.delete(old);
  }
  openings.open.add(bus);
  const tell = (event: BusMessage['event'], reason = ''): void => {
    tellBus(() => ({ event, bus: key, uri, identity: Object.fromEntries(bus.identity), reason }));
  };
  const serial = bus.identity.get('serial');
  const last = openings.serial;
  if (serial !== undefined && last !== undefined && serial !== last) {
    tell('replaced', `the bridge with serial number ${last} was there before`);
  }
  openings.serial = serial ?? last;
  tell('opened');
  void bus.gone.then((reason) => {
    tell('gone', reason === '' ? 'unplugged' : reason);
  });
}

/** `bus` is closed: its numbers are the last ones. */
export function noteBusClosed(key: string, uri: string, bus: NativeBus): void {
  const openings = known.get(key);
  if (openings?.open.delete(bus)) {
    const stats = bus.stats();
    openings.before = openings.before ? sumOfCounters(openings.before, stats) : stats;
  }
  tellBus(() => ({
    event: 'closed',
    bus: key,
    uri,
    identity: Object.fromEntries(bus.identity),
    reason: '',
  }));
}

/** Those that are open. */
export function openBuses(): KnownBus[] {
  return [...known].flatMap(([bus, openings]) => {
    const { stats } = openings;
    return stats && openings.open.size > 0 ? [{ bus, stats }] : [];
  });
}
