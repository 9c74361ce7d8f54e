/** What the kinds of buses have in common for those who open parts on them. */
import type { BusOpening } from '../native/index.js';
import type { Part } from '../uri/part.js';

export interface BusAccess {
  /** The same for every URI that means this bus. */
  readonly key: string;
  /** The same for every bus that leads to the same wires, where that may be more than one; absent: the key. */
  wire?(): Promise<string>;
  /** For messages: 'the bridge 1-1 at 127.0.0.1:3240'. */
  readonly what: string;
  /** The bus takes a clock from us; else it is the kernel's. */
  readonly setsClock: boolean;
  /** Why the bus may not be used, besides what opening it finds out. */
  check?(): Promise<void>;
  /** Why a part on it may not be used. `uri`: of the device, for messages. */
  checkPart?(part: Part, uri: string): Promise<void>;
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
