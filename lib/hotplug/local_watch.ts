/** What is plugged into this machine: one look for all, when the lookout says so, and now and then without it. */
import { dirname } from 'node:path';

import type { Machine } from '../machine/machine.js';
import type { Clock } from './clock.js';
import { moment } from './judge.js';
import { observe, Snapshot, type LocalTarget } from './observation.js';
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
    this.#rounds ??= new Rounds(this.clock, {
      look: () => this.#look(),
      pause: () => this.#nextPause(),
      gapMs: GAP_MS,
    });
    this.hurry();
  }

  remove(watched: Watched<LocalTarget>): boolean {
    this.#watched.delete(watched);
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
    const every = Math.min(...[...this.#watched].map(({ subject }) => subject.everyMs));
    const pause = Math.min(this.#pause, every);
    this.#pause = pause * 2;
    return pause;
  }

  async #look(): Promise<void> {
    const began = moment();
    const all = [...this.#watched];
    // In this order: what changes after the look has a watch already.
    await this.#watchFolders(all);
    const snapshot = new Snapshot(this.machine);
    const seen = await Promise.all(all.map(({ target }) => observe(target, snapshot)));
    all.forEach((watched, index) => {
      const observation = seen[index];
      if (observation === undefined || !this.#watched.has(watched)) return;
      if (watched.subject.seen(observation, began)) this.#pause = FIRST_PAUSE_MS;
    });
  }

  /** Where the nodes come and go, and get their permissions. */
  async #watchFolders(all: readonly Watched<LocalTarget>[]): Promise<void> {
    const folders = new Set<string>();
    if (all.some(({ target }) => target.scheme === 'cp2112')) {
      folders.add('/dev').add('/dev/bus').add(USB_NODES);
      for (const bus of await this.machine.list(USB_NODES)) folders.add(`${USB_NODES}/${bus}`);
    }
    for (const { target } of all) {
      if (target.scheme === 'hidraw' || target.scheme === 'i2c') folders.add(dirname(target.path));
    }
    for (const folder of folders) this.#hints?.watchFolder(this.machine.path(folder));
  }
}
