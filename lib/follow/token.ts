import type { NvmemCellInfo } from '../core/cell_entry.js';

/** What FollowedDevice.share() gives: can be posted to any thread of the process, and outlives replugs. */
export interface FollowToken {
  readonly type: 'nvmem-shared-follow';
  readonly id: string;
  readonly uri: string;
  readonly name: string | undefined;
  readonly size: number | undefined;
  readonly pageSize: number;
  /** Those without readPostProcess, which stays in its thread. */
  readonly cells: readonly NvmemCellInfo[];
}
