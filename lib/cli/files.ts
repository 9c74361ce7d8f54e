/** The caller's own files: what is written and what is kept. */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { access, open, readFile, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { NvmemError } from '../base/errors.js';
import { messageOf } from '../base/foreign.js';
import { CliError } from './failure.js';

/** How often a FIFO is asked for a reader. */
const READER_EVERY_MS = 50;
const MAX_LINKS = 40;

/** What a path leads to, where a file is to be written. */
type Target =
  | { readonly kind: 'stdout' }
  /** A descriptor that we were given. */
  | { readonly kind: 'descriptor'; readonly fd: number }
  | { readonly kind: 'fifo' | 'device'; readonly path: string }
  /** `path` is that of the file itself, behind all symbolic links; it need not be there. */
  | { readonly kind: 'file'; readonly path: string; readonly mode: number | undefined };

/** Whether a path is standard output by another name: `-`, `/dev/stdout`. */
export function isStdout(path: string): boolean {
  return path === '-' || descriptorOf(path) === 1;
}

export function isStdin(path: string): boolean {
  return path === '-' || descriptorOf(path) === 0;
}

/** Asks before any I/O on the device whether `path` could be written. @throws CliError */
export async function checkWritable(path: string): Promise<void> {
  try {
    const target = await targetOf(path);
    if (target.kind === 'stdout' || target.kind === 'descriptor') return;
    // A file is written anew beside the old one, and one that is not to be written stays all the same.
    if (target.kind === 'file') await access(dirname(target.path), constants.W_OK | constants.X_OK);
    if (target.kind !== 'file' || target.mode !== undefined) await access(target.path, constants.W_OK);
  } catch (error) {
    throw fileError(error, `cannot write ${path}`);
  }
}

/**
 * Writes a file whole or not at all: into a new file beside it, which takes its place once it is on the disk; a symbolic link
 * stays, and what it leads to is written. What is no regular file (a pipe, a device) is written as it is.
 */
export async function writeWhole(path: string, data: Uint8Array, signal: AbortSignal): Promise<void> {
  try {
    const target = await targetOf(path);
    switch (target.kind) {
      case 'stdout': {
        await writeToDescriptor(1, data, signal);
        return;
      }
      case 'descriptor': {
        await writeToDescriptor(target.fd, data, signal);
        return;
      }
      case 'fifo': {
        await writeToFifo(target.path, data, signal);
        return;
      }
      case 'device': {
        const handle = await open(target.path, 'w');
        await handle.writeFile(data).finally(() => handle.close());
        return;
      }
      case 'file': {
        await replaceFile(target.path, data, target.mode);
        return;
      }
    }
  } catch (error) {
    throw fileError(error, `cannot write ${path}`);
  }
}

async function replaceFile(path: string, data: Uint8Array, mode = 0o666): Promise<void> {
  const temporary = join(dirname(path), `.nvmem-${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx', mode & 0o777);
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
}

/** A FIFO that nobody reads yet is waited for, and not inside open(2): nothing would end that. */
async function writeToFifo(path: string, data: Uint8Array, signal: AbortSignal): Promise<void> {
  for (;;) {
    throwIfAborted(signal);
    let fd: number;
    try {
      fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENXIO') throw error;
      await sleep(READER_EVERY_MS, undefined, { signal }).catch(() => undefined);
      continue;
    }
    await writeToDescriptor(fd, data, signal).finally(() => {
      closeSync(fd);
    });
    return;
  }
}

async function writeToDescriptor(fd: number, data: Uint8Array, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < data.length;) {
    throwIfAborted(signal);
    try {
      at += writeSync(fd, data, at, Math.min(data.length - at, 65_536));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EAGAIN') throw error;
      await sleep(READER_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw aborted(signal);
}

function aborted(signal: AbortSignal): NvmemError {
  return new NvmemError('ABORT_ERR', 'the command was interrupted', { cause: signal.reason });
}

/**
 * What is good of a dump that failed, beside the file it is for. One that an earlier try left and that holds more of the same
 * stays.
 * @returns its path, and the bytes of the same dump that it holds
 */
export async function keepPart(
  output: string,
  good: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly bytes: number }> {
  const path = await partOf(output);
  const before = await readIfFile(path);
  if (before && before.length > good.length && before.subarray(0, good.length).equals(good)) {
    return { path, bytes: before.length };
  }
  await writeWhole(path, good, signal);
  return { path, bytes: good.length };
}

/**
 * Takes away what an earlier try that failed has left: a file of that name that holds nothing which `whole` does not.
 * @returns the path of a file that holds something else, and stays; undefined: there is none
 */
export async function dropPart(output: string, whole: Uint8Array): Promise<string | undefined> {
  const path = await partOf(output);
  const part = await readIfFile(path);
  if (part === undefined) return undefined;
  const isOurs = part.length <= whole.length && part.equals(whole.subarray(0, part.length));
  if (!isOurs) return path;
  await rm(path, { force: true }).catch(() => undefined);
  return undefined;
}

async function partOf(output: string): Promise<string> {
  const target = await targetOf(output).catch(() => undefined);
  return `${target?.kind === 'file' ? target.path : output}.part`;
}

/** No more than a device can hold; undefined where it is no regular file of ours to read. */
async function readIfFile(path: string): Promise<Buffer | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() && stats.size <= 1 << 30 ? await readFile(path) : undefined;
  } catch {
    return undefined;
  }
}

/** The number of one of our descriptors that a path names, as `/dev/stdout` and `/dev/fd/3` do. */
function descriptorOf(path: string): number | undefined {
  const names: Record<string, number> = { '/dev/stdin': 0, '/dev/stdout': 1, '/dev/stderr': 2 };
  const number = /^\/(?:dev|proc\/self)\/fd\/([0-9]{1,6})$/.exec(path)?.[1];
  return names[path] ?? (number === undefined ? undefined : Number(number));
}

/** @throws the error of a system call */
async function targetOf(path: string): Promise<Target> {
  if (path === '-') return { kind: 'stdout' };
  let at = path;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const fd = descriptorOf(at);
    // Opened by its name a file would begin anew, and replaced it would not be what others write to.
    if (fd !== undefined) return fd === 1 ? { kind: 'stdout' } : { kind: 'descriptor', fd };
    const link = await readlink(at).catch(() => undefined);
    if (link === undefined) {
      const stats = await statIfThere(at);
      if (stats?.isDirectory()) throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' });
      if (stats?.isFIFO()) return { kind: 'fifo', path: at };
      if (stats !== undefined && !stats.isFile()) return { kind: 'device', path: at };
      return { kind: 'file', path: at, mode: stats && Number(stats.mode) };
    }
    // Relative to where the link really lies.
    const folder = await realpath(dirname(at));
    at = resolve(folder, link);
  }
  throw Object.assign(new Error('too many symbolic links'), { code: 'ELOOP' });
}

/** Size of a regular file, bytes; undefined for standard input and pipes, whose size shows at their end. */
export async function inputSize(path: string): Promise<number | undefined> {
  if (isStdin(path)) return undefined;
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' });
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    throw fileError(error, `cannot read ${path}`);
  }
}

/**
 * All of a file, or of standard input for '-'; no more than `limit` + 1 bytes, so that too much is seen as such.
 * @throws CliError; NvmemError ABORT_ERR when the signal is aborted meanwhile
 */
export async function readInput(
  path: string,
  stdin: Readable,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer> {
  let stream: Readable | undefined;
  // What comes from a person or another program may be long in coming, and the signal does not wait for it.
  const onAbort = (): void => {
    stream?.destroy(aborted(signal));
  };
  try {
    throwIfAborted(signal);
    stream = isStdin(path) ? stdin : await openInput(path);
    signal.addEventListener('abort', onAbort);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) break;
    }
    throwIfAborted(signal);
    return Buffer.concat(chunks).subarray(0, limit + 1);
  } catch (error) {
    throw error instanceof NvmemError ? error : fileError(error, `cannot read ${path}`);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** A FIFO is opened without waiting for its writer: nothing would end that wait. */
async function openInput(path: string): Promise<Readable> {
  const isFifo = (await stat(path)).isFIFO();
  if (!isFifo) return (await open(path, 'r')).createReadStream();
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
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
function fileError(error: unknown, what: string): CliError | NvmemError {
  if (error instanceof NvmemError) return error;
  const { code } = error as { code?: unknown };
  const says: Record<string, [string, string]> = {
    ENOENT: ['there is no such file or directory', 'Check the path.'],
    EACCES: ['permission denied', 'Check the permissions of the file and its directory.'],
    EISDIR: ['it is a directory', 'Name a file.'],
    ENOTDIR: ['part of its path is no directory', 'Check the path.'],
    ENOSPC: ['the disk is full', 'Make room and repeat.'],
    EFBIG: ['the file may not grow that long', 'Look at ulimit -f, or use another file system.'],
    EPIPE: ['its reader has gone', 'Start the reader again and repeat.'],
    ELOOP: ['its symbolic links lead nowhere', 'Check the path.'],
    EROFS: ['the file system is read-only', 'Use another directory.'],
  };
  const name = typeof code === 'string' ? code : 'EIO';
  const [sentence, hint] = says[name] ?? [messageOf(error), 'Check the file.'];
  const denied = name === 'EACCES' || name === 'EPERM' || name === 'EROFS';
  return new CliError(name, `${what}: ${sentence}`, hint, denied ? 4 : 1);
}
