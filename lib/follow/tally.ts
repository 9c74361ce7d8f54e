/** What a follower counts, over all devices that were behind it. */
import type { NvmemDevice } from '../core/device.js';
import { sumOfStats } from '../core/stats.js';
import type { FollowState } from './life.js';
import type { FollowStats } from './setup.js';

export class Tally {
  plugs = 0;
  unplugs = 0;
  resumes = 0;
  openFailures = 0;
  /** Of those that have gone for good. */
  #before = sumOfStats();
  /** Those that may still count: also one that is being proved, or closed. */
  readonly #counting = new Set<NvmemDevice>();

  /** Counts what `device` does from its opening to its end. */
  add(device: NvmemDevice): void {
    this.#counting.add(device);
    device.once('removed', () => {
      this.#counting.delete(device);
      this.#before = sumOfStats(this.#before, device.stats);
    });
  }

  changed(before: FollowState, state: FollowState): void {
    if (state === 'present') this.plugs++;
    // What its program closes has not been pulled.
    if (before === 'present' && state !== 'present' && state !== 'closed') this.unplugs++;
  }

  get stats(): FollowStats {
    const { plugs, unplugs, resumes, openFailures } = this;
    const sum = sumOfStats(this.#before, ...[...this.#counting].map(({ stats }) => stats));
    return Object.freeze({ ...sum, plugs, unplugs, resumes, openFailures });
  }
}
