/** One run against one process of subjects: cycle after cycle, everything watched, until it is over or something is broken. */
import { pause } from '../base/timers.js';
import type { CycleEvent, SampleEvent, SubjectFacts, TortureEvent, ViolationEvent } from './events.js';
import { SubjectProcess, type Crash } from './engine/process.js';
import { clockMs, type Answer } from './engine/protocol.js';
import { nameOf, type Place } from './judge.js';
import { MemoryModel } from './model.js';
import { PowerError, type Plug, type Power, type Switched } from './power/power.js';
import { Operations, readOf } from './operations.js';
import { waitToPull, type Pull } from './pull.js';
import type { PlannedCycle } from './schedule.js';
import { SubjectState, type Breach } from './state.js';
import { Watchdog } from './watch/watchdog.js';

/** What a subject is besides its bytes, from its URI. */
export interface SubjectPlan {
  readonly uri: string;
  /** Bytes that are uncertain at most. */
  readonly pageSize: number;
  /** Of them, at once. */
  readonly pieces: number;
  readonly region: SubjectFacts['region'];
  readonly part: Place['part'];
  /** Its WP pin is wired to a pin of the bridge. */
  readonly hasWp: boolean;
  readonly hasBus: boolean;
}

export interface RunOptions {
  readonly subjects: readonly SubjectPlan[];
  readonly power: Power;
  readonly workers: number;
  /** An answer after an unplug that takes longer than this is late; one that takes longer than `hangMs` never comes. */
  readonly lateMs: number;
  readonly hangMs: number;
  /** So long a subject may take to come back. */
  readonly maxRecoveryMs: number;
  /** What is done next; undefined: nothing more. */
  readonly next: (cycle: number) => Promise<PlannedCycle | undefined>;
  /** How often the process is looked at: after so many cycles. */
  readonly sampleEvery: number;
  readonly keepGoing: boolean;
  readonly signal: AbortSignal;
  /** Run after each power on, before the subjects are opened. */
  readonly prepare?: (() => Promise<void>) | undefined;
  emit(event: TortureEvent): void;
}

/** Nothing was broken that is the subject's: the rig is at fault, or the user. */
export class RunFailure extends Error {
  constructor(
    readonly reason: string,
    readonly hint: string,
    cause?: unknown,
  ) {
    super(reason, { cause });
  }
}

/** It ended because of a violation, or the user. */
class Over extends Error {}

const OPEN_FIRST_MS = 10_000;
/** Bytes that one read takes at most. */
const PIECE = 65_536;
/** Of a memory of that many bytes all is read after each replug, and not only what may be written. */
const SMALL = 1024;

export class Run {
  readonly started = clockMs();
  readonly states: readonly SubjectState[];
  readonly samples: SampleEvent[] = [];
  readonly counters: Record<string, number>[] = [];
  violations = 0;
  cycle = 0;
  /** What an operation takes, milliseconds: for plugs that are pulled by the clock. */
  typicalMs = 20;
  readonly #options: RunOptions;
  #process: SubjectProcess | undefined;
  #watchdog: Watchdog | undefined;
  readonly #operations: Operations;
  #answers: { readonly match: (answer: Answer) => boolean; readonly resolve: (answer: Answer) => void }[] =
    [];
  readonly #over: Promise<never>;
  #stop: (error: Error) => void = () => undefined;
  #hasStopped = false;

  constructor(options: RunOptions) {
    this.#options = options;
    this.states = options.subjects.map(({ uri }, index) => new SubjectState(index, uri));
    const cycleNow = (): number => this.cycle;
    this.#operations = new Operations({
      started: this.started,
      get cycle() {
        return cycleNow();
      },
      placeOf: (state) => this.#placeOf(state),
      mayBePulled: (state) => this.#mayBePulled(state),
      send: (request) => this.#process?.send(request),
      emit: (event) => {
        this.#emit(event);
      },
      breach: (state, breach) => {
        this.#breach(state, breach);
      },
    });
    this.#over = new Promise((_, reject) => {
      this.#stop = (error) => {
        this.#hasStopped = true;
        reject(error);
      };
    });
    this.#over.catch(() => undefined);
  }

  get blind(): readonly string[] {
    return this.#watchdog?.blind ?? [];
  }

  now(): number {
    return clockMs() - this.started;
  }

  /**
   * Starts the process and opens every subject, and reads all of each: what it holds is what the model begins with.
   * Rejects with RunFailure: one cannot be opened or read.
   */
  async begin(): Promise<readonly SubjectFacts[]> {
    const { workers, subjects } = this.#options;
    this.#process = new SubjectProcess(
      (answer) => {
        this.#hear(answer);
      },
      (crash) => {
        this.#crashed(crash);
      },
    );
    const ready = this.#answer((answer) => answer.type === 'ready');
    this.#process.send({ type: 'begin', workers, uris: subjects.map(({ uri }) => uri) });
    await ready;
    for (const state of this.states) {
      const opened = await this.#open(state, OPEN_FIRST_MS);
      if (opened.type === 'not-opened')
        throw new RunFailure(
          `cannot open ${state.uri}: ${opened.message}`,
          'nvmem info and nvmem doctor say more.',
        );
      await this.#learn(state);
    }
    this.#isTold = true;
    return this.states.flatMap(({ facts }) => facts ?? []);
  }

  /** Watches from now on, and tortures. Resolves when the plan is done, something is broken, or the user has had enough. */
  async torture(): Promise<'finished' | 'violation' | 'interrupted'> {
    const options = this.#options;
    const { signal, sampleEvery, hangMs, maxRecoveryMs } = options;
    const process = this.#process;
    if (!process) throw new Error('it has not begun');
    this.#watchdog = new Watchdog({
      hangMs,
      stuckMs: Math.max(5000, maxRecoveryMs / 2),
      pid: process.pid,
      ping: (number) => {
        process.send({ type: 'ping', number });
      },
      bark: (breach) => {
        this.#breach(undefined, breach);
      },
    });
    const aborted = (): void => {
      this.#stop(new Over('interrupted'));
    };
    signal.addEventListener('abort', aborted);
    if (signal.aborted) aborted();
    try {
      await this.#untilOver(this.#sample());
      for (; ; this.cycle++) {
        const plan = await this.#untilOver(options.next(this.cycle));
        if (!plan) break;
        await this.#untilOver(this.#oneCycle(plan));
        if ((this.cycle + 1) % sampleEvery === 0) await this.#untilOver(this.#sample());
      }
      // What may not be written is as it was.
      for (const state of this.states) await this.#untilOver(this.#readAll(state));
      return this.violations > 0 ? 'violation' : 'finished';
    } catch (error) {
      if (error instanceof Over) return error.message === 'interrupted' ? 'interrupted' : 'violation';
      throw error;
    } finally {
      signal.removeEventListener('abort', aborted);
    }
  }

  /** Leaves the plugs on, the lines up, and nothing running. */
  async end(): Promise<void> {
    this.#isEnding = true;
    for (const plug of this.#options.power.plugs) {
      if (plug.subjects.every((index) => this.states[index]?.isOn === true)) continue;
      await plug.on().catch((error: unknown) => {
        this.note(`the power of ${plug.name} could not be switched on again: ${String(error)}`);
      });
    }
    if (this.#process && !this.#isDead) {
      const closed = this.states.map((state) =>
        this.#answer((answer) => answer.type === 'closed' && answer.subject === state.index),
      );
      const inOrder = await this.#process.end();
      if (inOrder) {
        for (const answer of await Promise.all(closed))
          if (answer.type === 'closed') this.counters.push({ ...answer.counters });
      } else if (this.violations === 0) {
        this.#breach(undefined, {
          kind: 'hang',
          message: 'the process of the subjects did not end when it was told to',
        });
      }
    }
    this.#watchdog?.close();
  }

  note(message: string): void {
    this.#emit({ type: 'note', t: this.now(), cycle: this.cycle, message });
  }

  #isDead = false;
  #isEnding = false;
  /** What the first reading of a subject does is no part of the run. */
  #isTold = false;

  #emit(event: TortureEvent): void {
    if (this.#isTold) this.#options.emit(event);
  }

  // --- one cycle ---

  async #oneCycle(plan: PlannedCycle): Promise<void> {
    const { power } = this.#options;
    const number = this.cycle;
    const plug = this.#plugOf(plan);
    const subjects = plug.subjects.flatMap((index) => this.states[index] ?? []);
    const { count, failed } = this.#operations;
    const checked = this.#checked;
    const beganCycle = clockMs();
    const pull = waitToPull(plan, plug, () => this.#switch(plug, 'off'));
    this.#operations.takeLate();
    const work = this.#work(plan, pull);
    const first = await pull.pulled(work);
    this.#isOff(subjects, first, plug);
    const unaware = this.#awaitRemoved(subjects, first, plug);
    await Promise.all([work, unaware]);
    let rejection = this.#slowest(subjects, first);
    await this.#afterTheEnd(subjects);
    // A storm: on and off again, before anybody may have it open.
    for (let i = 0; i < plan.offMs.length - 1; i++) {
      await pause(plan.offMs[i] ?? 0);
      this.#isBack(subjects, await this.#switch(plug, 'on'), plug);
      const opening = subjects.map((state) => this.#open(state, 0).catch(() => undefined));
      await pause(plan.onMs[i] ?? 0);
      const off = await this.#switch(plug, 'off');
      this.#isOff(subjects, off, plug);
      await Promise.all(opening);
      await this.#awaitRemoved(subjects, off, plug);
      rejection = Math.max(rejection, this.#slowest(subjects, off));
    }
    await pause(plan.offMs.at(-1) ?? 0);
    const back = await this.#switch(plug, 'on');
    this.#isBack(subjects, back, plug);
    await this.#prepare();
    const recovery = await this.#return(subjects, back, power.kind === 'manual' ? plug : undefined);
    for (const state of subjects) await this.#checkWhole(state);
    for (const state of subjects) await this.#checkProtection(state, plug);
    const event: CycleEvent = {
      type: 'cycle',
      t: this.now(),
      cycle: number,
      when: plan.when,
      where: first.where,
      operations: this.#operations.count - count,
      failed: this.#operations.failed - failed,
      rejectionMs: rejection < 0 ? null : rejection,
      recoveryMs: recovery,
      checkedBytes: this.#checked - checked,
    };
    this.typicalMs = 0.9 * this.typicalMs + 0.1 * Math.min(1000, first.at - beganCycle);
    this.#emit(event);
  }

  #checked = 0;

  #plugOf(plan: PlannedCycle): Plug {
    const { plugs } = this.#options.power;
    const plug = plugs[plan.plug % plugs.length];
    if (!plug) throw new RunFailure('there is no plug', 'No subject is on anything that --power can switch.');
    return plug;
  }

  /** Each worker does what is planned for it, one after the other, as long as the subject is there. */
  async #work({ operations }: PlannedCycle, pull: Pull): Promise<void> {
    const workers = [...new Set(operations.map(({ worker }) => worker))];
    await Promise.all(
      workers.map(async (worker) => {
        for (const planned of operations.filter((one) => one.worker === worker)) {
          const state = this.states[planned.subject];
          if (state?.isOn === true && state.isOpen)
            await this.#operations.give(state, planned, pull.watch(planned));
        }
      }),
    );
  }

  #placeOf(state: SubjectState): Place {
    const { power, subjects } = this.#options;
    const plan = subjects[state.index];
    if (!state.model || !plan) throw new Error(`${state.uri} has no model`);
    return {
      uri: plan.uri,
      pageSize: plan.pageSize,
      pieces: plan.pieces,
      region: plan.region,
      model: state.model,
      cutsSupply: power.cutsSupply,
      part: plan.part,
    };
  }

  /** All of its holders hear of the end, once each, and soon. */
  async #awaitRemoved(subjects: readonly SubjectState[], { at }: Switched, plug: Plug): Promise<void> {
    const { hangMs, lateMs, power } = this.#options;
    for (const state of subjects) {
      const deadline = at + hangMs;
      while (!this.#hasStopped && state.unaware.length > 0 && clockMs() < deadline)
        await Promise.race([state.moreHeard(), pause(Math.max(1, Math.min(200, deadline - clockMs())))]);
      const unaware = state.unaware;
      if (unaware.length > 0) {
        if (power.kind !== 'bench' && unaware.length === state.holders.length)
          await this.#suspectPlug(state, plug);
        this.#breach(state, {
          kind: 'removed-missing',
          message: `'removed' of ${state.uri} has not come ${String(hangMs)} ms after the unplug, in ${unaware.map((worker) => (worker < 0 ? 'the thread that opened it' : `worker ${String(worker)}`)).join(', ')}`,
        });
      } else if (
        clockMs() - at > lateMs + 200 &&
        power.kind !== 'manual' &&
        deadline - clockMs() < hangMs - lateMs
      ) {
        this.#breach(state, {
          kind: 'settled-late',
          message: `'removed' of ${state.uri} came ${ms(clockMs() - at)} after the unplug`,
        });
      }
    }
    const limit = at + hangMs;
    for (const state of subjects) {
      while (!this.#hasStopped && this.#operations.underWay(state).length > 0 && clockMs() < limit)
        await pause(5);
      for (const order of this.#operations.underWay(state)) {
        this.#breach(state, {
          kind: 'never-settled',
          message: `${nameOf(order)} of ${state.uri} has not settled ${String(hangMs)} ms after the unplug`,
          operation: order.id,
          worker: order.worker,
        });
      }
    }
  }

  /** The plug was pulled and nothing has happened: where the subject still gives its bytes, it was another's plug. */
  async #suspectPlug(state: SubjectState, plug: Plug): Promise<void> {
    const read = this.#operations.give(state, readOf(state, 0, 1));
    const settled = await Promise.race([read, pause(2000).then(() => undefined)]);
    if (settled?.code !== 'ok') return;
    throw new RunFailure(
      `the power of ${plug.name} was switched off, and ${state.uri} is still there`,
      'It switches something else: check the port, and try the power by hand.',
    );
  }

  /** A handle whose end was told says ENODEV, whatever is asked of it. */
  async #afterTheEnd(subjects: readonly SubjectState[]): Promise<void> {
    await Promise.all(
      subjects.flatMap((state) =>
        state.isOpen || state.unaware.length > 0
          ? []
          : state.holders
              .filter((worker) => worker >= 0)
              .map((worker) => this.#operations.give(state, { ...readOf(state, 0, 1), worker })),
      ),
    );
  }

  /** Milliseconds from the unplug to the slowest answer of what was under way; -1: nothing was. */
  #slowest(subjects: readonly SubjectState[], { at }: Switched): number {
    const { lateMs, power } = this.#options;
    let slowest = -1;
    for (const { subject, at: settledAt } of this.#operations.takeLate()) {
      const state = subjects.find(({ index }) => index === subject);
      if (!state) continue;
      const took = Math.max(0, settledAt - at);
      slowest = Math.max(slowest, took);
      if (took > lateMs && power.kind !== 'manual')
        this.#breach(state, {
          kind: 'settled-late',
          message: `an operation of ${state.uri} has settled ${ms(took)} after the unplug`,
        });
    }
    return slowest;
  }

  #isOff(subjects: readonly SubjectState[], switched: Switched, plug: Plug): void {
    for (const state of subjects) {
      state.isOn = false;
      this.#operations.unplugged(state);
    }
    this.#told('off', switched, plug);
  }

  #isBack(subjects: readonly SubjectState[], switched: Switched, plug: Plug): void {
    for (const state of subjects) state.isOn = true;
    this.#told('on', switched, plug);
  }

  #told(state: 'off' | 'on', { began, at, where }: Switched, { subjects }: Plug): void {
    const base = { type: 'plug', cycle: this.cycle, state, subjects, where } as const;
    this.#emit({ ...base, t: at - this.started, began: began - this.started });
  }

  async #switch(plug: Plug, state: 'off' | 'on'): Promise<Switched> {
    // The unplug is on its way from now on: what the subject says of it may come before the switch says that it is done.
    if (state === 'off') for (const index of plug.subjects) this.#expectOff(index);
    try {
      return await plug[state]();
    } catch (error) {
      if (!(error instanceof PowerError)) throw error;
      throw new RunFailure(`the power could not be switched ${state}: ${error.message}`, error.hint, error);
    }
  }

  #expectOff(index: number): void {
    const state = this.states[index];
    if (!state) return;
    state.isOn = false;
    this.#operations.unplugged(state);
  }

  async #prepare(): Promise<void> {
    try {
      await this.#options.prepare?.();
    } catch (error) {
      throw new RunFailure(
        `what is to be done after the power is on has failed: ${error instanceof Error ? error.message : String(error)}`,
        'Run it by hand while the subject is plugged in.',
        error,
      );
    }
  }

  /** Until it is open and has been read. @returns milliseconds from the power to the first good read; null: it is not back */
  async #return(
    subjects: readonly SubjectState[],
    { at }: Switched,
    byHand: Plug | undefined,
  ): Promise<number | null> {
    const { maxRecoveryMs } = this.#options;
    let slowest = 0;
    for (const state of subjects) {
      const opened = await this.#open(state, Math.max(1000, 2 * maxRecoveryMs));
      byHand?.noticed?.('on');
      if (opened.type === 'not-opened') {
        this.#breach(state, {
          kind: 'late-return',
          message: `${state.uri} is not back ${ms(clockMs() - at)} after the power: ${opened.message}`,
          found: opened.code,
        });
        throw new Over('violation');
      }
      await this.#operations.give(state, readOf(state, 0, Math.min(16, state.model?.size ?? 1)));
      const took = clockMs() - at;
      slowest = Math.max(slowest, took);
      if (took > maxRecoveryMs)
        this.#breach(state, {
          kind: 'late-return',
          message: `${state.uri} was back ${ms(took)} after the power, more than ${ms(maxRecoveryMs)}`,
        });
    }
    return slowest;
  }

  /** After a replug all that may be written is held against the model, and of a small memory everything. */
  async #checkWhole(state: SubjectState): Promise<void> {
    const size = state.model?.size ?? 0;
    const region = this.#options.subjects[state.index]?.region;
    const most = region ? SMALL : PIECE;
    const [first, last] = region && size > most ? [region.first, region.last] : [0, Math.min(size, most) - 1];
    await this.#operations.give(state, readOf(state, first, last - first + 1));
    this.#checked += last - first + 1;
  }

  /** Once a write has gone by and nobody writes, the pin is up again, and who does not lower it writes in vain. */
  async #checkProtection(state: SubjectState, plug: Plug): Promise<void> {
    const { region, hasWp } = this.#options.subjects[state.index] ?? {};
    if (hasWp !== true || !region) return;
    const length = Math.min(state.opened?.wordSize ?? 1, region.last - region.first + 1);
    const data = this.cycle + 1;
    const base = { worker: 0, subject: state.index, offset: region.first, length, data };
    await this.#operations.give(state, { ...base, kind: 'write', action: 'write' });
    if (plug.wpHigh?.(state.index) === false)
      this.#breach(state, {
        kind: 'wp-not-protecting',
        message: `the WP pin of ${state.uri} does not protect while nobody writes, as the bench sees it`,
      });
    await this.#operations.give(state, { ...base, kind: 'wp', action: 'look' });
  }

  // --- opening and looking ---

  async #open(
    state: SubjectState,
    timeoutMs: number,
  ): Promise<Extract<Answer, { type: 'opened' | 'not-opened' }>> {
    const generation = ++this.#generation;
    const answered = this.#answer(
      (answer) =>
        (answer.type === 'opened' || answer.type === 'not-opened') &&
        answer.subject === state.index &&
        answer.generation === generation,
    );
    this.#process?.send({ type: 'open', subject: state.index, generation, timeoutMs });
    const answer = (await answered) as Extract<Answer, { type: 'opened' | 'not-opened' }>;
    return answer;
  }

  #generation = 0;

  async #learn(state: SubjectState): Promise<void> {
    const { subjects } = this.#options;
    const plan = subjects[state.index];
    const { size, wordSize, writable, identity } = state.opened ?? {
      size: 0,
      wordSize: 1,
      writable: false,
      identity: {},
    };
    const { region } = plan ?? {};
    if (region && region.last >= size)
      throw new RunFailure(
        `--region ${String(region.first)}-${String(region.last)} is outside of ${state.uri}, which has ${String(size)} bytes`,
        `Its last byte is ${String(size - 1)}.`,
      );
    if (region && !writable)
      throw new RunFailure(
        `${state.uri} cannot be written`,
        'Leave --region and --allow-writes out, or open up what protects it.',
      );
    state.model = new MemoryModel(new Uint8Array(size));
    state.model.forget({ offset: 0, length: size });
    await this.#readAll(state);
    state.facts = {
      index: state.index,
      uri: state.uri,
      size,
      pageSize: plan?.pageSize ?? 1,
      wordSize,
      region,
      identity,
    };
  }

  async #readAll(state: SubjectState): Promise<void> {
    const size = state.model?.size ?? 0;
    for (let offset = 0; offset < size; offset += PIECE) {
      const settled = await this.#operations.give(
        state,
        readOf(state, offset, Math.min(PIECE, size - offset)),
      );
      if (settled.code !== 'ok' && !this.#isTold)
        throw new RunFailure(`cannot read ${state.uri}: ${settled.message}`, 'nvmem read says more.');
    }
  }

  async #sample(): Promise<void> {
    const answered = this.#answer((answer) => answer.type === 'sample');
    this.#process?.send({ type: 'sample' });
    const answer = await answered;
    if (answer.type !== 'sample') return;
    const event: SampleEvent = { type: 'sample', t: this.now(), cycle: this.cycle, ...answer.sample };
    this.samples.push(event);
    this.#emit(event);
  }

  // --- what the process says ---

  #answer(match: (answer: Answer) => boolean): Promise<Answer> {
    return new Promise((resolve) => {
      this.#answers.push({ match, resolve });
    });
  }

  #hear(answer: Answer): void {
    switch (answer.type) {
      case 'settled':
        this.#operations.hasSettled(answer.settled);
        return;
      case 'progress':
        this.#operations.hasProgress(answer.id, answer.done);
        return;
      case 'removed':
        this.#removed(answer);
        return;
      case 'again':
        this.#breach(undefined, {
          kind: 'settled-twice',
          message: `operation ${String(answer.id)} had settled, and then came ${answer.what}`,
        });
        return;
      case 'pong':
        this.#watchdog?.pong(answer.number);
        return;
      case 'trouble':
        this.note(answer.message);
        return;
      case 'opened': {
        const state = this.states[answer.subject];
        state?.hasOpened(answer.generation, answer.attached, answer.facts);
        const { subject, attempts, at } = answer;
        this.#emit({ type: 'open', t: at - this.started, cycle: this.cycle, subject, attempts });
        break;
      }
      default:
        break;
    }
    const waiting = this.#answers.find(({ match }) => match(answer));
    if (!waiting) return;
    this.#answers = this.#answers.filter((one) => one !== waiting);
    waiting.resolve(answer);
  }

  #removed(answer: Extract<Answer, { type: 'removed' }>): void {
    const state = this.states[answer.subject];
    if (!state || this.#isEnding) return;
    const { power } = this.#options;
    const wasOff = !state.isOn || this.#mayBePulled(state);
    if (power.kind === 'manual') for (const plug of power.plugs) plug.noticed?.('off');
    if (wasOff) this.#operations.unplugged(state);
    const { subject, worker, end, at } = answer;
    this.#emit({ type: 'removed', t: at - this.started, cycle: this.cycle, subject, worker, end });
    for (const breach of state.hasRemoved(answer, wasOff)) this.#breach(state, breach);
  }

  /** Of some plugs the subject knows first that they are pulled. */
  #mayBePulled({ index }: SubjectState): boolean {
    return this.#options.power.plugs.some((plug) => plug.tellsLate === true && plug.subjects.includes(index));
  }

  #crashed({ how, printed }: Crash): void {
    this.#isDead = true;
    this.#breach(undefined, {
      kind: 'crash',
      message: `the process of the subjects has ended by itself: ${how}`,
      details: printed,
    });
    this.#stop(new Over('violation'));
  }

  /** Something that was found beside the operations. */
  report(breach: Breach): void {
    this.#breach(undefined, breach);
  }

  #breach(state: SubjectState | undefined, breach: Breach): void {
    // What comes after the end that a violation has made is its consequence.
    if (this.#hasStopped && this.violations > 0) return;
    this.violations++;
    const event: ViolationEvent = {
      type: 'violation',
      t: this.now(),
      cycle: this.cycle,
      subject: state?.index,
      ...breach,
    };
    this.#emit(event);
    const fatal = breach.kind === 'hang' || breach.kind === 'never-settled' || breach.kind === 'crash';
    if (!this.#options.keepGoing || fatal) this.#stop(new Over('violation'));
  }

  async #untilOver<T>(work: Promise<T>): Promise<T> {
    // What goes on after the end has nobody who listens.
    work.catch(() => undefined);
    if (this.#hasStopped) await this.#over;
    return Promise.race([work, this.#over]);
  }
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}
