/** `nvmem torture`: pulls the plug again and again, and says what that has broken. */
import { NvmemError } from '../base/errors.js';
import type { StartEvent, TortureEvent, VerdictEvent, ViolationEvent } from '../torture/events.js';
import {
  loadReplay,
  parseDuration,
  parseMix,
  parseRegion,
  parseWhen,
  replay,
  torture,
} from '../torture/index.js';
import type { TortureBench, TortureRunOptions } from '../torture/index.js';
import { EventLog } from '../torture/log.js';
import { ReportCollector } from '../torture/report/collector.js';
import { writeReport } from '../torture/report/report.js';
import { parseServe, serveReport, type ReportServer } from '../torture/serve.js';
import { runCommand } from '../torture/power/run_command.js';
import { splitWords } from '../torture/power/power.js';
import { groupByBridge, parseEepromSpec } from '../rig/spec.js';
import { SpecError } from '../rig/text.js';
import { CliError, CommandFailure, withoutUndefined } from './failure.js';
import { SignalReceived } from './io.js';
import type { Session } from './session.js';
import { summaryLines, TortureStatus } from './torture_status.js';
import { checkIsUri } from './uri_argument.js';

export interface TortureCommandOptions {
  readonly bench?: boolean;
  readonly eeprom?: readonly string[];
  readonly fault?: readonly string[];
  readonly time?: string;
  readonly power?: string;
  readonly cycles?: number;
  readonly duration?: string;
  readonly seed?: number;
  readonly workers?: number;
  readonly mix?: string;
  readonly region?: string;
  readonly allowWrites?: boolean;
  readonly when?: string;
  readonly settle?: number;
  readonly maxRecovery?: number;
  readonly maxRejection?: number;
  readonly prepare?: string;
  readonly report?: string;
  /** [ADDR:]PORT; true: a free port. */
  readonly serve?: string | true;
  readonly log?: string;
  readonly keepGoing?: boolean;
  readonly replay?: string;
  readonly saveReplay?: string;
}

const PREPARE_MS = 30_000;

/** Ends with exit status 0: nothing was broken; 1: something was, or the rig is at fault; 2: the options make no sense. */
export async function tortureCommand(
  session: Session,
  uris: readonly string[],
  options: TortureCommandOptions,
): Promise<void> {
  const { signal } = session.io;
  const full = new AbortController();
  const violations: ViolationEvent[] = [];
  let verdict: VerdictEvent | undefined;
  let start: StartEvent | undefined;
  const events = await eventsOf(session, uris, options, AbortSignal.any([signal, full.signal]));
  await using audience = await Audience.open(session, options);
  for await (const event of events) {
    const told =
      event.type === 'verdict' && audience.logFailure ? logFailed(event, audience.logFailure) : event;
    await audience.add(told);
    if (audience.logFailure && !full.signal.aborted) full.abort();
    if (told.type === 'start') start = told;
    if (told.type === 'violation') violations.push(told);
    if (told.type === 'verdict') verdict = told;
  }
  if (!verdict) throw new Error('a run has ended without a verdict');
  await audience.report(options.report);
  await finish(session, verdict, violations, start);
}

/** All who hear what happens: the log, the report, browsers, the terminal. */
class Audience implements AsyncDisposable {
  readonly #session: Session;
  readonly #collector = new ReportCollector();
  readonly #status: TortureStatus | undefined;
  #log: EventLog | undefined;
  #server: ReportServer | undefined;

  private constructor(session: Session) {
    this.#session = session;
    if (!session.json) this.#status = new TortureStatus(session.err, session.colors);
  }

  /** Rejects before anything is tortured: a log that cannot be written, a port in use. */
  static async open(session: Session, { log, serve }: TortureCommandOptions): Promise<Audience> {
    const audience = new Audience(session);
    try {
      if (log !== undefined) audience.#log = await EventLog.open(log);
      if (serve !== undefined) {
        audience.#server = await serveReport(audience.#collector, serve === true ? {} : parseServe(serve));
        await session.note(`The report, while it is made: ${audience.#server.url}`);
      }
      return audience;
    } catch (error) {
      await audience[Symbol.asyncDispose]();
      throw error;
    }
  }

  get logFailure(): Error | undefined {
    return this.#log?.failure;
  }

  async add(event: TortureEvent): Promise<void> {
    await this.#log?.add(event);
    this.#collector.add(event);
    this.#status?.add(event);
    if (!['start', 'note', 'violation'].includes(event.type)) return;
    this.#status?.clear();
    await show(this.#session, event);
  }

  /** What cannot be written is said, and changes no verdict. */
  async report(file: string | undefined): Promise<void> {
    if (file === undefined) return;
    try {
      await writeReport(file, this.#collector);
      await this.#session.note(`The report is in ${file}.`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      await this.#session.note(`The report could not be written: ${why}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#status?.end();
    await this.#log?.close();
    await this.#server?.close();
  }
}

/** The log is what shows that nothing was lost: without it a run proves nothing. */
function logFailed(verdict: VerdictEvent, failure: Error): VerdictEvent {
  if (verdict.ended !== 'interrupted') return verdict;
  return {
    ...verdict,
    passed: false,
    ended: 'failed',
    reason: `the log cannot be written: ${failure.message}`,
    hint: 'Make room, or name another file with --log.',
  };
}

async function eventsOf(
  session: Session,
  uris: readonly string[],
  options: TortureCommandOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<TortureEvent>> {
  const { keepGoing, prepare } = options;
  const isShown = session.out.isTTY && !session.json;
  const tell = isShown ? (what: string) => void session.note(`>>> ${what}`) : undefined;
  const common = withoutUndefined({
    signal,
    keepGoing,
    tell,
    prepare: prepare === undefined ? undefined : preparer(prepare),
  });
  if (options.replay !== undefined) {
    if (uris.length > 0 || options.bench === true)
      throw new CliError(
        'ERR_USAGE',
        '--replay brings its own subjects and bench',
        'Leave the others out.',
        2,
      );
    return replay(await loadReplay(options.replay), common);
  }
  for (const uri of uris) if (!uri.startsWith('bench:')) checkIsUri(uri, '/0x50?chip=24c02');
  const {
    cycles,
    duration,
    seed,
    workers,
    mix,
    region,
    allowWrites,
    when,
    settle,
    maxRecovery,
    maxRejection,
    power,
  } = options;
  const settings: TortureRunOptions = {
    subjects: uris,
    bench: benchOf(options),
    replayFile: options.saveReplay ?? 'nvmem-torture-replay.json',
    ...withoutUndefined({
      power,
      cycles,
      seed,
      workers,
      allowWrites,
      durationMs: duration === undefined ? undefined : parseDuration(duration),
      mix: mix === undefined ? undefined : parseMix(mix),
      region: region === undefined ? undefined : parseRegion(region),
      when: when === undefined ? undefined : parseWhen(when),
      settleMs: settle,
      maxRecoveryMs: maxRecovery,
      maxRejectionMs: maxRejection,
    }),
    ...common,
  };
  return torture(settings);
}

function benchOf({ bench = false, eeprom, fault, time }: TortureCommandOptions): TortureBench | false {
  if (!bench) {
    const [given] = Object.entries({ eeprom, fault, time }).find(([, value]) => value !== undefined) ?? [];
    if (given !== undefined) throw new CliError('ERR_USAGE', `--${given} is of a bench`, 'Add --bench.', 2);
    return false;
  }
  if (time !== undefined && time !== 'real' && time !== 'off')
    throw new SpecError(`--time ${time}: it is real (wire and USB take their time) or off (they do not)`);
  return {
    devices: eeprom && groupByBridge(eeprom.map(parseEepromSpec), {}),
    faults: fault,
    time,
  };
}

/** @throws CliError */
function preparer(text: string): () => Promise<void> {
  const words = splitWords(text);
  if (!words || words.length === 0)
    throw new CliError('ERR_USAGE', `--prepare ${text} is no command`, 'Close every quotation mark.', 2);
  return async () => {
    await runCommand(words, {
      timeoutMs: PREPARE_MS,
      hint: 'Run it by hand while the subject is plugged in.',
    });
  };
}

async function show(session: Session, event: TortureEvent): Promise<void> {
  const { colors } = session;
  if (event.type === 'start') {
    await session.say(colors.bold(event.command));
    for (const { uri, size, region } of event.subjects) {
      const what = region
        ? `bytes ${String(region.first)} to ${String(region.last)} are written`
        : 'nothing is written';
      await session.tell(`${uri}: ${String(size)} bytes, ${what}`, '  ');
    }
    for (const blind of event.environment.blind) await session.tell(`not watched: ${blind}`, '  ');
  } else if (event.type === 'note') await session.tell(event.message, '  ');
  else if (event.type === 'violation') {
    await session.say(colors.red(`${event.kind} in cycle ${String(event.cycle)}`));
    await session.tell(event.message, '  ');
    if (event.expected !== undefined || event.found !== undefined)
      await session.tell(`expected ${event.expected ?? 'nothing'}, found ${event.found ?? 'nothing'}`, '  ');
  }
}

async function finish(
  session: Session,
  verdict: VerdictEvent,
  violations: readonly ViolationEvent[],
  start: StartEvent | undefined,
): Promise<void> {
  const facts = withoutUndefined({ seed: start?.seed, command: start?.command, verdict, violations });
  for (const line of summaryLines(verdict, start, session.width)) {
    await session.say(
      line.startsWith('✓')
        ? session.colors.green(line)
        : line.startsWith('✗')
          ? session.colors.red(line)
          : line,
    );
  }
  const { reason } = session.io.signal as { readonly reason?: unknown };
  const [first] = violations;
  if (first) {
    const said = `${first.kind} in cycle ${String(first.cycle)}: ${first.message}`;
    const hint = verdict.replay
      ? `Play it again: ${verdict.replay.command}`
      : 'The same seed plays it again.';
    throw new CommandFailure(new CliError('ERR_TORTURE', said, hint, 1), facts);
  }
  if (reason instanceof SignalReceived) {
    const said = `interrupted after ${String(verdict.totals.cycles)} cycles, in which nothing was lost`;
    throw new CommandFailure(new NvmemError('ABORT_ERR', said, { cause: reason }), facts);
  }
  if (verdict.passed) {
    session.answer(facts);
    return;
  }
  const failure = new CliError(
    'ERR_TORTURE_RIG',
    verdict.reason ?? 'it could not run',
    verdict.hint ?? 'nvmem doctor says more.',
    1,
  );
  throw new CommandFailure(failure, facts);
}
