/** A followed memory as Node streams. */
import { addAbortSignal, Readable, Writable } from 'node:stream';

import { checkInteger, checkKeys, checkObject, checkSignal, checkTimeout } from '../base/validate.js';
import { Evidence } from './evidence.js';
import type { FollowState } from './life.js';
import { checkOnUnplug, type FollowReadOptions, type FollowWriteOptions, type OnUnplug } from './options.js';

/** Whose streams they are. */
interface Source {
  readonly state: FollowState;
  readonly size: number;
  present(options: { readonly signal: AbortSignal }): Promise<void>;
  read(offset: number, length: number, options: FollowReadOptions): Promise<Buffer>;
  write(offset: number, data: Uint8Array, options: FollowWriteOptions): Promise<unknown>;
}

/** Bytes that are read, or gathered for a write, at a time. */
const HIGH_WATER_MARK = 4096;

export interface StreamOptions {
  /** First byte. Default 0. */
  readonly start?: number | undefined;
  readonly onUnplug?: OnUnplug | undefined;
  /** Limit of each read or write of a piece, waits included, milliseconds. Default: none. */
  readonly timeoutMs?: number | undefined;
  /** Bytes that are read or written at a time. Default 4096. */
  readonly highWaterMark?: number | undefined;
  /** Destroys it. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReadStreamOptions extends StreamOptions {
  /** Last byte, which is read as well. Default: that of the device. */
  readonly end?: number | undefined;
}

export interface WriteStreamOptions extends StreamOptions {
  readonly verify?: boolean | undefined;
  readonly skipEqual?: boolean | undefined;
}

const KEYS = ['start', 'onUnplug', 'timeoutMs', 'highWaterMark', 'signal'];

function check(options: StreamOptions, more: readonly string[]): void {
  checkKeys('options', checkObject('options', options), [...KEYS, ...more]);
  const { start, onUnplug, timeoutMs, highWaterMark, signal } = options;
  if (start !== undefined) checkInteger('options.start', start, 0);
  if (highWaterMark !== undefined) checkInteger('options.highWaterMark', highWaterMark, 1, 2 ** 24);
  if (timeoutMs !== undefined) checkTimeout('options.timeoutMs', timeoutMs);
  if (signal !== undefined) checkSignal('options.signal', signal);
  checkOnUnplug(onUnplug);
}

/** What an operation under way may be told. */
function limitsOf({ onUnplug, timeoutMs }: StreamOptions, signal: AbortSignal): object {
  return { signal, ...(onUnplug && { onUnplug }), ...(timeoutMs !== undefined && { timeoutMs }) };
}

export class FollowReadStream extends Readable {
  readonly #device: Source;
  readonly #evidence: Set<Evidence>;
  /** Between two pieces as well the memory has to be the same. */
  readonly #known = new Evidence();
  readonly #options: ReadStreamOptions;
  readonly #piece: number;
  readonly #ending = new AbortController();
  #at: number;
  #end: number | undefined;

  /** @internal */
  constructor(device: Source, evidence: Set<Evidence>, options: ReadStreamOptions) {
    check(options, ['end']);
    const { start = 0, end, highWaterMark = HIGH_WATER_MARK, signal } = options;
    if (end !== undefined) checkInteger('options.end', end, Math.max(start - 1, 0));
    super({ highWaterMark });
    this.#device = device;
    this.#evidence = evidence;
    this.#options = options;
    this.#piece = highWaterMark;
    this.#at = start;
    this.#end = end === undefined ? undefined : end + 1;
    evidence.add(this.#known);
    if (signal) addAbortSignal(signal, this);
  }

  override _read(): void {
    void this.#next().then(
      (data) => this.push(data),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#evidence.delete(this.#known);
    this.#ending.abort(error ?? undefined);
    callback(error);
  }

  async #next(): Promise<Buffer | null> {
    const limits = limitsOf(this.#options, this.#ending.signal);
    if (this.#end === undefined) {
      // A memory whose size is not known yet is waited for.
      if (this.#device.state !== 'present' && 'onUnplug' in limits)
        await this.#device.present({ signal: this.#ending.signal });
      this.#end = this.#device.size;
    }
    const length = Math.min(this.#piece, this.#end - this.#at);
    if (length <= 0) return null;
    const data = await this.#device.read(this.#at, length, limits);
    this.#known.clear();
    this.#known.add(this.#at, data);
    this.#at += length;
    return data;
  }
}

export class FollowWriteStream extends Writable {
  readonly #device: Source;
  readonly #evidence: Set<Evidence>;
  readonly #known = new Evidence();
  readonly #options: WriteStreamOptions;
  readonly #ending = new AbortController();
  readonly #most: number;
  readonly #pageSize: number;
  #at: number;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #written = 0;

  /** @internal */
  constructor(device: Source, evidence: Set<Evidence>, pageSize: number, options: WriteStreamOptions) {
    check(options, ['verify', 'skipEqual']);
    const { start = 0, highWaterMark = HIGH_WATER_MARK, signal } = options;
    super({ highWaterMark, decodeStrings: true });
    this.#device = device;
    this.#evidence = evidence;
    this.#options = options;
    this.#most = highWaterMark;
    this.#pageSize = pageSize;
    this.#at = start;
    evidence.add(this.#known);
    if (signal) addAbortSignal(signal, this);
  }

  /** Bytes that are written and, unless told otherwise, verified. */
  get bytesWritten(): number {
    return this.#written;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#kept.push(chunk);
    this.#keptBytes += chunk.length;
    if (this.#keptBytes < Math.max(this.#most, this.#pageSize)) {
      callback();
      return;
    }
    // Up to the end of a page: what is left of it comes with the next piece, and the page is written once.
    const end = this.#at + this.#keptBytes;
    void this.#flush(this.#keptBytes - (end % this.#pageSize)).then(() => {
      callback();
    }, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    void this.#flush(this.#keptBytes).then(() => {
      callback();
    }, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#evidence.delete(this.#known);
    this.#ending.abort(error ?? undefined);
    callback(error);
  }

  async #flush(length: number): Promise<void> {
    if (length <= 0) return;
    const all = Buffer.concat(this.#kept, this.#keptBytes);
    const data = all.subarray(0, length);
    const { verify, skipEqual } = this.#options;
    const how = { ...(verify !== undefined && { verify }), ...(skipEqual !== undefined && { skipEqual }) };
    await this.#device.write(this.#at, data, { ...limitsOf(this.#options, this.#ending.signal), ...how });
    this.#known.clear();
    this.#known.add(this.#at, data);
    this.#kept = [all.subarray(length)];
    this.#keptBytes -= length;
    this.#at += length;
    this.#written += length;
  }
}
