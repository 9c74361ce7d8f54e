import fc from 'fast-check';

import { checkId, checkName, deviceName, NumberPool } from '../../../lib/core/naming.js';

test.each([
  ['eeprom', 'none', 4, 'eeprom'],
  ['1-0050', 'auto', 0, '1-00500'],
  ['name', 0, 4, 'name0'],
  ['name', 17, 4, 'name17'],
  [undefined, 'auto', 4, 'nvmem4'],
  [undefined, 17, 4, 'nvmem4'],
] as const)('name %j and id %j with number %i make %j', (name, id, number, expected) => {
  expect(deviceName(name, id, number)).toBe(expected);
});

test('the kernel’s constants are understood', () => {
  expect([-1, -2, 0, 5, 'none', 'auto'].map(checkId)).toEqual(['none', 'auto', 0, 5, 'none', 'auto']);
});

test('what is no id or name is refused by field and rule', () => {
  expect(() => checkId(1.5)).toThrow(RangeError);
  expect(() => checkId('maybe')).toThrow(/^id must be 'none', 'auto' or an integer/);
  expect(() => checkId({})).toThrow(TypeError);
  expect(() => checkName(7)).toThrow(TypeError);
  expect(() => checkName('')).toThrow(RangeError);
  expect(() => checkName('a\nb')).toThrow(/control/);
  expect(checkName('a/b')).toBe('a!b');
});

test('the lowest free number is always the next', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(8))), (steps) => {
      const pool = new NumberPool();
      const taken = new Set<number>();
      for (const step of steps) {
        if (step === null) {
          let expected = 0;
          while (taken.has(expected)) expected++;
          expect(pool.take()).toBe(expected);
          taken.add(expected);
        } else {
          pool.give(step);
          taken.delete(step);
        }
      }
    }),
  );
});

test('a number that is pinned waits for its own', () => {
  const pool = new NumberPool();
  expect([pool.take('a'), pool.take('b'), pool.take()]).toEqual([0, 1, 2]);
  pool.pin(0, 'a');
  pool.pin(1, 'b');
  expect([pool.isPinned('a'), pool.take(), pool.take('b'), pool.take('a'), pool.take('a')]).toEqual([
    true,
    3,
    1,
    0,
    4,
  ]);
  // Twice away: the later number is the one that counts, the other is anybody's.
  pool.pin(0, 'a');
  pool.pin(4, 'a');
  expect([pool.take(), pool.take('a')]).toEqual([0, 4]);
});

test('of too many that are away the ones that went first lose their numbers', () => {
  const pool = new NumberPool();
  const count = 4096 + 2;
  for (let i = 0; i < count; i++) expect(pool.take(String(i))).toBe(i);
  for (let i = 0; i < count; i++) pool.pin(i, String(i));
  expect([pool.take(), pool.take(), pool.take(), pool.take('2')]).toEqual([0, 1, count, 2]);
});
