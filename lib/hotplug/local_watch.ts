/** What is plugged into this machine: one look for all, when the lookout says so, and now and then without it. */
import { dirname } from 'node:path';

import type { Machine } from '../machine/machine.js';
import type { Clock } from './clock.js';
import { moment } from './judge.js';
import { Needs, observe, Snapshot, type LocalTarget, type Observation } from './observation.js';
import { Rounds } from './rounds.js';
import type { Watched, Watcher } from './watcher.js';

/** Who says when to look: the addon's lookout, or a test. */
export interface Hints {
  /** Also for what happens in that folder of this system. Said again and again. */
  watchFolder(path: string): void;
  stop(): void;
}

export type StartHints = (look: () => void) => Hints;

/** A storm of messages costs a look this often, and no more. */
const GAP_MS = 20;
/** What is announced is often not done yet: looked at again after this, then after twice as long, and so on. */
const FIRST_PAUSE_MS = 50;
const USB_NODES = '/dev/bus/usb';

export class LocalWatch implements Watcher<LocalTarget> {
  readonly #watched = new Set<Watched<LocalTarget>>();
  #rounds: Rounds | undefined;
  #hints: Hints | undefined;
  #pause = FIRST_PAUSE_MS;
  #plan: Plan | undefined;

  constructor(
    private readonly machine: Machine,
    private readonly clock: Clock,
    private readonly startHints: StartHints,
  ) {}

  add(watched: Watched<LocalTarget>): void {
    // First, for it may be that the addon does not load.
    this.#hints ??= this.startHints(() => {
      this.hurry();
    });
    this.#watched.add(watched);
    this.#plan = undefined;
    this.#rounds ??= new Rounds(this.clock, {
      look: () => this.#look(),
      pause: () => this.#nextPause(),
      gapMs: GAP_MS,
    });
    this.hurry();
  }

  remove(watched: Watched<LocalTarget>): boolean {
    this.#watched.delete(watched);
    this.#plan = undefined;
    if (this.#watched.size > 0) return false;
    this.#rounds?.stop();
    this.#hints?.stop();
    this.#rounds = undefined;
    this.#hints = undefined;
    return true;
  }

  hurry(): void {
    this.#pause = FIRST_PAUSE_MS;
    this.#rounds?.soon();
  }

  async look(): Promise<void> {
    await this.#rounds?.now();
  }

  #nextPause(): number {
    const pause = Math.min(this.#pause, this.#planned().everyMs);
    this.#pause = pause * 2;
    return pause;
  }

  #planned(): Plan {
    this.#plan ??= new Plan([...this.#watched]);
    return this.#plan;
  }

  async #look(): Promise<void> {
    const began = moment();
    const { all, needs, nodeFolders } = this.#planned();
    // In this order: what changes after the look has a watch already.
    await this.#watchFolders(needs.bridges, nodeFolders);
    const snapshot = await Snapshot.take(this.machine, needs);
    const seen = all.map(({ target }) => observe(target, snapshot));
    // No turn of the loop for each of those that are not there.
    for (let i = 0; i < seen.length; i++) {
      const one = seen[i];
      if (one instanceof Promise) seen[i] = await one;
    }
    all.forEach((watched, index) => {
      const observation = seen[index] as Observation;
      if (!this.#watched.has(watched)) return;
      if (watched.subject.seen(observation, began)) this.#pause = FIRST_PAUSE_MS;
    });
  }

  /** Where the nodes come and go, and get their permissions. */
  async #watchFolders(hasBridges: boolean, nodeFolders: ReadonlySet<string>): Promise<void> {
    const folders = new Set(nodeFolders);
    if (hasBridges) {
      folders.add('/dev').add('/dev/bus').add(USB_NODES);
      for (const bus of await this.machine.list(USB_NODES)) folders.add(`${USB_NODES}/${bus}`);
    }
    for (const folder of folders) this.#hints?.watchFolder(this.machine.path(folder));
  }
}

/** What follows from who is watched, until somebody joins or leaves. */
class Plan {
  readonly needs: Needs;
  readonly everyMs: number;
  readonly nodeFolders: ReadonlySet<string>;

  constructor(readonly all: readonly Watched<LocalTarget>[]) {
    this.needs = new Needs(all.map(({ target }) => target));
    this.everyMs = all.reduce((least, { subject }) => Math.min(least, subject.everyMs), Infinity);
    const paths = all.flatMap(({ target }) => ('path' in target ? [dirname(target.path)] : []));
    this.nodeFolders = new Set(paths);
  }
}
