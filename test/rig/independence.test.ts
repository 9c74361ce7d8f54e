import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const LIB = join(__dirname, '../../lib');

/** What a source file imports. */
function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import\(|require\()\s*'([^']+)'/g)].map(([, name]) => name ?? '');
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

test('the bench imports nothing but itself and Node, and YAML for scenarios', () => {
  const rig = sources(join(LIB, 'rig'));
  expect(rig.length).toBeGreaterThan(20);
  const foreign = rig.flatMap((file) =>
    imports(file)
      .filter((name) => !/^(node:[a-z_]+|\.\/[a-z0-9_]+\.js)$/.test(name))
      .map((name) => `${basename(file)} ${name}`),
  );
  expect(foreign.sort()).toEqual(['scenario_format.ts yaml', 'yaml_reader.ts yaml']);
});

test('the driver imports nothing of the bench', () => {
  const driver = ['native', 'core', 'chips', 'bus', 'open'].flatMap((folder) => sources(join(LIB, folder)));
  expect(driver.length).toBeGreaterThan(3);
  expect(driver.filter((file) => imports(file).some((name) => name.includes('rig')))).toEqual([]);
});
