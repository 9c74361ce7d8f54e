/**
 * Sequences that nobody recorded: the library against the model of the kernel's core with the rules by which it differs.
 *
 *   NVMEM_ORACLE_SEED=N NVMEM_ORACLE_RUNS=N npx jest test/oracle/generated
 */
import fc from 'fast-check';

import { isAsked, shown } from './compare.js';
import { Driver } from './driver.js';
import { anyCase, Handles, inFlight } from './generate.js';
import { Model } from './model/model.js';
import { OURS } from './model/rules.js';
import { mutantOf } from './mutate.js';
import { readCases } from './record.js';
import type { Case, TraceEvent } from './types.js';

const seed = Number(process.env['NVMEM_ORACLE_SEED'] ?? Date.now() % 0x7fffffff);
const numRuns = Number(process.env['NVMEM_ORACLE_RUNS'] ?? 150);
let asked = 0;

const sorted = (event: TraceEvent): string => JSON.stringify(Object.entries(event).sort());

async function agree(one: Case): Promise<void> {
  const driver = new Driver(one);
  const model = new Model(one.config, OURS);
  const handles = new Handles(one.config);
  try {
    for (const [i, op] of one.ops.entries()) {
      if (!isAsked(op) || !handles.isAskable(op)) continue;
      const want = await model.run(op);
      const got = await driver.run(op);
      handles.note(op, want.ret);
      asked++;
      // What a thread has just begun, or may go on with, takes its time.
      const isMoving = /^(async_(?!poll)|release)/.test(op.op) && op.args?.as !== 'a1';
      if (one.timeline && !isMoving && !op.op.startsWith('async_unregister')) {
        const [seen, meant] = [driver.timeline, model.timeline].map((events) => events.map(sorted));
        expect({ i, seen }).toEqual({ i, seen: meant });
      }
      const { op: name, args } = op;
      expect({ i, name, args, answer: shown(got, !one.timeline) }).toEqual({
        i,
        name,
        args,
        answer: shown(want, !one.timeline),
      });
    }
  } finally {
    await Promise.all([driver.close(), model.close()]);
  }
}

test.each([
  ['any sequence of calls', anyCase],
  ['any call that is held while its device goes or stays', inFlight],
  ['any recorded case with something changed', mutantOf(readCases())],
])(
  `%s is answered as the model answers it (seed ${String(seed)})`,
  async (what, cases) => {
    asked = 0;
    await fc.assert(fc.asyncProperty(cases, agree), { seed, numRuns });
    process.stderr.write(
      `oracle: ${what}: ${String(numRuns)} cases, ${String(asked)} calls, seed ${String(seed)}\n`,
    );
  },
  300_000,
);
