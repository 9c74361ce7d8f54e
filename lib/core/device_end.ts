import { checkKeys, checkObject, checkString, rangeError } from '../base/validate.js';

export type NvmemEndCause = 'unplugged' | 'closed' | 'unregistered';

/** Why a device can be used no more. */
export interface NvmemEnd {
  /** `unplugged`: it went by itself; `closed`: close() of who opened or registered it; `unregistered`: unregister(). */
  readonly cause: NvmemEndCause;
  /** The same in a few words. */
  readonly reason: string;
}

export const CLOSED: NvmemEnd = { cause: 'closed', reason: 'closed' };
export const UNREGISTERED: NvmemEnd = { cause: 'unregistered', reason: 'unregistered' };

/** What a provider's own thread says: '' where nobody gave a reason. */
export function endOf(reason: string): NvmemEnd {
  if (reason === '' || reason === UNREGISTERED.reason) return UNREGISTERED;
  return reason === CLOSED.reason ? CLOSED : { cause: 'unplugged', reason };
}

const CAUSES: readonly unknown[] = ['unplugged', 'closed', 'unregistered'] satisfies NvmemEndCause[];

export function checkEnd(end: NvmemEnd): void {
  checkKeys('end', checkObject('end', end), ['cause', 'reason']);
  if (!CAUSES.includes(end.cause))
    throw rangeError('end.cause', "'unplugged', 'closed' or 'unregistered'", end.cause);
  checkString('end.reason', end.reason);
}
