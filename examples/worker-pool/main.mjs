// Checksums of a memory by a pool of worker threads. They share the memory itself, not messages about it, and follow it over
// replugs as the main thread does.
//
//     node examples/worker-pool/main.mjs URI [WORKERS]
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { follow } from 'nvmem';

const [uri, count = '2'] = process.argv.slice(2);
if (uri === undefined) {
  console.error('usage: main.mjs URI [WORKERS]');
  process.exit(2);
}
const STRETCH = 1024;

const board = follow(uri, { onUnplug: 'wait' });
await board.present();

const token = board.share();
const stretches = Array.from({ length: Math.ceil(board.size / STRETCH) }, (_, i) => ({
  offset: i * STRETCH,
  length: Math.min(STRETCH, board.size - i * STRETCH),
}));
const sums = new Map();

/** One worker, until nothing is left to do. */
async function work() {
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: token });
  for (let stretch = stretches.shift(); stretch !== undefined; stretch = stretches.shift()) {
    worker.postMessage(stretch);
    const [answer] = await once(worker, 'message');
    if (answer.error !== undefined) throw new Error(answer.error);
    sums.set(stretch.offset, answer.sha256);
  }
  worker.postMessage('end');
  await once(worker, 'exit');
}

try {
  await Promise.all(Array.from({ length: Number(count) }, work));
  for (const [offset, sum] of [...sums].sort(([a], [b]) => a - b)) console.log(`${offset} ${sum}`);
} catch (error) {
  console.error(error.message);
  process.exit(1);
} finally {
  await board.close();
}
