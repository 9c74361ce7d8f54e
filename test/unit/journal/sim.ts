/**
 * A file system and a memory that lose their power at any point, together. What was not synced when it goes is kept, lost or
 * half kept, by a seed; what was synced stays.
 */
import { dirname } from 'node:path';

import type { FileKind, JournalFile, JournalFs } from '../../../lib/journal/files.js';
import type { JournalDevice } from '../../../lib/journal/memory.js';
import { random } from '../../e2e/bench.js';

/** Nobody catches it and goes on: after it nothing has any effect. */
export class PowerCut extends Error {
  constructor() {
    super('the power is gone');
  }
}

/** Counts everything that happens to files and memory; cut at the n-th. */
export class Power {
  readonly log: string[] = [];
  #gone = false;

  constructor(readonly cutAt = Infinity) {}

  /** @throws PowerCut */
  step(what: string): void {
    if (this.#gone) throw new PowerCut();
    this.log.push(what);
    if (this.log.length < this.cutAt) return;
    this.#gone = true;
    throw new PowerCut();
  }

  get gone(): boolean {
    return this.#gone;
  }
}

interface Node {
  readonly kind: FileKind;
  now: Buffer;
  synced: Buffer;
}

type NameChange = (names: Map<string, Node>) => void;

export interface SimFsOptions {
  /** As FAT: a file has one name. */
  readonly links?: boolean;
  /** What an operation fails with, by its name and the file's. */
  readonly fail?: (operation: string, path: string) => string | undefined;
  /** Bytes that one write takes at most. */
  readonly chunk?: number;
}

function fault(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} ${path}`), { code });
}

export class SimFs implements JournalFs {
  /** Every operation, in order. */
  readonly #now: Map<string, Node>;
  readonly #synced: Map<string, Node>;
  readonly #pending: { readonly folder: string; readonly change: NameChange }[] = [];

  constructor(
    readonly power = new Power(),
    readonly options: SimFsOptions = {},
    names: ReadonlyMap<string, Node> = new Map(),
  ) {
    this.#now = new Map(names);
    this.#synced = new Map(names);
  }

  /** Names that are there now. */
  get names(): string[] {
    return [...this.#now.keys()];
  }

  content(path: string): Buffer | undefined {
    return this.#now.get(path)?.now;
  }

  put(path: string, data: Uint8Array, kind: FileKind = 'file'): void {
    const node = { kind, now: Buffer.from(data), synced: Buffer.from(data) };
    this.#now.set(path, node);
    this.#synced.set(path, node);
  }

  /** The same process goes on with power that lasts: a process was killed and the machine was not. */
  survive(power = new Power(), options = this.options): SimFs {
    return new SimFs(power, options, this.#now);
  }

  /** What is on the disk after a power cut: of what was not synced, any part. */
  crash(seed: number, power = new Power(), options = this.options): SimFs {
    const next = random(seed);
    const names = new Map(this.#synced);
    // In order, but each may be missing: only fsync of the folder says anything.
    for (const { change } of this.#pending) if (next() < 0.5) change(names);
    const kept = new Map<Node, Node>();
    for (const node of new Set(names.values())) {
      let data = next() < 0.5 ? node.now : node.synced;
      if (!node.now.equals(node.synced) && next() < 0.5) {
        const reach = Math.floor(next() * node.now.length);
        data = Buffer.concat([
          node.now.subarray(0, reach),
          Buffer.alloc(next() < 0.5 ? 0 : node.now.length - reach),
        ]);
      }
      kept.set(node, { kind: node.kind, now: Buffer.from(data), synced: Buffer.from(data) });
    }
    const after = new Map<string, Node>();
    for (const [path, node] of names) {
      const copy = kept.get(node);
      if (copy) after.set(path, copy);
    }
    return new SimFs(power, options, after);
  }

  look(path: string): Promise<FileKind | undefined> {
    return this.#do('look', path, () => this.#now.get(path)?.kind);
  }

  create(path: string): Promise<JournalFile> {
    return this.#do('create', path, () => {
      if (this.#now.has(path)) throw fault('EEXIST', 'create', path);
      const node: Node = { kind: 'file', now: Buffer.alloc(0), synced: Buffer.alloc(0) };
      this.#change(path, (names) => names.set(path, node));
      return this.#file(path, node);
    });
  }

  open(path: string): Promise<JournalFile> {
    return this.#do('open', path, () => {
      const node = this.#now.get(path);
      if (!node) throw fault('ENOENT', 'open', path);
      if (node.kind === 'symbolic link') throw fault('ELOOP', 'open', path);
      return this.#file(path, node);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#do('link', to, () => {
      if (this.options.links === false) throw fault('EPERM', 'link', to);
      const node = this.#now.get(from);
      if (!node) throw fault('ENOENT', 'link', from);
      if (this.#now.has(to)) throw fault('EEXIST', 'link', to);
      this.#change(to, (names) => names.set(to, node));
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do('rename', to, () => {
      const node = this.#now.get(from);
      if (!node) throw fault('ENOENT', 'rename', from);
      this.#change(to, (names) => {
        names.delete(from);
        names.set(to, node);
      });
    });
  }

  unlink(path: string): Promise<void> {
    return this.#do('unlink', path, () => {
      if (!this.#now.has(path)) throw fault('ENOENT', 'unlink', path);
      this.#change(path, (names) => names.delete(path));
    });
  }

  syncFolder(path: string): Promise<void> {
    return this.#do('syncFolder', path, () => {
      for (const { folder, change } of this.#pending.splice(0)) {
        if (folder === path) change(this.#synced);
        else this.#pending.push({ folder, change });
      }
    });
  }

  #file(path: string, node: Node): JournalFile {
    return {
      stat: () => this.#do('stat', path, () => ({ kind: node.kind, size: node.now.length })),
      read: (into, position) =>
        this.#do('read', path, () => node.now.copy(into, 0, position, position + into.length)),
      write: (data, position) =>
        this.#do('write', path, () => {
          const part = data.subarray(0, this.options.chunk ?? data.length);
          node.now = Buffer.concat([node.now.subarray(0, position), part]);
          return part.length;
        }),
      sync: () =>
        this.#do('sync', path, () => {
          node.synced = Buffer.from(node.now);
        }),
      close: () => this.#do('close', path, () => undefined),
    };
  }

  #change(path: string, change: NameChange): void {
    change(this.#now);
    this.#pending.push({ folder: dirname(path), change });
  }

  /** The power may go before it and after it: before the next. */
  async #do<T>(operation: string, path: string, effect: () => T): Promise<T> {
    await Promise.resolve();
    this.power.step(`${operation} ${path}`);
    const code = this.options.fail?.(operation, path);
    if (code !== undefined) throw fault(code, operation, path);
    return effect();
  }
}

/**
 * What is left of the page whose write cycle ran: the old bytes; the new ones; some bytes of each; or anything, beside the
 * written bytes too.
 */
export type Tear = 'keep' | 'commit' | 'mix' | 'garbage';

export class SimMemory implements JournalDevice {
  readonly name = 'sim';
  readonly data: Buffer;
  /** Page writes. */
  cycles = 0;

  constructor(
    image: Uint8Array,
    readonly page: number,
    public power = new Power(),
    readonly tear: Tear = 'keep',
    seed = 1,
    readonly uri = 'test://sim/memory',
  ) {
    this.data = Buffer.from(image);
    this.#random = random(seed);
  }

  readonly #random: () => number;

  get size(): number {
    return this.data.length;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    await Promise.resolve();
    this.power.step(`memory read ${String(offset)}+${String(length)}`);
    return Buffer.from(this.data.subarray(offset, offset + length));
  }

  async write(
    offset: number,
    data: Uint8Array,
    { skipEqual = false, onProgress }: Parameters<JournalDevice['write']>[2] = {},
  ): ReturnType<JournalDevice['write']> {
    let unchanged = 0;
    for (let at = 0; at < data.length;) {
      await Promise.resolve();
      const from = offset + at;
      const length = Math.min(this.page - (from % this.page), data.length - at);
      const part = data.subarray(at, at + length);
      if (skipEqual && this.data.subarray(from, from + length).equals(part)) unchanged += length;
      else this.#cycle(from, part);
      at += length;
      onProgress?.(at, data.length);
    }
    return { bytesWritten: data.length, bytesSkipped: 0, bytesUnchanged: unchanged, protectError: undefined };
  }

  #cycle(from: number, part: Uint8Array): void {
    this.power.step(`memory page ${String(from)}+${String(part.length)}`);
    const start = from - (from % this.page);
    const end = Math.min(start + this.page, this.size);
    try {
      this.power.step('memory cycle');
    } catch (error) {
      if (this.tear === 'commit') this.data.set(part, from);
      if (this.tear === 'mix')
        part.forEach((byte, i) => this.#random() < 0.5 && (this.data[from + i] = byte));
      if (this.tear === 'garbage') {
        for (let at = start; at < end; at++)
          if (this.#random() < 0.7) this.data[at] = Math.floor(this.#random() * 256);
      }
      throw error;
    }
    this.cycles++;
    this.data.set(part, from);
  }
}
