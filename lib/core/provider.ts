/** What a provider is, to those who write one. */
import type { NativeTurn } from '../native/index.js';

export interface ProviderContext {
  /**
   * Aborted when nobody waits for the answer any more: the caller gave up, its time ran out, or the device was
   * unregistered. The call still counts as running until its promise settles.
   */
  readonly signal: AbortSignal;
}

/**
 * A memory written in JavaScript. At least one of the two functions must be there.
 *
 * The core checks bounds, cuts at keepouts, lets one writer in at a time, and keeps the device registered until
 * the promise of every call has settled; reads may overlap each other and a write. An error with a `code` or a
 * negative `errno` is passed on with it, any other becomes EIO with the error as `cause`. One with a positive `errno` is what
 * the kernel's core takes for a count: EIO as well, but for NvmemKernelApi and the files of a device, which hand it through.
 */
export interface NvmemProvider {
  /** Bytes; used where the configuration gives no size. */
  readonly size?: number | undefined;
  /** `length` bytes from `offset`. Fewer are an EIO whose good bytes are those given. */
  read?(offset: number, length: number, context: ProviderContext): Uint8Array | Promise<Uint8Array>;
  /** All of `data`, which stays as it is while the call runs. A `bytesTransferred` on the error says how much is stored. */
  write?(offset: number, data: Uint8Array, context: ProviderContext): void | Promise<void>;
}

/** What a provider uses for as long as it is registered. */
export interface ClaimedPart {
  /** A place among the writers of every device that reaches the same memory. */
  takeTurn(): NativeTurn;
  /** Others may have it. Idempotent. */
  release(): void;
}

const claimants = new WeakMap<object, (holder: string) => ClaimedPart>();

/** Says what is to be claimed when `provider` is registered, by the device's name; that may throw. */
export function claimWhenRegistered(provider: NvmemProvider, claim: (holder: string) => ClaimedPart): void {
  claimants.set(provider, claim);
}

/** Undefined: nothing. */
export function claimFor(provider: object, holder: string): ClaimedPart | undefined {
  return claimants.get(provider)?.(holder);
}

/** A provider inside the addon; see memoryProvider(). It serves one registration. */
export class NativeProvider {
  /** Bytes. */
  readonly size: number;

  /** Not for users: there is no way to make a useful one from outside. */
  constructor(size: number) {
    this.size = size;
  }
}
