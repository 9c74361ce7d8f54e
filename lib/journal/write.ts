/** A write that survives the death of its process. */
import { boundsError, NvmemError } from '../base/errors.js';
import { checkBytes, checkInteger, checkString, checkWriteOptions } from '../base/validate.js';
import type { NvmemWriteResult, WriteOptions } from '../base/write_options.js';
import { createJournal, nodeJournalFs, refuseExisting, removeJournal, type JournalFs } from './files.js';
import { encodeJournal, type Journal } from './format.js';
import { inTurn, Limits } from './limits.js';
import {
  checkMemory,
  holesIn,
  howToRecover,
  identityOf,
  keyOfDevice,
  onlyWhere,
  pageOf,
  type JournalDevice,
  type KnownOfMemory,
} from './memory.js';
import { wholePages } from './pages.js';

export interface JournalledWriteOptions extends WriteOptions {
  /** Where the journal is kept until the write is done: a file that is not there yet, in a folder that may be written. */
  readonly journal: string;
  /** What is known of the memory beside what the device says of itself. */
  readonly memory?: KnownOfMemory | undefined;
}

export interface JournalledWriteResult extends NvmemWriteResult {
  /** The write is done, but its journal could not be removed: remove it by hand. */
  readonly journalError: NvmemError | undefined;
}

/**
 * Writes all of `data` at `offset`, as NvmemDevice.write() does; its option `journal` comes here. Before the first byte of the
 * memory is written the old and the new content are in a file that survives a power cut; when all is written and verified the
 * file is removed. After the death of the process, or a write that failed, recover() finishes the write or undoes it.
 *
 * Journalled writes, recoveries and atomic cells of one device take turns.
 *
 * Rejects as NvmemDevice.write(), with the journal's file named in `hint` where it is kept; with NvmemError EEXIST (there is
 * a journal already, or another file), EISDIR, and what the operating system says of the file (ENOSPC, EROFS, EACCES,
 * ENOENT …), all before anything is written to the memory.
 */
export async function journalledWrite(
  device: JournalDevice,
  offset: number,
  data: Uint8Array,
  options: JournalledWriteOptions,
  fs: JournalFs = nodeJournalFs,
): Promise<JournalledWriteResult> {
  checkInteger('offset', offset, 0);
  checkBytes('data', data);
  checkWriteOptions(options, [
    'journal',
    'memory',
    'signal',
    'timeoutMs',
    'onProgress',
    'verify',
    'skipEqual',
  ]);
  const { journal: file, memory: known, signal, timeoutMs, ...how } = options;
  checkString('options.journal', file);
  if (known !== undefined) checkMemory('options.memory', known);
  if (data.length > device.size - offset) {
    throw boundsError(device.name, device.size, offset, data.length);
  }
  const content = Uint8Array.from(data);
  const limits = new Limits({ signal, timeoutMs }, `write of ${device.name}`, device.name);
  return inTurn(keyOfDevice(device), limits, async () => {
    // A write of nothing has nothing to lose.
    if (content.length === 0) {
      return {
        ...(await device.write(offset, content, { ...how, ...limits.next() })),
        journalError: undefined,
      };
    }
    const journal = await lookAround(device, offset, content, known, limits, fs, file);
    return onlyWhere(device, journal.start, journal.old, async () => {
      await createJournal(fs, file, journal, encodeJournal(journal));
      let begun = false;
      try {
        const bounds = limits.next();
        begun = true;
        const result = await device.write(offset, content, { ...how, ...bounds });
        return { ...result, journalError: await removed(fs, file, device.name) };
      } catch (error) {
        if (begun && mayHaveWritten(error)) throw withHint(error, adviceOn(file, journal));
        await removed(fs, file, device.name);
        throw error;
      }
    });
  });
}

/** What there is before the write. */
async function lookAround(
  device: JournalDevice,
  offset: number,
  content: Uint8Array,
  known: KnownOfMemory | undefined,
  limits: Limits,
  fs: JournalFs,
  file: string,
): Promise<Journal> {
  const memory = identityOf(device, known);
  await refuseExisting(fs, file, memory);
  const { start, end } = wholePages(offset, content.length, pageOf(memory), memory.size);
  const old = await device.read(start, end - start, limits.next());
  return { memory, offset, content, start, old, holes: holesIn(device, start, end) };
}

/** undefined, or why a journal that has done its work is still there. */
export async function removed(fs: JournalFs, file: string, device: string): Promise<NvmemError | undefined> {
  try {
    await removeJournal(fs, file, device);
    return undefined;
  } catch (error) {
    return error as NvmemError;
  }
}

/** After a write that has touched nothing the journal has nothing to say; after any other it stays. */
function mayHaveWritten(error: unknown): boolean {
  if (!(error instanceof NvmemError)) return !(error instanceof TypeError || error instanceof RangeError);
  const { committed, uncertain, untouched } = error;
  if (!committed || !uncertain || !untouched) return true;
  return committed.length > 0 || uncertain.length > 0;
}

function adviceOn(file: string, { memory }: Journal): string {
  const { finish, undo } = howToRecover(file, memory);
  return `The journal ${file} is kept: ${finish} finishes the write, with ${undo} it undoes it.`;
}

/** The error was made for this call, and what to do after it is another thing now. */
export function withHint(error: unknown, more: string): unknown {
  if (!(error instanceof NvmemError)) return error;
  return Object.assign(error, { hint: `${error.hint} ${more}` });
}
