/**
 * What a torture run tells while it goes on: the lines of its log, the values of `for await (… of torture(…))`, and all that
 * the report is made of. Times are milliseconds since the start of the run (`t`), on one monotonic clock for every process.
 */
import type { NvmemEnd } from '../core/device_end.js';

/** When the plug is pulled. `every-byte` goes through the bytes on the wire one by one, cycle by cycle. */
export type When = 'random' | 'idle' | 'mid-read' | 'mid-write' | 'mid-cell' | 'storm' | 'every-byte';

export type OperationKind = 'read' | 'write' | 'cell' | 'wp' | 'verify' | 'scan';

/** Bytes `first` to `last`, both of them included. */
export interface Region {
  readonly first: number;
  readonly last: number;
}

/** What was found broken: one word that a replay has to meet again. */
export type ViolationKind =
  /** A byte that nothing written, and nothing left uncertain, explains. */
  | 'wrong-byte'
  /** … and that is what was there before a write that was acknowledged. */
  | 'lost-write'
  /** Outside of every region that may be written. */
  | 'stray-write'
  /** Most of what is read is not what it was, and is so again when it is read once more: another part, or another content. */
  | 'other-content'
  /** verify() called equal what differs, or the other way round, or named the wrong bytes. */
  | 'wrong-verdict'
  | 'settled-late'
  | 'never-settled'
  | 'settled-twice'
  /** An operation that began after the end has succeeded. */
  | 'success-after-end'
  /** It failed while the plug was in, or with a code that an unplug does not explain, and has no name of its own here. */
  | 'unexpected-error'
  /** A write was acknowledged and reads back differently: the subject has found this itself (EBADMSG). */
  | 'verify-failed'
  /** It ran into a time limit while the plug was in: the bridge or the part does not answer (ETIMEDOUT). */
  | 'timed-out'
  /** The ranges of a failed write do not cover it, overlap, or lie outside. */
  | 'wrong-ranges'
  /** More is uncertain than the page that was on the wire. */
  | 'uncertain-too-large'
  | 'removed-missing'
  | 'removed-twice'
  /** `removed` came while the plug was in, before pending operations had settled, or with another cause. */
  | 'removed-wrong'
  | 'wp-not-protecting'
  /** It came back later than --max-recovery, or not at all. */
  | 'late-return'
  /** The event loop or a thread of the subject does not move. */
  | 'hang'
  /** The process of the subject ended by itself. */
  | 'crash'
  | 'leak-fds'
  | 'leak-threads'
  | 'leak-memory'
  | 'leak-handles'
  | 'leak-listeners'
  /** A new warning, BUG, oops or hung-task line of the kernel. */
  | 'kernel-warning'
  /** A task of the kernel, or of somebody, that stays in state D. */
  | 'task-stuck';

export interface SubjectFacts {
  readonly index: number;
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes that are uncertain at most where a write is cut off: the page of the part. */
  readonly pageSize: number;
  readonly wordSize: number;
  /** What may be overwritten; absent: nothing. */
  readonly region?: Region | undefined;
  /** Of a part the bridge's part, version, serial number and clock. */
  readonly identity: Readonly<Record<string, string>>;
}

export interface Environment {
  readonly nvmem: string;
  readonly node: string;
  readonly kernel: string;
  readonly arch: string;
  readonly cpus: number;
  readonly libusb: string;
  /** What cannot be watched here, and why. */
  readonly blind: readonly string[];
}

export interface StartEvent {
  readonly type: 'start';
  readonly t: 0;
  /** When, ISO 8601. */
  readonly at: string;
  readonly seed: number;
  /** As typed, with every choice made explicit; what repeats the run. */
  readonly command: string;
  readonly power: string;
  readonly workers: number;
  readonly when: readonly When[];
  readonly mix: Readonly<Record<OperationKind, number>>;
  /** Planned; null: as long as it takes (by time). */
  readonly cycles: number | null;
  readonly durationMs: number | null;
  readonly subjects: readonly SubjectFacts[];
  readonly environment: Environment;
}

/** The subject is open, for the first time or again. */
export interface OpenEvent {
  readonly type: 'open';
  readonly t: number;
  readonly cycle: number;
  readonly subject: number;
  /** Open attempts it took. */
  readonly attempts: number;
}

/** An operation has settled. */
export interface OperationEvent {
  readonly type: 'operation';
  /** When it settled. */
  readonly t: number;
  readonly began: number;
  readonly cycle: number;
  readonly id: number;
  readonly worker: number;
  readonly subject: number;
  readonly kind: OperationKind;
  /** What is done where a kind has several: 'read', 'write'. */
  readonly action: string;
  readonly offset: number;
  readonly length: number;
  /** 'ok' or the code of the error. */
  readonly code: string;
  /** Good or committed bytes. */
  readonly bytes: number;
  /** Of a write that was cut off: bytes that may hold old or new. */
  readonly uncertain?: number | undefined;
  /** The plug was out, or was pulled, while it was under way. */
  readonly unplugged: boolean;
}

/** The power was switched. */
export interface PlugEvent {
  readonly type: 'plug';
  /** When it had taken effect, as far as this is known. */
  readonly t: number;
  readonly began: number;
  readonly cycle: number;
  readonly state: 'off' | 'on';
  readonly subjects: readonly number[];
  /** Where it struck, for a person: 'wire byte 120', 'after 31 ms'. */
  readonly where: string;
}

/** `removed` was told. */
export interface RemovedEvent {
  readonly type: 'removed';
  readonly t: number;
  readonly cycle: number;
  readonly subject: number;
  /** -1: the thread that opened it. */
  readonly worker: number;
  readonly end: NvmemEnd;
}

export interface CycleEvent {
  readonly type: 'cycle';
  readonly t: number;
  readonly cycle: number;
  readonly when: When;
  readonly where: string;
  readonly operations: number;
  readonly failed: number;
  /** The slowest answer after the unplug, milliseconds; null: nothing was under way. */
  readonly rejectionMs: number | null;
  /** Power on to the first good read; null: it did not come back. */
  readonly recoveryMs: number | null;
  /** Bytes that are held against the model after it. */
  readonly checkedBytes: number;
}

/** A look at the process of the subject, at a quiet moment between two cycles. */
export interface SampleEvent {
  readonly type: 'sample';
  readonly t: number;
  readonly cycle: number;
  /** Bytes. */
  readonly rss: number;
  /** What the heaps of all threads hold after a collection, bytes. */
  readonly heapUsed: number;
  readonly fds: number;
  readonly threads: number;
  /** Native objects and libuv handles. */
  readonly handles: number;
  readonly listeners: number;
  /** Event-loop delay since the sample before, milliseconds. */
  readonly loopDelay: { readonly p50: number; readonly p99: number; readonly p999: number };
  /** Of one processor since the sample before, 0 to the number of processors. */
  readonly cpu: number;
  /** Counters of the library, by subject, summed over its openings so far. */
  readonly counters?: readonly Readonly<Record<string, number>>[] | undefined;
}

export interface ViolationEvent {
  readonly type: 'violation';
  readonly t: number;
  readonly cycle: number;
  readonly kind: ViolationKind;
  /** In a sentence. */
  readonly message: string;
  readonly subject?: number | undefined;
  readonly worker?: number | undefined;
  readonly operation?: number | undefined;
  readonly offset?: number | undefined;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
  /** Stacks, lines of the kernel's log: as long as it is. */
  readonly details?: string | undefined;
}

/** Something that is no violation and has to be known: a power command that failed once, a watch that is blind. */
export interface NoteEvent {
  readonly type: 'note';
  readonly t: number;
  readonly cycle: number;
  readonly message: string;
}

/** Of milliseconds; null where there are none. */
export interface Quantiles {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A straight line through the samples after the warm-up. */
export interface Slope {
  readonly first: number;
  readonly last: number;
  /** For a thousand cycles. */
  readonly perThousand: number;
}

export interface Totals {
  readonly cycles: number;
  readonly operations: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** How often each code; 'ok' among them. */
  readonly byCode: Readonly<Record<string, number>>;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly checkedBytes: number;
  /** Unplug to the answer of what was under way, milliseconds. */
  readonly rejection: Quantiles | null;
  /** Replug to the first good read. */
  readonly recovery: Quantiles | null;
  /** The worst p99.9 of a sample, and the median of their p50. */
  readonly loopDelay: { readonly p50: number; readonly p999: number } | null;
  readonly slopes: Readonly<
    Record<'rss' | 'heapUsed' | 'fds' | 'threads' | 'handles' | 'listeners', Slope | null>
  >;
  /** Write cycles of each page, by subject, as the operations tell. */
  readonly wear: readonly (readonly number[])[];
  /** Counters of the library, by subject (device.stats), summed over its openings. */
  readonly counters: readonly Readonly<Record<string, number>>[];
}

export interface VerdictEvent {
  readonly type: 'verdict';
  readonly t: number;
  /** No violation, and it ran as long as was asked. */
  readonly passed: boolean;
  /** `finished`, `violation`; `interrupted`: by the user; `failed`: not by the subject (power, files, permissions). */
  readonly ended: 'finished' | 'violation' | 'interrupted' | 'failed';
  /** Why it failed, and what to do. */
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
  readonly violations: number;
  readonly totals: Totals;
  /** The file to replay, and the command that does it. */
  readonly replay?: { readonly file: string; readonly command: string; readonly cycles: number } | undefined;
}

export type TortureEvent =
  | StartEvent
  | OpenEvent
  | OperationEvent
  | PlugEvent
  | RemovedEvent
  | CycleEvent
  | SampleEvent
  | ViolationEvent
  | NoteEvent
  | VerdictEvent;
