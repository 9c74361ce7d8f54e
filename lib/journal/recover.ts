/** After a write that was cut off: finishes it, or puts back what was there. */
import { NvmemError, type ByteRange } from '../base/errors.js';
import { bytes } from '../base/text.js';
import { checkBoolean, checkOperationOptions, checkString, type OperationOptions } from '../base/validate.js';
import { nodeJournalFs, readJournal, type JournalFs } from './files.js';
import type { Journal } from './format.js';
import { inTurn, Limits } from './limits.js';
import {
  checkMemory,
  differenceOf,
  identityOf,
  keyOfDevice,
  onlyWhere,
  type JournalDevice,
  type KnownOfMemory,
} from './memory.js';
import { differing, examine, isFrontier, rangesOf, reachable, type PageFinding } from './pages.js';
import { removed, withHint } from './write.js';

export interface RecoverOptions extends OperationOptions {
  /** Put the old content back instead of finishing the write. Default false. */
  readonly back?: boolean | undefined;
  /**
   * The power went in the middle of a write cycle: take one page that holds neither the old nor the new content for a torn
   * one, where the pages before it are new and those after it old. Default false.
   */
  readonly torn?: boolean | undefined;
  /** The memory is reached by another URI or name than then. Its size and content are still compared. Default false. */
  readonly moved?: boolean | undefined;
  /** What is known of the memory beside what the device says of itself. */
  readonly memory?: KnownOfMemory | undefined;
}

export interface RecoverResult {
  /** What the memory holds now in the range of the write. */
  readonly holds: 'new' | 'old';
  /** The range of the write, bytes. */
  readonly offset: number;
  readonly length: number;
  /** How its pages were found. One that the write was not to change counts as new. */
  readonly pages: {
    readonly new: number;
    readonly old: number;
    readonly mixed: number;
    readonly torn: number;
  };
  /** What had to be written for it, bytes. */
  readonly bytesWritten: number;
  /**
   * Bytes in the first and the last page, beside the range, that are not as they were before the write. Somebody may have
   * written them since, and so they are left alone, but those of a torn page, which are put back.
   */
  readonly beside: readonly ByteRange[];
  /** Putting write protect back up failed: the bytes are stored, the part is NOT protected. */
  readonly protectError: NvmemError | undefined;
  /** The memory is as it should be, but the journal could not be removed: remove it by hand. */
  readonly journalError: NvmemError | undefined;
}

/**
 * Finishes the write that a journal is about, or undoes it with `back`, verifies it, and removes the journal. It may be
 * killed at any point and run again, in either direction.
 *
 * Rejects with NvmemError: ENOENT (no journal: the write was finished, or never begun), EINVAL (no journal, or a torn one; the
 * message says which), EOPNOTSUPP (of another version), ESTALE (a journal of another memory; or the memory holds neither the old
 * nor the new content, in `mismatchOffset` and `mismatchCount`), and as NvmemDevice.read() and write(). The journal stays then.
 *
 * @example
 * const board = await open('cp2112://0043FFF3/0x50?chip=24c256');
 * const { holds } = await recover('board.journal', board, { back: true }); // 'old'
 */
export async function recover(
  file: string,
  device: JournalDevice,
  options: RecoverOptions = {},
  fs: JournalFs = nodeJournalFs,
): Promise<RecoverResult> {
  checkString('file', file);
  checkOperationOptions(options, ['back', 'torn', 'moved', 'memory', 'signal', 'timeoutMs', 'onProgress']);
  for (const key of ['back', 'torn', 'moved'] as const) {
    if (options[key] !== undefined) checkBoolean(`options.${key}`, options[key]);
  }
  const { back = false, torn = false, moved = false, memory: known, onProgress } = options;
  if (known !== undefined) checkMemory('options.memory', known);
  const limits = new Limits(options, `recover of ${device.name}`, device.name);
  return inTurn(keyOfDevice(device), limits, async () => {
    const journal = await readJournal(fs, file);
    checkSameMemory(file, journal, device, known, moved);
    const { start, old } = journal;
    const now = await device.read(start, old.length, limits.next());
    const pages = examine(journal, now);
    const tornPage = checkContent(file, journal, device, pages, torn);
    const wanted = wantedContent(journal, now, back, tornPage);
    const stretches = plan(journal, now, wanted, pages, back);
    return onlyWhere(device, start, now, async () => {
      const total = stretches.reduce((sum, { length }) => sum + length, 0);
      let protectError: NvmemError | undefined;
      let done = 0;
      for (const { offset, length } of stretches) {
        const before = done;
        try {
          const result = await device.write(
            offset,
            wanted.subarray(offset - start, offset - start + length),
            {
              ...limits.next(),
              verify: true,
              skipEqual: true,
              ...(onProgress && {
                onProgress: (part: number) => {
                  onProgress(before + part, total);
                },
              }),
            },
          );
          protectError ??= result.protectError;
        } catch (error) {
          throw withHint(error, `The journal ${file} is kept: recover again.`);
        }
        done += length;
      }
      return {
        holds: back ? 'old' : 'new',
        offset: journal.offset,
        length: journal.content.length,
        pages: count(pages, tornPage),
        bytesWritten: total,
        beside: rangesOf(pages.flatMap(({ beside }) => beside)),
        protectError,
        journalError: await removed(fs, file, device.name),
      };
    });
  });
}

function checkSameMemory(
  file: string,
  journal: Journal,
  device: JournalDevice,
  known: KnownOfMemory | undefined,
  moved: boolean,
): void {
  const difference = differenceOf(journal.memory, identityOf(device, known), { moved });
  if (!difference) return;
  throw new NvmemError('ESTALE', `${file} is the journal of another memory: ${difference.says}`, {
    syscall: 'recover',
    device: device.name,
    hint: difference.mayHaveMoved
      ? 'Open the memory that it names; if it is the same one, reached in another way, repeat with --moved ({ moved: true }).'
      : 'Open the memory that it names.',
  });
}

/** The page that is torn, where one is and may be. @throws NvmemError ESTALE: something else has been written. */
function checkContent(
  file: string,
  journal: Journal,
  device: JournalDevice,
  pages: readonly PageFinding[],
  torn: boolean,
): PageFinding | undefined {
  const foreign = pages.filter((page) => page.foreign.length > 0);
  const [first] = foreign;
  if (first === undefined) {
    // What is torn may also be beside the range only.
    const edges = torn ? pages.filter((page) => page.beside.length > 0) : [];
    const [edge] = edges;
    return edge && edges.length === 1 && isFrontier(pages, pages.indexOf(edge)) ? edge : undefined;
  }
  const mayBeTorn = foreign.length === 1 && isFrontier(pages, pages.indexOf(first));
  if (mayBeTorn && torn) return first;
  const offsets = foreign.flatMap((page) => page.foreign);
  const [at = first.start] = offsets;
  throw new NvmemError(
    'ESTALE',
    `${device.name} holds neither what it held before the write of ${file} nor what was written, in ` +
      `${String(foreign.length)} of ${String(pages.length)} pages: ${bytes(offsets.length)}, the first at offset ` +
      `${String(at)} (0x${at.toString(16)}); nothing was written`,
    {
      syscall: 'recover',
      device: device.name,
      offset: journal.offset,
      mismatchOffset: at,
      mismatchCount: offsets.length,
      hint: mayBeTorn
        ? `The page at 0x${first.start.toString(16)} is where the write had come to, so that it may be torn: if the part lost its ` +
          'power then, repeat with --torn ({ torn: true }). If not, it has been written since.'
        : 'It is another part, or it has been written since: read it, and remove the journal when it is as it should be.',
    },
  );
}

/** What the pages are to hold: the range, and all of a torn page. */
function wantedContent(
  journal: Journal,
  now: Uint8Array,
  back: boolean,
  tornPage: PageFinding | undefined,
): Uint8Array {
  const { start, old, offset, content } = journal;
  const wanted = Uint8Array.from(now);
  if (tornPage)
    wanted.set(old.subarray(tornPage.start - start, tornPage.end - start), tornPage.start - start);
  wanted.set(back ? old.subarray(offset - start, offset - start + content.length) : content, offset - start);
  // Bytes of keepouts mean nothing, and no write reaches them.
  const reached = reachable(journal);
  for (let at = start; at < start + old.length; at++) {
    if (!reached(at)) wanted[at - start] = now[at - start] ?? 0;
  }
  return wanted;
}

/** Upwards, or page by page downwards: see isFrontier(). */
function plan(
  journal: Journal,
  now: Uint8Array,
  wanted: Uint8Array,
  pages: readonly PageFinding[],
  back: boolean,
): ByteRange[] {
  const { start, old } = journal;
  if (!back) return differing(journal, now, wanted, start, start + old.length);
  return pages.toReversed().flatMap((page) => differing(journal, now, wanted, page.start, page.end));
}

function count(pages: readonly PageFinding[], tornPage: PageFinding | undefined): RecoverResult['pages'] {
  const found = { new: 0, old: 0, mixed: 0, torn: 0 };
  for (const page of pages) {
    if (page === tornPage) found.torn++;
    else if (page.isNew) found.new++;
    else if (page.isOld) found.old++;
    else found.mixed++;
  }
  return found;
}
