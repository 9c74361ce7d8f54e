import type { NvmemCellInfo } from '../core/cell_entry.js';
import type { NvmemType } from '../core/device_facts.js';
import type { PartCommands } from '../core/part_commands.js';
import type { Registry } from '../core/registry.js';

/** What is behind a URI, opened: ready to be registered, and how to let go of it. */
export interface Opened {
  readonly name: string;
  readonly provider: Parameters<Registry['register']>[0]['provider'];
  /** Absent: it is no part on an I2C bus. */
  readonly part?: PartCommands | undefined;
  /** Told the name under which it was registered. */
  named?(device: string): void;
  readonly readOnly: boolean;
  readonly type: NvmemType;
  /** Those that are there before anybody names one. */
  readonly cells?: readonly NvmemCellInfo[];
  readonly identity: ReadonlyMap<string, string>;
  readonly gone: Promise<string> | undefined;
  /** Undoes all of it when the device is not registered after all. */
  discard(): Promise<void>;
  /** Lets go of the bridge or file, after the device was unregistered. */
  free(): Promise<void>;
}
