/** What read, write and verify work on: a device that is there, or with --wait one that is followed. */
import type { NvmemGeometry } from '../core/part_commands.js';
import type { DeviceWriteOptions, NvmemWriteResult } from '../base/write_options.js';
import type { FollowProgress } from '../follow/options.js';

export type OnProgress = (done: number, total: number, progress?: FollowProgress) => void;

export interface MemoryOptions extends Omit<DeviceWriteOptions, 'onProgress'> {
  readonly onProgress?: OnProgress | undefined;
}

/** A device has all of it. */
export interface Memory {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The URI it was opened by. */
  readonly uri?: string | undefined;
  read(offset: number, length: number, options: MemoryOptions): Promise<Buffer>;
  write(offset: number, data: Uint8Array, options: MemoryOptions): Promise<NvmemWriteResult>;
  geometry(options: Omit<MemoryOptions, 'onProgress'>): Promise<NvmemGeometry | undefined>;
}
