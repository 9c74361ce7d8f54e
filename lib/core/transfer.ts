/** The pieces of one operation: cut at keepouts, carried out in order, and what is known when one of them fails. */
import { EBADMSG, ENOMEM } from '../base/errno.js';
import { type ProviderPort, type PieceOutcome, settled, type WriteHow } from './provider_port.js';
import type { ByteRange } from '../base/errors.js';
import type { Segment } from './keepouts.js';
import type { Destination } from '../base/memory.js';
import type { Failure, Operation } from './operation.js';

export interface ReadEnd {
  /** Good bytes from the start. */
  readonly good: number;
  readonly failure: Failure | undefined;
}

/** Fills `out` from `segments`, which lie one after another. Stops at the first failure. */
export async function readSegments(
  port: ProviderPort,
  operation: Operation,
  segments: readonly Segment[],
  out: Destination,
): Promise<ReadEnd> {
  let good = 0;
  for (const { offset, length, fill } of segments) {
    if (fill === undefined && (length > 0 || port.takesEmpty)) {
      const place = out.place(good, length);
      if (!port.immediate) {
        const outcome = await port.read(operation, offset, place, good);
        if (outcome.status !== 0) return filled({ good: good + outcome.transferred, failure: outcome });
      } else {
        const memory = place.take();
        const status = memory === undefined ? ENOMEM : port.readNow(offset, memory);
        if (status !== 0) return filled({ good, failure: { status } });
      }
    }
    good += length;
  }
  return filled({ good, failure: undefined });

  /** Keepouts come last, and only what is in front of a failure. */
  function filled(end: ReadEnd): ReadEnd {
    let at = 0;
    for (const { length, fill } of segments) {
      if (fill !== undefined && length > 0 && at < end.good) {
        const memory = out.place(at, length).take();
        if (memory === undefined) return { good: 0, failure: end.failure ?? { status: ENOMEM } };
        memory.fill(fill);
      }
      at += length;
    }
    return end;
  }
}

export interface WriteEnd {
  readonly failure: Failure | undefined;
  /** Bytes given to the provider and committed. */
  readonly stored: number;
  /** Bytes that fell into keepouts. */
  readonly skipped: number;
  /** Committed bytes that the device held already and that were not written. */
  readonly unchanged: number;
  readonly committed: readonly ByteRange[];
  readonly uncertain: readonly ByteRange[];
  readonly untouched: readonly ByteRange[];
  /** 0, or why write protect could not be put back up: the first such result. */
  readonly protectStatus: number;
  readonly mismatchOffset: number | undefined;
  readonly mismatchCount: number | undefined;
}

/** Writes `data` to `segments`, which lie one after another; keepouts are skipped. Stops at the first failure. */
export async function writeSegments(
  port: ProviderPort,
  operation: Operation,
  segments: readonly Segment[],
  data: Uint8Array,
  how: WriteHow,
): Promise<WriteEnd> {
  const committed = new Ranges();
  const uncertain = new Ranges();
  const untouched = new Ranges();
  let failed: PieceOutcome | undefined;
  let protectStatus = 0;
  let skipped = 0;
  let unchanged = 0;
  let done = 0;
  for (const { offset, length, fill } of segments) {
    const part = data.subarray(done, done + length);
    done += length;
    if (fill !== undefined) {
      if (!failed) skipped += length;
    } else if (failed) {
      untouched.add(offset, length);
    } else if (length > 0 || port.takesEmpty) {
      const outcome = await writePiece(port, operation, offset, part, how, done - length);
      unchanged += outcome.unchanged ?? 0;
      if (protectStatus === 0) protectStatus = outcome.protectStatus;
      if (outcome.status === 0) {
        committed.add(offset, length);
      } else {
        failed = outcome;
        const { through, between } = reach(offset, outcome);
        committed.add(offset, through);
        uncertain.add(offset + through, between);
        untouched.add(offset + through + between, length - through - between);
      }
    }
  }
  const mismatch = failed !== undefined && failed.mismatchCount > 0 ? failed : undefined;
  return {
    failure: failed,
    stored: committed.total,
    skipped,
    unchanged,
    committed: committed.list,
    uncertain: uncertain.list,
    untouched: untouched.list,
    protectStatus,
    mismatchOffset: mismatch?.mismatchOffset,
    mismatchCount: mismatch?.mismatchCount,
  };
}

/**
 * How far a failed write came: bytes that hold the new data, and bytes after them that may. A part that drops a write
 * acknowledges it like any other, so what verification found different is not committed, and what follows it is in doubt.
 */
function reach(offset: number, outcome: PieceOutcome): { through: number; between: number } {
  const { status, transferred, uncertain, mismatchOffset, mismatchCount } = outcome;
  if (status !== EBADMSG || mismatchCount === 0) return { through: transferred, between: uncertain };
  const through = Math.min(transferred, Math.max(mismatchOffset - offset, 0));
  return { through, between: transferred + uncertain - through };
}

async function writePiece(
  port: ProviderPort,
  operation: Operation,
  offset: number,
  part: Uint8Array,
  how: WriteHow,
  before: number,
): Promise<PieceOutcome> {
  if (!port.immediate) return port.write(operation, offset, part, how, before);
  // Memory inside the addon cannot drop a write, so there is nothing to verify where this succeeds.
  const status = port.writeNow(offset, part);
  return settled(status, status === 0 ? part.length : 0);
}

/** What a write that never reached its provider has done: nothing. */
export function nothingWritten(failure: Failure, segments: readonly Segment[], protectStatus = 0): WriteEnd {
  const untouched = new Ranges();
  for (const { offset, length, fill } of segments) if (fill === undefined) untouched.add(offset, length);
  return {
    failure,
    stored: 0,
    skipped: 0,
    unchanged: 0,
    committed: [],
    uncertain: [],
    untouched: untouched.list,
    protectStatus,
    mismatchOffset: undefined,
    mismatchCount: undefined,
  };
}

/** Ascending ranges; those that touch become one. */
class Ranges {
  readonly list: { offset: number; length: number }[] = [];
  total = 0;

  add(offset: number, length: number): void {
    if (length <= 0) return;
    this.total += length;
    const last = this.list.at(-1);
    if (last && last.offset + last.length === offset) last.length += length;
    else this.list.push({ offset, length });
  }
}
