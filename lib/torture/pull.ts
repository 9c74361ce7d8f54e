/** Waits for the place where the plug is to be pulled, and has it pulled there. */
import { clearTimeout, setTimeout } from '../base/timers.js';
import type { Plug, Switched } from './power/power.js';
import type { PlannedCycle, PlannedOperation } from './schedule.js';

export interface Pull {
  /** Told how far that operation is; undefined: that is nothing to it. */
  watch(planned: PlannedOperation): ((done: number) => void) | undefined;
  /** Resolves when it is pulled: where it was planned, or when `work` is over and there is nothing left to be pulled in. */
  pulled(work: Promise<void>): Promise<Switched>;
}

/** @param pullNow pulls it at once */
export function waitToPull({ pull }: PlannedCycle, plug: Plug, pullNow: () => Promise<Switched>): Pull {
  if (pull.by === 'position' && plug.arm) {
    const armed = plug.arm(pull);
    return {
      watch: () => undefined,
      async pulled(work) {
        const switched = await Promise.race([armed.pulled, work.then(() => undefined)]);
        if (switched) return switched;
        armed.letGo();
        // It may have been pulled as the last operation ended.
        return (await armed.pulled) ?? pullNow();
      },
    };
  }
  let reached: () => void = () => undefined;
  const isReached = new Promise<void>((resolve) => (reached = resolve));
  const timer = pull.by === 'delay' ? setTimeout(reached, pull.ms) : undefined;
  let isTaken = false;
  return {
    watch(planned) {
      if (pull.by !== 'share' || planned.kind !== pull.kind || isTaken) return undefined;
      isTaken = true;
      return (done) => {
        if (done >= pull.share * planned.length) reached();
      };
    },
    async pulled(work) {
      await Promise.race([isReached, work]);
      clearTimeout(timer);
      return pullNow();
    },
  };
}
