/** What is known of a device, and does not change while it is there. */
import type { Keepout } from './keepouts.js';

export type NvmemType = 'Unknown' | 'EEPROM' | 'OTP' | 'Battery backed' | 'FRAM';

export interface DeviceFacts {
  readonly name: string;
  readonly type: NvmemType;
  readonly size: number;
  readonly wordSize: number;
  readonly stride: number;
  readonly rootOnly: boolean;
  /** The mode of the file `nvmem` at the user boundary; it stays what it was at registration. */
  readonly mode: number;
  readonly keepouts: readonly Keepout[];
}
