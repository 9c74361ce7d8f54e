/** What is done in each cycle, and where the plug is pulled: all of it from the seed, none of it from the clock. */
import type { OperationKind, Region, When } from './events.js';
import { Random } from './random.js';

/** One operation, planned. */
export interface PlannedOperation {
  readonly worker: number;
  readonly subject: number;
  readonly kind: OperationKind;
  readonly action: 'read' | 'write' | 'look';
  readonly offset: number;
  readonly length: number;
  /** Seed of the bytes that are written, or of the byte that verify() has to find wrong. */
  readonly data: number;
  /** Of a cell of some bits of one byte: the first bit, and how many. */
  readonly bits?: { readonly first: number; readonly count: number } | undefined;
}

/**
 * Where the plug is pulled. `position`: by the bench itself, when that many bytes or reports have gone by; `delay`: so long after
 * the first operation has begun; `share`: when so much of the first operation of that kind is done; `after`: when all has settled.
 */
export type PlannedPull =
  | {
      readonly by: 'position';
      readonly on: 'wire' | 'host' | 'in' | 'out' | 'any' | 'control';
      readonly n: number;
      readonly phase: 'before' | 'after';
      readonly rst: boolean;
    }
  | { readonly by: 'delay'; readonly ms: number }
  | { readonly by: 'share'; readonly kind: OperationKind; readonly share: number }
  | { readonly by: 'after' };

export interface PlannedCycle {
  /** Which plug: counted round those that there are. */
  readonly plug: number;
  readonly when: When;
  readonly pull: PlannedPull;
  /** How long the power is off each time, milliseconds; more than one: a storm. */
  readonly offMs: readonly number[];
  /** How long it is on between two of them. */
  readonly onMs: readonly number[];
  readonly operations: readonly PlannedOperation[];
}

/** What the plan is made for. */
export interface PlanSubject {
  readonly size: number;
  readonly pageSize: number;
  readonly wordSize: number;
  readonly region?: Region | undefined;
  readonly hasWp: boolean;
  /** On a bus that can be scanned. */
  readonly hasBus: boolean;
}

export interface PlanOptions {
  readonly seed: number;
  readonly workers: number;
  readonly mix: Readonly<Record<OperationKind, number>>;
  readonly when: readonly When[];
  readonly settleMs: number;
  readonly subjects: readonly PlanSubject[];
  /** The plug is the bench's own, which can pull it at a byte. */
  readonly positional: boolean;
  /** Share of the time that an operation takes, milliseconds, for plugs that are pulled by the clock. */
  readonly typicalMs: number;
}

/** Operations of one worker in one cycle. */
const MOST = 2;

export function planCycle(options: PlanOptions, cycle: number): PlannedCycle {
  const { seed, workers, settleMs } = options;
  const choice = new Random(seed, 'when', cycle);
  const when = choice.pick(options.when);
  const operations: PlannedOperation[] = [];
  for (let worker = 0; worker < workers; worker++) {
    const random = new Random(seed, 'work', cycle, worker);
    for (let left = random.integer(1, MOST); left > 0; left--) {
      const planned = planOperation(options, random, worker, wantedKind(when, operations.length === 0));
      if (planned) operations.push(planned);
    }
  }
  const storm = when === 'storm' ? choice.integer(2, 4) : 1;
  const times = (low: number, high: number, count: number): number[] =>
    Array.from({ length: count }, () => choice.integer(low, high));
  return {
    plug: choice.integer(0, 0xffff),
    when,
    pull: planPull(options, when, cycle, operations, new Random(seed, 'pull', cycle)),
    offMs: storm === 1 ? [settleMs] : [...times(0, settleMs, storm - 1), settleMs],
    onMs: times(0, 20, storm - 1),
    operations,
  };
}

/** What the first operation has to be for the plug to be pulled in it. */
function wantedKind(when: When, isFirst: boolean): OperationKind | undefined {
  if (!isFirst) return undefined;
  return when === 'mid-read'
    ? 'read'
    : when === 'mid-write'
      ? 'write'
      : when === 'mid-cell'
        ? 'cell'
        : undefined;
}

function planOperation(
  { mix, subjects }: PlanOptions,
  random: Random,
  worker: number,
  wanted: OperationKind | undefined,
): PlannedOperation | undefined {
  const index = random.integer(0, subjects.length - 1);
  const subject = subjects[index];
  if (!subject) return undefined;
  const canWrite = subject.region !== undefined;
  const possible = {
    ...mix,
    write: canWrite ? mix.write : 0,
    wp: subject.hasWp ? mix.wp : 0,
    scan: subject.hasBus ? mix.scan : 0,
  };
  const kind = (wanted === 'write' && !canWrite ? undefined : wanted) ?? random.weighted(possible);
  if (kind === undefined) return undefined;
  const all: Region = { first: 0, last: subject.size - 1 };
  const base = { worker, subject: index, kind, data: random.integer(0, 0x7fffffff) };
  switch (kind) {
    case 'wp':
    case 'scan':
      return { ...base, action: 'look', offset: 0, length: 0 };
    case 'read':
      return {
        ...base,
        action: 'read',
        ...stretch(random, all, wanted ? subject.size : 256, subject.wordSize),
      };
    case 'verify':
      return { ...base, action: 'read', ...stretch(random, all, 64, subject.wordSize) };
    case 'write':
      return {
        ...base,
        action: 'write',
        ...stretch(random, subject.region ?? all, 2 * subject.pageSize + 1, subject.wordSize),
      };
    case 'cell': {
      const writes = canWrite && random.next() < 0.5;
      const where = writes ? (subject.region ?? all) : all;
      const action = writes ? 'write' : 'read';
      if (subject.wordSize === 1 && random.next() < 0.4) {
        const first = random.integer(0, 7);
        const bits = { first, count: random.integer(1, 8 - first) };
        return { ...base, action, offset: random.integer(where.first, where.last), length: 1, bits };
      }
      return { ...base, action, ...stretch(random, where, 16, subject.wordSize) };
    }
  }
}

/** A stretch of whole words in it, of at most `most` bytes. */
function stretch(
  random: Random,
  { first, last }: Region,
  most: number,
  word: number,
): { offset: number; length: number } {
  const words = Math.max(1, Math.floor((last - first + 1) / word));
  const count = random.integer(1, Math.max(1, Math.min(words, Math.floor(most / word))));
  const offset = first + random.integer(0, words - count) * word;
  return { offset, length: Math.min(count * word, last - offset + 1) };
}

function planPull(
  { positional, typicalMs }: PlanOptions,
  when: When,
  cycle: number,
  operations: readonly PlannedOperation[],
  random: Random,
): PlannedPull {
  if (when === 'idle') return { by: 'after' };
  const middle = when === 'mid-read' ? 'read' : when === 'mid-write' ? 'write' : 'cell';
  if (!positional) {
    if (when.startsWith('mid-')) return { by: 'share', kind: middle, share: random.next() };
    return { by: 'delay', ms: random.next() * 2 * typicalMs };
  }
  const rst = random.next() < 0.3;
  const phase = random.next() < 0.5 ? ('before' as const) : ('after' as const);
  const at = (on: 'wire' | 'host' | 'in' | 'out' | 'any' | 'control', n: number): PlannedPull => ({
    by: 'position',
    on,
    n,
    phase,
    rst,
  });
  const first = operations[0];
  // Each byte crosses the wire once when it is read, and once more when it was written and is read back.
  const bytes = operations.reduce(
    (sum, { length, action }) => sum + length * (action === 'write' ? 2 : 1),
    0,
  );
  if (when === 'every-byte') return at('wire', cycle % Math.max(1, bytes));
  if (when.startsWith('mid-') && first) return at('wire', random.integer(0, Math.max(0, first.length - 1)));
  const on = random.pick(['wire', 'wire', 'host', 'in', 'out', 'any', 'control'] as const);
  switch (on) {
    case 'wire':
    case 'host':
      return at(on, random.integer(0, Math.max(1, bytes)));
    case 'control':
      return at(on, random.integer(1, 8));
    default:
      return at(on, random.integer(1, Math.max(2, Math.ceil(bytes / 16))));
  }
}
