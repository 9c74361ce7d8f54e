import { bytes, duration, hexdump, progressBar, range } from '../../../lib/cli/format.js';

test('hexdump prints as xxd does', () => {
  const text = hexdump(Buffer.from('Hello, world!\n\0\x7f\xff', 'latin1'), 0);
  expect(text).toBe(
    '00000000: 4865 6c6c 6f2c 2077 6f72 6c64 210a 007f  Hello, world!...\n' +
      '00000010: ff                                       .\n',
  );
});

test('hexdump counts from the offset of the read', () => {
  expect(hexdump(Uint8Array.of(0x41, 0x42, 0x43), 0x7ffd)).toBe(
    '00007ffd: 4142 43' + ' '.repeat(34) + 'ABC\n',
  );
  expect(hexdump(new Uint8Array(0), 0)).toBe('');
});

test('counts, times and ranges read well', () => {
  expect([0, 1, 2].map(bytes)).toEqual(['0 bytes', '1 byte', '2 bytes']);
  expect([0.4, 812.2, 2954].map(duration)).toEqual(['0 ms', '812 ms', '2.95 s']);
  expect(range({ offset: 64, length: 32 })).toBe('32 bytes at 0x40');
});

test.each([20, 40, 79, 200])('a progress bar never wraps at %i columns', (width) => {
  for (const done of [0, 1, 500, 1000]) {
    expect(progressBar('reading', done, 1000, 1500, width).length).toBeLessThanOrEqual(width);
  }
  expect(progressBar('reading', 0, 0, 0, width).length).toBeLessThanOrEqual(width);
});

test('a progress bar says how far it is', () => {
  expect(progressBar('reading', 500, 1000, 1000, 100)).toMatch(
    /^reading \[#+\.+\] {2}50 % {2}500\/1000 bytes {2}0\.5 kB\/s {2}1\.00 s left$/,
  );
});
