import type { OperationEvent, PlugEvent } from '../events.js';

/** Time is cut into at most so many stretches, which grow with the run; fewer where there are many workers. */
const MAX_STRETCHES = 1200;
const MAX_CELLS = 24_000;
const FIRST_WIDTH_MS = 20;
/** Operations that are kept one by one: the first, the last, and those around the first violations. */
const FIRST_OPERATIONS = 2500;
const LAST_OPERATIONS = 2500;
const AROUND = 150;
const MAX_AROUND = 10;
/** Times that the plug was out that are kept one by one: the first, and the last. */
const FIRST_PLUGS = 1000;
const LAST_PLUGS = 1000;
/** Workers with a lane of their own. */
const MAX_WORKERS = 64;

/** The plug of `subject` was out from `off` to `on` milliseconds; null: it still is. */
export interface Outage {
  readonly off: number;
  on: number | null;
  readonly cycle: number;
  readonly subject: number;
  readonly where: string;
}

/** What one worker has done in one stretch of time. */
export interface Work {
  ok: number;
  failed: number;
}

/** One stretch of time, by the moment at which operations have settled. */
export interface Stretch {
  operations: number;
  failed: number;
  bytesRead: number;
  bytesWritten: number;
  /** Milliseconds for which the plug of one subject at least was out. */
  offMs: number;
  /** The slowest answer to an unplug, and the slowest return, of its cycles; null: none. */
  rejectionMs: number | null;
  recoveryMs: number | null;
  /** By lane. */
  readonly workers: Work[];
}

/** Of a run of any length a picture in bounded memory: stretches of equal width that count everything, and single operations. */
export class TimeLine {
  #stretches: Stretch[] = [];
  #width = FIRST_WIDTH_MS;
  /** Lanes, by number of the worker. */
  readonly #lanes = new Map<number, number>();
  #otherWorkers = false;
  readonly #first: OperationEvent[] = [];
  readonly #last = new Ring<OperationEvent>(LAST_OPERATIONS);
  readonly #around = new Set<OperationEvent>();
  #stillAround = 0;
  #violations = 0;
  readonly #firstOutages: Outage[] = [];
  readonly #lastOutages = new Ring<Outage>(LAST_PLUGS);
  readonly #open = new Map<number, Outage>();
  #outSince: number | undefined;
  #outages = 0;
  #operations = 0;
  #end = 0;

  /** Milliseconds of a stretch. */
  get width(): number {
    return this.#width;
  }

  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  /** When the last of all events was, milliseconds. */
  get end(): number {
    return this.#end;
  }

  /** Numbers of the workers, by lane. */
  get workers(): number[] {
    return [...this.#lanes.keys()];
  }

  /** More workers than lanes: the last lane is that of all others. */
  get hasOtherWorkers(): boolean {
    return this.#otherWorkers;
  }

  /** Operations that are kept one by one, in the order in which they have settled; and how many there were. */
  get operations(): { readonly kept: OperationEvent[]; readonly all: number } {
    const kept = new Set([...this.#first, ...this.#around, ...this.#last.items]);
    return { kept: [...kept].sort((a, b) => a.t - b.t), all: this.#operations };
  }

  get outages(): { readonly kept: Outage[]; readonly all: number } {
    return { kept: [...this.#firstOutages, ...this.#lastOutages.items], all: this.#outages };
  }

  /** Where single outages are missing: from the last of the first to the first of the last, milliseconds; null: nowhere. */
  get outageGap(): readonly [number, number] | null {
    const last = this.#lastOutages.items;
    if (this.#firstOutages.length + last.length === this.#outages) return null;
    return [this.#firstOutages.at(-1)?.off ?? 0, last[0]?.off ?? this.#end];
  }

  reaches(t: number): void {
    this.#end = Math.max(this.#end, t);
  }

  operation(event: OperationEvent, direction: 'read' | 'write' | undefined): void {
    const stretch = this.#at(event.t);
    const lane = this.#laneOf(event.worker);
    const isGood = event.code === 'ok';
    stretch.operations++;
    if (!isGood) stretch.failed++;
    if (direction === 'read') stretch.bytesRead += event.bytes;
    if (direction === 'write') stretch.bytesWritten += event.bytes;
    for (let i = stretch.workers.length; i <= lane; i++) stretch.workers.push({ ok: 0, failed: 0 });
    const work = stretch.workers[lane];
    if (work) work[isGood ? 'ok' : 'failed']++;
    this.#operations++;
    if (this.#first.length < FIRST_OPERATIONS) this.#first.push(event);
    else this.#last.push(event);
    if (this.#stillAround > 0) {
      this.#stillAround--;
      this.#around.add(event);
    }
  }

  plug(event: PlugEvent): void {
    this.reaches(event.t);
    for (const subject of event.subjects) {
      const out = this.#open.get(subject);
      if (event.state === 'on') {
        if (!out) continue;
        out.on = event.t;
        this.#open.delete(subject);
      } else if (!out) {
        const { t, cycle, where } = event;
        const outage: Outage = { off: t, on: null, cycle, subject, where };
        this.#outages++;
        this.#open.set(subject, outage);
        if (this.#firstOutages.length < FIRST_PLUGS) this.#firstOutages.push(outage);
        else this.#lastOutages.push(outage);
      }
    }
    if (this.#open.size > 0) this.#outSince ??= event.t;
    else if (this.#outSince !== undefined) {
      this.#out(this.#outSince, event.t);
      this.#outSince = undefined;
    }
  }

  cycle(t: number, rejectionMs: number | null, recoveryMs: number | null): void {
    const stretch = this.#at(t);
    stretch.rejectionMs = greater(stretch.rejectionMs, rejectionMs);
    stretch.recoveryMs = greater(stretch.recoveryMs, recoveryMs);
  }

  violation(): void {
    if (++this.#violations > MAX_AROUND) return;
    for (const event of [...this.#first, ...this.#last.items].slice(-AROUND)) this.#around.add(event);
    this.#stillAround = AROUND / 3;
  }

  #laneOf(worker: number): number {
    const lane = this.#lanes.get(worker);
    if (lane !== undefined) return lane;
    if (this.#lanes.size < MAX_WORKERS) {
      this.#lanes.set(worker, this.#lanes.size);
      // What is there already has room for so many lanes no more, perhaps.
      while (this.#stretches.length > this.#most()) this.#halve();
      return this.#lanes.size - 1;
    }
    this.#otherWorkers = true;
    return MAX_WORKERS - 1;
  }

  #most(): number {
    return Math.min(MAX_STRETCHES, Math.floor(MAX_CELLS / Math.max(this.#lanes.size, 1)));
  }

  #at(given: number): Stretch {
    const t = Math.max(given, 0);
    this.reaches(t);
    while (Math.floor(t / this.#width) >= this.#most()) this.#halve();
    const at = Math.floor(t / this.#width);
    while (this.#stretches.length <= at) this.#stretches.push(emptyStretch());
    return this.#stretches[at] ?? emptyStretch();
  }

  #halve(): void {
    this.#width *= 2;
    this.#stretches = Array.from({ length: Math.ceil(this.#stretches.length / 2) }, (_, i) =>
      joined(this.#stretches[2 * i] ?? emptyStretch(), this.#stretches[2 * i + 1]),
    );
  }

  #out(from: number, to: number): void {
    this.#at(to);
    for (let t = Math.max(from, 0); t < to;) {
      const until = Math.min((Math.floor(t / this.#width) + 1) * this.#width, to);
      this.#at(t).offMs += until - t;
      t = until;
    }
  }
}

function emptyStretch(): Stretch {
  return {
    operations: 0,
    failed: 0,
    bytesRead: 0,
    bytesWritten: 0,
    offMs: 0,
    rejectionMs: null,
    recoveryMs: null,
    workers: [],
  };
}

function joined(a: Stretch, b: Stretch | undefined): Stretch {
  if (!b) return a;
  return {
    operations: a.operations + b.operations,
    failed: a.failed + b.failed,
    bytesRead: a.bytesRead + b.bytesRead,
    bytesWritten: a.bytesWritten + b.bytesWritten,
    offMs: a.offMs + b.offMs,
    rejectionMs: greater(a.rejectionMs, b.rejectionMs),
    recoveryMs: greater(a.recoveryMs, b.recoveryMs),
    workers: Array.from({ length: Math.max(a.workers.length, b.workers.length) }, (_, lane) => ({
      ok: (a.workers[lane]?.ok ?? 0) + (b.workers[lane]?.ok ?? 0),
      failed: (a.workers[lane]?.failed ?? 0) + (b.workers[lane]?.failed ?? 0),
    })),
  };
}

function greater(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

/** The last `size` of all that was pushed. */
export class Ring<T> {
  readonly #items: T[] = [];
  readonly #size: number;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get items(): T[] {
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)];
  }

  push(item: T): void {
    if (this.#items.length < this.#size) {
      this.#items.push(item);
      return;
    }
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#size;
  }
}
