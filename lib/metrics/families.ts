/** Which metrics there are: names, types and what each means. */
import type { BusStats } from '../bus/stats.js';
import type { FollowStats } from '../follow/setup.js';
import type { NvmemDeviceStats } from '../core/stats.js';
import type { FamilyType } from './exposition.js';

/** One family, and what its samples are of the `T` that they are about; undefined: it has none. */
export interface Metric<T> {
  readonly name: string;
  readonly type: FamilyType;
  readonly help: string;
  of(subject: T): number | undefined;
}

const MS_PER_S = 1000;

function counter<T>(name: string, help: string, of: (subject: T) => number): Metric<T> {
  return { name: `nvmem_${name}_total`, type: 'counter', help, of };
}

function gauge<T>(name: string, help: string, of: (subject: T) => number | undefined): Metric<T> {
  return { name: `nvmem_${name}`, type: 'gauge', help, of };
}

/** A device of a registry, or a follower with all devices that were behind it. */
export interface DeviceSubject {
  readonly stats: NvmemDeviceStats;
  /** Bytes. */
  readonly size: number | undefined;
  readonly isPresent: boolean;
}

export const DEVICE_METRICS: readonly Metric<DeviceSubject>[] = [
  gauge('device_present', 'Whether the memory can be used: 1 or 0.', ({ isPresent }) => Number(isPresent)),
  gauge('device_size_bytes', 'Size of the memory.', ({ size }) => size),
  counter('device_operations', 'Operations that have ended.', ({ stats }) => stats.operations),
  counter('device_operation_failures', 'Operations that have failed.', ({ stats }) => stats.failures),
  counter('device_read_bytes', 'Bytes read from the memory.', ({ stats }) => stats.bytesRead),
  counter('device_written_bytes', 'Bytes written to the memory.', ({ stats }) => stats.bytesWritten),
  counter('device_write_cycles', 'Page writes; each wears its page once.', ({ stats }) => stats.writeCycles),
  counter(
    'device_skipped_pages',
    'Pages that held the data already and were not written.',
    ({ stats }) => stats.pagesSkipped,
  ),
  counter(
    'device_retries',
    'Transfers tried again because the part was busy or arbitration was lost.',
    ({ stats }) => stats.retries,
  ),
  counter(
    'device_verify_failures',
    'Writes that read back differently.',
    ({ stats }) => stats.verifyFailures,
  ),
  counter(
    'device_wire_read_bytes',
    'Bytes received on the I2C bus for the device.',
    ({ stats }) => stats.wireBytesRead,
  ),
  counter(
    'device_wire_written_bytes',
    'Bytes sent on the I2C bus for the device, word addresses included.',
    ({ stats }) => stats.wireBytesWritten,
  ),
  counter('device_naks', 'Transfers of the device that were not acknowledged.', ({ stats }) => stats.naks),
  gauge(
    'device_longest_hold_seconds',
    'Longest time for which an operation has kept the provider from going.',
    ({ stats }) => stats.longestHoldMs / MS_PER_S,
  ),
  counter('device_grace_periods', 'Grace periods that have ended.', ({ stats }) => stats.gracePeriods),
  gauge(
    'device_longest_grace_period_seconds',
    'Longest grace period.',
    ({ stats }) => stats.longestGracePeriodMs / MS_PER_S,
  ),
];

export interface FollowerSubject {
  readonly stats: FollowStats;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export const FOLLOWER_METRICS: readonly Metric<FollowerSubject>[] = [
  gauge(
    'follower_state_changed_timestamp_seconds',
    'When the state of the follower changed last, Unix time.',
    ({ since }) => since / MS_PER_S,
  ),
  counter('follower_plugs', 'Times that the memory became present.', ({ stats }) => stats.plugs),
  counter(
    'follower_unplugs',
    'Times that the memory went while it was present.',
    ({ stats }) => stats.unplugs,
  ),
  counter(
    'follower_resumes',
    'Operations that an unplug interrupted and that waited for the return of the memory.',
    ({ stats }) => stats.resumes,
  ),
  counter(
    'follower_open_failures',
    'Times that opening the memory failed.',
    ({ stats }) => stats.openFailures,
  ),
];

/** One sample for each state, 1 for the one that is and 0 for the others. */
export const FOLLOWER_STATE = {
  name: 'nvmem_follower_state',
  type: 'gauge',
  help: 'State of the follower: 1 for the one that is.',
} as const;

export const BUS_METRICS: readonly Metric<BusStats>[] = [
  counter('bus_transfers', 'Transfers on the I2C bus.', ({ transfers }) => transfers),
  counter('bus_wire_read_bytes', 'Bytes received on the I2C bus.', ({ wireBytesRead }) => wireBytesRead),
  counter(
    'bus_wire_written_bytes',
    'Bytes sent on the I2C bus, word addresses included.',
    ({ wireBytesWritten }) => wireBytesWritten,
  ),
  counter('bus_naks', 'Transfers that were not acknowledged.', ({ naks }) => naks),
  counter(
    'bus_arbitrations_lost',
    'Transfers that lost arbitration to another master.',
    ({ arbitrationsLost }) => arbitrationsLost,
  ),
  counter('bus_retries', 'Transfers tried again.', ({ retries }) => retries),
  counter('bus_resets', 'Cancels sent to the bridge to bring it back to idle.', ({ resets }) => resets),
  gauge(
    'bus_longest_transfer_seconds',
    'Longest time for which one transfer has kept the bus.',
    ({ longestTransferMs }) => longestTransferMs / MS_PER_S,
  ),
];

export interface ProcessSubject {
  readonly gracePeriods: number;
  readonly longestGracePeriodMs: number;
}

export const PROCESS_METRICS: readonly Metric<ProcessSubject>[] = [
  counter(
    'grace_periods',
    'Grace periods that have ended in this process, those of devices that are gone among them.',
    ({ gracePeriods }) => gracePeriods,
  ),
  gauge(
    'longest_grace_period_seconds',
    'Longest grace period in this process.',
    ({ longestGracePeriodMs }) => longestGracePeriodMs / MS_PER_S,
  ),
];
