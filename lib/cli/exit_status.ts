/** Exit statuses of the command line: 0 fine, 130 interrupted; a signal's are 128 and its number. */
import { entryOf, type NvmemErrorKind } from '../base/errors.js';

export type ExitStatus = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 130;

const STATUSES: Readonly<Record<NvmemErrorKind, Exclude<ExitStatus, 0>>> = {
  failed: 1,
  other: 1,
  unsupported: 1,
  exhausted: 1,
  usage: 2,
  gone: 3,
  absent: 3,
  denied: 4,
  damaged: 5,
  busy: 6,
  timeout: 6,
  aborted: 130,
};

/** Of an error by its code: 1 where nobody here knows it. */
export function exitStatusOf(code: string): Exclude<ExitStatus, 0> {
  return STATUSES[entryOf(code)?.kind ?? 'failed'];
}
