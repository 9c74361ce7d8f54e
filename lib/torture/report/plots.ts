/** What the plots of the page are drawn from: plain numbers, rounded to what can be seen. */
import { visible } from '../../base/visible.js';
import { MEASURES } from '../totals.js';
import type { Bin } from '../histogram.js';
import type { ReportCollector } from './collector.js';

/** Violations that have a mark on the time line. */
const MAX_MARKS = 1000;

/** Points of the throughput. */
const MOST_MEANS = 200;

export type Plots = Readonly<Record<string, unknown>>;

export function plotsOf(collector: ReportCollector): Plots {
  const { tally } = collector;
  return {
    timeline: timeLineOf(collector),
    throughput: throughputOf(collector),
    reaction: reactionOf(collector),
    rejection: histogramOf(tally.rejection.bins()),
    recovery: histogramOf(tally.recovery.bins()),
    samples: samplesOf(collector),
  };
}

function round(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}

/** Down, so that a moment stays in its stretch of time. */
function floor(ms: number): number {
  return Math.floor(ms * 1000) / 1000;
}

function timeLineOf({ timeLine, violations, start }: ReportCollector): unknown {
  const kinds = new Map<string, number>();
  const codes = new Map<string, number>();
  const numberOf = (map: Map<string, number>, key: string): number => {
    const known = map.get(key) ?? map.size;
    map.set(key, known);
    return known;
  };
  const lanes = new Map(timeLine.workers.map((worker, lane) => [worker, lane]));
  const last = lanes.size - 1;
  const operations = timeLine.operations.kept.map((event) => [
    floor(event.began),
    floor(event.t),
    lanes.get(event.worker) ?? last,
    event.subject,
    numberOf(kinds, event.kind === event.action ? event.kind : `${event.kind} ${event.action}`.trim()),
    numberOf(codes, event.code),
    Number(event.unplugged),
    event.offset,
    event.length,
    event.cycle,
    event.id,
  ]);
  const { stretches, width } = timeLine;
  return {
    end: round(timeLine.end),
    width,
    workers: timeLine.workers.map((worker, lane) =>
      timeLine.hasOtherWorkers && lane === last
        ? 'others'
        : worker < 0
          ? 'opener'
          : `worker ${String(worker)}`,
    ),
    subjects: start?.subjects.length ?? 1,
    ok: timeLine.workers.map((_, lane) => stretches.map(({ workers }) => workers[lane]?.ok ?? 0)),
    failed: timeLine.workers.map((_, lane) => stretches.map(({ workers }) => workers[lane]?.failed ?? 0)),
    off: stretches.map(({ offMs }) => round(Math.min(offMs / width, 1))),
    operations,
    kinds: [...kinds.keys()].map(visible),
    codes: [...codes.keys()].map(visible),
    outages: timeLine.outages.kept.map(({ off, on, cycle, subject, where }) => [
      round(off),
      on === null ? null : round(on),
      cycle,
      subject,
      visible(where.slice(0, 120)),
    ]),
    gap: timeLine.outageGap,
    violations: violations
      .slice(0, MAX_MARKS)
      .map(({ t, cycle, kind, message, worker }) => [
        round(t),
        cycle,
        visible(kind),
        visible(message.slice(0, 200)),
        worker === undefined ? -1 : (lanes.get(worker) ?? -1),
      ]),
  };
}

/** Means for a second, of a few stretches each; the last one ends where the run has got to. */
function throughputOf({ timeLine }: ReportCollector): unknown {
  const { stretches, width, end } = timeLine;
  const joined = Math.max(Math.ceil(stretches.length / MOST_MEANS), 1);
  const points = Array.from({ length: Math.ceil(stretches.length / joined) }, (_, i) => {
    const of = stretches.slice(i * joined, (i + 1) * joined);
    const from = i * joined * width;
    const to = Math.min(from + joined * width, Math.max(end, from + 1));
    const rate = (count: number): number => round((count * 1000) / (to - from), 1);
    const failed = of.reduce((sum, one) => sum + one.failed, 0);
    const all = of.reduce((sum, one) => sum + one.operations, 0);
    return { t: round((from + to) / 2000), ok: rate(all - failed), failed: rate(failed) };
  });
  return {
    t: points.map(({ t }) => t),
    ok: points.map(({ ok }) => ok),
    failed: points.map(({ failed }) => failed),
  };
}

function reactionOf({ timeLine }: ReportCollector): unknown {
  const { width } = timeLine;
  const all = timeLine.stretches
    .map((one, i) => ({ ...one, t: ((i + 0.5) * width) / 1000 }))
    .filter(({ rejectionMs, recoveryMs }) => rejectionMs !== null || recoveryMs !== null);
  return {
    t: all.map(({ t }) => round(t)),
    rejection: all.map(({ rejectionMs }) => positive(rejectionMs)),
    recovery: all.map(({ recoveryMs }) => positive(recoveryMs)),
  };
}

/** A logarithmic scale has no 0: a microsecond instead. */
function positive(ms: number | null): number | null {
  return ms === null ? null : round(Math.max(ms, 0.001));
}

function histogramOf(bins: readonly Bin[]): unknown {
  return { from: bins.map(({ from }) => from), to: bins.at(-1)?.to, count: bins.map(({ count }) => count) };
}

function samplesOf({ tally }: ReportCollector): unknown {
  const { points } = tally.samples;
  const measures = [...MEASURES, 'p50', 'p99', 'p999', 'cpu'] as const;
  return {
    t: points.map(({ t }) => round(t / 1000)),
    ...Object.fromEntries(
      measures.map((name) => [
        name,
        (['min', 'mean', 'max'] as const).map((which) =>
          points.map(({ parts }) => round(parts[name][which], name === 'rss' || name === 'heapUsed' ? 0 : 3)),
        ),
      ]),
    ),
  };
}
