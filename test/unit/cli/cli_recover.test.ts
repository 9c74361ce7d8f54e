jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { encodeJournal } from '../../../lib/journal/format.js';
import { Machine } from '../../../lib/machine/machine.js';
import { imageOf } from '../../e2e/bench.js';
import { jsonOn, nvmemOn } from './cli_run.js';

const folder = mkdtempSync(join(tmpdir(), 'nvmem-recover-'));
const image = join(folder, 'image.bin');
const file = join(folder, 'board.journal');
const uri = `file://${image}`;
const machine = new Machine();
const old = imageOf(100, 1);
const content = imageOf(60, 2);
const OFFSET = 10;

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** After a write that was cut off when `reach` bytes were written. */
beforeEach(() => {
  rmSync(file, { force: true, recursive: true });
  cutOff(20);
});

function cutOff(reach: number, change: (data: Buffer) => void = () => undefined): void {
  const data = Buffer.from(old);
  content.copy(data, OFFSET, 0, reach);
  change(data);
  writeFileSync(image, data);
  const memory = { name: 'file0', size: 100, uri, pageSize: 16 };
  const pages = { start: 0, old: old.subarray(0, 80) };
  writeFileSync(file, encodeJournal({ memory, offset: OFFSET, content, ...pages, holes: [] }));
}

function expectRange(bytes: Uint8Array): void {
  expect(readFileSync(image).subarray(OFFSET, OFFSET + 60)).toEqual(Buffer.from(bytes));
}

test('finishes the write and says what it found', async () => {
  const { status, out, err } = await nvmemOn(machine, ['recover', file, uri]);
  expect([status, err]).toEqual([0, '']);
  expect(out).toMatch(
    /^finished the write, 60 bytes at 0xa of file\d* in \d+ ms: of 5 pages 1 new, 3 old and 1 mixed; 40 bytes written\n$/,
  );
  expectRange(content);
  expect(existsSync(file)).toBe(false);
});

test('puts the old content back, as JSON', async () => {
  const { status, document } = await jsonOn(machine, ['recover', file, uri, '--back']);
  expect(status).toBe(0);
  expect(document).toMatchObject({
    ok: true,
    uri,
    file,
    back: true,
    holds: 'old',
    offset: OFFSET,
    bytes: 60,
    pages: { new: 1, old: 3, mixed: 1, torn: 0 },
    bytesWritten: 20,
    beside: [],
  });
  expectRange(old.subarray(OFFSET, OFFSET + 60));
});

test('tells what has changed beside the write', async () => {
  cutOff(60, (data) => {
    data[3] = (data[3] ?? 0) ^ 1;
  });
  const { out, err } = await nvmemOn(machine, ['recover', file, uri]);
  expect(out).toContain('of 5 pages 5 new; nothing had to be written');
  expect(err).toBe('beside the write, changed since, left alone: 1 byte at 0x3\n');
});

test('refuses another content, and takes a torn page where it is told so', async () => {
  cutOff(22, (data) => data.fill(0x5a, 32, 48));
  const { status, err } = await nvmemOn(machine, ['recover', file, uri]);
  expect(status).toBe(1);
  expect(err).toContain('ESTALE');
  expect(err).toContain('repeat with --torn');
  expect(existsSync(file)).toBe(true);
  const torn = await nvmemOn(machine, ['recover', file, uri, '--torn']);
  expect(torn.out).toContain('2 new, 2 old and 1 torn');
  expectRange(content);
});

test('refuses another memory, and takes it where it is told so', async () => {
  const copy = join(folder, 'copy.bin');
  writeFileSync(copy, readFileSync(image));
  const { status, document } = await jsonOn(machine, ['recover', file, `file://${copy}`]);
  expect(status).toBe(1);
  expect(document).toMatchObject({
    ok: false,
    error: { code: 'ESTALE', hint: expect.stringContaining('--moved') },
  });
  expect((await nvmemOn(machine, ['recover', file, `file://${copy}`, '--moved'])).status).toBe(0);
  expect(readFileSync(copy).subarray(OFFSET, OFFSET + 60)).toEqual(content);
});

test.each<[string, () => unknown, number, string]>([
  [
    'missing',
    () => {
      rmSync(file);
    },
    1,
    'there is no such file',
  ],
  [
    'torn',
    () => {
      writeFileSync(file, readFileSync(file).subarray(0, 100));
    },
    2,
    'is torn: it ends after 100 of',
  ],
  [
    'something else',
    () => {
      writeFileSync(file, 'hello world');
    },
    2,
    'is no journal',
  ],
  [
    'a folder',
    () => {
      rmSync(file);
      mkdirSync(file);
    },
    1,
    'it is a folder',
  ],
])('a journal that is %s is refused before anything is opened', async (_what, make, status, says) => {
  make();
  const run = await nvmemOn(machine, ['recover', file, 'usbip://127.0.0.1:1/1-1/0x50?chip=24c02']);
  expect(run.status).toBe(status);
  expect(run.err).toContain(says);
  expect(run.err).toContain('nothing was written');
});
