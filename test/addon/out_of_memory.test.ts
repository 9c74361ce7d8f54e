/** Out of memory at the seam between JavaScript and the addon; test/native/out_of_memory.test.cc has each allocation in turn. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runNode } from '../e2e/lanes.js';

const ENOMEM = -12;
const EOPNOTSUPP = -95;
const SIZE = 128 * 1024 * 1024;
/** A second one would take what the limit leaves to V8. */
const ONE_ARENA = { MALLOC_ARENA_MAX: '1' };
const fixture = (name: string): string => join(__dirname, 'fixtures', name);

async function answerOf(args: readonly string[]): Promise<Record<string, unknown>> {
  const { status, signal, stdout, stderr } = await runNode(args, ONE_ARENA, 60_000);
  if (status !== 0 || stderr !== '')
    throw new Error(`status ${String(status)}, signal ${String(signal)}: ${stderr}`);
  console.info(stdout.trim());
  return JSON.parse(stdout) as Record<string, unknown>;
}

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nvmem-memory-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

test('what does not fit is ENOMEM, and everything goes on', async () => {
  const folder = join(root, '0-00500');
  mkdirSync(folder);
  writeFileSync(join(folder, 'nvmem'), '');
  truncateSync(join(folder, 'nvmem'), SIZE);
  writeFileSync(join(folder, 'type'), 'EEPROM\n');
  expect(await answerOf([fixture('out-of-memory.js'), folder])).toEqual({
    huge: EOPNOTSUPP,
    slot: { read: ENOMEM, write: ENOMEM, small: 0, memory: ENOMEM },
    device: { read: 'ENOMEM', write: ['ENOMEM', [16, SIZE - 16]], erase: 'ENOMEM', small: 'done' },
    register: 'ENOMEM',
    script: 'ENOMEM',
    after: [0, 0, SIZE, 2 ** 20 - 1],
    left: { requests: 0, holds: 0, slots: 0, buses: 0, turns: 0, shares: 0, lookouts: 0 },
  });
}, 60_000);

test('reads that wait take no buffers', async () => {
  const { done, gone, residentMiB, buffersMiB } = await answerOf([fixture('queued.js')]);
  expect(Number(done) + Number(gone)).toBe(20_000);
  expect(gone).toBeGreaterThan(19_000);
  expect(buffersMiB).toBeLessThan(16);
  expect(residentMiB).toBeLessThan(300);
}, 60_000);
