/** What the run knows of a subject: whether it should be there, who has heard of its end, and what its bytes may be. */
import type { SubjectFacts, ViolationKind } from './events.js';
import type { Answer, OpenedFacts } from './engine/protocol.js';
import type { MemoryModel } from './model.js';

type Removed = Extract<Answer, { type: 'removed' }>;

/** A violation before it has a place in the run. */
export interface Breach {
  readonly kind: ViolationKind;
  readonly message: string;
  readonly worker?: number | undefined;
  readonly operation?: number | undefined;
  readonly offset?: number | undefined;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
  readonly details?: string | undefined;
}

export class SubjectState {
  facts: SubjectFacts | undefined;
  model: MemoryModel | undefined;
  opened: OpenedFacts | undefined;
  /** The power of its plug is on. */
  isOn = true;
  /** Of the opening that is there, or was there last. */
  generation = 0;
  isOpen = false;
  /** Threads that have this opening, and those that have heard of its end, how often. */
  #holders: readonly number[] = [];
  #heard = new Map<number, number>();
  #waiting: (() => void)[] = [];

  constructor(
    readonly index: number,
    readonly uri: string,
  ) {}

  /** It has been opened. `attached`: the threads that have it besides. */
  hasOpened(generation: number, attached: readonly number[], facts: OpenedFacts): void {
    this.generation = generation;
    this.opened = facts;
    this.isOpen = true;
    this.#holders = [-1, ...attached];
    // Some may have heard of its end before it was said to be open.
    if ((this.#early.get(generation) ?? []).length > 0) this.isOpen = false;
    this.#heard = new Map();
    for (const worker of this.#early.get(generation) ?? []) this.#note(worker);
    this.#early.clear();
  }

  readonly #early = new Map<number, number[]>();

  /** `removed` has come. @returns what is wrong with that */
  hasRemoved({ generation, worker, end, pending }: Removed, wasOff: boolean): Breach[] {
    const breaches: Breach[] = [];
    const who = worker < 0 ? 'the thread that opened it' : `worker ${String(worker)}`;
    const wrong = (message: string): void => {
      breaches.push({
        kind: 'removed-wrong',
        message: `'removed' of ${this.uri} in ${who} ${message}`,
        worker,
      });
    };
    if (!wasOff) wrong(`came while the plug was in (${end.reason})`);
    else if (end.cause !== 'unplugged') wrong(`says '${end.cause}' (${end.reason}) though it was unplugged`);
    if (pending > 0) wrong(`came before ${String(pending)} of its operations had settled`);
    if (generation > this.generation) {
      this.#early.set(generation, [...(this.#early.get(generation) ?? []), worker]);
      return breaches;
    }
    if (generation < this.generation) {
      breaches.push({
        kind: 'removed-twice',
        message: `'removed' of an earlier opening of ${this.uri} came again`,
        worker,
      });
      return breaches;
    }
    this.isOpen = false;
    this.#note(worker);
    if ((this.#heard.get(worker) ?? 0) > 1)
      breaches.push({
        kind: 'removed-twice',
        message: `'removed' of ${this.uri} came twice in ${who}`,
        worker,
      });
    for (const wake of this.#waiting.splice(0)) wake();
    return breaches;
  }

  /** Who has it and has not heard of its end. */
  get unaware(): number[] {
    return this.#holders.filter((worker) => !this.#heard.has(worker));
  }

  /** Those that may be asked for something now. */
  get holders(): readonly number[] {
    return this.#holders;
  }

  /** Resolves when somebody more has heard of its end. */
  moreHeard(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #note(worker: number): void {
    this.#heard.set(worker, (this.#heard.get(worker) ?? 0) + 1);
  }
}
