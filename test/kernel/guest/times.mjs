import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../harness/process.mjs';
import { difference, PROBE } from './basics.mjs';
import { contentOf, sha256 } from './i2c.mjs';

const CLOCK_HZ = 100_000; // what the bridge has after a reset, and hid-cp2112 leaves it at
const BITS_PER_BYTE = 9; // eight and the acknowledge

export async function timeChecks(report, station, log) {
  const ours = "this package's driver reads the same bench identical";
  await report.check(ours, { after: [PROBE], limitMs: 90_000 }, async () => {
    await station.detach();
    await station.plug();
    const { seconds } = await readWithDriver(station);
    return `${seconds.toFixed(1)} s without wire time, start of Node.js included`;
  });

  // two bytes of word address after the device address, then the device address again
  const wire = ((station.image.length + 4) * BITS_PER_BYTE) / CLOCK_HZ;
  const figure = (who, seconds) => {
    const ratio = (seconds / wire).toFixed(2);
    report.figure(
      `32 KiB at 100 kHz, ${who}: ${seconds.toFixed(2)} s, ${ratio} x the wire time of ${wire.toFixed(2)} s`,
    );
  };
  const oursTimed = "this package's driver at 100 kHz, against the bench's time model: identical";
  await report.check(oursTimed, { after: [PROBE, ours], limitMs: 90_000 }, async () => {
    await station.useTimeModel();
    const { seconds, inDriver } = await readWithDriver(station);
    figure('this driver', inDriver);
    figure('this driver, as a command with the start of Node.js', seconds);
  });

  const kernelTimed = "the kernel's drivers at 100 kHz, after all the unplugs: identical";
  await report.check(kernelTimed, { after: [PROBE], limitMs: 90_000 }, async () => {
    await station.useTimeModel();
    const path = await station.at24(await station.attach(), '24c256', 0x52);
    const started = performance.now();
    const content = await contentOf(path, 80_000);
    figure("the kernel's hid-cp2112 and at24", (performance.now() - started) / 1000);
    if (!content.equals(station.image)) throw new Error(difference(content, station.image));
    await station.detach();
    log.assertWell();
  });
}

/** One read with the command line tool, as a user types it. */
async function readWithDriver(station) {
  const file = join(station.scratch, 'read.bin');
  const uri = `usbip://127.0.0.1:${station.port}/1-1/0x52?chip=24c256`;
  const started = performance.now();
  const read = await run(process.execPath, [station.cli, 'read', uri, '-o', file, '--json'], {
    timeoutMs: 60_000,
  });
  const seconds = (performance.now() - started) / 1000;
  if (read.status !== 0) throw new Error(`status ${read.status}: ${read.stdout}${read.stderr}`);
  const answer = JSON.parse(read.stdout);
  const content = readFileSync(file);
  if (!content.equals(station.image)) throw new Error(difference(content, station.image));
  if (answer.ok !== true || answer.sha256 !== sha256(content)) throw new Error(`it says: ${read.stdout}`);
  return { seconds, inDriver: answer.ms / 1000 };
}
