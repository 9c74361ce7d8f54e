import fc from 'fast-check';

import { columns, wrap } from '../../../lib/cli/table.js';

test('columns begin at the same place, and nothing trails', () => {
  expect(
    columns(
      [
        ['a', 'bb', 'x'],
        ['ccc', '', ''],
        ['d', 'e'],
      ],
      ' ',
    ),
  ).toEqual([' a    bb  x', ' ccc', ' d    e']);
  expect(columns([])).toEqual([]);
});

test('wrapped text has the same words, on lines as long as they may be', () => {
  const word = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 1, max: 40 }), (words, width) => {
      const lines = wrap(words.join(' '), width);
      expect(lines.join(' ')).toBe(words.join(' '));
      lines.forEach((line, i) => {
        expect(line.length <= width || !line.includes(' ')).toBe(true);
        const [next] = lines[i + 1]?.split(' ') ?? [];
        if (next !== undefined) expect(line.length + 1 + next.length).toBeGreaterThan(width);
      });
    }),
  );
});
