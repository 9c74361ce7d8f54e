/** docs/defects.md: a test for each defect, in the file that it names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const rows = read('docs/defects.md')
  .split('\n')
  .filter((line) => /^\| D\d/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

test('every defect of the series has its row, in order', () => {
  expect(rows.map(([, number]) => number)).toEqual(Array.from({ length: 20 }, (_, i) => `D${String(i + 1)}`));
});

test.each(rows.map(([, number = '', , , tests = '']) => [number, tests] as const))(
  '%s is in the tests that are named for it',
  (number, tests) => {
    // "`file` D5": the number is in a title of that file; a file alone only has to be there.
    const named = [...tests.matchAll(/`(test\/[^`]+)`( D\d+)?/g)];
    expect(named.some(([, , tagged]) => tagged !== undefined)).toBe(true);
    for (const [, path = '', tagged] of named) {
      const text = read(path);
      if (tagged === undefined) continue;
      expect(tagged.trim()).toBe(number);
      const titles = [...text.matchAll(/(?:test|TEST|CHECK_TEST)\w*\(\s*['"`]?([^\n]*)/g)].map(
        ([, title]) => title,
      );
      expect(titles.filter((title) => new RegExp(`${number}(?![0-9])`).test(title ?? ''))).not.toEqual([]);
    }
  },
);
