/** A person pulls the plug. */
import { NvmemError } from '../../base/errors.js';
import { clearTimeout, setTimeout } from '../../base/timers.js';
import { ok } from '../../doctor/finding.js';
import { clockMs } from '../engine/protocol.js';
import { powerError, type Plug, type Power, type Switched } from './power.js';

/** So long a person has for it. */
const PATIENCE_MS = 120_000;

/** @param tell shows the person what to do; absent: nobody is there */
export function manualPower(subjects: readonly number[], tell: ((what: string) => void) | undefined): Power {
  if (tell === undefined) {
    throw new NvmemError('EOPNOTSUPP', '--power manual: nobody is there to be told', {
      hint: 'Run it in a terminal, without --json.',
    });
  }
  let heard: ((state: 'off' | 'on') => void) | undefined;
  /** The subject's own reaction is all that is known of when it happened. */
  const ask = (state: 'off' | 'on'): Promise<Switched> => {
    const began = clockMs();
    tell(state === 'off' ? 'Pull the plug now.' : 'Push the plug in now.');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        heard = undefined;
        const what = state === 'off' ? 'pulled' : 'pushed in';
        reject(
          powerError(
            `the plug was not ${what} within ${String(PATIENCE_MS / 1000)} s`,
            'Pull and push when you are told.',
          ),
        );
      }, PATIENCE_MS);
      heard = (noticed) => {
        if (noticed !== state) return;
        heard = undefined;
        clearTimeout(timer);
        resolve({ began, at: clockMs(), where: 'by hand' });
      };
    });
  };
  const plug: Plug = {
    name: 'plug',
    subjects,
    tellsLate: true,
    off: () => ask('off'),
    on: () => ask('on'),
    noticed: (state) => {
      heard?.(state);
    },
  };
  return {
    kind: 'manual',
    plugs: [plug],
    cutsSupply: true,
    needs: () =>
      Promise.resolve([ok('power', 'a person, who is told when to pull the plug and when to push it in')]),
    close: () => Promise.resolve(),
  };
}
