/** Is it there? One answer for each kind of bus, and word of each change. */
import { EventEmitter } from 'node:events';

import { onListenersChanged } from '../base/listeners.js';
import { LoopHold } from '../base/loop_hold.js';
import { checkInteger, checkKeys, checkObject, MAX_TIMEOUT_MS } from '../base/validate.js';
import { exportedDevices } from '../bus/usbip_devices.js';
import { callUser } from '../core/report.js';
import { thisMachine, type Machine } from '../machine/machine.js';
import { native } from '../native/index.js';
import { realClock, type Clock } from './clock.js';
import { Judge, type PresenceState } from './judge.js';
import { LocalWatch, type Hints, type StartHints } from './local_watch.js';
import type { Observation } from './observation.js';
import { targetOf, type ParsedTarget } from './target.js';
import { UsbipWatch, type AskServer } from './usbip_watch.js';
import type { Subject, Watcher } from './watcher.js';

export interface PresenceOptions {
  /** How often to look without a reason, milliseconds. Default 2000. */
  readonly everyMs?: number | undefined;
  /** Closes it. */
  readonly signal?: AbortSignal | undefined;
}

export interface PresenceEvents {
  /** Also once after the first look, whatever it showed. */
  change: [state: PresenceState];
  /** It was said to be open, and a look does not show it any more: whoever has it open had better ask it something. */
  doubt: [reason: string];
  close: [];
}

const EVERY_MS = 2000;
/** An iterator whose consumer is that many changes behind misses the oldest ones. */
const MOST_WAITING = 64;

/**
 * Follows what one URI names until close(). Made by presence().
 *
 * It holds the event loop while it is iterated or its 'change' is listened to, unless unref() was called.
 */
export class Presence extends EventEmitter<PresenceEvents> implements AsyncIterable<PresenceState> {
  readonly uri: string;
  readonly #watching: Watching | undefined;
  readonly #judge: Judge;
  readonly #hold = new LoopHold();
  readonly #iterators = new Set<(state: PresenceState | undefined) => void>();
  #closed = false;
  #forgetSignal: () => void = () => undefined;

  /** @internal */
  constructor(target: ParsedTarget, options: PresenceOptions, watchers: Watchers) {
    super();
    this.uri = target.uri;
    this.#judge = new Judge(watchers.clock, target.scheme === 'usbip');
    onListenersChanged(this, () => {
      this.#updateHold();
    });
    const { signal } = options;
    if (signal?.aborted) {
      this.#closed = true;
      return;
    }
    const onAbort = (): void => {
      this.close();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#forgetSignal = () => signal?.removeEventListener('abort', onAbort);
    this.#watching = watchers.join(target, {
      everyMs: options.everyMs ?? EVERY_MS,
      isOpen: () => this.#judge.isOpen,
      seen: (observation, began) => this.#seen(observation, began),
    });
  }

  /** As of the last look, or of what the data path has said since. */
  get current(): PresenceState {
    return this.#judge.state;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Looks now: resolves with what a look showed that began after the call. */
  async look(): Promise<PresenceState> {
    if (!this.#closed) await this.#watching?.look();
    return this.current;
  }

  /** The data path has it open: it is there, whatever looks show, until noteGone() or noteClosed(). */
  noteOpen(): void {
    this.#note(this.#judge.opened());
  }

  /**
   * The data path says that it has gone. The same plug is not announced again at once, even where it is still shown.
   *
   * @param reason A sentence, as in the event 'removed' of a device.
   */
  noteGone(reason = 'it has gone'): void {
    this.#note(this.#judge.gone(reason));
  }

  /** The data path has closed it itself: looks decide again. */
  noteClosed(): void {
    this.#note(this.#judge.closed());
  }

  /** Lets the process end although somebody listens or iterates. */
  unref(): this {
    this.#hold.allowed = false;
    return this;
  }

  /** Takes unref() back. */
  ref(): this {
    this.#hold.allowed = true;
    return this;
  }

  /** No change comes after it, and iterations end. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forgetSignal();
    this.#watching?.end();
    this.#updateHold();
    for (const tell of this.#iterators) tell(undefined);
    callUser(() => this.emit('close'));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The current state, or the first as soon as it is known, then each that follows. */
  async *[Symbol.asyncIterator](): AsyncGenerator<PresenceState, void, undefined> {
    const queue: PresenceState[] = this.current.cause === 'unknown' ? [] : [this.current];
    let wake: () => void = () => undefined;
    const tell = (state: PresenceState | undefined): void => {
      if (state) queue.push(state);
      // Never a plug without the absence before it.
      if (queue.length > MOST_WAITING)
        queue.splice(0, 1 + queue.slice(1).findIndex(({ present }) => !present));
      wake();
    };
    this.#iterators.add(tell);
    this.#updateHold();
    try {
      for (;;) {
        const next = queue.shift();
        if (next) yield next;
        else if (this.#closed) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#iterators.delete(tell);
      this.#updateHold();
    }
  }

  #seen(observation: Observation, began: number): boolean {
    const states = this.#judge.look(observation, began);
    this.#tell(states);
    const doubt = this.#judge.takeDoubt();
    if (doubt !== undefined && !this.#closed) callUser(() => this.emit('doubt', doubt));
    return states.length > 0;
  }

  #note(states: readonly PresenceState[]): void {
    this.#tell(states);
    if (!this.#closed) this.#watching?.hurry();
  }

  #tell(states: readonly PresenceState[]): void {
    for (const state of states) {
      if (this.#closed) return;
      for (const tell of this.#iterators) tell(state);
      callUser(() => this.emit('change', state));
    }
  }

  #updateHold(): void {
    const isUsed = this.listenerCount('change') > 0 || this.#iterators.size > 0;
    this.#hold.needed = isUsed && !this.#closed;
  }
}

/** One presence's part in the looks that many share. */
interface Watching {
  hurry(): void;
  look(): Promise<void>;
  end(): void;
}

/** @internal What presences share: one look for those of this machine, one for those of each server. */
export class Watchers {
  readonly #local: LocalWatch;
  readonly #servers = new Map<string, UsbipWatch>();

  constructor(
    readonly clock: Clock = realClock,
    machine: Machine = thisMachine,
    startHints: StartHints = lookout,
    private readonly ask: AskServer = askServer,
  ) {
    this.#local = new LocalWatch(machine, clock, startHints);
  }

  join(target: ParsedTarget, subject: Subject): Watching {
    if (target.scheme !== 'usbip') return joined(this.#local, target, subject, () => undefined);
    const { port } = target;
    const host = target.host.toLowerCase();
    const key = `${host} ${String(port)}`;
    const server = this.#servers.get(key) ?? new UsbipWatch(host, port, this.clock, this.ask);
    this.#servers.set(key, server);
    return joined(server, target, subject, () => this.#servers.delete(key));
  }
}

function joined<Target>(
  watcher: Watcher<Target>,
  target: Target,
  subject: Subject,
  wasLast: () => void,
): Watching {
  const watched = { target, subject };
  watcher.add(watched);
  return {
    hurry: () => {
      watcher.hurry();
    },
    look: () => watcher.look(),
    end: () => {
      if (watcher.remove(watched)) wasLast();
    },
  };
}

const askServer: AskServer = (host, port, signal) => exportedDevices({ host, port, signal, unref: true });

/** The addon's; where there is none to be had, now and then has to do. */
function lookout(look: () => void): Hints {
  const started = native().lookout(look);
  if (typeof started === 'number') return { watchFolder: () => undefined, stop: () => undefined };
  return {
    watchFolder: (path) => void started.watchFolder(path),
    stop: () => {
      started.stop();
    },
  };
}

let shared: Watchers | undefined;

/**
 * Follows whether what a URI names is there: a bus (cp2112://, hidraw://, i2c://, usbip://) or a device of the kernel's own
 * (sysfs://). `present` means that it can be opened. Nothing is opened, no bus is used and nothing has to be permitted.
 *
 * @param uri As text, or taken apart.
 * @throws NvmemError EINVAL: the URI is malformed, or names nothing that comes and goes; TypeError, RangeError: a wrong option.
 *
 * @example
 * for await (const { present, reason, place } of presence('cp2112://0043FFF3')) console.log(present, reason, place);
 */
export function presence(uri: string | ParsedTarget, options: PresenceOptions = {}): Presence {
  checkKeys('options', checkObject('options', options), ['everyMs', 'signal']);
  if (options.everyMs !== undefined) checkInteger('options.everyMs', options.everyMs, 1, MAX_TIMEOUT_MS);
  shared ??= new Watchers();
  return new Presence(targetOf(uri), options, shared);
}
