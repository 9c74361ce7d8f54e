/** Where the addon's messages come in: each to whom it belongs. */
import { setTimeout } from '../base/timers.js';
import { Kind, type Addon, type Dispatch } from './addon.js';
import { completed } from './outcome.js';
import type { NativeReadOutcome } from './types.js';

type Settle = (outcome: NativeReadOutcome) => void;

interface Pending {
  readonly settle: Settle;
  readonly onProgress: ((done: number) => void) | undefined;
}

/** What a bus hears of itself. */
interface BusNews {
  wentAway(reason: string): void;
  wasClosed(): void;
}

/** What a slot of another environment hears of its provider. */
interface SlotNews {
  wasDetached(reason: string): void;
  wasFreed(): void;
}

/** Whom completions belong to. Entries leave when their one completion has come. */
export class Desk {
  readonly requests = new Map<number, Pending>();
  readonly opening = new Map<number, (status: number, text: string) => void>();
  /** A number that is not here is of another realm; so for all of these. */
  readonly buses = new Map<number, BusNews>();
  readonly unregistering = new Map<number, () => void>();
  readonly turns = new Map<number, () => void>();
  readonly attached = new Map<number, SlotNews>();
  readonly lookouts = new Map<number, () => void>();
  /** The addon itself holds it weakly while nothing is under way. */
  readonly dispatch: Dispatch;
  /** Frees slots whose handle was collected without unregister(). */
  readonly forgotten: FinalizationRegistry<number>;

  constructor(readonly addon: Addon) {
    this.forgotten = new FinalizationRegistry((slot) => {
      addon.forgetSlot(slot);
    });
    this.dispatch = (kind, id, status, text, outcome) => {
      switch (kind) {
        case Kind.Completed: {
          const pending = this.requests.get(id);
          this.requests.delete(id);
          pending?.settle(completed(status, text, outcome));
          break;
        }
        case Kind.Progress:
          this.requests.get(id)?.onProgress?.(outcome?.transferred ?? 0);
          break;
        case Kind.BusOpened:
          this.opening.get(id)?.(status, text);
          this.opening.delete(id);
          break;
        case Kind.BusGone:
          this.buses.get(id)?.wentAway(text);
          break;
        case Kind.BusClosed:
          this.buses.get(id)?.wasClosed();
          this.buses.delete(id);
          break;
        case Kind.Unregistered:
          this.unregistering.get(id)?.();
          this.unregistering.delete(id);
          break;
        case Kind.Turn:
          this.turns.get(id)?.();
          this.turns.delete(id);
          break;
        case Kind.Detached:
          this.attached.get(id)?.wasDetached(text);
          break;
        case Kind.Freed:
          this.attached.get(id)?.wasFreed();
          this.attached.delete(id);
          break;
        case Kind.Look:
          this.lookouts.get(id)?.();
          break;
      }
    };
    addon.start(this.dispatch);
  }
}

const AGAIN_MS = 50;

/** For what nobody can be refused: where the addon has no memory for it (-ENOMEM), it is asked again. */
export function insist(call: () => number | undefined): void {
  if (call() !== undefined) setTimeout(insist, AGAIN_MS, call);
}
