// What the core itself costs, beside a bare settled promise in the same run. Prints ratios; nothing fails for being slow.
//
//   node --expose-gc benchmark/core.mjs     (--expose-gc: heap figures)
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { Registry, memoryProvider } = await import(join(root, 'dist', 'index.js'));

const CALLS = 100_000;
const ROUNDS = 7;
const DEVICES = 1000;
const CELLS = 32;

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Microseconds of one call: the median round, after one that warms up. */
async function microseconds(call) {
  const rounds = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < CALLS; i++) await call();
    if (round > 0) rounds.push(((performance.now() - start) * 1000) / CALLS);
  }
  return median(rounds);
}

/** `aim`: microseconds that it may take at most. */
function row(what, value, bare, aim) {
  const within = aim === undefined ? '' : ` (aim: at most ${aim})`;
  console.log(
    `ratio ${(value / bare).toFixed(1)}  ${what} / settled promise: ${value.toFixed(3)} us${within}`,
  );
}

const registry = new Registry();
const cells = [
  { name: 'bytes', offset: 0, bytes: 16 },
  { name: 'bits', offset: 4, bitOffset: 3, nbits: 11 },
];
const device = await registry.register({ provider: memoryProvider(256), cells });
const script = await registry.register({
  size: 256,
  provider: { read: (_offset, length) => new Uint8Array(length), write: () => undefined },
});
const [bytes, bits] = [device.cell('bytes'), device.cell('bits')];
const settled = Promise.resolve();
const data = new Uint8Array(16);

const bare = await microseconds(async () => settled);
console.log(`figure ${bare.toFixed(3)} us  settled promise`);
row('read of 16 bytes, memory provider', await microseconds(() => device.read(0, 16)), bare, 2);
row('read of a cell of 16 bytes', await microseconds(() => bytes.read()), bare, 3);
row('read of a bit cell', await microseconds(() => bits.read()), bare, 3);
row('write of 16 bytes, memory provider', await microseconds(() => device.write(0, data)), bare);
row('read of 16 bytes, provider in JavaScript', await microseconds(() => script.read(0, 16)), bare);

async function collected() {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc?.();
  }
}

const infos = Array.from({ length: CELLS }, (_, i) => ({ name: `cell${i}`, offset: 8 * i, bytes: 8 }));
const times = [];
let heap = 0;
for (let round = 0; round <= 3; round++) {
  const many = new Registry();
  const providers = Array.from({ length: DEVICES }, () => memoryProvider(256));
  await collected();
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  const devices = [];
  for (const provider of providers) devices.push(await many.register({ provider, cells: infos }));
  if (round > 0) times.push(performance.now() - start);
  await collected();
  // The first round: nothing of an earlier one can go away meanwhile.
  if (round === 0) heap = (process.memoryUsage().heapUsed - before) / (DEVICES * CELLS);
  await Promise.all(devices.map((one) => many.unregister(one)));
}
console.log(
  `figure ${median(times).toFixed(0)} ms  ${DEVICES} devices x ${CELLS} cells registered (aim: below 300)`,
);
console.log(
  globalThis.gc
    ? `figure ${heap.toFixed(0)} bytes  of heap for a cell, its share of the device included (aim: below 3072)`
    : 'heap for a cell: run with --expose-gc',
);
await registry.unregister(device);
await registry.unregister(script);
