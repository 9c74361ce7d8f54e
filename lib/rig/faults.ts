/**
 * Faults: what goes wrong on the bench, when, and how often. All of them are positional or seeded, so a run can be repeated.
 * Every fault lets `skip` opportunities pass, then acts on the next `count` of them (1 unless told) and is gone.
 */

export interface FaultCount {
  /** How often it acts; Infinity: until removed. Default 1. */
  readonly count?: number;
  /** Opportunities let through first. Default 0. */
  readonly skip?: number;
}

/**
 * Where an unplug strikes, counted from the moment the fault was added:
 * - `now`;
 * - `wire`: when `n` bytes of EEPROM content have crossed the I2C wire (0: as the first one would begin);
 * - `host`: when `n` bytes of read data have been delivered in 0x13 reports (0: as the first one would be delivered);
 * - `in`, `out`, `any`, `control`: at the `n`-th (from 1) interrupt report in or out, either of them, or control transfer,
 *   `before` or `after` it takes effect and is answered.
 */
export interface UnplugFault extends FaultCount {
  readonly kind: 'unplug';
  readonly on: 'now' | 'wire' | 'host' | 'in' | 'out' | 'any' | 'control';
  readonly n?: number;
  /** Takes `n` from a seeded generator instead: at least 0 (`wire`, `host`) or 1, and below this. */
  readonly below?: number;
  readonly seed?: number;
  readonly phase?: 'before' | 'after';
  /** The TCP connection ends with FIN (default) or with RST. */
  readonly how?: 'fin' | 'rst';
}

/**
 * The bridge takes nothing and answers nothing any more, `on: 'in'`: it takes what it is sent and answers nothing. Only
 * control requests are still answered then. It is on the bus all the while (it NAKs), and what it owes comes afterwards.
 */
export interface SilentFault {
  readonly kind: 'silent';
  readonly on?: 'all' | 'in';
  /** How long, milliseconds; else until the fault is released. */
  readonly ms?: number;
  /** Interrupt reports, in and out, let through first. Default 0. */
  readonly skip?: number;
}

export type FaultSpec =
  | UnplugFault
  /** The address is not acknowledged. */
  | (FaultCount & { readonly kind: 'nak'; readonly address?: number })
  /** Byte `byte` (from 0, word address included) of a write is not acknowledged. */
  | (FaultCount & { readonly kind: 'nak-data'; readonly byte: number; readonly address?: number })
  /** A response (0x13 or 0x16; either when not given) never arrives. */
  | (FaultCount & { readonly kind: 'lose'; readonly report?: number })
  /** A response arrives `ms` later, or when the fault is released; others overtake it. */
  | (FaultCount & { readonly kind: 'delay'; readonly report?: number; readonly ms?: number })
  /** A force send is answered by a 0x13 without data; the data stay in the chip. */
  | (FaultCount & { readonly kind: 'empty' })
  /** A response nobody asked for: now, or before the next response. Default: 0x16, idle. */
  | (FaultCount & { readonly kind: 'unsolicited'; readonly report?: number; readonly when?: 'now' | 'next' })
  /** A request is answered by a STALL; `report`: only control requests for, or reports with, this ID. */
  | (FaultCount & {
      readonly kind: 'stall';
      readonly on?: 'control' | 'in' | 'out';
      readonly report?: number;
    })
  /** The next transfer never ends; `hard`: not even by Cancel, only by a reset or unplug. */
  | (FaultCount & { readonly kind: 'stuck'; readonly hard?: boolean })
  /** SCL is low at the start of the next transfer, for `ms` or for ever. */
  | (FaultCount & { readonly kind: 'scl-low'; readonly ms?: number })
  | (FaultCount & { readonly kind: 'arbitration' })
  /** 64 seeded random bytes arrive before the next response; `report` fixes the first one. */
  | (FaultCount & { readonly kind: 'garbage'; readonly seed?: number; readonly report?: number })
  /** A write cycle of `ms` instead of the part's own (without time: `polls` refused addresses, default 64). */
  | (FaultCount & { readonly kind: 'slow-write'; readonly ms: number; readonly polls?: number })
  | SilentFault;

export type FaultKind = FaultSpec['kind'];
export type FaultOf<K extends FaultKind> = Extract<FaultSpec, { kind: K }>;

/** A fault that was added. */
export interface FaultHandle {
  readonly id: number;
  readonly spec: FaultSpec;
  /** How often it still acts. */
  readonly remaining: number;
  /** How often it has acted. */
  readonly fired: number;
  /** Takes it away; what it holds back (`delay`, `silent`) goes on. */
  release(): void;
}

class Fault implements FaultHandle {
  remaining: number;
  skip: number;
  fired = 0;
  /** What to do when released: the responses held back. */
  readonly held: (() => void)[] = [];
  /** Bytes or reports seen since the fault was added (unplug). */
  seen = 0;

  constructor(
    readonly id: number,
    readonly spec: FaultSpec,
    readonly position: number,
    private readonly box: FaultBox,
  ) {
    this.remaining = 'count' in spec ? (spec.count ?? 1) : spec.kind === 'silent' ? Infinity : 1;
    this.skip = 'skip' in spec ? (spec.skip ?? 0) : 0;
  }

  release(): void {
    this.box.drop(this);
    for (const go of this.held.splice(0)) go();
  }
}

/** What the device does with the faults: the hooks that need more than a look. */
export interface FaultActions {
  /** A fault was added that acts at once (`unplug` now, `unsolicited` now). */
  added(fault: FaultSpec): void;
  /** A `silent` fault begins. */
  silent(fault: FaultHandle & { readonly spec: SilentFault }): void;
  fired(fault: FaultSpec): void;
  released(fault: FaultSpec): void;
}

/** The faults armed on one device. */
export class FaultBox {
  readonly #actions: FaultActions;
  #faults: Fault[] = [];
  /** Released by hand only: their count is used up, but they still hold responses. */
  #holding: Fault[] = [];
  #next = 1;

  constructor(actions: FaultActions) {
    this.#actions = actions;
  }

  /**
   * Arms a fault. The order of adding is the order of acting where several apply.
   * @throws RangeError for counts and positions that make no sense.
   */
  add(spec: FaultSpec): FaultHandle {
    checkFault(spec);
    const fault = new Fault(this.#next++, spec, spec.kind === 'unplug' ? unplugPosition(spec) : 0, this);
    this.#faults.push(fault);
    if (spec.kind === 'silent') this.#beginSilence(fault);
    else this.#actions.added(spec);
    return fault;
  }

  /** An interrupt report went by. */
  reportPassed(): void {
    for (const fault of [...this.#faults]) {
      if (fault.spec.kind !== 'silent' || fault.skip === 0) continue;
      fault.skip--;
      this.#beginSilence(fault);
    }
  }

  /** What the `silent` faults that have begun keep back. */
  get silence(): 'all' | 'in' | undefined {
    const begun = this.#faults.flatMap(({ spec, skip }) =>
      spec.kind === 'silent' && skip === 0 ? [spec] : [],
    );
    if (begun.length === 0) return undefined;
    return begun.every(({ on }) => on === 'in') ? 'in' : 'all';
  }

  /** Releases every fault. */
  clear(): void {
    for (const fault of [...this.#faults, ...this.#holding]) fault.release();
  }

  list(): readonly FaultHandle[] {
    return [...this.#faults, ...this.#holding];
  }

  get(id: number): FaultHandle | undefined {
    return this.list().find((fault) => fault.id === id);
  }

  /** Whether a fault of that kind is armed (without using it up). */
  armed(kind: FaultKind, match: (spec: FaultSpec) => boolean = () => true): boolean {
    return this.#faults.some((fault) => fault.spec.kind === kind && match(fault.spec));
  }

  /** An opportunity for a fault of that kind: the first one that matches and has nothing left to skip acts. */
  take<K extends FaultKind>(
    kind: K,
    match: (spec: FaultOf<K>) => boolean = () => true,
  ): FaultOf<K> | undefined {
    return this.#take(kind, match)?.spec as FaultOf<K> | undefined;
  }

  /** As `take`, for faults that hold something back until released. */
  takeHolding<K extends FaultKind>(
    kind: K,
    match: (spec: FaultOf<K>) => boolean,
  ): { spec: FaultOf<K>; hold: (go: () => void) => void } | undefined {
    const fault = this.#take(kind, match);
    if (!fault) return undefined;
    return {
      spec: fault.spec as FaultOf<K>,
      hold: (go) => {
        fault.held.push(go);
        if (!this.#faults.includes(fault) && !this.#holding.includes(fault)) this.#holding.push(fault);
      },
    };
  }

  /**
   * `count` more bytes or reports have come by for unplug faults of that place; the first that is due acts.
   * With count 0 it only looks whether one is due already (position 0, or left over).
   */
  unplugAt(
    on: UnplugFault['on'],
    count: number,
    phase: 'before' | 'after' = 'after',
  ): UnplugFault | undefined {
    for (const fault of [...this.#faults]) {
      const { spec } = fault;
      if (spec.kind !== 'unplug' || spec.on !== on) continue;
      const isReport = on !== 'wire' && on !== 'host';
      if (isReport && (spec.phase ?? 'after') !== phase) continue;
      fault.seen += count;
      if (fault.seen < fault.position) continue;
      fault.seen = 0;
      if (this.#use(fault)) return spec;
    }
    return undefined;
  }

  drop(fault: FaultHandle): void {
    const known = this.list().includes(fault);
    this.#faults = this.#faults.filter((other) => other !== fault);
    this.#holding = this.#holding.filter((other) => other !== fault);
    if (known) this.#actions.released(fault.spec);
  }

  #take<K extends FaultKind>(kind: K, match: (spec: FaultOf<K>) => boolean): Fault | undefined {
    for (const fault of [...this.#faults]) {
      if (fault.spec.kind === kind && match(fault.spec as FaultOf<K>) && this.#use(fault)) return fault;
    }
    return undefined;
  }

  #beginSilence(fault: Fault): void {
    const { spec } = fault;
    if (spec.kind !== 'silent' || fault.skip > 0) return;
    fault.fired++;
    this.#actions.fired(spec);
    this.#actions.silent(Object.assign(fault, { spec }));
  }

  #use(fault: Fault): boolean {
    if (fault.skip > 0) {
      fault.skip--;
      return false;
    }
    fault.remaining--;
    fault.fired++;
    if (fault.remaining <= 0) this.#faults = this.#faults.filter((other) => other !== fault);
    this.#actions.fired(fault.spec);
    return true;
  }
}

function checkFault(spec: FaultSpec): void {
  const whole = (name: string, value: number | undefined, least: number): void => {
    if (value === undefined || (name === 'count' && value === Infinity)) return;
    if (!Number.isInteger(value) || value < least) {
      throw new RangeError(
        `${name} of a fault is a whole number from ${String(least)}, not ${String(value)}`,
      );
    }
  };
  whole('skip', spec.skip, 0);
  if (spec.kind === 'silent') {
    whole('ms', spec.ms, 1);
    return;
  }
  whole('count', spec.count, 1);
  if (spec.kind === 'nak-data') whole('byte', spec.byte, 0);
  if (spec.kind !== 'unplug' || spec.on === 'now') return;
  whole('below', spec.below, 1);
  const first = spec.on === 'wire' || spec.on === 'host' ? 0 : 1;
  if (spec.n === undefined && spec.below === undefined) {
    throw new RangeError(`an unplug on ${spec.on} needs a position: n, or below with a seed`);
  }
  whole('n', spec.n, first);
}

function unplugPosition(spec: UnplugFault): number {
  if (spec.below === undefined) return spec.n ?? 0;
  const first = spec.on === 'wire' || spec.on === 'host' ? 0 : 1;
  const span = Math.max(1, spec.below - first);
  return first + Math.floor(random(spec.seed ?? 0)() * span);
}

/** A small seeded generator (mulberry32): the same seed, the same numbers, everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
