// This package's driver through /dev/hidrawN, while the kernel's driver keeps the bridge.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { must, run } from '../harness/process.mjs';
import { difference, PROBE } from './basics.mjs';
import { adapterGoes, contentOf, readAll } from './i2c.mjs';
import { bytes, generator } from './random.mjs';
import { hidrawSilence, silentForGood } from './silence.mjs';
import { assertNoStuckTasks, blockedHubWorker } from './tasks.mjs';
import { allFree } from './usbip.mjs';
import { until } from './wait.mjs';

const READ = 'over hidraw, beside the kernel: the image identical';
const CYCLES = 4;
const SHARING_MS = 6000;
const TRANSFERS = fileURLToPath(new URL('hidraw_program.mjs', import.meta.url));

export async function hidrawChecks(report, station, log, seed) {
  await plugged(station);
  await report.check(READ, { after: [PROBE], limitMs: 60_000 }, async () => {
    const mark = log.mark();
    await plugged(station);
    const { answer, content } = await read(station, '');
    if (!content.equals(station.image)) throw new Error(difference(content, station.image));
    log.assertQuiet(mark);
    return `${(answer.ms / 1000).toFixed(1)} s without wire time`;
  });
  await writeChecks(report, station, seed);
  await silenceChecks(report, station, seed);
  await sharingChecks(report, station, log);
  await unplugChecks(report, station, log, seed);
  await heldByOthers(report, station, log);
  await plugged(station);
}

async function writeChecks(report, station, seed) {
  const name = 'over hidraw: a write with wp=0 is stored and WP high again, and one that WP drops is noticed';
  await report.check(name, { after: [PROBE, READ], limitMs: 60_000 }, async () => {
    const write = async (patch, query) => {
      const file = join(station.scratch, 'hidraw-patch');
      writeFileSync(file, patch);
      return await nvmem(station, 'write', uri(0x50, `chip=24c02${query}`), file, '--offset', '33');
    };
    const before = await station.content(0x50);
    const patch = bytes(seed + 2, 100);
    const stored = await write(patch, '&wp=0');
    if (stored.status !== 0) throw new Error(stored.stdout + stored.stderr);
    patch.copy(before, 33);
    const after = await station.content(0x50);
    if (!after.equals(before)) throw new Error(difference(after, before));
    if (((await station.gpioLevels()) & 1) !== 1) throw new Error('WP is left low');
    const dropped = await write(bytes(seed + 3, 100), '');
    if (dropped.answer.error?.code !== 'EBADMSG') throw new Error(`WP high: ${dropped.stdout}`);
    if (!(await station.content(0x50)).equals(after)) throw new Error('WP high, and the chip changed');
  });
}

async function silenceChecks(report, station, seed) {
  const next = generator(seed + 8);
  const name =
    'over hidraw: a silence in a write is waited for, and what comes late is not taken for the work of others';
  await report.check(name, { after: [PROBE, READ], limitMs: 120_000 }, async () => {
    await plugged(station);
    return await hidrawSilence(station, next, async (round) => {
      const data = bytes(seed + 20 + round, 256);
      const file = join(station.scratch, 'hidraw-silence');
      writeFileSync(file, data);
      const { status, stdout } = await nvmem(station, 'write', uri(0x50, 'chip=24c02&wp=0'), file);
      if (status !== 0) throw new Error(stdout);
      if (!(await station.content(0x50)).equals(data)) throw new Error('other bytes are stored');
    });
  });
  const forGood = 'over hidraw: a silence for good is a time-out';
  await report.check(forGood, { after: [PROBE, READ], limitMs: 120_000 }, () =>
    silentForGood(station, next, async () => {
      const { answer } = await nvmem(station, 'read', uri(0x52, 'chip=24c256'), '-o', '/dev/null');
      return answer.error?.code;
    }),
  );
}

async function sharingChecks(report, station, log) {
  const refused = "over hidraw: refused by name while the kernel's at24 has a part, unless told";
  await report.check(refused, { after: [PROBE, READ], limitMs: 60_000 }, async () => {
    const adapter = await station.adapter();
    await station.at24(adapter, '24c256', 0x52);
    const { status, answer, stdout } = await nvmem(station, 'info', uri(0x50, 'chip=24c02'));
    const { code, message } = answer.error ?? {};
    if (status !== 6 || code !== 'EBUSY' || !/at24 has 0x52 on i2c-\d/.test(message)) throw new Error(stdout);
    const { content } = await read(station, '&force=1');
    if (!content.equals(station.image)) throw new Error(difference(content, station.image));
  });

  const together = 'over hidraw with force=1, while at24 reads two parts: nothing wrong is given out as good';
  await report.check(together, { after: [PROBE, READ], limitMs: 90_000 }, async () => {
    const mark = log.mark();
    const adapter = await station.adapter();
    const large = await station.at24(adapter, '24c256', 0x52);
    const small = await station.at24(adapter, '24c02', 0x50);
    let over = false;
    const kernel = { right: 0, failed: 0, wrong: 0 };
    const load = async (path, content) => {
      while (!over) {
        const got = await readAll(path, 20_000);
        kernel[got.status !== 0 ? 'failed' : got.bytes.equals(content) ? 'right' : 'wrong']++;
      }
    };
    const loads = [load(large, station.image), load(small, await station.content(0x50))];
    let counts;
    try {
      const { lines, ended } = program(station, 'share', uri(0x52, 'chip=24c256&force=1'), [SHARING_MS]);
      const status = await ended;
      if (status !== 0) throw new Error(`it ended with ${status}: ${lines.join('\n')}`);
      counts = JSON.parse(lines.at(-1));
    } finally {
      over = true;
      await Promise.all(loads);
    }
    if (counts.wrong > 0) throw new Error(`wrong bytes given out as good: ${JSON.stringify(counts)}`);
    if (counts.good === 0) throw new Error(`no read came through: ${JSON.stringify(counts)}`);
    await assertNoStuckTasks();
    log.assertWell(mark);
    // What the kernel gives out is not in our hands.
    return `${JSON.stringify(counts)}; dd through the kernel: ${JSON.stringify(kernel)}`;
  });

  const restored = "the kernel's driver works on after we close, with the configuration that it had";
  await report.check(restored, { after: [PROBE, READ], limitMs: 60_000 }, async () => {
    const before = await smbusConfig();
    await read(station, '&force=1&speed=400000');
    const left = await smbusConfig();
    if (left !== before) throw new Error(`${left} instead of ${before}`);
    const content = await contentOf(await station.at24(await station.adapter(), '24c256', 0x52));
    if (!content.equals(station.image)) throw new Error(difference(content, station.image));
  });
}

async function unplugChecks(report, station, log, seed) {
  const next = generator(seed + 4);
  const name = `over hidraw: ${CYCLES} unplugs in reads and writes, each ENODEV, replug and on`;
  await report.check(name, { after: [PROBE, READ], limitMs: 120_000 }, async () => {
    const mark = log.mark();
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const writing = cycle % 2 === 1;
      const fault =
        cycle < 2 ? `unplug:wire=${next(1, writing ? 200 : 30_000)}` : `unplug:any=${next(20, 200)}`;
      try {
        await (writing ? cutWrite : cutRead)(station, fault, seed + cycle);
      } catch (error) {
        throw new Error(`cycle ${cycle}, ${fault}: ${error.message}`, { cause: error });
      }
    }
    log.assertWell(mark);
  });

  const held = 'over hidraw: a device held open and idle holds nobody up, and says that it is removed';
  await report.check(held, { after: [PROBE, READ], limitMs: 60_000 }, async () => {
    const mark = log.mark();
    const adapter = await plugged(station);
    const { child, lines, ended } = program(station, 'hold', uri(0x52, 'chip=24c256'));
    try {
      await until('open device', 20_000, () => lines.includes('open'));
      await station.arm('unplug:now');
      const began = performance.now();
      await adapterGoes(adapter, 5000);
      await until('"removed"', 5000, () => lines.some((line) => line.startsWith('removed')));
      const took = performance.now() - began;
      await allFree();
      await assertNoStuckTasks();
      if (!lines.includes('read: ENODEV')) await until('ENODEV', 5000, () => lines.includes('read: ENODEV'));
      log.assertWell(mark);
      return `${(took / 1000).toFixed(2)} s`;
    } finally {
      child.stdin.end();
      await ended;
      await plugged(station);
    }
  });
}

/** Whoever has /dev/i2c-N open keeps the kernel from taking the hidraw node away; the USB device is gone all the same. */
async function heldByOthers(report, station, log) {
  const name =
    'over hidraw: ENODEV at once also while another program has /dev/i2c-N open and the kernel waits for it';
  await report.check(name, { after: [PROBE, READ], limitMs: 60_000 }, async () => {
    const mark = log.mark();
    const adapter = await plugged(station);
    const holder = spawn('sh', ['-c', `exec 3<>/dev/i2c-${adapter}; echo open; read -r line`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const closed = new Promise((done) => holder.on('close', done));
    try {
      await new Promise((done) => holder.stdout.once('data', done));
      await station.arm('unplug:wire=5000');
      const { lines, ended } = program(station, 'share', uri(0x52, 'chip=24c256'), [2000]);
      const status = await Promise.race([ended, until('end of the program', 15_000, () => false)]);
      const counts = JSON.parse(lines.at(-1) ?? '{}');
      if (status !== 0 || !(counts.codes?.ENODEV > 0) || counts.wrong > 0) {
        throw new Error(`status ${status}: ${lines.join(' ')}`);
      }
      await until('blocked hub worker', 10_000, blockedHubWorker);
    } finally {
      holder.stdin.end();
      await closed;
    }
    await adapterGoes(adapter);
    await gone(station);
    log.assertWell(mark);
  });
}

async function cutRead(station, fault) {
  await plugged(station);
  await station.arm(fault);
  const { status, answer, stdout } = await nvmem(
    station,
    'read',
    uri(0x52, 'chip=24c256'),
    '-o',
    '/dev/null',
  );
  if (status !== 3 || answer.error?.code !== 'ENODEV') throw new Error(`not ENODEV but ${status}: ${stdout}`);
  await gone(station);
  await plugged(station);
  const { content } = await read(station, '');
  if (!content.equals(station.image)) throw new Error(difference(content, station.image));
}

async function cutWrite(station, fault, seed) {
  await plugged(station);
  const before = await station.content(0x50);
  const data = bytes(seed, 256);
  const file = join(station.scratch, 'hidraw-write');
  writeFileSync(file, data);
  const write = () => nvmem(station, 'write', uri(0x50, 'chip=24c02&wp=0'), file);
  await station.arm(fault);
  const { status, answer, stdout } = await write();
  if (status !== 3 || answer.error?.code !== 'ENODEV') throw new Error(`not ENODEV but ${status}: ${stdout}`);
  await gone(station);
  const after = await station.content(0x50);
  const holds = ({ offset, length }, wanted) =>
    after.subarray(offset, offset + length).equals(wanted.subarray(offset, offset + length));
  const { committed = [], untouched = [] } = answer.error;
  if (!committed.every((range) => holds(range, data))) throw new Error(`not committed: ${stdout}`);
  if (!untouched.every((range) => holds(range, before))) throw new Error(`touched: ${stdout}`);
  await plugged(station);
  const again = await write();
  if (again.status !== 0) throw new Error(`after the replug: ${again.stdout}${again.stderr}`);
  if (!(await station.content(0x50)).equals(data))
    throw new Error('after the replug the chip holds other bytes');
}

/** The bridge is plugged in, and the kernel has no clients on it. Gives the adapter's number. */
async function plugged(station) {
  await station.detach();
  await station.plug();
  return await station.attach();
}

/** Unplugged by a fault: the kernel has let go of everything, and nobody is stuck. */
async function gone(station) {
  await until('unplug', 15_000, async () => !(await station.plugged()));
  await allFree();
  await assertNoStuckTasks();
}

/** Feature report 0x06 as the chip has it, past this package. */
async function smbusConfig() {
  const script = [
    'import fcntl, sys',
    'report = bytearray([6] + [0] * 13)',
    'fcntl.ioctl(open(sys.argv[1], "r+b", buffering=0), 0xC00E4807, report)', // HIDIOCGFEATURE(14)
    'print(report.hex())',
  ].join('\n');
  return (await must('python3', ['-c', script, node()])).stdout.trim();
}

function uri(address, query) {
  return `hidraw://${node()}/0x${address.toString(16)}?${query}`;
}

function node() {
  const [hid] = readdirSync('/sys/bus/hid/devices').filter((name) => /^0003:10C4:EA90/.test(name));
  const [name] = readdirSync(`/sys/bus/hid/devices/${hid}/hidraw`);
  return `/dev/${name}`;
}

/** The command line tool, as a user types it. */
async function nvmem(station, ...args) {
  const ended = await run(process.execPath, [station.cli, ...args, '--json'], { timeoutMs: 60_000 });
  try {
    return { ...ended, answer: JSON.parse(ended.stdout) };
  } catch {
    throw new Error(`status ${ended.status}, no JSON: ${ended.stdout}${ended.stderr}`);
  }
}

async function read(station, query) {
  const file = join(station.scratch, 'hidraw-read');
  const { status, answer, stdout } = await nvmem(
    station,
    'read',
    uri(0x52, `chip=24c256${query}`),
    '-o',
    file,
  );
  if (status !== 0) throw new Error(`status ${status}: ${stdout}`);
  return { answer, content: readFileSync(file) };
}

/** A program that uses the package, see hidraw_program.mjs. */
function program(station, what, device, more = []) {
  const image = join(station.scratch, 'hidraw-image');
  writeFileSync(image, station.image);
  const lib = join(dirname(station.cli), '..', 'index.js');
  const child = spawn(process.execPath, [TRANSFERS, lib, what, device, image, ...more.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const ended = new Promise((done) => child.on('close', (code, signal) => done(code ?? signal)));
  return { child, lines, ended };
}
