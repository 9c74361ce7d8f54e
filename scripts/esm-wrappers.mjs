// Writes thin ES module wrappers beside the CommonJS build: every export by name, one instance of everything.
// Compiling the library a second time would give a second registry and a second addon.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const require = createRequire(import.meta.url);

for (const entry of ['index', 'kernel/index', 'metrics/index', 'rig/index', 'torture/index']) {
  const file = join(dist, `${entry}.js`);
  const names = Object.keys(require(file)).filter((name) => name !== '__esModule' && name !== 'default');
  if (names.length === 0) throw new Error(`${file} exports nothing`);
  const lines = [
    "import cjs from './index.js';",
    // `import nvmem from 'nvmem'` gives what require('nvmem') does.
    'export default cjs;',
    ...names.sort().map((name) => `export const ${name} = cjs.${name};`),
  ];
  writeFileSync(join(dist, `${entry}.mjs`), `${lines.join('\n')}\n`);
  writeFileSync(
    join(dist, `${entry}.d.mts`),
    "export * from './index.js';\nexport { default } from './index.js';\n",
  );
}

// npm makes a bin executable on install; a checkout runs it in place.
const main = join(dist, 'cli', 'main.js');
if (!readFileSync(main, 'utf8').startsWith('#!')) throw new Error(`${main} has lost its first line`);
