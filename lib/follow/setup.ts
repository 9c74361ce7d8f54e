/** What a followed device is made of, says of itself, and counts. */
import type { NvmemError } from '../base/errors.js';
import type { NvmemCellInfo } from '../core/cell_entry.js';
import type { Keepout } from '../core/keepouts.js';
import type { NvmemDevice } from '../core/device.js';
import type { NvmemDeviceStats } from '../core/stats.js';
import type { Clock } from '../hotplug/clock.js';
import type { Evidence } from './evidence.js';
import type { Audience, FollowChange, Life } from './life.js';
import type { Surroundings } from './call.js';
import type { OnUnplug } from './options.js';
import type { FollowToken } from './token.js';

export interface FollowEvents {
  /** It can be used. */
  present: [change: FollowChange];
  /** It was present, and has gone. */
  absent: [change: FollowChange];
  /** Another memory was found in its place: see accept(). */
  replaced: [change: FollowChange];
  /** Opening it failed, and is tried again. Where nobody listens it is not thrown; see `lastError`. */
  error: [error: NvmemError];
  /** Every change of the state. */
  change: [change: FollowChange];
  /** Once, when nothing is left open. */
  closed: [];
}

/** Counters from follow() on, over all presences: none of them ever goes back. */
export interface FollowStats extends NvmemDeviceStats {
  /** Times that it became present. */
  readonly plugs: number;
  /** Times that it went while it was present, close() not among them. */
  readonly unplugs: number;
  /** Operations that an unplug interrupted and that waited for the memory's return. */
  readonly resumes: number;
  /** Times that opening it failed. */
  readonly openFailures: number;
}

/** What a followed device is made of. */
export interface FollowSetup {
  readonly uri: string;
  readonly clock: Clock;
  readonly onUnplug: OnUnplug;
  /** The name it is to have; undefined: the one that it is given when it is there. */
  readonly name: string | undefined;
  /** Bytes, where the URI says so; undefined: known when it has been there once. */
  readonly size: number | undefined;
  /** Bytes that one write cycle takes. */
  readonly pageSize: number;
  readonly cells: readonly NvmemCellInfo[];
  /** As they were declared; in another thread they are not known before it has been there. */
  readonly keepouts: readonly Keepout[];
  makeLife(audience: Audience, evidence: Set<Evidence>, prepare: (device: NvmemDevice) => void): Life;
  /** How other threads follow it. */
  share(around: Surroundings): FollowToken;
  /** After the last device is closed. */
  over(): void;
}
