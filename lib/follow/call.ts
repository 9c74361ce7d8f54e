/** One operation of a follower, over as many presences as it takes; and the error it ends with. */
import { isA } from '../base/foreign.js';
import { CallSite, NvmemError, saysOf, type NvmemErrorDetails } from '../base/errors.js';
import type { NvmemDevice } from '../core/device.js';
import type { Below } from '../core/device_core.js';
import { callUser } from '../core/report.js';
import type { Clock } from '../hotplug/clock.js';
import { Bounds, type Stopped } from './bounds.js';
import { Evidence, type Known } from './evidence.js';
import type { FollowChange, Life } from './life.js';
import type { FollowReadOptions, OnUnplug } from './options.js';
import { STALE_HINT } from './owner.js';
import type { Turn, Turns } from './turns.js';
import type { UnderWay } from './under_way.js';

/** What all operations of one follower share. */
export interface Surroundings {
  readonly life: Life;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly evidence: Set<Evidence>;
  /** What journals have read before their writes, for as long as these last. */
  readonly before: Set<Known>;
  /** Bytes that a power cut in a write cycle may change together. */
  readonly pageSize: number;
  readonly onUnplug: OnUnplug;
  /** For errors. */
  name(): string;
  readonly underWay: UnderWay;
  resumed(): void;
}

export interface CallOptions extends Pick<FollowReadOptions, 'signal' | 'timeoutMs' | 'onProgress'> {
  readonly onUnplug?: OnUnplug | undefined;
}

/** What is left of its limits, for an operation of a device. */
export interface Rest {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export class Call {
  /** What it has delivered or stored, by which the memory is known again. */
  readonly evidence = new Evidence();
  readonly waits: boolean;
  readonly #site: CallSite;
  readonly #bounds: Bounds;
  readonly #onProgress: CallOptions['onProgress'];
  #done = 0;
  #isWaiting = false;
  readonly #ours = new WeakSet<NvmemError>();
  /** It was interrupted, or has waited: what a device says of its own part is not the whole. */
  #isPieced = false;

  constructor(
    private readonly around: Surroundings,
    readonly syscall: string,
    readonly offset: number,
    readonly length: number,
    options: CallOptions,
    below: Below,
  ) {
    this.#site = new CallSite(below);
    this.#bounds = new Bounds(options, around.clock);
    this.#onProgress = options.onProgress;
    this.waits = (options.onUnplug ?? around.onUnplug) === 'wait';
  }

  /**
   * Runs `attempt` on the device that is there, and again on the next after each unplug where it is to wait.
   *
   * @param told What an error tells of the whole, so far.
   */
  async run<T>(
    attempt: (device: NvmemDevice, rest: () => Rest) => Promise<T>,
    told: () => NvmemErrorDetails = () => ({}),
  ): Promise<T> {
    const { around } = this;
    around.underWay.began();
    around.evidence.add(this.evidence);
    try {
      let last: NvmemDevice | undefined;
      for (;;) {
        // At once where it can be: what is called first is on the wire first.
        const device = this.#at(last) ?? (await this.#wait(last, told));
        try {
          return await attempt(device, () => this.#bounds.rest);
        } catch (error) {
          if (!this.#goesOn(error, device)) throw this.#whole(error, told);
          last = device;
          this.#isPieced = true;
          around.life.doubt(device);
          around.resumed();
        }
      }
    } finally {
      around.evidence.delete(this.evidence);
      around.underWay.ended();
    }
  }

  /** @throws NvmemError ENODEV, ESTALE: it is not there. */
  deviceNow(details: NvmemErrorDetails = {}): NvmemDevice {
    const { device, current } = this.around.life;
    if (device === undefined) throw this.#notThere(current, details);
    return device;
  }

  /** As run(), alone among the writers of this follower. */
  async inTurn<T>(body: () => Promise<T>, told: () => NvmemErrorDetails): Promise<T> {
    const turn = this.around.turns.enter();
    try {
      if (!turn.isNow) await this.#waitForTurn(turn, told);
      return await body();
    } finally {
      turn.end();
    }
  }

  /** Whether somebody wants to hear of progress. */
  get tells(): boolean {
    return this.#onProgress !== undefined;
  }

  /** Bytes done of the whole; fewer than before are not told. */
  progress(done: number): void {
    if (done < this.#done) return;
    this.#done = done;
    this.#tell();
  }

  /** @param cause What a device said of its own part. */
  error(code: NvmemError['code'], reason: string, details: NvmemErrorDetails = {}): NvmemError {
    const { syscall, length, offset } = this;
    const name = this.around.name();
    const { bytesTransferred } = details;
    const done =
      bytesTransferred === undefined
        ? ''
        : `; ${String(bytesTransferred)} of ${String(length)} bytes are ${syscall.endsWith('write') ? 'committed' : 'good'}`;
    const why = reason === '' ? '' : ` (${reason})`;
    const what =
      syscall === 'present'
        ? `waiting for ${name}`
        : `${syscall} of ${String(length)} bytes at ${String(offset)} of ${name}`;
    const message = `${saysOf(code)}${why}, ${what}${done}`;
    const error = new NvmemError(code, message, { syscall, device: name, offset, ...details });
    this.#ours.add(error);
    return this.#site.adopt(error);
  }

  #at(last: NvmemDevice | undefined): NvmemDevice | undefined {
    const { device } = this.around.life;
    return device === last ? undefined : device;
  }

  async #wait(last: NvmemDevice | undefined, told: () => NvmemErrorDetails): Promise<NvmemDevice> {
    const { life } = this.around;
    const look = (): { device: NvmemDevice } | FollowChange | undefined => {
      const device = this.#at(last);
      if (device) return { device };
      const { state } = life.current;
      return state === 'replaced' || state === 'closed' || !this.waits ? life.current : undefined;
    };
    const early = look();
    if (early && !('device' in early)) throw this.#notThere(early, told());
    this.#isPieced = true;
    this.#isWaiting = true;
    this.#tell();
    const found = await this.#bounds.until(look, (again) => this.around.underWay.onChange(again));
    this.#isWaiting = false;
    if (typeof found === 'string') throw this.#stopped(found, told());
    if (!('device' in found)) throw this.#notThere(found, told());
    this.#tell();
    return found.device;
  }

  async #waitForTurn(turn: Turn, told: () => NvmemErrorDetails): Promise<void> {
    const { life } = this.around;
    const look = (): { isNow: true } | FollowChange | undefined => {
      if (turn.isNow) return { isNow: true };
      const { state } = life.current;
      const isOver = state === 'replaced' || state === 'closed' || (!this.waits && state !== 'present');
      return isOver ? life.current : undefined;
    };
    this.around.underWay.began();
    try {
      const found = await this.#bounds.until(look, (again) => {
        const ends = [turn.onNow(again), this.around.underWay.onChange(again)];
        return () => {
          for (const end of ends) end();
        };
      });
      if (typeof found === 'string') throw this.#stopped(found, told());
      if (!('isNow' in found)) throw this.#notThere(found, told());
    } finally {
      this.around.underWay.ended();
    }
  }

  #goesOn(error: unknown, device: NvmemDevice): boolean {
    if (!this.waits || !isA(error, NvmemError)) return false;
    if (this.around.life.current.state === 'closed') return false;
    return error.code === 'ENODEV' || (!device.alive && error.code !== 'EBADMSG');
  }

  /** An error about a part of it, as one about all of it. */
  #whole(error: unknown, told: () => NvmemErrorDetails): unknown {
    if (!this.#isPieced || !isA(error, NvmemError) || this.#ours.has(error)) return error;
    const { code, errno, hint, diagnosis, mismatchCount, mismatchOffset } = error;
    const cause = code === 'ABORT_ERR' ? error.cause : error;
    const more = { errno, hint, diagnosis, mismatchCount, mismatchOffset };
    return this.error(code, reasonOf(error), { ...more, cause, ...told() });
  }

  #notThere({ state, reason }: FollowChange, details: NvmemErrorDetails): NvmemError {
    if (state === 'replaced') return this.error('ESTALE', reason, { ...details, hint: STALE_HINT });
    const hint =
      state === 'closed'
        ? 'It was closed, here or where it was followed first: follow it again to go on.'
        : "Plug it in and repeat; with onUnplug: 'wait' the operation waits for that.";
    return this.error('ENODEV', reason, { ...details, hint });
  }

  #stopped(stopped: Stopped, details: NvmemErrorDetails): NvmemError {
    if (stopped === 'aborted') {
      return this.error('ABORT_ERR', '', { ...details, cause: this.#bounds.signal?.reason });
    }
    const { reason } = this.around.life.current;
    const hint = 'Plug it in and repeat, with a longer limit where that takes longer.';
    return this.error('ETIMEDOUT', `it was waited for: ${reason}`, { ...details, hint });
  }

  #tell(): void {
    if (this.#onProgress) callUser(this.#onProgress, this.#done, this.length, { waiting: this.#isWaiting });
  }
}

/** What stands in the parentheses of a device's own sentence. */
function reasonOf({ message }: NvmemError): string {
  return /^[^,]*?\((.*?)\), /.exec(message)?.[1] ?? '';
}
