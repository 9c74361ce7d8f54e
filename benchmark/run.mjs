// npm run bench: figures with their peer in the same run. Nothing in here fails for being slow: it prints ratios.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { naiveRead } from './naive-client.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { open } = await import(join(root, 'dist', 'index.js'));
const { VirtualBench } = await import(join(root, 'dist', 'rig', 'index.js'));

const SIZE = 32_768;
const CHUNK = 512;
const ADDRESSING = 4; // address + W, two word address bytes, address + R
const image = randomBytes(SIZE);
const folder = mkdtempSync(join(tmpdir(), 'nvmem-bench-'));
const file = join(folder, 'image.bin');
writeFileSync(file, image);

/** Nine bits a byte, addressing included: what the I2C wire alone takes, in milliseconds. */
const wireMs = (clockHz) => (((SIZE / CHUNK) * (CHUNK + ADDRESSING) * 9) / clockHz) * 1000;
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const ms = (value) => value.toFixed(1).padStart(8);
const ratio = (value) => value.toFixed(3).padStart(7);

/** A bench in a process of its own, so that it and the reader do not share an event loop. */
async function withRig(version, use) {
  const args = ['rig', '--port', '0', '--json', '--time', 'real', '--version', String(version)];
  args.push('--eeprom', `0x52:24c256:image=${file}`);
  const rig = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(createInterface(rig.stdout), 'line');
    await use(JSON.parse(line).port);
  } finally {
    rig.kill('SIGTERM');
    await once(rig, 'exit');
  }
}

async function read(port, clockHz) {
  const device = await open(`usbip://127.0.0.1:${port}/1-1/0x52?chip=24c256&speed=${clockHz}`);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const begin = performance.now();
  const data = await device.read(0, SIZE);
  const milliseconds = performance.now() - begin;
  delay.disable();
  await device.close();
  if (!data.equals(image)) throw new Error('the data read are not the image');
  return { milliseconds, loopMs: delay.max / 1e6 };
}

console.log(`Reading ${SIZE} bytes of a 24c256 over USB/IP, time model on (1 ms USB frames)`);
console.log(
  'wire = bytes with addressing × 9 / clock; naive = AN495 sequence, poll to the end, then force-send',
);
console.log('version   clock   wire ms  nvmem ms   ratio  naive ms   ratio  event loop held at most, ms');
for (const version of [1, 2, 3]) {
  await withRig(version, async (port) => {
    for (const clockHz of [100_000, 400_000]) {
      const wire = wireMs(clockHz);
      const runs = [];
      for (let i = 0; i < 3; i++) runs.push(await read(port, clockHz));
      const ours = median(runs.map((run) => run.milliseconds));
      const peer = await naiveRead({ port, busid: '1-1', address: 0x52, size: SIZE, clockHz });
      if (!peer.image.equals(image)) throw new Error('the peer read other data');
      const held = Math.max(...runs.map((run) => run.loopMs));
      console.log(
        `${version}       ${String(clockHz).padStart(7)}  ${ms(wire)}  ${ms(ours)} ${ratio(ours / wire)}  ` +
          `${ms(peer.milliseconds)} ${ratio(peer.milliseconds / wire)}  ${ms(held)}`,
      );
    }
  });
}

console.log('\nUnplug in the middle of a read: from the cable to the rejected promise, 100 times');
const bench = await VirtualBench.start({
  time: 'off',
  devices: [{ eeproms: [{ address: 0x52, chip: '24c256', image }] }],
});
const device = bench.device();
const latencies = [];
for (let i = 0; i < 100; i++) {
  const eeprom = await open(`usbip://127.0.0.1:${bench.port}/1-1/0x52?chip=24c256`);
  let pulled = 0;
  device.once('unplugged', () => (pulled = performance.now()));
  device.faults.add({ kind: 'unplug', on: 'host', n: 1 + ((i * 331) % (SIZE - 1)) });
  const code = await eeprom.read(0, SIZE).then(
    () => 'read whole',
    (error) => error.code,
  );
  latencies.push(performance.now() - pulled);
  if (code !== 'ENODEV') throw new Error(`unplugged, and the read ended with ${code}`);
  await eeprom.close();
  device.plug();
}
await bench.close();
const settled = performance.now();
for (let i = 0; i < 1000; i++) await Promise.resolve();
const promiseMs = (performance.now() - settled) / 1000;
const middle = median(latencies);
console.log(`median ${middle.toFixed(2)} ms, most ${Math.max(...latencies).toFixed(2)} ms (limit 20 ms)`);
console.log(
  `that is ${Math.round(middle / promiseMs)} × a settled promise (${(promiseMs * 1000).toFixed(2)} µs) in the same run`,
);
console.log(
  `image sha256 ${createHash('sha256').update(image).digest('hex').slice(0, 16)}…, same in every read`,
);
rmSync(folder, { recursive: true });
