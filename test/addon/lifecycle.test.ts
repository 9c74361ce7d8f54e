/** The addon's own life: garbage collection, workers in numbers, loading in workers only and in several realms. */
import { join } from 'node:path';
import { runNode } from '../e2e/lanes.js';
import { seedOfRun } from '../e2e/bench.js';

const NOTHING = { requests: 0, holds: 0, slots: 0, buses: 0, turns: 0, shares: 0 };
const fixture = (name: string): string => join(__dirname, 'fixtures', name);

/** How many workers are loaded and terminated; CI takes more. */
const CYCLES = Number(process.env['NVMEM_WORKER_CYCLES'] ?? 50);

async function answerOf(args: readonly string[], limitMs?: number): Promise<unknown> {
  const { status, signal, stdout, stderr } = await runNode(args, {}, limitMs);
  if (status !== 0 || stderr !== '')
    throw new Error(`status ${String(status)}, signal ${String(signal)}: ${stderr}`);
  console.info(`${args.join(' ').replace(/.*\//, '')}: ${stdout.trim()}`);
  return JSON.parse(stdout) as unknown;
}

test('handles that nobody closes are collected, and unregister what they stood for', async () => {
  expect(await answerOf(['--expose-gc', fixture('gc.js')])).toEqual({
    devices: 200,
    readers: 400,
    attached: 50,
    reads: 200,
    removed: 50,
    left: NOTHING,
  });
});

test(
  'workers that are terminated wherever they are leave nothing behind',
  async () => {
    const seed = seedOfRun();
    const limit = 20_000 + CYCLES * 500;
    const answer = await answerOf([fixture('cycles.js'), String(CYCLES), String(seed)], limit);
    expect(answer).toEqual({
      cycles: CYCLES,
      messages: CYCLES,
      writes: CYCLES,
      mine: 5,
      threads: 0,
      left: NOTHING,
    });
  },
  30_000 + CYCLES * 500,
);

test('the addon may be loaded by workers only', async () => {
  expect(await answerOf([fixture('worker-only.js')])).toEqual([
    'return',
    'exit',
    'terminate',
    'return',
    'throw',
  ]);
});

test('realms of one thread do not disturb each other', async () => {
  expect(await answerOf([fixture('realms.js')])).toEqual({ realms: 5, right: 5 });
});
