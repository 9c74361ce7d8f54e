jest.mock('../../lib/native/index.js', () => jest.requireActual<object>('../unit/fake_native.js'));

import { differences, type Difference } from './compare.js';
import { readCases, readDeviations } from './record.js';
import type { Case } from './types.js';

const cases = readCases();
const deviations = readDeviations();

const groups = new Map<string, Case[]>();
for (const one of cases) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);

const counts = { run: 0, operations: 0, equal: 0, deviating: 0, wrong: 0 };
const used = new Map<string, number>();

/** What differs without being listed, and what is listed without differing. */
async function unlisted(
  one: Case,
): Promise<{ id: string; differs: Difference[]; stale: number[] } | undefined> {
  const found = await differences(one);
  const listed = new Set<number>();
  for (const [rule, ops] of Object.entries(deviations.cases[one.id] ?? {})) {
    used.set(rule, (used.get(rule) ?? 0) + 1);
    for (const op of ops) listed.add(op);
  }
  const differs = found.filter(({ op }) => !listed.has(op));
  const stale = [...listed].filter((op) => !found.some((difference) => difference.op === op));
  counts.run++;
  counts.operations += one.ops.length;
  if (differs.length > 0 || stale.length > 0) {
    counts.wrong++;
    return { id: one.id, differs, stale };
  }
  if (found.length > 0) counts.deviating++;
  else counts.equal++;
  return undefined;
}

describe('the answers of the kernel', () => {
  test.each([...groups])('%s', async (_group, members) => {
    const wrong = [];
    for (const one of members) {
      const difference = await unlisted(one);
      if (difference) wrong.push(difference);
    }
    expect(wrong).toEqual([]);
  });

  test('every listed deviation has a rule and a case, and every rule a use', () => {
    const ids = new Set(cases.map(({ id }) => id));
    const rules = new Set(Object.keys(deviations.rules));
    expect(Object.keys(deviations.cases).filter((id) => !ids.has(id))).toEqual([]);
    const named = Object.values(deviations.cases).flatMap((byRule) => Object.keys(byRule));
    expect(named.filter((rule) => !rules.has(rule))).toEqual([]);
    expect([...rules].filter((rule) => !named.includes(rule))).toEqual([]);
  });

  afterAll(() => {
    const { run, operations, equal, deviating, wrong } = counts;
    const byRule = [...used].sort().map(([rule, n]) => `${rule} ${String(n)}`);
    process.stderr.write(
      `oracle: ${String(run)} cases run (${String(operations)} operations), ${String(equal)} equal, ` +
        `${String(deviating)} deviating by list (${byRule.join(', ')}), ${String(wrong)} wrong\n`,
    );
  });
});
