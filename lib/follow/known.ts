/** The followers of this thread that are open: for those who show them all. */
import { coreOf, type NvmemDevice } from '../core/device.js';

type Behind = () => NvmemDevice | undefined;

/** By the FollowedDevice, which this file does not know. */
const known = new Set<object>();
const behind = new WeakMap<object, Behind>();

/** `device`: the one that is behind it now. */
export function noteFollower(follower: object, device: Behind): void {
  known.add(follower);
  behind.set(follower, device);
}

export function forgetFollower(follower: object): void {
  known.delete(follower);
}

/** Those that are not closed, oldest first. */
export function openFollowers(): object[] {
  return [...known];
}

/** Whether `device` is what is behind `follower` now, by whatever handle. */
export function isBehind(follower: object, device: NvmemDevice): boolean {
  const now = behind.get(follower)?.();
  return now !== undefined && coreOf(now) === coreOf(device);
}
