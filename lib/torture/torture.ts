/** A torture run, from its options to its verdict. */
import { NvmemError } from '../base/errors.js';
import { parseUri, type NvmemUri, type Part } from '../uri/uri.js';
import { startBench, type OwnBench } from './bench.js';
import { commandOf } from './command_line.js';
import { clockMs } from './engine/protocol.js';
import { environment } from './environment.js';
import type {
  Region,
  StartEvent,
  SubjectFacts,
  TortureEvent,
  VerdictEvent,
  ViolationEvent,
} from './events.js';
import { decide, type Decided, type TortureOptions } from './options.js';
import { makePower } from './power/make.js';
import type { Power } from './power/power.js';
import { Random } from './random.js';
import { Run, RunFailure, type SubjectPlan } from './run.js';
import { planCycle, type PlannedCycle } from './schedule.js';
import { Tally } from './totals.js';
import { leaks } from './watch/leaks.js';

/** A write call of at24 is cut into pieces of that many bytes at most (at24.c, io_limit). */
const KERNEL_PIECE = 128;
/** It does not wait for the write cycle of the last one: that, too, is uncertain when the next one fails. */
const KERNEL_PIECES = 2;
/** A run for a time looks at the process this often, cycles. */
const SAMPLES = 200;
/** Cycles that are kept for a replay. */
const REMEMBERED = 1000;
/** Bytes of a part of an own bench that are written, where nobody says which. */
const REGION = 256;

/** What a run does besides what is decided: a replay has its own cycles. */
export interface Plan {
  readonly cycles?: readonly PlannedCycle[] | undefined;
  /** Resolves when whoever is told has room for more. */
  readonly ready?: (() => Promise<void>) | undefined;
}

/** Everything that one run was made of, for whoever writes it down. */
export interface Played {
  readonly verdict: VerdictEvent;
  readonly decided: Decided;
  /** The last of them, REMEMBERED at most. */
  readonly cycles: readonly PlannedCycle[];
  /** The first thing that was broken. */
  readonly violation: ViolationEvent | undefined;
}

/**
 * Tells everything but the verdict to `emit`, and resolves with that. Only wrong options and a power that cannot be had reject:
 * whatever happens afterwards is a verdict.
 */
export async function play(
  options: TortureOptions,
  emit: (event: TortureEvent) => void,
  { cycles: given, ready = () => Promise.resolve() }: Plan = {},
): Promise<Played> {
  const decided = decide(options);
  const tally = new Tally();
  const played: PlannedCycle[] = [];
  const began = clockMs();
  let violation: ViolationEvent | undefined;
  const tell = (event: TortureEvent): void => {
    if (event.type === 'violation') violation ??= event;
    tally.add(event);
    emit(event);
  };
  const verdict = (
    violations: number,
    ended: VerdictEvent['ended'],
    reason?: string,
    hint?: string,
  ): Played => {
    const t = clockMs() - began;
    const passed = violations === 0 && (ended === 'finished' || ended === 'interrupted');
    const event: VerdictEvent = {
      type: 'verdict',
      t,
      passed,
      ended,
      reason,
      hint,
      violations,
      totals: tally.totals(),
    };
    return { verdict: event, decided, cycles: played, violation };
  };
  await using rig = await setUp(decided);
  const { power, own, plans } = rig;
  const problem = (await power.needs()).find(({ state }) => state === 'problem');
  if (problem) return verdict(0, 'failed', problem.sentence, problem.remedy);
  const running: Run = new Run({
    subjects: plans,
    power,
    workers: decided.workers,
    lateMs: decided.maxRejectionMs,
    hangMs: decided.hangMs,
    maxRecoveryMs: decided.maxRecoveryMs,
    sampleEvery: Math.max(1, Math.floor((given?.length ?? decided.cycles ?? SAMPLES) / SAMPLES)),
    keepGoing: decided.keepGoing,
    signal: decided.signal,
    prepare: decided.prepare,
    next: async (cycle) => {
      await ready();
      const plan = given ? given[cycle] : nextCycle(decided, running, plans, power, cycle);
      if (plan) played.push(plan);
      if (played.length > REMEMBERED) played.shift();
      return plan;
    },
    emit: tell,
  });
  try {
    const facts = await running.begin();
    tell(startOf(decided, power, facts, own, running));
    const ended = await running.torture();
    await running.end();
    for (const breach of ended === 'interrupted' ? [] : leaks(running.samples)) running.report(breach);
    const worst = running.violations > 0 && ended === 'finished' ? 'violation' : ended;
    tally.setCounters(running.counters);
    return verdict(running.violations, worst);
  } catch (error) {
    await running.end();
    if (!(error instanceof RunFailure)) throw error;
    return verdict(running.violations, 'failed', error.reason, error.hint);
  }
}

interface Rig extends AsyncDisposable {
  readonly own: OwnBench | undefined;
  readonly power: Power;
  readonly plans: readonly SubjectPlan[];
}

async function setUp(decided: Decided): Promise<Rig> {
  const { bench, subjects, seed, region, writes } = decided;
  const own = bench && (await startBench(bench, subjects, seed));
  try {
    const uris = own?.subjects.map(({ uri }) => uri) ?? subjects;
    const plans = uris.map((uri, i) => planOf(parseUri(uri), writes, region, seed + i));
    const power = await makePower(decided.power, uris, own?.bench, decided.tell);
    return {
      own,
      power,
      plans,
      async [Symbol.asyncDispose]() {
        await power.close();
        await own?.bench.close();
      },
    };
  } catch (error) {
    await own?.bench.close();
    throw error;
  }
}

function planOf(uri: NvmemUri, writes: boolean, region: Decided['region'], seed: number): SubjectPlan {
  if (uri.scheme === 'mem' || uri.scheme === 'file') {
    throw new NvmemError('EINVAL', `${uri.uri} has no plug`, {
      hint: 'Name a part behind a bridge, or a device of sysfs://.',
    });
  }
  const part = 'part' in uri ? uri.part : undefined;
  const limit = part?.size ?? Infinity;
  if (region && region.last >= limit) {
    throw new NvmemError('EINVAL', `the region ends at ${String(region.last)}, outside of ${uri.uri}`, {
      hint: `It has ${String(limit)} bytes: its last one is ${String(limit - 1)}.`,
    });
  }
  return {
    uri: uri.uri,
    pageSize: part?.pageSize ?? KERNEL_PIECE,
    pieces: part ? 1 : KERNEL_PIECES,
    region: writes ? (region ?? (part && somewhere(part, seed))) : undefined,
    part: part && { address: part.address, wpInverted: part.wp?.inverted ?? false },
    hasWp: part?.wp !== undefined && part.wp.chip === undefined,
    hasBus: part !== undefined,
  };
}

/** Of a part that is nobody's: pages anywhere, so many that each is written often and read soon. */
function somewhere({ size, pageSize }: Part, seed: number): Region {
  const length = Math.min(size, REGION);
  const first = new Random(seed, 'region').integer(0, (size - length) / pageSize) * pageSize;
  return { first, last: first + length - 1 };
}

/** From the seed; until it was often enough, or long enough. */
function nextCycle(
  { seed, workers, mix, when, settleMs, cycles, durationMs }: Decided,
  run: Run,
  plans: readonly SubjectPlan[],
  { plugs }: Power,
  cycle: number,
): PlannedCycle | undefined {
  if (cycles !== undefined && cycle >= cycles) return undefined;
  if (durationMs !== undefined && run.now() >= durationMs) return undefined;
  return planCycle(
    {
      seed,
      workers,
      mix,
      when,
      settleMs,
      subjects: plans.map((plan, i) => ({
        size: run.states[i]?.model?.size ?? 0,
        pageSize: plan.pageSize,
        wordSize: run.states[i]?.opened?.wordSize ?? 1,
        region: plan.region,
        hasWp: plan.hasWp,
        hasBus: plan.hasBus,
      })),
      positional: plugs.every((plug) => plug.arm !== undefined),
      typicalMs: run.typicalMs,
    },
    cycle,
  );
}

function startOf(
  decided: Decided,
  { kind }: Power,
  facts: readonly SubjectFacts[],
  own: OwnBench | undefined,
  run: Run,
): StartEvent {
  const { seed, workers, when, mix, cycles = null, durationMs = null } = decided;
  return {
    type: 'start',
    t: 0,
    at: new Date().toISOString(),
    seed,
    command: commandOf(decided),
    power: kind,
    workers,
    when: [...new Set(when)],
    mix,
    cycles,
    durationMs,
    subjects: facts.map((fact, i) => ({ ...fact, uri: own?.subjects[i]?.name ?? fact.uri })),
    environment: environment(run.blind),
  };
}
