/** What follows from looks and from the data path, in any order: held against what may be said at all. */
import fc from 'fast-check';

import { GONE_FOR_MS, Judge, moment, type PresenceState } from '../../../lib/hotplug/judge.js';
import type { Observation } from '../../../lib/hotplug/observation.js';
import { seedOfRun } from '../../e2e/bench.js';
import { FakeClock } from './fake_clock.js';

type Step =
  | { readonly do: 'look'; readonly seen: Observation; readonly isOld: boolean }
  | { readonly do: 'opened' | 'closed' | 'gone' }
  | { readonly do: 'pass'; readonly ms: number };

const visits = fc.constantFrom('A', 'B', 'C');
const observation: fc.Arbitrary<Observation> = fc.oneof(
  visits.map((visit) => ({ cause: 'plugged' as const, reason: 'it is plugged in', visit, place: '1-1' })),
  visits.map((visit) => ({ cause: 'denied' as const, reason: 'not permitted', visit, place: '1-1' })),
  visits.map((visit) => ({ cause: 'starting' as const, reason: 'no node', visit, place: '1-1' })),
  fc.constant({ cause: 'absent' as const, reason: 'nothing is there' }),
  fc.constant({ cause: 'ambiguous' as const, reason: 'several' }),
  fc.constant({ cause: 'unreachable' as const, reason: 'no answer' }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('look' as const), seen: observation, isOld: fc.boolean() }),
  },
  fc.record({ do: fc.constantFrom('opened' as const, 'closed' as const, 'gone' as const) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 2 * GONE_FOR_MS }) }),
);

test('any order of looks, old ones among them, and of what the data path says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, hidesOpen) => {
      const clock = new FakeClock();
      const judge = new Judge(clock, hidesOpen);
      let before: PresenceState = judge.state;
      let isOpen = false;
      /** Just before the data path last spoke: a look that began then is old. */
      let spoke: number | undefined;
      for (const each of steps) {
        clock.time += each.do === 'pass' ? each.ms : 1;
        let states: PresenceState[] = [];
        switch (each.do) {
          case 'look':
            states = judge.look(each.seen, each.isOld ? (spoke ?? moment()) : moment());
            if (each.isOld && spoke !== undefined) expect(states).toEqual([]);
            break;
          case 'opened':
          case 'closed':
          case 'gone':
            if (each.do !== 'closed' || isOpen) spoke = moment();
            states = each.do === 'gone' ? judge.gone('gone') : judge[each.do]();
            isOpen = each.do === 'opened';
            break;
          case 'pass':
            break;
        }
        for (const state of states) {
          // Something is different, and never a plug after a plug.
          expect(state).not.toEqual(before);
          if (state.present) expect(before.present).toBe(false);
          expect(state.since).toBe(state.present === before.present ? before.since : clock.date());
          before = state;
        }
        expect(judge.state).toEqual(before);
        // While it is open only the data path says anything.
        if (isOpen) expect(before.present).toBe(true);
        if (isOpen && each.do === 'look') expect(states).toEqual([]);
        if (each.do === 'gone') expect(before.present).toBe(false);
        if (each.do === 'look' && !isOpen && !each.isOld && each.seen.cause === 'ambiguous')
          expect(before.present).toBe(false);
        expect(states.length).toBeLessThanOrEqual(2);
      }
      // Whatever was before: at rest, a plug that stays is there in the end, and one that does not is not.
      judge.closed();
      clock.time += GONE_FOR_MS;
      judge.look({ cause: 'plugged', reason: 'it is plugged in', visit: 'Z', place: '1-1' }, moment());
      expect(judge.state.present).toBe(true);
      judge.look({ cause: 'absent', reason: 'nothing is there' }, moment());
      expect(judge.state.present).toBe(false);
    }),
    { seed: seedOfRun(), numRuns: 300 },
  );
});
