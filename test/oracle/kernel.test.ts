/**
 * Every recorded case of the kernel's nvmem core against this library, on the addon's own slots. What differs must do so by a
 * rule and by nothing else; which rule that is, is found by the model of the kernel's core (compare.ts), case by case.
 *
 *   NVMEM_ORACLE=FILE npx jest test/oracle/kernel     another table of the same format
 */
import {
  answersOf,
  differences,
  expected,
  isAsked,
  isPlainMemory,
  judge,
  libraryAnswers,
  modelAnswers,
  recorded,
  type Difference,
} from './compare.js';
import { Driver } from './driver.js';
import { Model } from './model/model.js';
import { OURS, RULES, SERIES, type Rule } from './model/rules.js';
import { otherTable, readCases, readDeviations } from './record.js';
import type { Case } from './types.js';

const cases = readCases(otherTable);
const deviations = readDeviations();
const isOurs = otherTable === undefined;

const groups = new Map<string, Case[]>();
for (const one of cases) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);

const counts = { run: 0, operations: 0, unknown: 0, equal: 0, deviating: 0, wrong: 0 };
/** What was found: the cases of each rule. */
const found = new Map<Rule, string[]>(RULES.map((rule) => [rule, []]));

async function wrongIn(one: Case): Promise<{ id: string; unexplained: readonly Difference[] } | undefined> {
  const { rules, unexplained } = await judge(one, await libraryAnswers(one));
  counts.run++;
  const asked = one.ops.filter(isAsked).length;
  counts.operations += asked;
  counts.unknown += one.ops.length - asked;
  for (const rule of rules) found.get(rule)?.push(one.id);
  if (unexplained.length > 0) {
    counts.wrong++;
    return { id: one.id, unexplained };
  }
  if (rules.length > 0) counts.deviating++;
  else counts.equal++;
  return undefined;
}

describe('the answers of the kernel', () => {
  test.each([...groups])('%s', async (_group, members) => {
    const wrong = [];
    for (const one of members) {
      const difference = await wrongIn(one);
      if (difference) wrong.push(difference);
    }
    expect(wrong).toEqual([]);
  });

  test('each rule is explained, and has the cases that the reviewed list gives it', () => {
    expect(Object.keys(deviations).sort()).toEqual([...RULES].sort());
    for (const rule of RULES) expect(deviations[rule]?.text).toMatch(/[Hh]ere/);
    if (!isOurs) return;
    const listed = Object.entries(deviations).map(([rule, { cases: ids }]) => [rule, ids]);
    expect(Object.fromEntries([...found].map(([rule, ids]) => [rule, ids.sort()]))).toEqual(
      Object.fromEntries(listed),
    );
  });

  afterAll(() => {
    const { run, operations, unknown, equal, deviating, wrong } = counts;
    const byRule = [...found]
      .filter(([, ids]) => ids.length > 0)
      .map(([rule, ids]) => `${rule} ${String(ids.length)}`);
    process.stderr.write(
      `oracle: ${String(run)} cases run (${String(operations)} operations), ${String(equal)} equal, ` +
        `${String(deviating)} deviating by list (${byRule.sort().join(', ')}), ${String(wrong)} wrong; nothing skipped but ${String(unknown)} calls that the kernel of the series has not\n`,
    );
  });
});

test('memory of the addon answers as the RAM of the cases does', async () => {
  const plain = cases.filter(isPlainMemory);
  for (const one of plain) {
    const want = await answersOf(new Model(one.config, OURS), one, false);
    const got = await answersOf(new Driver(one, true), one, false);
    expect({ id: one.id, differs: differences(one, want, got) }).toEqual({ id: one.id, differs: [] });
  }
  process.stderr.write(`oracle: ${String(plain.length)} of the cases also on memory of the addon\n`);
  if (isOurs) expect(plain.length).toBeGreaterThan(200);
});

describe('the model by which deviations are judged', () => {
  test('answers every case as the kernel of the series did', async () => {
    const wrong = [];
    for (const one of cases) {
      const [want, got] = [recorded(one), await modelAnswers(one, SERIES)];
      if (JSON.stringify(want) !== JSON.stringify(got)) wrong.push(one.id);
    }
    expect(wrong).toEqual([]);
  });

  test('its mended bit writes leave the memory that the record calls ideal', async () => {
    let checked = 0;
    for (const one of cases.filter(({ ops }) => ops.some((op) => op.ideal_mem !== undefined))) {
      const [kernel, mended] = [new Model(one.config, SERIES), new Model(one.config, OURS)];
      for (const op of one.ops) {
        const before = JSON.stringify(kernel.memories()) === JSON.stringify(mended.memories());
        await kernel.run(op);
        await mended.run(op);
        if (!before || op.ideal_mem === undefined) continue;
        expect(mended.memories()).toContain(op.ideal_mem);
        checked++;
      }
    }
    if (isOurs) expect(checked).toBeGreaterThan(100);
  });

  test('a rule explains nothing but what it says', async () => {
    // A library that got a byte wrong, or an event, in any case that deviates would be found out.
    const ids = new Set(Object.values(deviations).flatMap(({ cases: list }) => list));
    for (const one of cases.filter(({ id }) => ids.has(id))) {
      const ours = [...(await libraryAnswers(one))];
      const at = ours.findIndex((answer, i) => answer !== expected(one)[i]);
      ours[at] = ours[at]?.replace('"ret":', '"ret": ') ?? '';
      expect((await judge(one, ours)).unexplained).toHaveLength(1);
    }
  });
});
