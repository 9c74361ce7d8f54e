import { NvmemError } from '../base/errors.js';
import { nodeJournalFs, readJournal } from '../journal/files.js';
import { recover, type RecoverResult } from '../journal/recover.js';
import { CliError, CommandFailure, withoutUndefined } from './failure.js';
import { bytes, duration, range } from './format.js';
import { Progress } from './progress.js';
import { describe, since } from './read.js';
import type { Session } from './session.js';
import { writeNotes } from './write.js';

export interface RecoverCommandOptions {
  readonly back?: boolean;
  readonly torn?: boolean;
  readonly moved?: boolean;
}

export async function recoverCommand(
  session: Session,
  file: string,
  uri: string,
  { back = false, torn = false, moved = false }: RecoverCommandOptions,
): Promise<void> {
  // What is wrong with the file is told before anything is opened.
  await readJournal(nodeJournalFs, file).catch((error: unknown) => {
    throw new CommandFailure(asFileError(error), { uri, file }, ['nothing was written']);
  });
  await session.withDevice(uri, {}, async (device, facts) => {
    const began = performance.now();
    const progress = new Progress(session, back ? 'putting back' : 'finishing');
    const about = { ...facts, file, back };
    try {
      const options = { ...session.limits, back, torn, moved, onProgress: progress.update };
      const result = await recover(file, device, options);
      progress.end();
      const ms = since(began);
      const { holds, offset, length, pages, bytesWritten, beside, protectError, journalError } = result;
      session.answer(
        withoutUndefined({
          ...about,
          holds,
          offset,
          bytes: length,
          pages,
          bytesWritten,
          beside,
          ms,
          protectError: plain(protectError),
          journalError: plain(journalError),
        }),
      );
      const done = back ? 'put the old content back,' : 'finished the write,';
      await session.say(
        `${done} ${range({ offset, length })} of ${describe(facts)} in ${duration(ms)}: ${found(result)}`,
      );
      if (beside.length > 0) {
        const where = beside.map(range).join(', ');
        const fate = torn ? 'put back where the page was torn' : 'left alone';
        await session.note(`beside the write, changed since, ${fate}: ${where}`);
      }
      for (const warning of [protectError, journalError]) {
        if (warning) await session.note(`warning: ${warning.message}`);
      }
    } catch (error) {
      throw new CommandFailure(asFileError(error), { ...about, ms: since(began) }, writeNotes(error));
    } finally {
      progress.end();
    }
  });
}

/** 'of 64 pages 20 were new, 43 old and 1 mixed; 2772 bytes written' */
function found({ pages, bytesWritten }: RecoverResult): string {
  const kinds = Object.entries(pages).filter(([, count]) => count > 0);
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  const parts = kinds.map(([kind, count]) => `${String(count)} ${kind}`);
  const list =
    parts.length > 1 ? `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}` : parts.join('');
  const what = bytesWritten === 0 ? 'nothing had to be written' : `${bytes(bytesWritten)} written`;
  return `of ${String(total)} ${total === 1 ? 'page' : 'pages'} ${list}; ${what}`;
}

/** A missing file is not a missing device: its exit status is 1, not 3. */
function asFileError(error: unknown): unknown {
  if (!(error instanceof NvmemError) || error.code !== 'ENOENT' || error.syscall !== 'journal') return error;
  const hint =
    'Check the path; when a write is finished its journal is removed, and nothing needs to be recovered.';
  return new CliError('ENOENT', error.message.replace(/^ENOENT: /, ''), hint, 1);
}

function plain(error: NvmemError | undefined): { code: string; message: string } | undefined {
  return error && { code: error.code, message: error.message };
}
