// What it costs to follow what is not there: processor and memory of 200 presences of absent URIs. Prints figures; nothing
// fails for being slow.
//
//   node --expose-gc benchmark/presence.mjs [SECONDS]     (--expose-gc: heap figures)
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const { presence } = await import(join(dist, 'index.js'));

const COUNT = 200;
const seconds = Number(process.argv[2] ?? 20);
/** Until looks are as rare as they get: the pauses double up to 2 s, for a server they grow with the time. */
const SETTLE_MS = 6000;

// In a process of its own, or its part would be counted.
const server = spawn(
  process.execPath,
  [
    '-e',
    `require(${JSON.stringify(join(dist, 'rig', 'index.js'))}).VirtualBench.start().then((b) => console.log(b.port))`,
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const port = Number(String((await once(server.stdout, 'data'))[0]));

const kinds = {
  'cp2112://': (i) => `cp2112://NOWHERE${i}`,
  'hidraw://': (i) => `hidraw:///dev/hidraw${1000 + i}`,
  'i2c://': (i) => `i2c:///dev/i2c-${1000 + i}`,
  'sysfs://': (i) => `sysfs://${1000 + i}-00501`,
  'usbip://': (i) => `usbip://127.0.0.1:${port}/9-${i}`,
  'all of them': (i) => Object.values(kinds)[i % 5](i),
};

async function heap() {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc?.();
  }
  return process.memoryUsage().heapUsed;
}

async function measure(name, uriOf) {
  // The first of a kind brings code and, once, the lookout.
  const first = presence(uriOf(COUNT));
  await first.look();
  const before = await heap();
  const all = Array.from({ length: COUNT }, (_, i) => presence(uriOf(i)).on('change', () => {}));
  await Promise.all(all.map((each) => each.look()));
  const kib = ((await heap()) - before) / COUNT / 1024;
  await pause(SETTLE_MS);
  const started = performance.now();
  const used = process.cpuUsage();
  await pause(seconds * 1000);
  const { user, system } = process.cpuUsage(used);
  const share = ((user + system) / 1000 / (performance.now() - started)) * 100;
  for (const each of [first, ...all]) each.close();
  const memory = globalThis.gc === undefined ? '' : `, ${kib.toFixed(1)} KiB each (aim: < 20)`;
  console.log(`figure ${share.toFixed(2)} % of a processor  ${COUNT} absent, ${name} (aim: < 1)${memory}`);
}

for (const [name, uriOf] of Object.entries(kinds)) await measure(name, uriOf);
server.kill();
