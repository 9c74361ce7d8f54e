/** The plan comes from the seed alone, stays inside of what may be touched, and says where the plug is pulled. */
import fc from 'fast-check';

import { planCycle, type PlanOptions } from '../../../lib/torture/schedule.js';
import { Random } from '../../../lib/torture/random.js';
import type { When } from '../../../lib/torture/events.js';

const WHEN: readonly When[] = ['random', 'idle', 'mid-read', 'mid-write', 'mid-cell', 'storm', 'every-byte'];
const OPTIONS: PlanOptions = {
  seed: 1,
  workers: 4,
  mix: { read: 4, write: 2, cell: 1, wp: 1, verify: 1, scan: 1 },
  when: WHEN,
  settleMs: 10,
  subjects: [
    { size: 256, pageSize: 8, wordSize: 1, region: { first: 16, last: 31 }, hasWp: true, hasBus: true },
    { size: 4096, pageSize: 32, wordSize: 4, hasWp: false, hasBus: false },
  ],
  positional: true,
  typicalMs: 20,
};

function planned(subject: number): PlanOptions['subjects'][number] {
  const found = OPTIONS.subjects[subject];
  if (!found) throw new Error(`there is no subject ${String(subject)}`);
  return found;
}

test('the same seed, the same plan; another seed, another one', () => {
  const plan = (seed: number): unknown =>
    Array.from({ length: 50 }, (_, cycle) => planCycle({ ...OPTIONS, seed }, cycle));
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
});

test('every operation is inside of its subject, every write inside of the region, in whole words', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(10_000), fc.boolean(), (seed, cycle, positional) => {
      const plan = planCycle({ ...OPTIONS, seed, positional }, cycle);
      for (const { subject, offset, length, action, kind, worker, bits } of plan.operations) {
        const { size, region, wordSize, hasWp, hasBus } = planned(subject);
        expect(worker).toBeLessThan(OPTIONS.workers);
        if (kind === 'wp') expect(hasWp).toBe(true);
        if (kind === 'scan') expect(hasBus).toBe(true);
        if (action === 'look') continue;
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(length).toBeGreaterThan(0);
        expect(offset + length).toBeLessThanOrEqual(size);
        expect(offset % wordSize).toBe(0);
        if (bits) expect(bits.first + bits.count).toBeLessThanOrEqual(8);
        if (action !== 'write') continue;
        expect(region).toBeDefined();
        expect(offset).toBeGreaterThanOrEqual(region?.first ?? 0);
        expect(offset + length - 1).toBeLessThanOrEqual(region?.last ?? 0);
      }
      expect(plan.offMs).toHaveLength(plan.onMs.length + 1);
      if (plan.when !== 'storm') expect(plan.onMs).toEqual([]);
      if (plan.when === 'idle') expect(plan.pull).toEqual({ by: 'after' });
      else expect(plan.pull.by === 'position').toBe(positional);
    }),
    { numRuns: 500 },
  );
});

test('every-byte goes over the bytes one by one, and without a region nothing is ever written', () => {
  const sweep = Array.from({ length: 40 }, (_, cycle) =>
    planCycle({ ...OPTIONS, when: ['every-byte'] }, cycle),
  );
  expect(sweep.every(({ pull }) => pull.by === 'position' && pull.on === 'wire')).toBe(true);
  const subjects = OPTIONS.subjects.map((subject) => ({ ...subject, region: undefined }));
  for (let cycle = 0; cycle < 300; cycle++) {
    const plan = planCycle({ ...OPTIONS, subjects }, cycle);
    expect(plan.operations.filter(({ action }) => action === 'write')).toEqual([]);
  }
});

test('a stream of numbers is its own, whatever else is drawn', () => {
  const a = new Random(1, 'a');
  new Random(1, 'b').next();
  expect(a.next()).toBe(new Random(1, 'a').next());
  expect(new Random(1, 'a').next()).not.toBe(new Random(1, 'b').next());
  expect(new Random(3).weighted({ read: 0, write: 0 })).toBeUndefined();
  expect(() => new Random(3).pick([])).toThrow(RangeError);
});
