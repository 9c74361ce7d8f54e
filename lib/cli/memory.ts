/** What read, write and verify work on: a device that is there, or with --wait one that is followed. */
import type { NvmemGeometry } from '../core/part_commands.js';
import type { NvmemWriteResult, WriteOptions } from '../core/device_core.js';
import type { FollowProgress } from '../follow/options.js';

export type OnProgress = (done: number, total: number, progress?: FollowProgress) => void;

export interface MemoryOptions extends Omit<WriteOptions, 'onProgress'> {
  readonly onProgress?: OnProgress | undefined;
}

/** Rejects as the operations of a device. */
export interface Memory {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  read(offset: number, length: number, options: MemoryOptions): Promise<Buffer>;
  write(offset: number, data: Uint8Array, options: MemoryOptions): Promise<NvmemWriteResult>;
  geometry(options: MemoryOptions): Promise<NvmemGeometry | undefined>;
}
