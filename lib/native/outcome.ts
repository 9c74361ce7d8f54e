import type { DispatchedOutcome } from './addon.js';
import { Finding } from './finding.js';
import type { NativeReadOutcome } from './types.js';

const EMPTY = Buffer.alloc(0);

/** An operation that came to its end. What the addon leaves out is 0, and no data. */
export function completed(
  status: number,
  reason: string,
  outcome: DispatchedOutcome = {},
): NativeReadOutcome {
  const { transferred = 0, uncertain = 0, unchanged = 0, protectStatus = 0, data = EMPTY } = outcome;
  const { mismatchOffset = 0, mismatchCount = 0, finding = Finding.None, found = 0 } = outcome;
  return {
    status,
    transferred,
    uncertain,
    unchanged,
    protectStatus,
    mismatchOffset,
    mismatchCount,
    finding,
    found,
    reason,
    data,
    lent: outcome.lent === 1,
  };
}

/** An operation that never began. */
export function failed(status: number): NativeReadOutcome {
  return completed(status, '');
}
