// What it costs to follow memories that are not there, and how soon one that comes back is present. Prints figures; nothing fails
// for being slow.
//
//   node --expose-gc benchmark/follow.mjs [SECONDS]     (--expose-gc: heap figures)
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const { follow } = await import(join(dist, 'index.js'));
const { VirtualBench } = await import(join(dist, 'rig', 'index.js'));

const COUNT = 200;
const seconds = Number(process.argv[2] ?? 20);
/** Until looks are as rare as they get. */
const SETTLE_MS = 6000;

async function heap() {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc?.();
  }
  return process.memoryUsage().heapUsed;
}

const kinds = {
  'cp2112://': (i) => `cp2112://NOWHERE${i}/0x50?chip=24c02`,
  'i2c://': (i) => `i2c:///dev/i2c-${1000 + i}/0x50?chip=24c02`,
  'sysfs://': (i) => `sysfs://${1000 + i}-00501`,
};

for (const [name, uriOf] of Object.entries(kinds)) {
  // The first of a kind brings code and, once, the lookout.
  const first = follow(uriOf(COUNT));
  await pause(500);
  const before = await heap();
  const all = Array.from({ length: COUNT }, (_, i) => follow(uriOf(i)));
  await pause(500);
  const kib = ((await heap()) - before) / COUNT / 1024;
  await pause(SETTLE_MS);
  const started = performance.now();
  const used = process.cpuUsage();
  await pause(seconds * 1000);
  const { user, system } = process.cpuUsage(used);
  const share = ((user + system) / 1000 / (performance.now() - started)) * 100;
  await Promise.all([first, ...all].map((one) => one.close()));
  await pause(1000);
  console.log(
    `${COUNT} followers of absent ${name.padEnd(10)} ${share.toFixed(2)} % of a processor, ${kib.toFixed(1)} KiB each`,
  );
}

const bench = await VirtualBench.start({
  time: 'off',
  devices: [{ eeproms: [{ address: 0x50, chip: '24c02' }] }],
});
const board = follow(`usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c02`);
await board.present();
const took = [];
for (let i = 0; i < 20; i++) {
  const absent = once(board, 'absent');
  bench.device('1-1').unplug();
  await absent;
  const present = once(board, 'present');
  bench.device('1-1').plug();
  const plugged = performance.now();
  await present;
  took.push(performance.now() - plugged);
}
took.sort((a, b) => a - b);
console.log(`plug to present, usbip://: median ${took[10].toFixed(1)} ms, longest ${took[19].toFixed(1)} ms`);
await board.close();
await bench.close();
