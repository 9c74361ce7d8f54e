/** Looks for the shortest schedule that still fails: fewer cycles first, then fewer operations in them. */
import { clockMs } from './engine/protocol.js';
import type { PlannedCycle } from './schedule.js';

export interface ShrinkLimits {
  readonly tries: number;
  readonly ms: number;
}

export interface Shrunk {
  readonly cycles: readonly PlannedCycle[];
  readonly tries: number;
  /** It has failed again at least once: what is left is not there by chance. */
  readonly repeats: boolean;
}

/** @param fails whether these cycles end with the same violation */
export async function shrink(
  cycles: readonly PlannedCycle[],
  fails: (cycles: readonly PlannedCycle[]) => Promise<boolean>,
  { tries: most, ms }: ShrinkLimits,
): Promise<Shrunk> {
  const deadline = clockMs() + ms;
  let best = cycles;
  let tries = 0;
  const state = { repeats: false };
  const mayTry = (): boolean => tries < most && clockMs() < deadline;
  const tryThese = async (candidate: readonly PlannedCycle[]): Promise<boolean> => {
    if (!mayTry()) return false;
    tries++;
    if (!(await fails(candidate))) return false;
    best = candidate;
    state.repeats = true;
    return true;
  };
  // What has failed is the last one: with so few before it as will do.
  for (let count = 1; count < cycles.length; count *= 4) if (await tryThese(cycles.slice(-count))) break;
  if (!state.repeats && !(await tryThese(cycles))) return { cycles, tries, repeats: false };
  for (let size = Math.floor((best.length - 1) / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at + size < best.length && mayTry();) {
      const without = [...best.slice(0, at), ...best.slice(at + size)];
      if (!(await tryThese(without))) at += size;
    }
  }
  await fewerOperations();
  return { cycles: best, tries, repeats: true };

  async function fewerOperations(): Promise<void> {
    for (let i = best.length - 1; i >= 0; i--) {
      const single = (cycle: PlannedCycle): PlannedCycle => ({
        ...cycle,
        offMs: cycle.offMs.slice(-1),
        onMs: [],
      });
      if ((best[i]?.onMs.length ?? 0) > 0)
        await tryThese(best.map((cycle, n) => (n === i ? single(cycle) : cycle)));
      for (let size = best[i]?.operations.length ?? 0; size >= 1; size = Math.floor(size / 2)) {
        for (let at = 0; at < (best[i]?.operations.length ?? 0) && mayTry();) {
          const operations = best[i]?.operations ?? [];
          const fewer = [...operations.slice(0, at), ...operations.slice(at + size)];
          if (!(await tryThese(best.map((cycle, n) => (n === i ? { ...cycle, operations: fewer } : cycle)))))
            at += size;
        }
      }
    }
  }
}
