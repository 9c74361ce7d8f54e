/** Journals on the disk: made so that they are there whole or not at all, whatever is cut off when. */
// node:fs and not node:fs/promises: that one is loaded at its first use, which most programs never come to.
import { constants, promises, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';

import { NvmemError } from '../base/errors.js';
import { bytes } from '../base/text.js';
import { checkJournalSize, decodeHeader, decodeJournal, JOURNAL_HEADER, type Journal } from './format.js';
import { differenceOf, howToRecover, placeOf, type MemoryIdentity } from './memory.js';

export type FileKind = 'file' | 'folder' | 'symbolic link' | 'FIFO' | 'socket' | 'device node';

export interface JournalFile {
  stat(): Promise<{ readonly kind: FileKind; readonly size: number }>;
  /** At most as many bytes as fit into `into`; 0 at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** At least one byte of `data`; how many. */
  write(data: Uint8Array, position: number): Promise<number>;
  /** Resolves when what was written would survive a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What journals need of a file system. Everything rejects with the operating system's codes, as node:fs does. */
export interface JournalFs {
  /** What is there, a symbolic link for itself; undefined: nothing. */
  look(path: string): Promise<FileKind | undefined>;
  /** A new file that only its owner may read: it holds what the memory holds. EEXIST: there is something already. */
  create(path: string): Promise<JournalFile>;
  /** For reading. It never waits (for the other end of a FIFO) and follows no symbolic link (ELOOP). */
  open(path: string): Promise<JournalFile>;
  /** A second name for a file; EEXIST where that is taken. */
  link(from: string, to: string): Promise<void>;
  /** Takes the place of what is there. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Resolves when the names in a folder would survive a power cut. */
  syncFolder(path: string): Promise<void>;
}

function kindOf(stats: Stats): FileKind {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'symbolic link';
  if (stats.isFIFO()) return 'FIFO';
  return stats.isSocket() ? 'socket' : 'device node';
}

async function openNode(path: string, flags: number, mode?: number): Promise<JournalFile> {
  const handle = await promises.open(path, flags, mode);
  return {
    stat: async () => {
      const stats = await handle.stat();
      return { kind: kindOf(stats), size: stats.size };
    },
    read: async (into, position) => (await handle.read(into, 0, into.length, position)).bytesRead,
    write: async (data, position) => (await handle.write(data, 0, data.length, position)).bytesWritten,
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

/** This machine's file system. */
export const nodeJournalFs: JournalFs = {
  async look(path) {
    try {
      return kindOf(await promises.lstat(path));
    } catch (error) {
      if (codeOfCause(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  create: (path) => openNode(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600),
  open: (path) => openNode(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
  link: (from, to) => promises.link(from, to),
  rename: (from, to) => promises.rename(from, to),
  unlink: (path) => promises.unlink(path),
  async syncFolder(path) {
    const handle = await promises.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** What link(2) says on a file system that has one name a file (FAT, exFAT, some of other machines). */
const NO_LINKS = ['EPERM', 'EOPNOTSUPP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/**
 * Makes a journal. When it resolves the whole of it would survive a power cut; when it rejects there is nothing, as before.
 * Meanwhile the name is either free or, where the file system knows no links, that of an empty file.
 *
 * Rejects with NvmemError: EEXIST (there is something of that name), EISDIR, and what the operating system says.
 */
export async function createJournal(
  fs: JournalFs,
  file: string,
  journal: Journal,
  data: Uint8Array,
): Promise<void> {
  const folder = dirname(file);
  // In the same folder, because a link cannot leave its file system.
  const temporary = join(
    folder,
    `.nvmem-journal-${String(process.pid)}-${Math.random().toString(36).slice(2)}.tmp`,
  );
  const made: string[] = [];
  try {
    const handle = await fs.create(temporary);
    made.push(temporary);
    try {
      for (let at = 0; at < data.length;) at += await handle.write(data.subarray(at), at);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (await linked(fs, temporary, file)) {
      made.push(file);
      await fs.unlink(temporary);
    } else {
      const reserved = await fs.create(file);
      made.push(file);
      await reserved.close();
      await fs.rename(temporary, file);
    }
    await fs.syncFolder(folder);
  } catch (error) {
    for (const path of made) await fs.unlink(path).catch(() => undefined);
    if (made.length > 0) await fs.syncFolder(folder).catch(() => undefined);
    if (codeOfCause(error) === 'EEXIST') await refuseExisting(fs, file, journal.memory);
    throw fileError(error, `the journal ${file} cannot be made`, {
      device: journal.memory.name,
      untouched: true,
      size: data.length,
    });
  }
}

async function linked(fs: JournalFs, from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to);
    return true;
  } catch (error) {
    if (NO_LINKS.includes(codeOfCause(error) ?? '')) return false;
    throw error;
  }
}

/** Refuses a name that is taken, with what to do about it. Resolves where it is free. */
export async function refuseExisting(fs: JournalFs, file: string, memory: MemoryIdentity): Promise<void> {
  const refuse = (code: string, says: string, hint: string): never => {
    throw new NvmemError(code, `${says}; nothing was written to ${memory.name}`, {
      syscall: 'journal',
      device: memory.name,
      hint,
    });
  };
  let kind: FileKind | undefined;
  try {
    kind = await fs.look(file);
  } catch (error) {
    throw fileError(error, `the journal ${file} cannot be made`, { device: memory.name, untouched: true });
  }
  if (kind === undefined) return;
  if (kind === 'folder') refuse('EISDIR', `${file} is a folder`, 'Name a file in it for the journal.');
  if (kind !== 'file') {
    refuse(
      'EEXIST',
      `${file} is there already, as a ${kind}`,
      'Name a file for the journal that is not there yet.',
    );
  }
  const found = await readJournal(fs, file).catch((error: unknown) => error);
  if (found instanceof Error) {
    const why = found.message.replace(/^[A-Z]+: /, '');
    refuse(
      'EEXIST',
      `${file} is there already, and no journal that can be used: ${why}`,
      'Name another file for the journal, or remove that one if nobody needs it.',
    );
  }
  const { memory: other, offset, content } = found as Journal;
  const unfinished = `the journal of a write of ${bytes(content.length)} at ${String(offset)} that is not finished`;
  const sameOne = differenceOf(other, memory, { moved: false }) === undefined;
  if (sameOne) {
    const { finish, undo } = howToRecover(file, memory);
    refuse(
      'EEXIST',
      `${file} is there already: ${unfinished}, to this memory`,
      `Let it finish if it is still running; else finish it with ${finish}, or undo it with ${undo}.`,
    );
  }
  const { finish, undo } = howToRecover(file, other);
  refuse(
    'EEXIST',
    `${file} is there already: ${unfinished}, to another memory (${placeOf(other)})`,
    `Name another file for this write; that one is finished with ${finish}, or undone with ${undo}.`,
  );
}

/**
 * Reads a journal.
 *
 * Rejects with NvmemError: ENOENT, EINVAL (no journal; torn or damaged; no regular file), EOPNOTSUPP (another version), EISDIR,
 * EACCES and what else the operating system says.
 */
export async function readJournal(fs: JournalFs, file: string): Promise<Journal> {
  try {
    const handle = await fs.open(file);
    try {
      const { kind, size } = await handle.stat();
      if (kind === 'folder') throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
      if (kind !== 'file') notRegular(file, kind);
      // No more is read than a journal says that it has, and no memory is that large: the file may be anybody's.
      if (size > MOST_BYTES) tooLarge(file, size);
      const head = await readAll(handle, 0, Math.min(size, JOURNAL_HEADER));
      checkJournalSize(file, size, decodeHeader(file, head));
      return decodeJournal(
        file,
        Buffer.concat([head, await readAll(handle, head.length, size - head.length)]),
      );
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof NvmemError) throw error;
    const code = codeOfCause(error);
    if (code === 'ELOOP') notRegular(file, 'symbolic link');
    if (code === 'ENXIO') notRegular(file, 'socket');
    throw fileError(error, `the journal ${file} cannot be read`, {
      hint: 'Check the path, and who may read the file.',
    });
  }
}

/** Of a file that is read in one piece. */
const MOST_BYTES = 2 ** 31 - 1;

function tooLarge(file: string, size: number): never {
  throw new NvmemError('EINVAL', `${file} is no journal: it has ${bytes(size)}`, {
    syscall: 'journal',
    hint: 'Check the path.',
  });
}

function notRegular(file: string, kind: FileKind): never {
  throw new NvmemError('EINVAL', `${file} is a ${kind}, and a journal is a regular file`, {
    syscall: 'journal',
    hint: kind === 'symbolic link' ? 'Give the path that it leads to.' : 'Check the path.',
  });
}

async function readAll(handle: JournalFile, from: number, length: number): Promise<Buffer> {
  const data = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = await handle.read(data.subarray(done), from + done);
    if (count === 0) break;
    done += count;
  }
  return data.subarray(0, done);
}

/** Removes a journal for good: it does not come back after a power cut. */
export async function removeJournal(fs: JournalFs, file: string, device: string): Promise<void> {
  try {
    await fs.unlink(file).catch((error: unknown) => {
      if (codeOfCause(error) !== 'ENOENT') throw error;
    });
    await fs.syncFolder(dirname(file));
  } catch (error) {
    throw fileError(error, `the journal ${file} cannot be removed`, {
      device,
      hint: 'The write is done, and the journal has nothing left to say: remove it by hand.',
    });
  }
}

/** What each code of the operating system means for a journal, and what to do where one cannot be made. */
const SAYS: Readonly<Record<string, readonly [says: string, hint: string]>> = {
  ENOENT: ['there is no such file or folder', 'Check the path.'],
  ENOTDIR: ['part of its path is no folder', 'Check the path.'],
  EISDIR: ['it is a folder', 'Name a file.'],
  EEXIST: ['there is something of that name', 'Name another file.'],
  EACCES: [
    'permission denied',
    'Check the permissions of the file and its folder, or name a file in another folder.',
  ],
  EPERM: ['the operating system does not permit it', 'Name a file in another folder.'],
  EROFS: ['the file system is read-only', 'Name a file on a file system that can be written.'],
  ENOSPC: ['the disk is full', 'Make room, or name a file on another file system.'],
  EDQUOT: ['the disk quota is used up', 'Make room, or name a file on another file system.'],
  EFBIG: ['the file system takes no file of that size', 'Name a file on another file system.'],
  ENAMETOOLONG: ['its name is too long', 'Give it a shorter one.'],
  EINVAL: [
    'the file system cannot promise that it survives a power cut (fsync)',
    'Name a file on another file system.',
  ],
};

export function fileError(
  cause: unknown,
  what: string,
  about: { device?: string; untouched?: boolean; size?: number; hint?: string } = {},
): NvmemError {
  const { device, untouched = false, size } = about;
  const code = codeOfCause(cause) ?? 'EIO';
  const [says, hint] = SAYS[code] ?? [
    cause instanceof Error ? cause.message : String(cause),
    'Check the disk, or name a file on another file system.',
  ];
  const needs = code === 'ENOSPC' && size !== undefined ? ` (it takes ${bytes(size)})` : '';
  const rest = untouched ? `; nothing was written to ${device ?? 'the memory'}` : '';
  const { errno } = (cause ?? {}) as { errno?: unknown };
  return new NvmemError(code, `${what}: ${says}${needs}${rest}`, {
    ...(typeof errno === 'number' && { errno }),
    syscall: 'journal',
    device,
    hint: about.hint ?? hint,
    cause,
  });
}

function codeOfCause(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
