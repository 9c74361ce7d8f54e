/** The model's provider: RAM behind callbacks that answer as the kernel's do, with faults, and the line "wp". */
import type { ProviderSpec, Ret, TraceEvent } from '../types.js';

export interface Machine {
  note(event: TraceEvent): void;
  readonly gpioFaults: Map<number, Ret>;
  sharedLineTaken: boolean;
}

interface Fault {
  readonly first: number;
  readonly last: number;
  readonly ret: Ret;
  readonly after: boolean;
}

const SHARED_LINE = 7;

export class ModelRam {
  readonly memory: Buffer;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly #calls = { read: 0, write: 0 };
  readonly #faults = new Map<string, Fault>();
  #holdOn: string | undefined;
  #held: (() => void) | undefined;
  #arrived: (() => void)[] = [];

  constructor(
    readonly key: string,
    readonly spec: ProviderSpec,
    readonly machine: Machine,
  ) {
    this.memory = Buffer.alloc(spec.backing_size ?? spec.size);
    Buffer.from(spec.mem ?? '', 'hex').copy(this.memory);
    this.canRead = spec.reg_read ?? true;
    this.canWrite = spec.reg_write ?? true;
  }

  async read(offset: number, out: Buffer): Promise<Ret> {
    await this.#pass('read');
    const { ret, copy } = this.#answer('read', offset, out.length);
    if (copy) this.memory.copy(out, 0, offset, offset + out.length);
    this.machine.note({ cb: 'reg_read', p: this.key, offset, bytes: out.length, ret });
    return ret;
  }

  async write(offset: number, data: Buffer): Promise<Ret> {
    await this.#pass('write');
    const { ret, copy } = this.#answer('write', offset, data.length);
    if (copy) data.copy(this.memory, offset);
    const { key: p } = this;
    const { length: bytes } = data;
    this.machine.note({ cb: 'reg_write', p, offset, bytes, data: data.toString('hex'), ret });
    return ret;
  }

  inject(on: 'read' | 'write', at: number, count: number, ret: Ret, after: boolean): void {
    const before = this.#calls[on];
    this.#faults.set(on, { first: before + at, last: before + at + count - 1, ret, after });
  }

  hold(on: string): void {
    this.#holdOn = on;
  }

  async waitHeld(): Promise<void> {
    if (!this.#held) await new Promise<void>((resolve) => this.#arrived.push(resolve));
  }

  release(): void {
    this.#held?.();
    this.#held = undefined;
  }

  /** gpiod_get_optional(): the error, or the line as it was handed out. */
  requestLine(): { error: Ret; line: ModelLine | undefined } {
    const { wp = 'none', ignore_wp: ignored } = this.spec;
    const { machine } = this;
    if (wp === 'none' || ignored) return { error: 0, line: undefined };
    if (wp === 'missing') return { error: 'EPROBE_DEFER', line: undefined };
    if (wp === 'shared') {
      if (machine.sharedLineTaken) return { error: 'EBUSY', line: undefined };
      machine.sharedLineTaken = true;
    }
    const number = wp === 'shared' ? SHARED_LINE : Number(this.key.slice(1));
    const line = new ModelLine(number, wp, machine);
    machine.note({ cb: 'gpio', what: 'dir', line: number, value: line.level(1) });
    return { error: 0, line };
  }

  async #pass(on: string): Promise<void> {
    if (this.#holdOn !== on) return;
    this.#holdOn = undefined;
    this.machine.note({ cb: 'async', what: 'held' });
    await new Promise<void>((resolve) => {
      this.#held = resolve;
      for (const arrived of this.#arrived.splice(0)) arrived();
    });
  }

  #answer(on: 'read' | 'write', offset: number, length: number): { ret: Ret; copy: boolean } {
    const nth = ++this.#calls[on];
    const fault = this.#faults.get(on);
    const inside = offset + length <= this.memory.length;
    if (fault && nth >= fault.first && nth <= fault.last)
      return { ret: fault.ret, copy: fault.after && inside };
    return inside ? { ret: 0, copy: true } : { ret: 'EINVAL', copy: false };
  }
}

export class ModelLine {
  constructor(
    readonly number: number,
    readonly polarity: string,
    readonly machine: Machine,
  ) {}

  level(logical: number): number {
    return this.polarity === 'low' ? 1 - logical : logical;
  }

  set(logical: number): Ret {
    const value = this.level(logical);
    this.machine.note({ cb: 'gpio', what: 'set', line: this.number, value });
    return this.machine.gpioFaults.get(value) ?? 0;
  }

  free(): void {
    this.machine.note({ cb: 'gpio', what: 'free', line: this.number, value: 0 });
    if (this.polarity === 'shared') this.machine.sharedLineTaken = false;
  }
}
