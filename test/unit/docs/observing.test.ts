/** docs/observing.md has every metric and every counter, and no other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { memoryProvider, Registry } from '../../../lib/index.js';
import { sumOfStats } from '../../../lib/core/stats.js';
import {
  BUS_METRICS,
  DEVICE_METRICS,
  FOLLOWER_METRICS,
  FOLLOWER_STATE,
  PROCESS_METRICS,
} from '../../../lib/metrics/families.js';

const doc = readFileSync(join(__dirname, '..', '..', '..', 'docs', 'observing.md'), 'utf8');

test('every metric, with its type', () => {
  const rows = [...doc.matchAll(/^\| `(nvmem_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => [name, type]);
  const all = [...DEVICE_METRICS, FOLLOWER_STATE, ...FOLLOWER_METRICS, ...BUS_METRICS, ...PROCESS_METRICS];
  expect(rows).toEqual(all.map(({ name, type }) => [name, type]));
});

test('every counter of a device', async () => {
  const [, section = ''] = /### `device\.stats`\n([^]*?)\n###/.exec(doc) ?? [];
  const fields = [...section.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = '']) =>
    cell.replaceAll('`', '').split(', '),
  );
  expect(fields.sort()).toEqual(Object.keys(sumOfStats()).sort());
  await using device = await new Registry().register({ provider: memoryProvider(1) });
  expect(Object.keys(device.stats).sort()).toEqual(fields);
});
