import type { NvmemDeviceStats } from '../core/device.js';

const NOTHING: NvmemDeviceStats = {
  bytesRead: 0,
  bytesWritten: 0,
  writeCycles: 0,
  pagesSkipped: 0,
  retries: 0,
  verifyFailures: 0,
};

/** What several devices have counted, together. */
export function sumOf(...all: readonly (NvmemDeviceStats | undefined)[]): NvmemDeviceStats {
  const sum = { ...NOTHING } as Record<keyof NvmemDeviceStats, number>;
  for (const stats of all) {
    if (stats === undefined) continue;
    for (const key of Object.keys(NOTHING) as (keyof NvmemDeviceStats)[]) sum[key] += stats[key];
  }
  return sum;
}
