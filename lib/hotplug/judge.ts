/**
 * What is so, out of what looks show and what the data path says. Looks are hints: they begin and end at any time, may be old
 * when they arrive, and may show what is about to go. The data path is the authority on "gone", and on "there" while
 * something is open. Pure: no I/O, no timers.
 */
import type { Clock } from './clock.js';
import type { Observation, PresenceCause } from './observation.js';

export interface PresenceState {
  /** Something is there that can be opened. */
  readonly present: boolean;
  /** Since when `present` is what it is, milliseconds since 1970. */
  readonly since: number;
  readonly cause: PresenceCause;
  /** The cause as a sentence, for a person. */
  readonly reason: string;
  /** Where it is: '1-1.4' (bus and ports), '/dev/hidraw0', a name, or 'HOST:PORT/BUSID'. */
  readonly place: string | undefined;
}

/** A plug that the data path called gone and that is still shown is believed again after this. */
export const GONE_FOR_MS = 1000;
/** A USB/IP server offers what was closed only after a moment. */
export const FREED_AFTER_MS = 1000;

export class Judge {
  #state: PresenceState;
  /** Which plug it is while something is there; undefined: not known. */
  #visit: string | undefined;
  #isOpen = false;
  #gone: { readonly visit: string | undefined; readonly until: number } | undefined;
  #freedAt = -Infinity;
  #said = -1;
  #doubt: string | undefined;
  /** What was seen instead of what is open: the plug, or '' for nothing. */
  #doubted: string | undefined;

  /** @param hidesOpen What is open is not shown by looks: USB/IP servers leave it out of their lists. */
  constructor(
    private readonly clock: Clock,
    private readonly hidesOpen: boolean,
  ) {
    this.#state = {
      present: false,
      since: clock.date(),
      cause: 'unknown',
      reason: 'nobody has looked yet',
      place: undefined,
    };
  }

  get state(): PresenceState {
    return this.#state;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Why it may have gone although it is open, once for each reason there is. */
  takeDoubt(): string | undefined {
    const doubt = this.#doubt;
    this.#doubt = undefined;
    return doubt;
  }

  /**
   * What a look showed: the states that follow, in order, often none.
   *
   * @param began When the look began, by moment(): what the data path has said since is newer.
   */
  look(seen: Observation, began: number): PresenceState[] {
    if (began < this.#said) return [];
    if (this.#isOpen) {
      this.#compare(seen);
      return [];
    }
    const { visit } = seen;
    if (seen.cause === 'plugged') return this.#plugged(seen, visit);
    const isFreed = this.hidesOpen && this.clock.now() - this.#freedAt < FREED_AFTER_MS;
    if (this.#state.present && isFreed && seen.cause === 'absent') return [];
    if (seen.cause === 'starting' && this.#isLeaving(visit)) return this.#left();
    this.#visit = undefined;
    return this.#absent(seen);
  }

  /** The data path has it open. */
  opened(): PresenceState[] {
    this.#isOpen = true;
    this.#gone = undefined;
    this.#doubted = undefined;
    this.#said = moment();
    if (this.#state.present) return [];
    return [this.#become(true, 'opened', 'it is open', this.#state.place)];
  }

  /** The data path has closed it, and it was there. */
  closed(): PresenceState[] {
    if (!this.#isOpen) return [];
    this.#isOpen = false;
    this.#freedAt = this.clock.now();
    this.#said = moment();
    return [];
  }

  /** The data path says that it has gone. */
  gone(reason: string): PresenceState[] {
    this.#isOpen = false;
    this.#freedAt = -Infinity;
    this.#said = moment();
    if (!this.#state.present) return [];
    this.#gone = { visit: this.#visit, until: this.clock.now() + GONE_FOR_MS };
    this.#visit = undefined;
    return [this.#become(false, 'gone', reason, undefined)];
  }

  #compare(seen: Observation): void {
    // Nothing to compare with: it was opened before anybody had seen it.
    if (this.#visit === undefined) {
      if (seen.cause === 'plugged' && !this.hidesOpen) this.#visit = seen.visit;
      return;
    }
    const isOther = seen.visit === undefined ? !this.hidesOpen : seen.visit !== this.#visit;
    const key = isOther ? (seen.visit ?? '') : undefined;
    if (key === this.#doubted) return;
    this.#doubted = key;
    if (isOther) this.#doubt = seen.visit === undefined ? seen.reason : 'something else is plugged in there';
  }

  #plugged(seen: Observation, visit: string | undefined): PresenceState[] {
    const gone = this.#gone;
    if (gone && visit !== undefined && gone.visit === visit && this.clock.now() < gone.until) return [];
    const states: PresenceState[] = [];
    if (this.#state.present && this.#visit !== undefined && this.#visit !== visit) {
      const reason = 'it was unplugged, and something was plugged in before that was noticed';
      states.push(this.#become(false, 'unplugged', reason, undefined));
    }
    this.#visit = visit;
    this.#gone = undefined;
    if (!this.#state.present) states.push(this.#become(true, 'plugged', seen.reason, seen.place));
    return states;
  }

  /** The kernel removes a node before the device behind it: what has lost its node does not begin, it ends. */
  #isLeaving(visit: string | undefined): boolean {
    if (visit === undefined) return false;
    if (this.#state.present) return visit === this.#visit;
    return visit === this.#gone?.visit && this.clock.now() < this.#gone.until;
  }

  #left(): PresenceState[] {
    if (!this.#state.present) return [];
    this.#gone = { visit: this.#visit, until: this.clock.now() + GONE_FOR_MS };
    this.#visit = undefined;
    return [this.#become(false, 'unplugged', 'it was unplugged', undefined)];
  }

  #absent({ cause, reason, place }: Observation): PresenceState[] {
    const before = this.#state;
    if (cause === 'absent') {
      // That it has gone is no news.
      if (before.cause === 'gone' || before.cause === 'unplugged') return [];
      const wasThere = before.present || before.cause === 'starting' || before.cause === 'denied';
      if (wasThere) return [this.#become(false, 'unplugged', 'it was unplugged', undefined)];
    }
    if (!before.present && before.cause === cause && before.reason === reason) return [];
    return [this.#become(false, cause, reason, place)];
  }

  #become(present: boolean, cause: PresenceCause, reason: string, place: string | undefined): PresenceState {
    const since = present === this.#state.present ? this.#state.since : this.clock.date();
    this.#state = { present, since, cause, reason, place };
    return this.#state;
  }
}

let moments = 0;

/** A number that is larger each time: which of two things came later. */
export function moment(): number {
  return ++moments;
}
