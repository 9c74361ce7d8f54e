/** What a write may be told, and what it says. */
import type { NvmemError } from './errors.js';
import type { OperationOptions } from './validate.js';

export interface WriteOptions extends OperationOptions {
  /** Read back and compare (default true): parts with WP high acknowledge a write and drop it. */
  readonly verify?: boolean | undefined;
  /**
   * Read first, and write only what differs (default false): an EEPROM's pages wear with every write, and a page that
   * stays as it is costs no write cycle. Providers that nothing wears (memory, files, JavaScript) write everything.
   */
  readonly skipEqual?: boolean | undefined;
}

export interface NvmemWriteResult {
  /** Bytes accepted, all of them, as the kernel counts: those skipped in keepouts are among them. */
  readonly bytesWritten: number;
  /** Bytes of it that fell into keepouts and were not stored. */
  readonly bytesSkipped: number;
  /** Bytes of it that the device held already and that were not written again (`skipEqual`). */
  readonly bytesUnchanged: number;
  /** Putting write protect back up failed: the bytes are stored, the part is NOT protected. */
  readonly protectError: NvmemError | undefined;
  /** Of a write with a journal: it is done, but its journal could not be removed. Remove it by hand. */
  readonly journalError?: NvmemError | undefined;
}

/** Of a write of a stretch of the memory; cells have no journal. */
export interface DeviceWriteOptions extends WriteOptions {
  /**
   * A file that is not there yet, in a folder that may be written: it holds the old and the new content until the write is done,
   * and outlives the process. See docs/journal.md.
   */
  readonly journal?: string | undefined;
}
