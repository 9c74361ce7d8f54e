import type { NoteEvent, StartEvent, TortureEvent, VerdictEvent, ViolationEvent, When } from '../events.js';
import { Histogram } from '../histogram.js';
import { directionOf, Tally } from '../totals.js';
import { TimeLine } from './time_line.js';

/** Violations with all that is known of them; of those beyond only the number is kept, by kind. */
const MAX_VIOLATIONS = 1000;
/** Characters of the details of all of them together, and of one. */
const MAX_DETAILS = 400_000;
const MAX_DETAIL = 40_000;
const MAX_MESSAGE = 2000;
const MAX_NOTES = 300;

/** A note, and how often it was made. */
export interface Noted extends NoteEvent {
  readonly times: number;
}

/** Cycles of which the plug was pulled in one way. */
export interface CyclesOf {
  cycles: number;
  readonly rejection: Histogram;
  readonly recovery: Histogram;
  /** Those that did not come back. */
  lost: number;
}

/** Takes the events of a run, in order, and keeps what the report shows, in bounded memory however long the run is. */
export class ReportCollector {
  readonly tally = new Tally();
  readonly timeLine = new TimeLine();
  readonly #violations: ViolationEvent[] = [];
  readonly #violationsByKind = new Map<string, number>();
  readonly #notes = new Map<string, Noted>();
  readonly #byWhen = new Map<When, CyclesOf>();
  #details = 0;
  #cutDetails = 0;
  #lostNotes = 0;
  #removed = 0;
  #opens = 0;
  #start: StartEvent | undefined;
  #verdict: VerdictEvent | undefined;
  #events = 0;
  readonly #listeners = new Set<() => void>();

  get start(): StartEvent | undefined {
    return this.#start;
  }

  /** Undefined: the run goes on, or its log was cut off. */
  get verdict(): VerdictEvent | undefined {
    return this.#verdict;
  }

  /** The first thousand. */
  get violations(): readonly ViolationEvent[] {
    return this.#violations;
  }

  get violationsByKind(): ReadonlyMap<string, number> {
    return this.#violationsByKind;
  }

  /** How many violations have shortened details. */
  get cutDetails(): number {
    return this.#cutDetails;
  }

  get notes(): readonly Noted[] {
    return [...this.#notes.values()];
  }

  /** Notes beyond the first 300 different ones. */
  get lostNotes(): number {
    return this.#lostNotes;
  }

  get byWhen(): ReadonlyMap<When, CyclesOf> {
    return this.#byWhen;
  }

  /** How often `removed` was told, and a subject opened. */
  get removed(): number {
    return this.#removed;
  }

  get opens(): number {
    return this.#opens;
  }

  /** How many events there were: whether something is new. */
  get events(): number {
    return this.#events;
  }

  /** Calls `listener` when the verdict has come. @returns what takes it away */
  onVerdict(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  add(event: TortureEvent): void {
    this.#events++;
    this.tally.add(event);
    this.timeLine.reaches(event.t);
    switch (event.type) {
      case 'start':
        this.#start = event;
        break;
      case 'open':
        this.#opens++;
        break;
      case 'operation':
        this.timeLine.operation(event, directionOf(event));
        break;
      case 'plug':
        this.timeLine.plug(event);
        break;
      case 'removed':
        this.#removed++;
        break;
      case 'cycle': {
        this.timeLine.cycle(event.t, event.rejectionMs, event.recoveryMs);
        const of = this.#whenOf(event.when);
        of.cycles++;
        if (event.rejectionMs !== null) of.rejection.add(event.rejectionMs);
        if (event.recoveryMs === null) of.lost++;
        else of.recovery.add(event.recoveryMs);
        break;
      }
      case 'violation':
        this.#violation(event);
        break;
      case 'note':
        this.#note(event);
        break;
      case 'verdict':
        this.#verdict = event;
        for (const listener of this.#listeners) listener();
        break;
      case 'sample':
        break;
    }
  }

  #whenOf(when: When): CyclesOf {
    const known = this.#byWhen.get(when);
    if (known) return known;
    const made = { cycles: 0, lost: 0, rejection: new Histogram(), recovery: new Histogram() };
    this.#byWhen.set(when, made);
    return made;
  }

  #violation(event: ViolationEvent): void {
    this.#violationsByKind.set(event.kind, (this.#violationsByKind.get(event.kind) ?? 0) + 1);
    this.timeLine.violation();
    if (this.#violations.length === MAX_VIOLATIONS) return;
    const { details = '', expected, found } = event;
    const room = Math.min(MAX_DETAIL, MAX_DETAILS - this.#details);
    const kept = details.slice(0, room);
    this.#details += kept.length;
    const isCut = [event.message, expected, found].some((text = '') => text.length > MAX_MESSAGE);
    if (kept.length < details.length || isCut) this.#cutDetails++;
    this.#violations.push({
      ...event,
      message: event.message.slice(0, MAX_MESSAGE),
      expected: expected?.slice(0, MAX_MESSAGE),
      found: found?.slice(0, MAX_MESSAGE),
      details: kept.length < details.length ? `${kept}\n(shortened; the log has all of it)` : event.details,
    });
  }

  #note(event: NoteEvent): void {
    const message = event.message.slice(0, MAX_MESSAGE);
    const known = this.#notes.get(message);
    if (known) this.#notes.set(message, { ...known, times: known.times + 1 });
    else if (this.#notes.size < MAX_NOTES) this.#notes.set(message, { ...event, message, times: 1 });
    else this.#lostNotes++;
  }
}
