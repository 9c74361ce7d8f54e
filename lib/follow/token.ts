import type { NvmemCellInfo } from '../core/cell_entry.js';
import type { SharedToken } from '../core/share_token.js';

/** What FollowedDevice.share() gives: can be posted to any thread of the process, and outlives replugs. */
export interface FollowToken {
  readonly type: 'nvmem-shared-follow';
  readonly id: string;
  /** A memory that is there for as long as its owner follows it: whose thread ends without a word is known by it. */
  readonly owner: SharedToken;
  readonly uri: string;
  readonly name: string | undefined;
  readonly size: number | undefined;
  readonly pageSize: number;
  /** Those without readPostProcess, which stays in its thread. */
  readonly cells: readonly NvmemCellInfo[];
}
