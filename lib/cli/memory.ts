/** What read, write and verify work on: a device that is there, or with --wait one that is followed. */
import type { NvmemGeometry } from '../bus/geometry.js';
import type { OpenDevice } from '../bus/open_device.js';
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

/** Through the user boundary, as sysfs would. */
export function memoryOf(device: OpenDevice): Memory {
  return {
    name: device.name,
    size: device.size,
    read: async (offset, length, options) => {
      using file = device.files.open('nvmem');
      return await file.read(offset, length, options);
    },
    write: async (offset, data, options) => {
      using file = device.files.open('nvmem', { flags: 'w' });
      return await file.write(offset, data, options);
    },
    geometry: (options) => device.geometry(options),
  };
}
