import {
  checkFault,
  firstSkip,
  unplugPosition,
  type FaultKind,
  type FaultOf,
  type FaultSpec,
  type SilentFault,
  type UnplugFault,
} from './fault_kinds.js';

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
    this.skip = firstSkip(spec);
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
