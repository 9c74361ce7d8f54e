// `nvmem torture` on real drivers: ours over usb, the kernel's at24 and i2c-dev; and the kernel's known fault, which it has to find.
import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../harness/process.mjs';
import { PROBE } from './basics.mjs';
import { adapterGoes } from './i2c.mjs';
import { assertNoStuckTasks } from './tasks.mjs';

const PART = '0x54?chip=24c02';
/** Of the 256 bytes, what is overwritten. */
const REGION = ['--region', '0x40-0xbf', '--allow-writes'];
const USB_CYCLES = 300;
const KERNEL_CYCLES = 100;

async function withSmallPart(station) {
  await station.restart({ timed: false, own: ['--eeprom', '0x54:24c02'] });
  return await station.attach();
}

/** Ours, through the kernel's USB. */
export async function tortureChecks(report, station, log, seed) {
  const name = `torture: ${USB_CYCLES} cycles of ours over usb by usb-authorized, in which nothing is lost`;
  await report.check(name, { after: [PROBE], limitMs: 170_000 }, async () => {
    await withSmallPart(station);
    const mark = log.mark();
    const said = await torture(report, station, `cp2112:///${PART}`, USB_CYCLES, seed, [
      '--power',
      'usb-authorized',
      ...REGION,
    ]);
    log.assertWell(mark);
    await assertNoStuckTasks();
    return said;
  });
}

/** The kernel's at24, as whoever changes it would torture it. */
export async function tortureAt24Checks(report, station, log, seed) {
  let adapter;
  const bound = async () => {
    adapter = await withSmallPart(station);
    await station.at24(adapter, '24c02', 0x54);
    const client = `${adapter}-0054`;
    const [name] = readdirSync(`/sys/bus/i2c/devices/${client}`).filter((entry) => entry.startsWith(client));
    return `sysfs://${name}`;
  };
  const unbound = "the kernel's at24, unbound";
  await kernelCheck(report, station, log, seed, unbound, async () => [
    await bound(),
    '--power',
    'driver-unbind',
  ]);
  // udev and a board's own start would bind it again
  const deauthorized = "the kernel's at24 over hid-cp2112, deauthorized";
  await kernelCheck(report, station, log, seed + 1, deauthorized, async () => {
    const uri = await bound();
    return [uri, '--power', 'usb-authorized', '--prepare', `sh -c '${bindAgain(adapter)}'`];
  });
}

/** The kernel's adapter, and what is wrong with it. */
export async function tortureI2cChecks(report, station, log, seed) {
  await kernelCheck(report, station, log, seed, "the kernel's i2c-dev on hid-cp2112, unbound", async () => [
    `i2c:///dev/i2c-${await withSmallPart(station)}/${PART}`,
    '--power',
    'driver-unbind',
  ]);
  await knownFault(report, station, seed);
}

async function kernelCheck(report, station, log, seed, what, begin) {
  const name = `torture: ${KERNEL_CYCLES} cycles of ${what}, in which nothing is lost`;
  await report.check(name, { after: [PROBE], limitMs: 120_000 }, async () => {
    const [uri, ...power] = await begin();
    const mark = log.mark();
    const said = await torture(report, station, uri, KERNEL_CYCLES, seed, [...power, ...REGION]);
    log.assertWell(mark);
    await assertNoStuckTasks();
    return said;
  });
}

/** The adapter comes with a driver a moment after the power; at24 is bound to it by hand. */
function bindAgain(adapter) {
  const folder = `/sys/bus/i2c/devices`;
  return `for i in $(seq 200); do test -e ${folder}/i2c-${adapter}/new_device && break; sleep 0.02; done; echo 24c02 0x54 > ${folder}/i2c-${adapter}/new_device`;
}

/** i2c_del_adapter() waits until nobody has /dev/i2c-N open: an unplug then never ends. Ours closes it. */
async function knownFault(report, station, seed) {
  const held =
    'torture: a program that keeps /dev/i2c-N open over an unplug is found, as a task that is stuck';
  await report.check(held, { after: [PROBE], limitMs: 90_000 }, async () => {
    const adapter = await withSmallPart(station);
    const holder = spawn('sh', ['-c', `exec 3<>/dev/i2c-${adapter}; echo open; read -r line`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const closed = new Promise((done) => holder.on('close', done));
    try {
      await new Promise((done) => holder.stdout.once('data', done));
      // the bench itself pulls: a write to sysfs would wait as well
      const { status, answer, text } = await nvmem(
        station,
        ['torture', `i2c:///dev/i2c-${adapter}/${PART}`, '--power', `bench:${station.controlPort}`],
        [
          '--cycles',
          '1',
          '--seed',
          String(seed),
          '--workers',
          '1',
          '--when',
          'idle',
          '--max-recovery',
          '6000',
          '--keep-going',
        ],
      );
      const found = answer?.violations?.find(({ kind }) => kind === 'task-stuck');
      if (status !== 1 || !/i2c_del_adapter/.test(found?.details ?? found?.message ?? ''))
        throw new Error(`status ${status}: ${text}`);
      return found.message;
    } finally {
      holder.stdin.end();
      await closed;
      await adapterGoes(adapter);
    }
  });
  const ours = 'torture: the control: with our own transport alone the same unplug leaves nobody stuck';
  await report.check(ours, { after: [PROBE], limitMs: 90_000 }, async () => {
    await station.detach();
    const adapter = await withSmallPart(station);
    const uri = `i2c:///dev/i2c-${adapter}/${PART}`;
    return await torture(report, station, uri, 5, seed, ['--power', 'usb-authorized', '--when', 'idle']);
  });
}

async function torture(report, station, uri, cycles, seed, more) {
  const file = join(station.scratch, 'torture.ndjson');
  const options = [
    '--cycles',
    String(cycles),
    '--seed',
    String(seed),
    '--workers',
    '2',
    '--settle',
    '0',
    '--log',
    file,
  ];
  const { status, answer, text } = await nvmem(station, ['torture', uri, ...options], more);
  if (status !== 0) {
    writeFileSync(join(station.out, `torture-${uri.split(':')[0]}-${cycles}.json`), text);
    throw new Error(`status ${status}: ${text.slice(0, 3000)}`);
  }
  const { totals } = answer.verdict;
  const shown = (q) =>
    q === null ? 'none' : `p50 ${q.p50.toFixed(2)}, p99 ${q.p99.toFixed(2)}, max ${q.max.toFixed(2)} ms`;
  report.figure(
    `${uri.split(':')[0]}: unplug to rejection ${shown(totals.rejection)}; replug to read ${shown(totals.recovery)}`,
  );
  return `${totals.cycles} cycles, ${totals.operations} operations, ${JSON.stringify(totals.byCode)}`;
}

async function nvmem(station, command, more) {
  const limits = { timeoutMs: 165_000, env: { ...process.env, NVMEM_RIG_TOKEN: station.controlToken } };
  const replay = ['--save-replay', join(station.scratch, 'replay.json')];
  const ended = await run(process.execPath, [station.cli, ...command, ...more, ...replay, '--json'], limits);
  const text = ended.stdout + ended.stderr;
  let answer;
  try {
    answer = JSON.parse(ended.stdout);
  } catch {
    // the text says what there was instead
  }
  return { status: ended.status, answer, text };
}
