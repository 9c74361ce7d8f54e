/**
 * The coming and going of a followed memory, in the thread that opens it.
 *
 * Presence only says when to try; opening says whether it is there, and the device itself when it has gone.
 */
import { settledWithin } from '../base/deadline.js';
import { isA, messageOf } from '../base/foreign.js';
import { codeOf, errnoOf, NvmemError } from '../base/errors.js';
import type { NvmemDevice } from '../core/device.js';
import type { Clock } from '../hotplug/clock.js';
import type { PresenceState } from '../hotplug/judge.js';
import type { OpenOptions } from '../bus/open_device.js';
import type { Attached, Attachment, PresencePort } from './attach.js';
import { BackOff } from './back_off.js';
import { ACCEPTED, checkReplaced } from './life.js';
import type { Audience, FollowChange, FollowState, Life } from './life.js';
import type { Prover, Remembered } from './prove.js';

/** A device that an operation has found gone, and that says nothing of it itself, is closed after this. */
const SILENT_MS = 1000;
/** What was refused is closed behind the back of who goes on, which waits for it no longer than this. */
const LET_GO_MS = 2000;
/** It is there, and not to be had; opening it says why in full, once for each time it is said. */
const SAYS_WHY: ReadonlySet<string> = new Set(['denied', 'ambiguous', 'unreachable']);

export interface OwnerOptions {
  readonly uri: string;
  readonly openOptions: OpenOptions;
  /** Told of each device before anybody else has it. */
  prepare(device: NvmemDevice): void;
}

export class OwnerLife implements Life {
  #current: FollowChange;
  #device: NvmemDevice | undefined;
  #last: NvmemDevice | undefined;
  /** Open, and not known to be the right one yet. */
  #candidate: NvmemDevice | undefined;
  #remembered: Remembered | undefined;
  #attempt: Promise<void> = Promise.resolve();
  #opening: AbortController | undefined;
  #closing: Promise<void> | undefined;
  #cancelRetry: () => void = () => undefined;
  readonly #backOff: BackOff;
  readonly #presence: PresencePort;
  readonly #doubted = new WeakSet<NvmemDevice>();

  constructor(
    private readonly options: OwnerOptions,
    private readonly attach: Attachment,
    private readonly prover: Prover,
    private readonly clock: Clock,
    private readonly audience: Audience,
  ) {
    this.#backOff = new BackOff(clock);
    this.#current = {
      state: 'absent',
      since: clock.date(),
      reason: 'nobody has looked yet',
      error: undefined,
    };
    this.#presence = attach.watch();
    this.#presence.on('change', (state: PresenceState) => {
      this.#hint(state);
    });
    this.#presence.on('doubt', () => {
      // The data path decides: whoever is asked for a byte knows whether it is there.
      void this.#device?.read(0, 1, { timeoutMs: SILENT_MS }).catch(() => undefined);
    });
    // Nobody who could be told is there yet.
    void Promise.resolve().then(() => {
      if (!this.#isClosed) this.#hint(this.#presence.current);
    });
  }

  get current(): FollowChange {
    return this.#current;
  }

  get device(): NvmemDevice | undefined {
    return this.#device;
  }

  get lastDevice(): NvmemDevice | undefined {
    return this.#last;
  }

  doubt(device: NvmemDevice): void {
    if (device !== this.#device || this.#doubted.has(device)) return;
    this.#doubted.add(device);
    this.#closeSilent(this.#device);
  }

  accept(): void {
    checkReplaced(this.#current, this.options.uri);
    this.#remembered = undefined;
    this.#become('absent', ACCEPTED);
    this.#hint(this.#presence.current);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const device = this.#candidate ?? this.#device;
    this.#candidate = undefined;
    this.#device = undefined;
    this.#cancelRetry();
    this.#presence.close();
    this.#become('closed', 'closed');
    this.#opening?.abort();
    await device?.close();
    await this.#attempt;
  }

  get #isClosed(): boolean {
    return this.#closing !== undefined;
  }

  #hint({ present, cause, reason }: PresenceState): void {
    if (this.#current.state !== 'absent') return;
    if (!present && !SAYS_WHY.has(cause)) {
      // The state is the same, and why is known better now.
      this.#current = { ...this.#current, reason, error: undefined };
      this.#cancelRetry();
      return;
    }
    this.#backOff.reset();
    this.#begin();
  }

  #begin(): void {
    this.#cancelRetry();
    this.#attempt = this.#tryToOpen();
  }

  async #tryToOpen(): Promise<void> {
    const opening = new AbortController();
    this.#opening = opening;
    this.#become('opening', this.#presence.current.reason);
    let attached: Attached;
    try {
      attached = await this.attach.open({ ...this.options.openOptions, signal: opening.signal });
    } catch (error) {
      this.#failed(error);
      return;
    }
    const { device } = attached;
    if (this.#isClosed) {
      await device.close();
      return;
    }
    this.#candidate = device;
    device.once('removed', ({ reason }) => {
      this.#gone(device, reason);
    });
    this.#presence.noteOpen();
    try {
      await this.#admit(attached, opening.signal);
    } catch (error) {
      // Where it has gone meanwhile everything is said already.
      if (!this.#isCandidate(device)) return;
      if (!device.alive || codeOf(errnoOf(error)) === 'ENODEV') {
        this.#closeSilent(device);
        return;
      }
      this.#candidate = undefined;
      await settledWithin(device.close(), LET_GO_MS);
      this.#presence.noteClosed();
      this.#failed(error);
    }
  }

  /** Proves that it is the right one; then it is there for all. */
  async #admit(attached: Attached, signal: AbortSignal): Promise<void> {
    const { device } = attached;
    this.options.prepare(device);
    const known = this.#remembered;
    const differs = known && (await untilAborted(this.prover.differs(device, known, signal), device, signal));
    if (!this.#isCandidate(device)) return;
    if (differs !== undefined) {
      this.#refuse(device, differs);
      return;
    }
    const remembered = known ?? (await untilAborted(this.prover.remember(device, signal), device, signal));
    if (!this.#isCandidate(device)) return;
    attached.reveal();
    this.#candidate = undefined;
    this.#remembered = remembered;
    this.#device = device;
    this.#last = device;
    this.#backOff.reset();
    this.#become('present', 'it is there');
  }

  /** Whether it is still the one that is being opened. */
  #isCandidate(device: NvmemDevice): boolean {
    return this.#candidate === device;
  }

  /** It is another memory. */
  #refuse(device: NvmemDevice, differs: string): void {
    this.#candidate = undefined;
    void device.close();
    this.#presence.noteClosed();
    const { uri } = this.options;
    const error = new NvmemError('ESTALE', `another memory is at ${uri} now: ${differs}`, {
      syscall: 'follow',
      device: device.name,
      hint: STALE_HINT,
    });
    this.#become('replaced', differs, error);
  }

  /** Somebody who uses it has found out that it is another memory. */
  refuse(differs: string): void {
    const device = this.#device;
    if (device === undefined) return;
    this.#device = undefined;
    this.#refuse(device, differs);
  }

  #gone(device: NvmemDevice, reason: string): void {
    if (this.#isClosed || (device !== this.#device && device !== this.#candidate)) return;
    this.#device = undefined;
    this.#candidate = undefined;
    this.#become('absent', reason);
    // What follows from it may come at once.
    this.#presence.noteGone(reason);
  }

  #closeSilent(device: NvmemDevice): void {
    const cancel = this.clock.after(SILENT_MS, () => void device.close());
    device.once('removed', cancel);
  }

  #failed(reason: unknown): void {
    if (this.#isClosed) return;
    const error = asError(reason, this.options.uri);
    this.#become('absent', error.message, error);
    this.audience.failed(error);
    // Whoever was told may have closed it.
    if (!this.#mayRetry()) return;
    this.#cancelRetry();
    this.#cancelRetry = this.clock.after(this.#backOff.next(), () => {
      this.#begin();
    });
  }

  #mayRetry(): boolean {
    return this.#current.state === 'absent' && this.#presence.current.present;
  }

  #become(state: FollowState, reason: string, error?: NvmemError): void {
    const since = state === this.#current.state ? this.#current.since : this.clock.date();
    this.#current = { state, since, reason, error };
    this.audience.changed(this.#current);
  }
}

export const STALE_HINT =
  'accept() goes on with the memory that is there now; plug the right one in first where that is meant, and read it before it is written.';

/** Whatever a function of the user's does, the follower can be closed, and the device can go. */
async function untilAborted<T>(promise: Promise<T>, device: NvmemDevice, signal: AbortSignal): Promise<T> {
  let stop!: () => void;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => {
      reject(new NvmemError('ENODEV', 'it went away while it was being proved', { device: device.name }));
    };
  });
  signal.addEventListener('abort', stop, { once: true });
  device.once('removed', stop);
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
    device.off('removed', stop);
  }
}

function asError(reason: unknown, uri: string): NvmemError {
  if (isA(reason, NvmemError)) return reason;
  const errno = errnoOf(reason);
  return new NvmemError(codeOf(errno), `cannot follow ${uri}: ${messageOf(reason)}`, {
    errno,
    syscall: 'follow',
    device: uri,
    cause: reason,
  });
}
