import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { errorTable } from '../../../lib/base/errors.js';

test('the README’s table of errors is the library’s', () => {
  const readme = readFileSync(join(__dirname, '..', '..', '..', 'README.md'), 'utf8');
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (.*) \|$/gm)].map(([, code, when]) => [code, when]);
  expect(rows).toEqual(Object.entries(errorTable).map(([code, { when }]) => [code, when]));
});
