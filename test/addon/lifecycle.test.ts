/** The addon's own life: garbage collection, workers in numbers, loading in workers only and in several realms. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runNode } from '../e2e/lanes.js';
import { seedOfRun } from '../e2e/bench.js';

const NOTHING = { requests: 0, holds: 0, slots: 0, buses: 0, turns: 0, shares: 0, lookouts: 0 };
const fixture = (name: string): string => join(__dirname, 'fixtures', name);

/** How many workers are loaded and terminated; CI takes more. */
const CYCLES = Number(process.env['NVMEM_WORKER_CYCLES'] ?? 50);

async function answerOf(
  args: readonly string[],
  limitMs?: number,
  env: NodeJS.ProcessEnv = {},
): Promise<unknown> {
  const { status, signal, stdout, stderr } = await runNode(args, env, limitMs);
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

test('the same where readers need fences of their own', async () => {
  const symmetric = { NVMEM_SRCU_MODE: 'symmetric' };
  const seed = String(seedOfRun());
  expect(await answerOf([fixture('cycles.js'), '3', seed], undefined, symmetric)).toMatchObject({
    cycles: 3,
    mine: 5,
    left: NOTHING,
  });
});

test('the process is registered for membarrier by a thread of ours, and by none before the addon is needed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nvmem-addon-'));
  try {
    const preload = join(folder, 'membarrier.so');
    const source = fixture('membarrier.cc');
    execFileSync(process.env['CXX'] ?? 'g++', [
      '-shared',
      '-fPIC',
      '-D_GNU_SOURCE',
      source,
      '-o',
      preload,
      '-ldl',
    ]);
    const library = JSON.stringify(join(__dirname, '..', '..', 'dist', 'index.js'));
    const registered = async (use: string): Promise<string> => {
      const script = `const { memoryProvider, Registry } = require(${library}); ${use}`;
      const { status, stderr } = await runNode(['-e', script], { LD_PRELOAD: preload });
      expect(status).toBe(0);
      return stderr;
    };
    expect(await registered('')).toBe('');
    // One that is read and unregistered: its grace period comes after the registration, on the same thread.
    const use = `void (async () => {
      const registry = new Registry();
      const device = await registry.register({ size: 4, provider: { read: async (offset, length) => {
        await new Promise((resolve) => setImmediate(resolve));
        return Buffer.alloc(length);
      } } });
      const reading = device.read(0, 4).catch(() => undefined);
      await registry.unregister(device);
      await reading;
    })();`;
    expect(await registered(use)).toBe('o\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('completion handlers that throw, or were collected with their realm, keep no message from the others', async () => {
  const addon = join(__dirname, '..', '..', 'build', 'Release', 'nvmem.node');
  expect(await answerOf(['--expose-gc', fixture('throwing.js'), addon])).toEqual({
    first: 1,
    second: 1,
    uncaught: 1,
  });
});
