import type {
  OperationEvent,
  SampleEvent,
  StartEvent,
  SubjectFacts,
  Totals,
  TortureEvent,
} from './events.js';
import { Histogram } from './histogram.js';
import { Series } from './series.js';

/** What is measured of the process of the subject. */
export const MEASURES = ['rss', 'heapUsed', 'fds', 'threads', 'handles', 'listeners'] as const;
export type Measure = (typeof MEASURES)[number];

/** A memory with more pages than that has no count of each. */
const MAX_PAGES = 1 << 18;

/** 'read', 'write'; undefined: the operation moves no bytes of the memory. */
export function directionOf({ kind, action }: OperationEvent): 'read' | 'write' | undefined {
  if (kind === 'scan') return undefined;
  if (kind === 'write' || action === 'write') return 'write';
  return kind === 'read' || kind === 'verify' || action === 'read' ? 'read' : undefined;
}

/**
 * All numbers of a run, from its events, in bounded memory: what the verdict has, the report, and the page of a run that goes
 * on. Quantiles are exact for the first 16,384 values and beyond within 0.4 %; everything else is exact for a run of any length.
 *
 * Wear: each page that a write has committed, or left uncertain, has been through one write cycle. A write that found the data
 * there already counts all the same: the events do not tell.
 */
export class Tally {
  readonly rejection = new Histogram();
  readonly recovery = new Histogram();
  /** Memory, handles and so on over time. */
  readonly samples = new Series<Measure | 'p50' | 'p99' | 'p999' | 'cpu'>([
    ...MEASURES,
    'p50',
    'p99',
    'p999',
    'cpu',
  ]);
  readonly #delay = new Histogram();
  #worstDelay = 0;
  #subjects: readonly SubjectFacts[] = [];
  readonly #byKind = new Map<string, number>();
  readonly #byCode = new Map<string, number>();
  #wear: number[][] = [];
  #counters: readonly Readonly<Record<string, number>>[] = [];
  #cycles = 0;
  #operations = 0;
  #bytesRead = 0;
  #bytesWritten = 0;
  #checkedBytes = 0;
  #violations = 0;

  get cycles(): number {
    return this.#cycles;
  }

  get operations(): number {
    return this.#operations;
  }

  get violations(): number {
    return this.#violations;
  }

  add(event: TortureEvent): void {
    switch (event.type) {
      case 'start':
        this.#start(event);
        break;
      case 'operation':
        this.#operation(event);
        break;
      case 'cycle':
        this.#cycles++;
        this.#checkedBytes += event.checkedBytes;
        if (event.rejectionMs !== null) this.rejection.add(event.rejectionMs);
        if (event.recoveryMs !== null) this.recovery.add(event.recoveryMs);
        break;
      case 'sample':
        this.#sample(event);
        break;
      case 'violation':
        this.#violations++;
        break;
      case 'verdict':
        if (this.#counters.length === 0) this.#counters = event.totals.counters;
        break;
      case 'open':
      case 'plug':
      case 'removed':
      case 'note':
        break;
    }
  }

  /** Counters of the library by subject, summed over its openings so far. */
  setCounters(counters: readonly Readonly<Record<string, number>>[]): void {
    this.#counters = counters;
  }

  totals(): Totals {
    const delay = this.#delay.quantile(0.5);
    return {
      cycles: this.#cycles,
      operations: this.#operations,
      byKind: Object.fromEntries(this.#byKind),
      byCode: Object.fromEntries(this.#byCode),
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      checkedBytes: this.#checkedBytes,
      rejection: this.rejection.quantiles(),
      recovery: this.recovery.quantiles(),
      loopDelay: delay === undefined ? null : { p50: delay, p999: this.#worstDelay },
      slopes: Object.fromEntries(
        MEASURES.map((name) => [name, this.samples.slope(name)]),
      ) as Totals['slopes'],
      wear: this.#wear.map((pages) => [...pages]),
      counters: this.#counters,
    };
  }

  #start({ subjects }: StartEvent): void {
    this.#subjects = subjects;
    this.#wear = subjects.map(({ size, pageSize }) => {
      const pages = pageSize > 0 ? Math.ceil(size / pageSize) : 0;
      return pages <= MAX_PAGES ? Array.from({ length: pages }, () => 0) : [];
    });
  }

  #operation(event: OperationEvent): void {
    this.#operations++;
    count(this.#byKind, event.kind);
    count(this.#byCode, event.code);
    const direction = directionOf(event);
    if (direction === 'read') this.#bytesRead += event.bytes;
    if (direction !== 'write') return;
    this.#bytesWritten += event.bytes;
    const wear = this.#wear[event.subject];
    const pageSize = this.#subjects[event.subject]?.pageSize ?? 0;
    const length = event.bytes + (event.uncertain ?? 0);
    if (!wear || length === 0) return;
    const last = Math.min(Math.floor((event.offset + length - 1) / pageSize), wear.length - 1);
    for (let page = Math.floor(event.offset / pageSize); page <= last; page++) {
      wear[page] = (wear[page] ?? 0) + 1;
    }
  }

  #sample(event: SampleEvent): void {
    const { loopDelay, cycle, t } = event;
    this.samples.add(t, cycle, { ...event, ...loopDelay });
    this.#delay.add(loopDelay.p50);
    this.#worstDelay = Math.max(this.#worstDelay, loopDelay.p999);
    if (event.counters) this.#counters = event.counters;
  }
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
