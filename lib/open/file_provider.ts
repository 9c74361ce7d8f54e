/** An image file as a memory: a provider in JavaScript like any user's. */
// node:fs and not node:fs/promises: that one is loaded at its first use, which most programs never come to.
import { promises } from 'node:fs';
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
 * @throws NvmemError as open(2) says (ENOENT, EACCES, EISDIR …). A file that may not be written is a memory that
 * cannot be written.
 */
export async function openFile(uri: FileUri, readOnly: boolean): Promise<FileProvider> {
  try {
    const { handle, writable } = await openHandle(uri.path, readOnly);
    const { size, isDirectory } = await describe(handle);
    if (isDirectory) {
      await handle.close();
      throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' });
    }
    return {
      size,
      read: (offset, length) => readFully(handle, offset, length),
      // There also when it is read-only: the device refuses a write with EPERM, which says more than that it cannot.
      write: (offset, data) => writeFully(handle, offset, data),
      writable,
      close: () => handle.close(),
    };
  } catch (cause) {
    const errno = errnoOf(cause);
    const code = codeOf(errno);
    const says = code === 'ENOENT' ? 'there is no such file' : messageOf(cause);
    throw new NvmemError(code, `cannot open ${uri.path}: ${says}`, {
      errno,
      syscall: 'open',
      device: uri.uri,
      cause,
      hint: HINTS[code],
    });
  }
}

async function openHandle(
  path: string,
  readOnly: boolean,
): Promise<{ handle: FileHandle; writable: boolean }> {
  if (!readOnly) {
    try {
      return { handle: await promises.open(path, 'r+'), writable: true };
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    }
  }
  return { handle: await promises.open(path, 'r'), writable: false };
}

async function describe(handle: FileHandle): Promise<{ size: number; isDirectory: boolean }> {
  const stats = await handle.stat();
  return { size: stats.size, isDirectory: stats.isDirectory() };
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
