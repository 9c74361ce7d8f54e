import { readFileSync, readdirSync } from 'node:fs';
import { bindAt24, contentOf, detect, sha256, writeAt } from './i2c.mjs';
import { cp2112Chip, holding } from './gpio.mjs';
import { bytes } from './random.mjs';

export const PROBE = 'hid-cp2112 binds, with nothing from the kernel at warning or above';
const AT24 = 'at24 reads a 24c256 of 32 KiB identical';

/** Every part of the proof begins with it. Gives the number of the adapter. */
export async function probeCheck(report, station, log) {
  let adapter;
  await report.check(PROBE, { limitMs: 60_000 }, async () => {
    const mark = log.mark();
    await station.start({ timed: false });
    adapter = await station.attach();
    log.assertQuiet(mark);
    const [probed] = log.since(mark, /Part Number: 0x0C Device Version: 0x0[123]/);
    if (probed === undefined) throw new Error('the driver did not log what version of the chip it found');
    const [hidraw] = readdirSync('/sys/bus/hid/drivers/cp2112').filter((name) => /10C4:EA90/.test(name));
    if (hidraw === undefined) throw new Error('no HID device is bound to the driver "cp2112"');
    return readFileSync(`/sys/bus/i2c/devices/i2c-${adapter}/name`, 'utf8').trim();
  });
  return adapter;
}

export async function basicChecks(report, station, log, seed, adapter) {
  await report.check('i2cdetect finds parts at 50 and 52 and nowhere else', { after: [PROBE] }, async () => {
    const found = (await detect(adapter)).join(' ');
    if (found !== '50 52') throw new Error(`found: ${found === '' ? 'none' : found}`);
  });

  await report.check(AT24, { after: [PROBE], limitMs: 90_000 }, async () => {
    const path = await bindAt24(adapter, '24c256', 0x52);
    const started = performance.now();
    const content = await contentOf(path);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (!content.equals(station.image)) throw new Error(difference(content, station.image));
    return `sha256 ${sha256(content).slice(0, 16)}…, ${seconds} s without wire time`;
  });

  await writeProtectChecks(report, station, log, seed, adapter);
}

async function writeProtectChecks(report, station, log, seed, adapter) {
  const OFFSET = 0x21; // not the start of a page
  let path;
  let chip;
  const patch = bytes(seed + 1, 13);

  const dropped = 'a write through at24 is dropped while gpioset holds the WP line high';
  await report.check(dropped, { after: [PROBE], limitMs: 60_000 }, async () => {
    path = await bindAt24(adapter, '24c02', 0x50);
    chip = await cp2112Chip();
    const before = await contentOf(path);
    if (before.subarray(OFFSET, OFFSET + patch.length).equals(patch))
      throw new Error('the patch is there already');
    await holding(chip, 0, 1, async () => {
      await expectLevel(station, 0, 1);
      const wrote = await writeAt(path, OFFSET, patch, station.scratch);
      if (wrote.status !== 0) throw new Error(`the write was refused instead of dropped: ${wrote.stderr}`);
    });
    const after = await contentOf(path);
    if (!after.equals(before)) throw new Error(`the kernel reads it changed: ${difference(after, before)}`);
    const inChip = await station.content(0x50);
    if (!inChip.equals(before)) throw new Error(`the chip changed: ${difference(inChip, before)}`);
  });

  const stored = 'the same write is stored while gpioset holds the WP line low';
  await report.check(stored, { after: [PROBE, dropped], limitMs: 60_000 }, async () => {
    const expected = await contentOf(path);
    patch.copy(expected, OFFSET);
    await holding(chip, 0, 0, async () => {
      await expectLevel(station, 0, 0);
      const wrote = await writeAt(path, OFFSET, patch, station.scratch);
      if (wrote.status !== 0) throw new Error(`dd ended with status ${wrote.status}: ${wrote.stderr}`);
    });
    const after = await contentOf(path);
    if (!after.equals(expected))
      throw new Error(`the kernel reads otherwise: ${difference(after, expected)}`);
    const inChip = await station.content(0x50);
    if (!inChip.equals(expected))
      throw new Error(`the chip holds otherwise: ${difference(inChip, expected)}`);
  });

  await report.check('neither write upset the kernel', { after: [PROBE] }, async () => {
    log.assertWell();
  });
}

/** What gpioset asked for is what the pin of the chip has. */
async function expectLevel(station, pin, level) {
  const levels = await station.gpioLevels();
  const found = (levels >> pin) & 1;
  if (found !== level) throw new Error(`the bench's GPIO ${pin} is at ${found}, gpioset holds ${level}`);
}

/** Where two contents part, for a message. */
export function difference(got, wanted) {
  if (got.length !== wanted.length) return `${got.length} bytes instead of ${wanted.length}`;
  const at = got.findIndex((byte, index) => byte !== wanted[index]);
  const hex = (value) => value.toString(16).padStart(2, '0');
  return `first at offset ${at}: ${hex(got[at])} instead of ${hex(wanted[at])}`;
}
