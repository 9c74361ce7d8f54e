/** The caller's own files: what is written and what is kept. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';

import { messageOf } from '../base/foreign.js';
import { CliError } from './failure.js';

/** Asks before any I/O on the device whether `path` could be written. @throws CliError */
export async function checkWritable(path: string): Promise<void> {
  try {
    const target = await statIfThere(path);
    if (target?.isDirectory()) throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' });
    await access(target === undefined || target.isFile() ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    throw fileError(error, `cannot write ${path}`);
  }
}

/**
 * Writes a file whole or not at all: into a new file beside it, which takes its place once it is on the disk. What is
 * no regular file (a pipe, /dev/null) is written as it is.
 */
export async function writeWhole(path: string, data: Uint8Array): Promise<void> {
  try {
    const target = await statIfThere(path);
    if (target !== undefined && !target.isFile()) {
      await writeFile(path, data);
      return;
    }
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
    try {
      const handle = await open(temporary, 'wx', Number(target?.mode ?? 0o666) & 0o777);
      try {
        await handle.writeFile(data);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  } catch (error) {
    throw fileError(error, `cannot write ${path}`);
  }
}

/** Size of a regular file, bytes; undefined for standard input and pipes, whose size shows at their end. */
export async function inputSize(path: string): Promise<number | undefined> {
  if (path === '-') return undefined;
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' });
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    throw fileError(error, `cannot read ${path}`);
  }
}

/** All of a file, or of standard input for '-'; no more than `limit` + 1 bytes, so that too much is seen as such. */
export async function readInput(path: string, stdin: Readable, limit: number): Promise<Buffer> {
  try {
    const stream = path === '-' ? stdin : (await open(path, 'r')).createReadStream();
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) break;
    }
    return Buffer.concat(chunks).subarray(0, limit + 1);
  } catch (error) {
    throw fileError(error, `cannot read ${path}`);
  }
}

async function statIfThere(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A missing file is not a missing device: its exit status is 1, not 3. */
function fileError(error: unknown, what: string): CliError {
  const { code } = error as { code?: unknown };
  const says: Record<string, [string, string]> = {
    ENOENT: ['there is no such file or directory', 'Check the path.'],
    EACCES: ['permission denied', 'Check the permissions of the file and its directory.'],
    EISDIR: ['it is a directory', 'Name a file.'],
    ENOTDIR: ['part of its path is no directory', 'Check the path.'],
    ENOSPC: ['the disk is full', 'Make room and repeat.'],
    EROFS: ['the file system is read-only', 'Use another directory.'],
  };
  const name = typeof code === 'string' ? code : 'EIO';
  const [sentence, hint] = says[name] ?? [messageOf(error), 'Check the file.'];
  const denied = name === 'EACCES' || name === 'EPERM' || name === 'EROFS';
  return new CliError(name, `${what}: ${sentence}`, hint, denied ? 4 : 1);
}
