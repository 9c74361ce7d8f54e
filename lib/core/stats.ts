/** What is counted of a device. */
import type { NativeStats } from '../native/index.js';

/** Counters of a device, from its opening on; see NvmemDevice.stats. */
export interface NvmemDeviceStats {
  /** Operations of this thread that have ended: reads and writes of the device and its cells, and questions to the part. */
  readonly operations: number;
  /** Those among them that failed. */
  readonly failures: number;
  /**
   * Bytes read from the part, those of verification and of skipEqual's comparison among them; of another memory, those that
   * operations of this thread have delivered.
   */
  readonly bytesRead: number;
  /** Bytes sent to the part in page writes that it took; of another memory, those that operations of this thread have stored. */
  readonly bytesWritten: number;
  /** Page writes that it took; each wears its page once. */
  readonly writeCycles: number;
  /** Pages that held the data already and were left alone (skipEqual). */
  readonly pagesSkipped: number;
  /** Transfers tried again: the part was busy with an earlier write, or arbitration was lost. */
  readonly retries: number;
  /** Writes that read back differently. */
  readonly verifyFailures: number;
  /** Its part of what its bus has received: as bytesRead, with probes. See BusStats. */
  readonly wireBytesRead: number;
  /** Its part of what its bus has sent: data, word addresses, ACK polling and page selects. See BusStats. */
  readonly wireBytesWritten: number;
  /** Its transfers that were not acknowledged, those of ACK polling after a write among them. See BusStats. */
  readonly naks: number;
  /** The longest time for which an operation has kept the provider from going, milliseconds; one under way counts. */
  readonly longestHoldMs: number;
  /** Grace periods that have ended: the one that the device's end waits for. */
  readonly gracePeriods: number;
  /** The longest of them, milliseconds. */
  readonly longestGracePeriodMs: number;
}

const NOTHING: NvmemDeviceStats = {
  operations: 0,
  failures: 0,
  bytesRead: 0,
  bytesWritten: 0,
  writeCycles: 0,
  pagesSkipped: 0,
  retries: 0,
  verifyFailures: 0,
  wireBytesRead: 0,
  wireBytesWritten: 0,
  naks: 0,
  longestHoldMs: 0,
  gracePeriods: 0,
  longestGracePeriodMs: 0,
};

/** Counted in JavaScript. */
export type OperationCounts = Record<'operations' | 'failures' | 'bytesRead' | 'bytesWritten', number>;

/** Where the provider counts its bytes itself, those are what counts. */
export function deviceStats(counts: OperationCounts, native: NativeStats | undefined): NvmemDeviceStats {
  return Object.freeze({ ...NOTHING, ...counts, ...native });
}

/** What several devices have counted, together: sums, and of the longest the longest. */
export function sumOfStats(...all: readonly NvmemDeviceStats[]): NvmemDeviceStats {
  return sumOfCounters(NOTHING, ...all);
}

/** The same of any counters: those whose names begin with `longest` are no sums. */
export function sumOfCounters<T extends object>(first: T, ...more: readonly T[]): T {
  const sum = { ...first } as Record<string, number>;
  for (const stats of more) {
    for (const [key, count] of Object.entries(stats) as [string, number][]) {
      const known = sum[key] ?? 0;
      sum[key] = key.startsWith('longest') ? Math.max(known, count) : known + count;
    }
  }
  return sum as T;
}
