/**
 * However a program ends in the middle of a write, the write-protect line goes back up and nothing hangs. Child
 * processes and workers run the built package against the virtual bench.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { VirtualBench } from '../../lib/rig/index.js';
import { threads } from './bench.js';

const FIXTURE = join(__dirname, 'fixtures', 'writer.js');

let bench: VirtualBench;

beforeAll(async () => {
  bench = await VirtualBench.start({
    time: 'real',
    devices: [{ eeproms: [{ address: 0x52, chip: '24c64', wp: 0 }] }],
  });
});

afterAll(async () => {
  await bench.close();
});

function uri(): string {
  return `usbip://127.0.0.1:${bench.port}/1-1/0x52?chip=24c64&wp=0&speed=400000`;
}

/** How often the line has gone down and up, so that a test sees that the write had really lowered it. */
function watchWp() {
  const levels: number[] = [];
  let last = 1;
  const listener = (): void => {
    const level = bench.device().gpioLevels & 1;
    if (level !== last) levels.push(level);
    last = level;
  };
  bench.device().on('report', listener);
  return {
    stop(): number[] {
      bench.device().off('report', listener);
      listener();
      return levels;
    },
  };
}

test.each([
  ['natural', 0],
  ['exit', 7],
  ['throw', 1],
  ['reject', 1],
  ['close', 0],
  ['abort', 0],
])('a process that ends in the middle of a write by %s leaves the line up', async (how, status) => {
  const wp = watchWp();
  const child = spawn(process.execPath, [FIXTURE, uri(), how], { stdio: 'ignore', timeout: 20_000 });
  const ended = (await once(child, 'exit')) as [number | null, string | null];
  expect(ended).toEqual([status, null]);
  const levels = wp.stop();
  expect(levels).toContain(0);
  expect(levels.at(-1)).toBe(1);
});

test('a worker that is terminated in the middle of a write leaves the line up and no thread', async () => {
  const detached = once(bench.device(), 'detached');
  const wp = watchWp();
  const before = threads();
  const worker = new Worker(FIXTURE, { workerData: { uri: uri(), how: 'terminate' } });
  await once(worker, 'message');
  await worker.terminate();
  await detached;
  const levels = wp.stop();
  expect(levels).toContain(0);
  expect(levels.at(-1)).toBe(1);
  // The grace-period thread stays; it is one for the process.
  expect(threads()).toBeLessThanOrEqual(before + 1);
});
