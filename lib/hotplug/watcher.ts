import type { Observation } from './observation.js';

/** One presence, as those see it who look on behalf of many. */
export interface Subject {
  /** The longest time between two looks, milliseconds. */
  readonly everyMs: number;
  /** The data path has it open, and says itself when it has gone. */
  isOpen(): boolean;
  /** What a look showed that began at that moment(). True: something is different now. */
  seen(observation: Observation, began: number): boolean;
}

export interface Watched<Target> {
  readonly target: Target;
  readonly subject: Subject;
}

/** Looks on behalf of all presences of one machine, or of one USB/IP server. */
export interface Watcher<Target> {
  add(watched: Watched<Target>): void;
  /** The last one's removal ends everything that it had running. True: it was the last one. */
  remove(watched: Watched<Target>): boolean;
  /** Something has happened to one of them: look soon, and for a while more often. */
  hurry(): void;
  /** Resolves after a look that began after the call. */
  look(): Promise<void>;
}
