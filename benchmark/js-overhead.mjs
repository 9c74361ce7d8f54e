// What a protected read costs from JavaScript, beside a call that does nothing and beside the same read with the protection
// compiled out, interleaved in one run. Prints ratios; nothing fails for being slow.
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { addonUnits, buildVariant, release, root } from '../scripts/addon-variant.mjs';

const require = createRequire(import.meta.url);
const SIZE = 4096;
const LENGTH = 16;
const OFFSET = 64;
const CALLS = 200_000;
const ROUNDS = 61;
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

// The very objects of the addon, but for those that call the addon, one of which enters the section. Not what older sources have left there.
const without = 'build/units/native_binding_0.cc';
const built = join(root, 'build', 'Release', 'obj.target', 'nvmem');
const unprotectedFile = await buildVariant({
  name: 'bench-unprotected',
  sources: [without],
  objects: addonUnits()
    .filter((file) => file !== without)
    .map((file) => join(built, file.replace(/\.cc$/, '.o')))
    .concat(join(built, '..', 'usb.a')),
  flags: [...release, '-DNVMEM_BENCH_UNPROTECTED'],
});
const emptyFile = await buildVariant({
  name: 'bench-empty',
  sources: ['benchmark/js-overhead/empty.cc'],
  flags: release,
});

// Straight from the addon, the public surface on top of it is a row of its own.
function boundRead(file) {
  const addon = require(file);
  addon.start(() => {});
  const slot = addon.memory(Buffer.alloc(SIZE, 7));
  const into = new Uint8Array(new SharedArrayBuffer(LENGTH));
  const read = addon.bind(slot, [{ offset: OFFSET, length: LENGTH }], into);
  if (typeof read !== 'function') throw new Error(`bind() gave ${read}`);
  if (read() !== undefined || into[LENGTH - 1] !== 7) throw new Error('nothing was read');
  return read;
}

const { Registry, memoryProvider } = require(join(root, 'dist', 'index.js'));
const device = await new Registry().register({ provider: memoryProvider(Buffer.alloc(SIZE, 7)) });
const reader = device.reader(OFFSET, LENGTH);
if (reader.readSync()[0] !== 7) throw new Error('nothing was read');

/** A loop of its own for each row, of its own text too: the optimizer learns about one callee in each. */
let loops = 0;
function loopOf(call, callee) {
  const text = `return (n) => { /* ${loops++} */ for (let i = 0; i < n; i++) ${call}; }`;
  return new Function('callee', text)(callee);
}

const rows = [
  { name: 'empty function of raw Node-API', loop: loopOf('callee()', require(emptyFile).empty) },
  { name: 'empty closure, which asks for its data', loop: loopOf('callee()', require(emptyFile).closure) },
  { name: 'bound read, protection compiled out', loop: loopOf('callee()', boundRead(unprotectedFile)) },
  {
    name: 'bound read',
    loop: loopOf('callee()', boundRead(join(root, 'build', 'Release', 'nvmem.node'))),
  },
  { name: 'device.reader().readSync()', loop: loopOf('callee.readSync()', reader) },
];
for (const { loop } of rows) for (let i = 0; i < 5; i++) loop(CALLS);
const rounds = [];
for (let round = 0; round < ROUNDS; round++) {
  const times = [];
  // The order turns round and round, so that no row always follows the same one.
  for (let i = 0; i < rows.length; i++) {
    const row = (i + round) % rows.length;
    const begin = process.hrtime.bigint();
    rows[row].loop(CALLS);
    times[row] = Number(process.hrtime.bigint() - begin) / CALLS;
  }
  rounds.push(times);
}
console.log(
  `Reading ${LENGTH} bytes synchronously: medians of ${ROUNDS} rounds of ${CALLS} calls, interleaved`,
);
console.log(`Node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown processor'}`);
rows.forEach(({ name }, row) => {
  const ns = median(rounds.map((times) => times[row]));
  console.log(`  ${name.padEnd(38)}${ns.toFixed(1).padStart(7)} ns`);
});
/** The median of the ratios within each round, which a change of the clock between rounds does not touch. */
const ratio = (a, b) => median(rounds.map((times) => times[a] / times[b])).toFixed(2);
console.log(`ratio ${ratio(3, 1)}  bound read / empty closure (aim: at most 1.5)`);
console.log(`ratio ${ratio(3, 0)}  bound read / empty function that does not even ask for its data`);
console.log(`ratio ${ratio(4, 1)}  reader.readSync() / empty closure`);
console.log(`ratio ${ratio(3, 2)}  bound read / the same without protection (aim: at most 1.10)`);
await new Promise((resolve) => setImmediate(resolve));

// In processes of their own: the first require() is what counts.
const load = join(root, 'dist', 'index.js');
const script = `const t = performance.now(); require(${JSON.stringify(load)}); console.log(performance.now() - t);`;
const loads = Array.from({ length: 9 }, () =>
  Number(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout),
);
console.log(
  `figure ${median(loads).toFixed(1)} ms  require('nvmem'), median of ${loads.length} (aim: below 25)`,
);
process.exit(0);
