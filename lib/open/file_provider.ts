/** An image file as a memory: a provider in JavaScript like any user's. */
// node:fs and not node:fs/promises: that one is loaded at its first use, which most programs never come to.
import { constants, promises, type Stats } from 'node:fs';
import { types } from 'node:util';
import type { FileHandle } from 'node:fs/promises';

import { messageOf } from '../base/foreign.js';
import { codeOf, errnoOf, NvmemError } from '../base/errors.js';
import type { NvmemProvider } from '../core/provider.js';
import type { FileUri } from '../uri/uri.js';

const HINTS: Readonly<Partial<Record<string, string>>> = {
  ENOENT: 'Check the path.',
  EACCES: 'Check who may read the file and enter its directories: ls -l shows it.',
  EISDIR: 'Name a file.',
};

export interface FileProvider extends NvmemProvider {
  readonly size: number;
  /** Whether the operating system lets it be written. */
  readonly writable: boolean;
  close(): Promise<void>;
}

/**
 * @throws NvmemError EINVAL: it is no regular file; EISDIR; and as open(2) says (ENOENT, EACCES …). A file that may not be
 * written is a memory that cannot be written.
 */
export async function openFile(uri: FileUri, readOnly: boolean): Promise<FileProvider> {
  try {
    // Looked at before it is opened: opening a device may do something to it, and a FIFO waits for its other end, in a
    // thread of Node's pool where neither limit nor signal reaches it.
    checkKind(await promises.stat(uri.path));
    const { handle, writable } = await openHandle(uri.path, readOnly);
    try {
      const stats = await handle.stat();
      checkKind(stats);
      return {
        size: stats.size,
        read: (offset, length) => readFully(handle, offset, length),
        // There also when it is read-only: the device refuses a write with EPERM, which says more than that it cannot.
        write: (offset, data) => writeFully(handle, offset, data),
        writable,
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (cause) {
    const errno = errnoOf(cause);
    const code = codeOf(errno);
    const says = code === 'ENOENT' ? 'there is no such file' : messageOf(cause);
    throw new NvmemError(code, `cannot open ${uri.path}: ${says}`, {
      errno,
      syscall: 'open',
      device: uri.uri,
      cause,
      hint:
        code === 'ENOENT'
          ? 'Check the path.'
          : code === 'EINVAL' || code === 'EISDIR'
            ? KIND_HINT
            : HINTS[code],
    });
  }
}

const KIND_HINT = 'file:// takes an image in a regular file: copy the contents into one, or name another.';

/** @throws Error with a code: only a regular file has a size and can be read at any place. */
function checkKind(stats: Stats): void {
  if (stats.isFile()) return;
  const [what, code] = stats.isDirectory()
    ? ['a directory', 'EISDIR']
    : stats.isFIFO()
      ? ['a FIFO', 'EINVAL']
      : stats.isSocket()
        ? ['a socket', 'EINVAL']
        : stats.isBlockDevice()
          ? ['a block device', 'EINVAL']
          : ['a character device', 'EINVAL'];
  throw Object.assign(new Error(`it is ${what}`), { code });
}

/** Does not wait for the other end of what has become a FIFO since it was looked at. */
const AT_ONCE = constants.O_NONBLOCK | constants.O_NOCTTY;

async function openHandle(
  path: string,
  readOnly: boolean,
): Promise<{ handle: FileHandle; writable: boolean }> {
  if (!readOnly) {
    try {
      return { handle: await promises.open(path, constants.O_RDWR | AT_ONCE), writable: true };
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    }
  }
  return { handle: await promises.open(path, constants.O_RDONLY | AT_ONCE), writable: false };
}

/** Up to the end of the file, should it have become shorter. */
async function readFully(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const data = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(data, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return data.subarray(0, done);
}

async function writeFully(handle: FileHandle, offset: number, data: Uint8Array): Promise<void> {
  let done = 0;
  try {
    while (done < data.length) {
      done += (await handle.write(data, done, data.length - done, offset + done)).bytesWritten;
    }
    await handle.datasync();
  } catch (error) {
    throw types.isNativeError(error) ? Object.assign(error, { bytesTransferred: done }) : error;
  }
}
