/** What the run and the process of the subjects say to each other. Times are of CLOCK_MONOTONIC, milliseconds: one clock for both. */
import type { ByteRange } from '../../base/errors.js';
import type { NvmemEnd } from '../../core/device_end.js';
import type { OperationKind } from '../events.js';

/** An operation, with everything that it needs. */
export interface Order {
  readonly id: number;
  readonly worker: number;
  readonly subject: number;
  readonly kind: OperationKind;
  readonly action: 'read' | 'write' | 'look';
  readonly offset: number;
  readonly length: number;
  readonly data?: Uint8Array | undefined;
  readonly bits?: { readonly first: number; readonly count: number } | undefined;
  /** Tell how far it is. */
  readonly progress?: boolean | undefined;
}

export type Request =
  | { readonly type: 'begin'; readonly workers: number; readonly uris: readonly string[] }
  /** Until it is open, or `timeoutMs` have passed. `generation`: counts its openings. */
  | {
      readonly type: 'open';
      readonly subject: number;
      readonly generation: number;
      readonly timeoutMs: number;
    }
  | { readonly type: 'close'; readonly subject: number }
  | { readonly type: 'order'; readonly order: Order }
  | { readonly type: 'sample' }
  | { readonly type: 'ping'; readonly number: number }
  | { readonly type: 'end' };

/** How an operation has ended. */
export interface Settled {
  readonly id: number;
  readonly began: number;
  readonly at: number;
  /** 'ok' or the code of the error. */
  readonly code: string;
  readonly message: string;
  /** What was read, also of a read that failed: its good bytes. */
  readonly data?: Uint8Array | undefined;
  /** Good or committed bytes. */
  readonly transferred: number;
  readonly committed?: readonly ByteRange[] | undefined;
  readonly uncertain?: readonly ByteRange[] | undefined;
  readonly untouched?: readonly ByteRange[] | undefined;
  /** Of a write that is stored: why the line could not be raised again. */
  readonly protectError?: string | undefined;
  /** Of verify(). */
  readonly differs?: readonly ByteRange[] | undefined;
  /** Of `wp`: the level of the pin. */
  readonly level?: number | undefined;
  /** Of `scan`: who has answered. */
  readonly addresses?: readonly number[] | undefined;
}

export interface OpenedFacts {
  readonly size: number;
  readonly wordSize: number;
  readonly writable: boolean;
  readonly identity: Readonly<Record<string, string>>;
}

export interface Sample {
  readonly rss: number;
  readonly heapUsed: number;
  readonly fds: number;
  readonly threads: number;
  readonly handles: number;
  readonly listeners: number;
  readonly loopDelay: { readonly p50: number; readonly p99: number; readonly p999: number };
  readonly cpu: number;
}

export type Answer =
  | { readonly type: 'ready' }
  | {
      readonly type: 'opened';
      readonly subject: number;
      readonly generation: number;
      /** Threads that have it: not those that came too late. */
      readonly attached: readonly number[];
      readonly at: number;
      readonly attempts: number;
      readonly facts: OpenedFacts;
    }
  | {
      readonly type: 'not-opened';
      readonly subject: number;
      readonly generation: number;
      readonly attempts: number;
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: 'closed'; readonly subject: number; readonly counters: Readonly<Record<string, number>> }
  | { readonly type: 'progress'; readonly id: number; readonly done: number; readonly at: number }
  /** `removed`; `pending`: operations of that handle that have not settled yet. */
  | {
      readonly type: 'removed';
      readonly subject: number;
      readonly generation: number;
      /** -1: the thread that opened it. */
      readonly worker: number;
      readonly at: number;
      readonly end: NvmemEnd;
      readonly pending: number;
    }
  | { readonly type: 'settled'; readonly settled: Settled }
  /** It was settled, and something of it came again. */
  | { readonly type: 'again'; readonly id: number; readonly what: string }
  | { readonly type: 'sample'; readonly sample: Sample }
  | { readonly type: 'pong'; readonly number: number }
  | { readonly type: 'trouble'; readonly message: string }
  | { readonly type: 'ended' };

/** CLOCK_MONOTONIC, milliseconds: the same in every process of the machine. */
export function clockMs(): number {
  // eslint-disable-next-line no-restricted-properties -- performance.now() begins anew in each process
  return Number(process.hrtime.bigint()) / 1e6;
}
