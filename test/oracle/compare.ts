/** What the answer should be, and what came. */
import { Driver } from './driver.js';
import type { Answer, Case, Op, TraceEvent } from './types.js';

export interface Difference {
  /** Index of the operation; -1: the order of things in a case with threads. */
  readonly op: number;
  readonly want: unknown;
  readonly got: unknown;
}

/**
 * The answer of the series. Where the kernel's own write to a bit cell is wrong (`ideal_mem`), the bytes written are those
 * that leave the ideal memory.
 */
function expected(op: Op): Answer {
  const answer = op.alt?.['series'] ?? op;
  const { ideal_mem: ideal } = op;
  if (ideal === undefined || !answer.trace) return answer;
  const trace = answer.trace.map((event): TraceEvent => {
    if (event['cb'] !== 'reg_write') return event;
    const offset = Number(event['offset']);
    return { ...event, data: ideal.slice(2 * offset, 2 * (offset + Number(event['bytes']))) };
  });
  return { ...answer, trace };
}

const FIELDS = [
  'ret',
  'data',
  'len',
  'value',
  'name',
  'mode',
  'size',
  'names',
  'text',
  'stage',
  'trace',
] as const;

function shown(answer: Answer, fields: readonly (typeof FIELDS)[number][]): Partial<Answer> {
  return Object.fromEntries(
    fields
      .filter((field) => answer[field] !== undefined)
      .map((field) => [field, field === 'trace' ? answer.trace?.map(sorted) : answer[field]]),
  );
}

/** Runs a case and gives all that differs. */
export async function differences(one: Case): Promise<Difference[]> {
  const driver = new Driver(one);
  const found: Difference[] = [];
  /** What the memory of a provider has instead of the kernel's wrong bytes, until it is filled anew. */
  let ideal: string | undefined;
  try {
    for (const [index, op] of one.ops.entries()) {
      let answer = expected(op);
      if (answer.ret === 'SKIPPED') continue;
      if (op.ideal_mem !== undefined) ideal = op.ideal_mem;
      else if (op.op === 'set_mem') ideal = undefined;
      else if (op.op === 'mem' && ideal !== undefined) answer = { ...answer, data: ideal };
      const got = await driver.run(op);
      const fields = FIELDS.filter((field) => field !== 'trace' || answer.trace !== undefined);
      const [want, is] = [shown(answer, fields), shown(got, fields)];
      if (JSON.stringify(want) !== JSON.stringify(is)) found.push({ op: index, want, got: is });
    }
    const timeline = one.alt_timeline?.['series'] ?? one.timeline;
    if (timeline && JSON.stringify(timeline.map(sorted)) !== JSON.stringify(driver.timeline.map(sorted))) {
      found.push({ op: -1, want: timeline, got: [...driver.timeline] });
    }
  } finally {
    await driver.close();
  }
  return found;
}

function sorted(event: TraceEvent): TraceEvent {
  return Object.fromEntries(Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1)));
}
