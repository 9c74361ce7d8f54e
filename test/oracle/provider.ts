/**
 * The oracle's provider: RAM that tells of every call, with faults, and its write-protect line. As `native` it is memory of the
 * addon, which nobody can look into.
 */
import { providerOfSlot } from '../../lib/core/provider_port.js';
import { native } from '../../lib/native/index.js';
import type { NvmemCellInfo, NvmemConfig, WpLine } from '../../lib/index.js';
import type { CellSpec, ProviderSpec, Ret, TraceEvent } from './types.js';

/** What the machine knows of one line, shared ones included. */
export interface Line {
  readonly number: number;
  taken: boolean;
}

export interface World {
  note(event: TraceEvent): void;
  /** What setting a line to that level answers. */
  readonly gpioFaults: Map<number, Ret>;
  sharedLine: Line | undefined;
}

interface Fault {
  readonly first: number;
  readonly last: number;
  readonly ret: Ret;
  readonly after: boolean;
}

export function failure(ret: Ret): Error {
  const errno = typeof ret === 'number' ? { errno: ret } : { code: ret };
  return Object.assign(new Error(`injected ${String(ret)}`), errno);
}

const SHARED_LINE = 7;

type Slot = Exclude<ReturnType<ReturnType<typeof native>['memory']>, number>;

export class Ram {
  readonly #memory: Buffer;
  readonly #slot: Slot | undefined;
  readonly #calls = { read: 0, write: 0 };
  /** One a direction: a new one takes the place of the last. */
  readonly #faults = new Map<string, Fault>();
  #holdOn: string | undefined;
  #held: (() => void) | undefined;
  readonly #arrivals: (() => void)[] = [];

  constructor(
    readonly key: string,
    readonly spec: ProviderSpec,
    readonly world: World,
    isNative = false,
  ) {
    this.#memory = Buffer.alloc(spec.backing_size ?? spec.size);
    Buffer.from(spec.mem ?? '', 'hex').copy(this.#memory);
    if (isNative) this.#slot = native().memory(this.#memory) as Slot;
  }

  get memory(): Buffer {
    this.#slot?.readNow(0, this.#memory);
    return this.#memory;
  }

  /** What does not fit is left out. */
  fill(offset: number, data: Buffer): void {
    const fits = data.subarray(0, Math.max(this.#memory.length - offset, 0));
    fits.copy(this.#memory, offset);
    this.#slot?.writeNow(offset, fits);
  }

  config(): NvmemConfig {
    const { spec } = this;
    const canRead = spec.reg_read ?? true;
    const canWrite = spec.reg_write ?? true;
    const wp = this.#line();
    const dev = `parent-${this.key}`;
    return {
      dev: spec.no_dev ? null : dev,
      provider: this.#slot
        ? providerOfSlot(this.#slot, spec.size, { hasWpLine: false })
        : {
            ...(canRead && { read: (offset: number, length: number) => this.#read(offset, length) }),
            ...(canWrite && { write: (offset: number, data: Uint8Array) => this.#write(offset, data) }),
          },
      name: spec.name ?? undefined,
      id: spec.id === 'NONE' ? 'none' : spec.id === 'AUTO' ? 'auto' : spec.id,
      size: spec.size,
      wordSize: spec.word_size ?? 0,
      stride: spec.stride ?? 0,
      // The parent's property and the provider's own word come to one for the core.
      readOnly: spec.read_only === true || spec.read_only_property === true,
      rootOnly: spec.root_only ?? false,
      ignoreWp: spec.ignore_wp ?? false,
      type: spec.type ?? 'Unknown',
      keepouts: spec.keepouts ?? [],
      cells: (spec.cells ?? []).map((cell) => this.cell(cell)),
      compat: spec.compat ?? false,
      ...(spec.base_dev && { baseDev: dev }),
      ...(wp && { wp }),
    };
  }

  cell(spec: CellSpec): NvmemCellInfo {
    const { name, offset, bytes, bit_offset: bitOffset, nbits, raw_len: rawLength, post_process: how } = spec;
    return {
      // Null: the type has no such thing, and the kernel an answer.
      name: name as unknown as string,
      offset,
      bytes: bytes ?? 0,
      bitOffset,
      nbits,
      rawLength,
      ...(how && {
        readPostProcess: ({ id, offset: at, data }): void => {
          const ret = how === 'fail' ? 'EIO' : 0;
          if (how === 'reverse') data.reverse();
          if (how === 'xor') data.forEach((byte, i) => (data[i] = byte ^ 0xff));
          this.world.note({ cb: 'post_process', id: id ?? null, offset: at, bytes: data.length, ret });
          if (ret !== 0) throw failure(ret);
        },
      }),
    };
  }

  inject(on: string, at: number, count: number, ret: Ret, after: boolean): void {
    const before = this.#calls[on as 'read' | 'write'];
    this.#faults.set(on, { first: before + at, last: before + at + count - 1, ret, after });
  }

  hold(on: string): void {
    this.#holdOn = on;
  }

  async waitHeld(): Promise<void> {
    if (this.#held) return;
    await new Promise<void>((resolve) => {
      this.#arrivals.push(resolve);
    });
  }

  release(): void {
    this.#held?.();
    this.#held = undefined;
  }

  #read(offset: number, length: number): Buffer | Promise<Buffer> {
    return this.#maybeHeld('read', () => {
      const { ret, copy } = this.#answer('read', offset, length);
      this.world.note({ cb: 'reg_read', p: this.key, offset, bytes: length, ret });
      if (ret !== 0) throw failure(ret);
      const data = Buffer.alloc(length, 0xee);
      if (copy) this.#memory.copy(data, 0, offset, offset + length);
      return data;
    });
  }

  #write(offset: number, data: Uint8Array): void | Promise<void> {
    const bytes = Buffer.from(data);
    return this.#maybeHeld('write', () => {
      const { ret, copy } = this.#answer('write', offset, bytes.length);
      if (copy) bytes.copy(this.#memory, offset);
      const { key: p } = this;
      this.world.note({
        cb: 'reg_write',
        p,
        offset,
        bytes: bytes.length,
        data: bytes.toString('hex'),
        ret,
      });
      if (ret !== 0) throw failure(ret);
    });
  }

  #maybeHeld<T>(on: string, call: () => T): T | Promise<T> {
    if (this.#holdOn !== on) return call();
    this.#holdOn = undefined;
    this.world.note({ cb: 'async', what: 'held' });
    return new Promise<void>((resolve) => {
      this.#held = resolve;
      for (const arrival of this.#arrivals.splice(0)) arrival();
    }).then(call);
  }

  #answer(on: 'read' | 'write', offset: number, length: number): { ret: Ret; copy: boolean } {
    const nth = ++this.#calls[on];
    const set = this.#faults.get(on);
    const fault = set && nth >= set.first && nth <= set.last ? set : undefined;
    const inside = offset + length <= this.#memory.length;
    if (fault) return { ret: fault.ret, copy: fault.after && inside };
    return inside ? { ret: 0, copy: true } : { ret: 'EINVAL', copy: false };
  }

  #line(): WpLine | undefined {
    const { wp = 'none' } = this.spec;
    if (wp === 'none') return undefined;
    const { world } = this;
    const line: Line =
      wp === 'shared'
        ? (world.sharedLine ??= { number: SHARED_LINE, taken: false })
        : { number: Number(this.key.slice(1)), taken: false };
    const level = (protect: boolean): number => Number(protect !== (wp === 'low'));
    return {
      request: () => {
        if (wp === 'missing') throw failure('EPROBE_DEFER');
        if (line.taken) throw failure('EBUSY');
        line.taken = true;
        world.note({ cb: 'gpio', what: 'dir', line: line.number, value: level(true) });
      },
      set: (protect) => {
        const value = level(protect);
        world.note({ cb: 'gpio', what: 'set', line: line.number, value });
        const ret = world.gpioFaults.get(value) ?? 0;
        if (ret !== 0) throw failure(ret);
      },
      release: () => {
        line.taken = false;
        world.note({ cb: 'gpio', what: 'free', line: line.number, value: 0 });
      },
    };
  }
}
