/** What the kinds of buses have in common for those who open parts on them. */
import type { BusOpening } from '../native/index.js';
import type { BusUri } from '../uri/uri.js';
import { hidrawSource } from './hidraw.js';
import { i2cSource } from './i2c.js';
import { usbSource } from './cp2112.js';
import { usbipSource } from './usbip.js';

export interface BusSource {
  /** The same for every URI that means this bus. */
  readonly key: string;
  /** The same for every bus that leads to the same wires, where that may be more than one; absent: the key. */
  wire?(): Promise<string>;
  /** For messages: 'the bridge 1-1 at 127.0.0.1:3240'. */
  readonly what: string;
  /** The bus takes a clock from us; else it is the kernel's. */
  readonly setsClock: boolean;
  /** Why a part may not be used, besides what opening the bus finds out. */
  check?(uri: BusUri): Promise<void>;
  open(clockHz: number, openTimeoutMs: number): Promise<BusOpening>;
  /** What went wrong, by code, where the bus itself does not say it better. */
  readonly sentences: Readonly<Partial<Record<string, string>>>;
  /** What to do about it. */
  hint?(code: string): string | undefined;
  /** The same, where the bus is open and the part cannot be used. */
  partHint?(code: string): string | undefined;
  /** The bus in names of devices. */
  name(identity: ReadonlyMap<string, string>): string;
}

/** @throws NvmemError where the URI names nothing that could be opened. */
export function busSource(uri: BusUri): Promise<BusSource> | BusSource {
  switch (uri.scheme) {
    case 'cp2112':
      return usbSource(uri);
    case 'hidraw':
      return hidrawSource(uri);
    case 'i2c':
      return i2cSource(uri);
    case 'usbip':
      return usbipSource(uri);
  }
}
