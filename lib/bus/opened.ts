import type { NvmemGeometry } from './geometry.js';
import type { NvmemCellInfo } from '../core/cell_entry.js';
import type { NvmemType } from '../core/device_core.js';
import type { PageLock } from './page_lock.js';
import type { Nvmem } from '../core/registry.js';
import type { IoOptions } from '../native/index.js';

/** What is behind a URI, opened: ready to be registered, and how to let go of it. */
export interface Opened {
  readonly name: string;
  readonly provider: Parameters<Nvmem['register']>[0]['provider'];
  /** Of a part. */
  readonly pageLock?: PageLock | undefined;
  /** Told the name under which it was registered. */
  named?(device: string): void;
  readonly readOnly: boolean;
  readonly type: NvmemType;
  /** Those that are there before anybody names one. */
  readonly cells?: readonly NvmemCellInfo[];
  readonly identity: ReadonlyMap<string, string>;
  readonly gone: Promise<string> | undefined;
  /** Whether it is the part that the URI names; absent: it is no part on an I2C bus. */
  readonly geometry?: (device: string, io: IoOptions) => Promise<NvmemGeometry>;
  /** Undoes all of it when the device is not registered after all. */
  discard(): Promise<void>;
  /** Lets go of the bridge or file, after the device was unregistered. */
  free(): Promise<void>;
}
