/**
 * Every state of the library times every way to end, as child processes and as workers of the built package against the
 * virtual bench: status, signal, time limit, threads left behind, and where the write-protect line is afterwards.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLI } from './bench.js';
import { inLanes, Lane, runNode } from './lanes.js';

const STATES = ['created', 'registered', 'reading', 'writing', 'waiting', 'unregistering', 'failed'] as const;
const ENDS: Readonly<Record<string, { status: number | null; signal: string | null; says?: string }>> = {
  natural: { status: 0, signal: null },
  exit: { status: 7, signal: null },
  throw: { status: 1, signal: null, says: 'uncaught on purpose' },
  reject: { status: 1, signal: null, says: 'unhandled on purpose' },
  SIGTERM: { status: null, signal: 'SIGTERM' },
  SIGINT: { status: null, signal: 'SIGINT' },
};
const WORKER_ENDS: Readonly<Record<string, number>> = { return: 0, exit: 7, terminate: 1 };
const WRITES = new Set<string>(['writing', 'unregistering']);
const FIXTURES = join(__dirname, 'fixtures');

const folder = mkdtempSync(join(tmpdir(), 'nvmem-matrix-'));
let lanes: Lane[];

beforeAll(async () => {
  lanes = await Promise.all([Lane.start(), Lane.start()]);
});

afterAll(async () => {
  await Promise.all(lanes.map(({ bench }) => bench.close()));
  rmSync(folder, { recursive: true });
});

test('a process ends as it is told to, in every state', async () => {
  const jobs = STATES.flatMap((state) => Object.keys(ENDS).map((end) => ({ state, end })));
  const results: unknown[] = [];
  const expected: unknown[] = [];
  await inLanes(lanes, jobs, async (lane, { state, end }) => {
    const { status, signal, stderr } = await runNode([join(FIXTURES, 'matrix.js'), lane.uri, state, end]);
    const line = await lane.line();
    const want = ENDS[end];
    // A signal's default action runs no code of the process: the line stays where it was.
    const mayBeDown = want?.signal !== null && WRITES.has(state);
    const { says = '' } = want ?? {};
    results.push({
      state,
      end,
      status,
      signal,
      said: stderr.includes(says),
      lowered: line.lowered,
      up: line.up || mayBeDown,
    });
    expected.push({
      state,
      end,
      status: want?.status,
      signal: want?.signal,
      said: true,
      lowered: WRITES.has(state) || expect.anything(),
      up: true,
    });
  });
  expect(results).toEqual(expected);
  console.info(`processes ended: ${String(results.length)}`);
}, 60_000);

test('a worker ends as it is told to, in every state, and leaves no thread', async () => {
  const jobs = STATES.flatMap((state) => Object.keys(WORKER_ENDS).map((end) => [state, end] as const));
  const half = jobs.length >> 1;
  const results: unknown[] = [];
  const ups: boolean[] = [];
  await inLanes(lanes, [jobs.slice(0, half), jobs.slice(half)], async (lane, share) => {
    const host = await runNode([join(FIXTURES, 'worker-host.js'), lane.uri, JSON.stringify(share)]);
    expect(host).toMatchObject({ status: 0, signal: null, stderr: '' });
    results.push(
      ...host.stdout
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text) as unknown),
    );
    ups.push((await lane.line()).up);
  });
  const byCase = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  const expected = jobs.map(([state, end]) => ({ state, end, code: WORKER_ENDS[end], errors: [], left: 0 }));
  expect([...results].sort(byCase)).toEqual([...expected].sort(byCase));
  expect(ups).toEqual([true, true]);
  console.info(`workers ended: ${String(results.length)}`);
}, 60_000);

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('the command line raises the line on %s in the middle of a write', async (signal, status) => {
  const [lane] = lanes;
  if (!lane) throw new Error('no lane');
  await lane.line();
  const image = join(folder, 'image.bin');
  writeFileSync(image, Buffer.alloc(4096, 0x33));
  const lowered = lane.lowered();
  const child = spawn(process.execPath, [CLI, 'write', lane.uri, image], {
    stdio: 'ignore',
    timeout: 20_000,
  });
  const ended = once(child, 'close');
  await lowered;
  child.kill(signal);
  expect(await ended).toEqual([status, null]);
  expect(await lane.line()).toEqual({ lowered: true, up: true });
});
