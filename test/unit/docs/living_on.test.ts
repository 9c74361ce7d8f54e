/** What docs/living-on.md promises of a followed memory is what tests are called. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..', '..', '..');

test('each promise is the name of a test', () => {
  const doc = readFileSync(join(root, 'docs', 'living-on.md'), 'utf8');
  const [, section = ''] = /### What is promised of a followed memory\n([^]*?)\n###/.exec(doc) ?? [];
  const promises = [...section.matchAll(/^- (.*)$/gm)].map(([, sentence = '']) => sentence);
  expect(promises.length).toBeGreaterThan(8);
  const tests = ['e2e', 'unit/follow'].flatMap((folder) =>
    readdirSync(join(root, 'test', folder))
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => readFileSync(join(root, 'test', folder, name), 'utf8')),
  );
  for (const promise of promises) {
    expect(
      tests.filter((text) => text.includes(`test('${promise}'`) || text.includes(`'${promise}',`)),
    ).toHaveLength(1);
  }
});
