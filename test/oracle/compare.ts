/** What three say of one case: the recorded kernel, the model of it, and this library. */
import { Driver } from './driver.js';
import { Model } from './model/model.js';
import { OURS, RULES, SERIES, type Rule, type Rules } from './model/rules.js';
import type { Answer, Case, Op, TraceEvent } from './types.js';

/** Whoever answers the operations of a case. */
export interface Subject {
  run(op: Op): Promise<Answer>;
  close(): Promise<void>;
  readonly timeline: readonly TraceEvent[];
}

/** The answers to all operations, as text to compare; the last one is the order of things in a case with threads. */
export type Answers = readonly string[];

const FIELDS = ['ret', 'data', 'len', 'value', 'name', 'mode', 'size', 'names', 'text', 'stage'] as const;

export function shown(answer: Answer, traced: boolean): string {
  const fields = FIELDS.filter((field) => answer[field] !== undefined).map((field): [string, unknown] => [
    field,
    answer[field],
  ]);
  if (traced) fields.push(['trace', sortedEvents(answer.trace ?? [])]);
  return JSON.stringify(Object.fromEntries(fields));
}

function sortedEvents(events: readonly TraceEvent[]): TraceEvent[] {
  return events.map((event) =>
    Object.fromEntries(Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
}

const series = (op: Op): Answer => op.alt?.['series'] ?? op;
const isThreaded = ({ timeline }: Case): boolean => timeline !== undefined;
/** What could not be put to that kernel is put to nobody. */
export const isAsked = (op: Op): boolean => series(op).ret !== 'SKIPPED';

const isTraced = (one: Case, op: Op): boolean => !isThreaded(one) && series(op).trace !== undefined;

function answersIn(one: Case, answer: (op: Op) => Answer): Answers {
  const answers = one.ops.filter(isAsked).map((op) => shown(answer(op), isTraced(one, op)));
  const timeline = one.alt_timeline?.['series'] ?? one.timeline;
  return timeline ? [...answers, JSON.stringify(sortedEvents(timeline))] : answers;
}

/** As the kernel of the series answered. */
export function recorded(one: Case): Answers {
  return answersIn(one, series);
}

/**
 * As it should have answered: where its own write to a bit cell went wrong (`ideal_mem`), the bytes written are those that
 * leave the ideal memory, which is what there is until it is filled anew.
 */
export function expected(one: Case): Answers {
  let ideal: string | undefined;
  return answersIn(one, (op) => {
    const answer = series(op);
    if (op.ideal_mem !== undefined) ideal = op.ideal_mem;
    else if (op.op === 'set_mem') ideal = undefined;
    if (op.op === 'mem') return ideal === undefined ? answer : { ...answer, data: ideal };
    const { ideal_mem: bytes } = op;
    if (bytes === undefined || !answer.trace) return answer;
    const trace = answer.trace.map((event): TraceEvent => {
      if (event['cb'] !== 'reg_write') return event;
      const offset = Number(event['offset']);
      return { ...event, data: bytes.slice(2 * offset, 2 * (offset + Number(event['bytes']))) };
    });
    return { ...answer, trace };
  });
}

export async function answersOf(subject: Subject, one: Case, traced = true): Promise<Answers> {
  const answers: string[] = [];
  try {
    for (const op of one.ops.filter(isAsked)) {
      const answer = await subject.run(op);
      answers.push(shown(answer, traced && isTraced(one, op)));
    }
    if (isThreaded(one)) answers.push(JSON.stringify(sortedEvents(subject.timeline)));
  } finally {
    await subject.close();
  }
  return answers;
}

export const modelAnswers = (one: Case, rules: Rules): Promise<Answers> =>
  answersOf(new Model(one.config, rules), one);
export const libraryAnswers = (one: Case): Promise<Answers> => answersOf(new Driver(one), one);

/** Whether memory of the addon can stand in for the case's RAM: it never fails, has all its bytes and no line, and serves once. */
export function isPlainMemory({ ops, config: { providers = {} } }: Case): boolean {
  const plain = Object.values(providers).every(
    ({ size, reg_read: read = true, reg_write: write = true, wp = 'none', backing_size: backing = size }) =>
      read && write && wp === 'none' && backing === size,
  );
  const keys = ops.filter(({ op }) => op === 'register').map(({ args }) => args?.provider);
  // As at24 has it, an access of no bytes is none, wherever it would be.
  const isNowhere = ({ args: { bytes, data, offset = 0 } = {} }: Op): boolean =>
    (bytes === 0 || data === '') && offset > Math.min(...Object.values(providers).map(({ size }) => size));
  const odd = ops.some((one) => /^(inject|hold|unregister$)/.test(one.op) || isNowhere(one));
  return plain && !odd && new Set(keys).size === keys.length;
}

export interface Difference {
  readonly op: unknown;
  readonly want: string | undefined;
  readonly got: string | undefined;
}

/** Where two differ, for people. */
export function differences(one: Case, want: Answers, got: Answers): Difference[] {
  const asked: (Op | undefined)[] = one.ops.filter(isAsked);
  return Array.from({ length: Math.max(want.length, got.length) }, (_, i) => i)
    .filter((i) => want[i] !== got[i])
    .map((i) => ({
      op: asked[i] ? { i, op: asked[i].op, args: asked[i].args } : 'timeline',
      want: want[i],
      got: got[i],
    }));
}

const same = (a: Answers, b: Answers): boolean => a.length === b.length && a.every((one, i) => one === b[i]);

export interface Verdict {
  /** The rules by which the library differs from what is expected in this case: none, and it answers so. */
  readonly rules: readonly Rule[];
  /** What no rule explains; a case that has any is wrong. */
  readonly unexplained: readonly Difference[];
}

/**
 * A difference is explained by rules only where two things hold: the model without any rule answers as the kernel was recorded
 * to, and the model with exactly these rules answers as the library does, each operation with every byte and event. No list
 * of cases is asked.
 */
export async function judge(one: Case, ours: Answers): Promise<Verdict> {
  const want = expected(one);
  if (same(want, ours)) return { rules: [], unexplained: [] };
  const plain = await modelAnswers(one, SERIES);
  if (!same(plain, recorded(one))) return { rules: [], unexplained: differences(one, want, ours) };
  const mended = await modelAnswers(one, OURS);
  if (!same(mended, ours)) return { rules: [], unexplained: differences(one, mended, ours) };
  // A rule that can be taken back without a change where we differ has no part in it.
  const needed = new Set<Rule>(RULES);
  for (const rule of RULES) {
    needed.delete(rule);
    const without = await modelAnswers(one, needed);
    if (without.some((answer, i) => answer !== ours[i] && ours[i] !== want[i])) needed.add(rule);
  }
  return { rules: [...needed], unexplained: [] };
}
