import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';

import { crc32c } from '../../../lib/base/crc32c.js';
import type { NvmemError } from '../../../lib/index.js';
import { readJournal } from '../../../lib/journal/files.js';
import { decodeJournal, encodeJournal, type Journal } from '../../../lib/journal/format.js';
import { SimFs } from './sim.js';

const journal: Journal = {
  memory: { name: 'board', size: 256, uri: 'cp2112://0043FFF3/0x50?chip=24c02', pageSize: 8 },
  offset: 10,
  content: Buffer.from('new content'),
  start: 8,
  old: Buffer.from('0123456789abcdef'),
  holes: [{ offset: 12, length: 2 }],
};
const encoded = encodeJournal(journal);

async function refusal(data: Uint8Array): Promise<NvmemError> {
  const fs = new SimFs();
  fs.put('/j', data);
  return readJournal(fs, '/j').then(
    () => {
      throw new Error('it was taken');
    },
    (error: unknown) => error as NvmemError,
  );
}

test('what is put in comes out', () => {
  expect(decodeJournal('f', encoded)).toEqual(journal);
});

test('any journal comes out as it went in', () => {
  fc.assert(
    fc.property(
      fc.record({
        name: fc.string({ minLength: 1 }),
        before: fc.nat(50),
        content: fc.uint8Array({ minLength: 1, maxLength: 50 }),
        after: fc.nat(50),
        start: fc.nat(2 ** 40),
        unique: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
      }),
      ({ name, before, content, after, start, unique }) => {
        const old = Buffer.alloc(before + content.length + after, 7);
        const memory = { name, size: start + old.length, unique, uri: undefined, pageSize: undefined };
        const one = { memory, offset: start + before, content: Buffer.from(content), start, old, holes: [] };
        expect(decodeJournal('f', encodeJournal(one))).toEqual(one);
      },
    ),
  );
});

test('docs/journal.md shows these very bytes', () => {
  const text = readFileSync(join(__dirname, '..', '..', '..', 'docs', 'journal.md'), 'utf8');
  const dump = [...text.matchAll(/^([0-9a-f]{8}): ((?:[0-9a-f]{2,4} ?)+?) {2}/gm)];
  const bytes = Buffer.concat(dump.map(([, , hex = '']) => Buffer.from(hex.replaceAll(' ', ''), 'hex')));
  expect(bytes.toString('hex')).toBe(encoded.toString('hex'));
});

test('a journal that ends early is torn, wherever it ends', async () => {
  for (let length = 0; length < encoded.length; length++) {
    const error = await refusal(encoded.subarray(0, length));
    expect(error).toMatchObject({ code: 'EINVAL', syscall: 'journal' });
    expect(error.message).toMatch(length === 0 ? /is empty/ : /is torn: it ends after/);
  }
});

test('a journal with a bit turned is refused, whichever it is', async () => {
  for (let bit = 0; bit < encoded.length * 8; bit++) {
    const data = Buffer.from(encoded);
    data[bit >> 3] = (data[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const { code } = await refusal(data);
    expect([bit, code]).toEqual([bit, bit >> 3 >= 8 && bit >> 3 < 12 ? 'EOPNOTSUPP' : 'EINVAL']);
  }
});

test.each([
  [
    'of another version',
    { at: 8, byte: 2 },
    'EOPNOTSUPP',
    'is a journal of version 2, and this nvmem knows version 1',
  ],
  ['something else', { at: 0, byte: 0x7f }, 'EINVAL', 'is no journal: it does not begin with "nvmemjnl"'],
  ['damaged in its header', { at: 16, byte: 1 }, 'EINVAL', 'the checksum of its first 52 bytes is wrong'],
  ['damaged behind it', { at: 60, byte: 1 }, 'EINVAL', 'its checksum is wrong'],
])('a file that is %s is refused with the reason', async (_what, { at, byte }, code, says) => {
  const data = Buffer.from(encoded);
  data[at] = byte;
  const error = await refusal(data);
  expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
  expect(error.hint).toMatch(/^[A-Z].*\.$/);
});

test('bytes behind the end are refused', async () => {
  const { message } = await refusal(Buffer.concat([encoded, Buffer.alloc(3)]));
  expect(message).toContain('3 bytes stand behind its end');
});

/** With checksums that are right: what a hostile file may say. */
function resealed(change: (data: Buffer) => void): Buffer {
  const data = Buffer.from(encoded);
  change(data);
  data.writeUInt32LE(crc32c(data.subarray(0, 52)), 52);
  data.writeUInt32LE(crc32c(data.subarray(0, -4)), data.length - 4);
  return data;
}

test.each<[string, (data: Buffer) => void]>([
  ['a range outside of its pages', (data) => data.writeBigUInt64LE(7n, 16)],
  ['a range behind its pages', (data) => data.writeBigUInt64LE(20n, 16)],
  ['pages beyond its memory', (data) => (data.writeBigUInt64LE(250n, 32), data.writeBigUInt64LE(251n, 16))],
  [
    'an offset that no number holds',
    (data) => (data.writeBigUInt64LE(2n ** 63n, 32), data.writeBigUInt64LE(2n ** 63n, 16)),
  ],
  ['an identity that is no JSON', (data) => data.write('?', 56)],
  ['an identity without a name', (data) => data.write('{"nome"', 56)],
  ['a hole in front of its pages', (data) => data.writeBigUInt64LE(1n, 56 + data.readUInt32LE(12))],
])('a whole file that says %s is refused', async (_what, change) => {
  const { code, message } = await refusal(resealed(change));
  expect(code).toBe('EINVAL');
  expect(message).toMatch(/is damaged/);
});

test('no more memory is taken than the file has', async () => {
  const data = resealed((one) => {
    one.writeBigUInt64LE(2n ** 40n, 40);
  });
  expect((await refusal(data)).message).toMatch(/is torn: it ends after \d+ of 10995\d+ bytes/);
});
