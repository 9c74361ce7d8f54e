/** What operations know of the memory's coming and going; who makes it so is in owner.ts, and for other threads in share.ts. */
import { NvmemError } from '../base/errors.js';
import type { NvmemDevice } from '../core/device.js';

/**
 * `absent`: it is not there. `opening`: it is there, and is opened and proved. `present`: it can be used. `replaced`: another
 * memory was found in its place; see accept(). `closed`: for ever.
 */
export type FollowState = 'absent' | 'opening' | 'present' | 'replaced' | 'closed';

export interface FollowChange {
  readonly state: FollowState;
  /** Since when, milliseconds since 1970. */
  readonly since: number;
  /** Why, as a sentence for people. */
  readonly reason: string;
  /** What opening it failed with, where that is why it is absent; of `replaced`, the ESTALE. */
  readonly error: NvmemError | undefined;
}

/** Who hears of it: the follower. Nothing that is called here throws. */
export interface Audience {
  changed(change: FollowChange): void;
  failed(error: NvmemError): void;
}

export interface Life {
  readonly current: FollowChange;
  /** While it is present. */
  readonly device: NvmemDevice | undefined;
  /** The one that was there last. */
  readonly lastDevice: NvmemDevice | undefined;
  /** An operation says that it has gone: it has not to be waited for that for ever. */
  doubt(device: NvmemDevice): void;
  /** @throws NvmemError EINVAL: nothing was replaced. */
  accept(): void;
  /** Idempotent; resolves when nothing is left open. */
  close(): Promise<void>;
}

export const ACCEPTED = 'the other memory was accepted, and is opened again';

/** For accept(). @throws NvmemError EINVAL: nothing was replaced. */
export function checkReplaced({ state }: FollowChange, uri: string): void {
  if (state === 'replaced') return;
  throw new NvmemError('EINVAL', `nothing was replaced: ${uri} is ${state}`, {
    syscall: 'accept',
    device: uri,
    hint: "Call accept() after the event 'replaced', where the state is 'replaced'.",
  });
}
