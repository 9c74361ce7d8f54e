/** Standard output and standard error: a command goes on when nobody takes what it says, and its exit status stays its own. */
import { fstatSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';

import { NvmemError } from '../base/errors.js';
import type { OutputStream } from './io.js';

/** How long output may take once a signal has come: a reader that does not read is not waited for. */
const AFTER_SIGNAL_MS = 500;

export class Output {
  readonly #stream: OutputStream;
  readonly #signal: AbortSignal;
  #failure: NodeJS.ErrnoException | undefined;
  #readerGone = false;
  #last: Promise<void> = Promise.resolve();

  constructor(stream: OutputStream, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    // Without a listener an error would be an exception of nobody's; what there is to know comes with each write.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#failed(error);
    });
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Of a terminal that knows them; else 0. */
  get columns(): number {
    return this.isTTY ? (this.#stream.columns ?? 0) : 0;
  }

  /** Of a terminal that knows them; else 0. */
  get rows(): number {
    return this.isTTY ? (this.#stream.rows ?? 0) : 0;
  }

  /** Why something could not be written, the first such reason. A reader that has gone (head has seen enough) is none. */
  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  /**
   * Resolves when the stream has taken it, which in a full pipe may be a while, or will never take it (see `failure`).
   * Rejects with ABORT_ERR when a signal comes meanwhile.
   */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#failure !== undefined || this.#readerGone || data.length === 0) return;
    const written = new Promise<void>((resolve) => {
      this.#stream.write(data, (error) => {
        if (error) this.#failed(error);
        resolve();
      });
    });
    this.#last = written;
    await this.#unlessSignalled(written);
  }

  /** As write(), for whoever cannot wait: settled() does it for him. */
  push(data: string): void {
    this.write(data).catch(() => undefined);
  }

  /** Resolves when everything has been taken or never will be. */
  async settled(): Promise<void> {
    await this.#unlessSignalled(this.#last).catch(() => undefined);
  }

  async #unlessSignalled(written: Promise<void>): Promise<void> {
    const signal = this.#signal;
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    const late = new Promise<void>((_, reject) => {
      onAbort = () => {
        timer = setTimeout(() => {
          const error = new NvmemError('ABORT_ERR', 'nobody takes the output', { cause: signal.reason });
          reject(error);
        }, AFTER_SIGNAL_MS);
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort);
    });
    try {
      await Promise.race([written, late]);
    } finally {
      clearTimeout(timer);
      if (onAbort) signal.removeEventListener('abort', onAbort);
    }
  }

  #failed(error: NodeJS.ErrnoException): void {
    const { code } = error;
    if (code === 'EPIPE' || code === 'ECONNRESET' || (code === 'EIO' && this.isTTY)) this.#readerGone = true;
    else if (!this.#readerGone) this.#failure ??= error;
  }
}

/** What stands behind a descriptor that is a file: Node's own stream takes a short write for a whole one. */
class FileOutput extends Writable {
  readonly #fd: number;

  constructor(fd: number) {
    super({ decodeStrings: true });
    this.#fd = fd;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    try {
      for (let at = 0; at < chunk.length;) at += writeSync(this.#fd, chunk, at);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  }
}

/** `stream`, or where its descriptor is a file or a device that is no terminal, a stream that writes all or fails. */
export function reliable(fd: number, stream: OutputStream): OutputStream {
  const stats = fstatSync(fd);
  const isPlain = stats.isFile() || ((stats.isCharacterDevice() || stats.isBlockDevice()) && !isatty(fd));
  return isPlain ? new FileOutput(fd) : stream;
}
