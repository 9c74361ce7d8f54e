/**
 * The torture rig: pulls the plug of memories while threads read and write them, holds every byte and every answer against what
 * may be, and tells everything.
 * @module
 */
import type { TortureEvent, VerdictEvent } from './events.js';
import { optionsOf, replayOf, saveReplay, type Replay } from './replay.js';
import { shrink } from './shrink.js';
import { play, type Played } from './torture.js';
import type { TortureOptions } from './options.js';

export type * from './events.js';
export { parseDuration, parseMix, parseRegion, parseWhen } from './options.js';
export type { TortureBench, TortureOptions } from './options.js';
export { ReportCollector } from './report/collector.js';
export { renderReport, writeReport } from './report/report.js';
export { serveReport, type ReportServer, type ServeOptions } from './serve.js';
export { loadReplay, saveReplay, type Replay } from './replay.js';
export type { PlannedCycle, PlannedOperation, PlannedPull } from './schedule.js';
export { Tally } from './totals.js';

/** What is told and not yet taken: the run waits when it is more. */
const ROOM = 10_000;
/** For looking for a shorter schedule. */
const TRIES = 60;
const TRY_MS = 30_000;

export interface TortureRunOptions extends TortureOptions {
  /** Where the cycles that fail are written after a violation; the verdict names it. Default: nowhere. */
  readonly replayFile?: string | undefined;
  /** With an own bench: look for the shortest schedule that still fails. Default true. */
  readonly shrink?: boolean | undefined;
}

/**
 * Tortures, and tells what happens while it happens; the verdict comes last. Whoever stops taking (`break`) ends the run in
 * order: the plug is left in, write protect up.
 *
 * Rejects with TypeError, RangeError (an option), NvmemError EINVAL (they do not fit each other), EOPNOTSUPP, ENOENT, EIO (the
 * power cannot be had).
 *
 * @example
 * for await (const event of torture({ bench: true, cycles: 50, seed: 1 })) {
 *   if (event.type === 'verdict') console.log(event.passed);
 * }
 */
export function torture(options: TortureRunOptions): AsyncGenerator<TortureEvent, void> {
  const { replayFile, shrink: asked = true, ...rest } = options;
  return taken(rest, async (settings, emit, ready) =>
    finished(await play(settings, emit, { ready }), emit, asked, replayFile),
  );
}

/** Repeats what a file says. As torture(). */
export function replay(
  saved: Replay,
  options: Pick<TortureOptions, 'signal' | 'keepGoing' | 'tell' | 'prepare'> = {},
): AsyncGenerator<TortureEvent, void> {
  return taken({ ...optionsOf(saved), ...options }, async (settings, emit, ready) => {
    const { verdict } = await play(settings, emit, { ready, cycles: saved.cycles });
    return verdict;
  });
}

type Player = (
  options: TortureOptions,
  emit: (event: TortureEvent) => void,
  ready: () => Promise<void>,
) => Promise<VerdictEvent>;

/** Hands on what the player emits, and ends it when nobody takes any more. */
async function* taken(options: TortureOptions, player: Player): AsyncGenerator<TortureEvent, void> {
  const queue: TortureEvent[] = [];
  let more: () => void = () => undefined;
  let room: () => void = () => undefined;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const emit = (event: TortureEvent): void => {
    queue.push(event);
    more();
  };
  const ready = async (): Promise<void> => {
    while (queue.length > ROOM && !signal.aborted) {
      const hasRoom = new Promise<void>((resolve) => (room = resolve));
      await hasRoom;
    }
  };
  const state = { isOver: false };
  const over = player({ ...options, signal }, emit, ready)
    .then(emit)
    .finally(() => {
      state.isOver = true;
      more();
    });
  over.catch(() => undefined); // whoever takes hears of it below
  try {
    for (;;) {
      const next = new Promise<void>((resolve) => (more = resolve));
      for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
        yield event;
        room();
      }
      if (state.isOver) break;
      await next;
    }
    await over;
  } finally {
    stop.abort();
    room();
    await over.catch(() => undefined);
  }
}

/** The verdict, with the shortest way to see it again. */
async function finished(
  { verdict, decided, cycles, violation }: Played,
  emit: (event: TortureEvent) => void,
  mayShrink: boolean,
  file: string | undefined,
): Promise<VerdictEvent> {
  if (!violation || file === undefined) return verdict;
  const note = (message: string): void => {
    emit({ type: 'note', t: verdict.t, cycle: violation.cycle, message });
  };
  const failed = cycles.slice(0, cycles.length - (verdict.totals.cycles - violation.cycle) || undefined);
  let shortest: readonly (typeof failed)[number][] = failed;
  if (mayShrink && decided.bench && decided.power === 'bench' && !decided.signal.aborted) {
    const fails = async (candidate: typeof shortest): Promise<boolean> => {
      const options = optionsOf(replayOf(decided, candidate, violation));
      const again = await play({ ...options, signal: decided.signal }, () => undefined, {
        cycles: candidate,
      });
      return again.violation?.kind === violation.kind;
    };
    const found = await shrink(failed, fails, { tries: TRIES, ms: TRY_MS });
    shortest = found.cycles;
    const said = `${String(failed.length)} cycles were played up to the violation, ${String(shortest.length)} are enough`;
    note(
      found.repeats
        ? `${said} (${String(found.tries)} tries)`
        : 'played once more, the same cycles do not fail: it is a matter of time',
    );
  }
  try {
    await saveReplay(file, replayOf(decided, shortest, violation));
  } catch (error) {
    note(`the replay could not be written: ${error instanceof Error ? error.message : String(error)}`);
    return verdict;
  }
  return { ...verdict, replay: { file, command: `nvmem torture --replay ${file}`, cycles: shortest.length } };
}

/** All of it, for those who write `import NAME from`: what `require()` gives. */
// eslint-disable-next-line @typescript-eslint/consistent-type-imports -- a module cannot import itself by name without a circle
export default exports as typeof import('./index.js');
