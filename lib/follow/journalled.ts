/** Writes with a journal to a memory that comes and goes. */
import { needCopy } from '../base/memory.js';
import type { NvmemWriteResult } from '../base/write_options.js';
import { Limits } from '../journal/limits.js';
import { JOURNALLED, type Journalled, type JournalDevice } from '../journal/memory.js';
import { journalledWrite } from '../journal/write.js';
import type { Surroundings } from './call.js';
import { Evidence, type Known } from './evidence.js';
import { checkProgress, type FollowReadOptions, type FollowWriteOptions } from './options.js';

/** What is needed of a followed device. */
interface Board {
  readonly name: string;
  readonly size: number;
  readonly uri: string;
  readonly [JOURNALLED]: Journalled;
  present(options: Omit<FollowReadOptions, 'onProgress'>): Promise<void>;
  read(offset: number, length: number, options: FollowReadOptions): Promise<Buffer>;
  write(offset: number, data: Uint8Array, options: FollowWriteOptions): Promise<NvmemWriteResult>;
}

/** How journals see a followed memory: all presences are one, and what was read from it before a write proves it. */
export function journalledOf(
  key: object,
  { evidence, before }: Surroundings,
  keepouts: Journalled['keepouts'],
): Journalled {
  return {
    key,
    keepouts,
    knownBy: async (offset, content, body) => {
      const known: Known = { offset, data: content };
      const asEvidence = new Evidence();
      asEvidence.add(offset, content);
      evidence.add(asEvidence);
      before.add(known);
      try {
        return await body();
      } finally {
        evidence.delete(asEvidence);
        before.delete(known);
      }
    },
  };
}

/** @param waitsFirst Its size is not known before it is there. */
export async function writeWithJournal(
  board: Board,
  offset: number,
  data: Uint8Array,
  options: FollowWriteOptions & { readonly journal: string },
  waitsFirst: boolean,
): Promise<NvmemWriteResult> {
  const { onUnplug, signal, timeoutMs, onProgress, ...how } = options;
  checkProgress(onProgress);
  const copy = needCopy(data);
  const limits = new Limits({ signal, timeoutMs }, `write of ${board.name}`, board.name);
  if (waitsFirst) await board.present(limits.next());
  const through: JournalDevice = {
    name: board.name,
    size: board.size,
    uri: board.uri,
    get [JOURNALLED]() {
      return board[JOURNALLED];
    },
    read: (at, length, bounds) => board.read(at, length, { ...bounds, onUnplug }),
    write: (at, bytes, bounds) => board.write(at, bytes, { ...bounds, onUnplug, onProgress }),
  };
  return journalledWrite(through, offset, copy, { ...how, ...limits.next() });
}
