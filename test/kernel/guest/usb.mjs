// cp2112://: this package's own driver over usbfs, in the place of hid-cp2112 while a device is open.
import { spawn } from 'node:child_process';
import { chmodSync, readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { difference, PROBE } from './basics.mjs';
import { adapterComes, adapters, detect } from './i2c.mjs';
import { bytes, generator } from './random.mjs';
import { usbSilence } from './silence.mjs';
import { assertNoStuckTasks } from './tasks.mjs';
import { allFree, attach, detach } from './usbip.mjs';
import { withUser } from './user.mjs';
import { until } from './wait.mjs';

const LARGE = 'cp2112:///0x52?chip=24c256';
const SMALL = 'cp2112:///0x50?chip=24c02&wp=0';
const DEVICES = '/sys/bus/usb/devices';
const UDEV_MS = 300;
const BITS_PER_BYTE = 9; // eight and the acknowledge

const TAKEN = 'usb: taken from hid-cp2112, read identical by whatever name, and given back';

export async function usbChecks(report, station, log, seed) {
  await report.check(TAKEN, { after: [PROBE], limitMs: 60_000 }, () => taken(station, log));
  await report.check('usb: written under the WP line, verified', { after: [TAKEN] }, () =>
    written(station, seed),
  );
  await report.check('usb: a stall on each pipe is cleared', { after: [TAKEN] }, () => stalls(station));
  await report.check('usb: who is in the way is named, and the bridge left alone', { after: [TAKEN] }, () =>
    inTheWay(station, log),
  );
  const ends = 'usb: hid-cp2112 is back however a program ends that could still do it';
  await report.check(ends, { after: [TAKEN], limitMs: 90_000 }, () => endings(station, log));
  const unplugs = 'usb: unplugged in reads, in writes and at rest: ENODEV, and it goes on after a replug';
  await report.check(unplugs, { after: [TAKEN], limitMs: 90_000 }, () => unplugged(station, log, seed));
  const silent = 'usb: a bridge that falls silent is a time-out, and nothing waits for it';
  await report.check(silent, { after: [TAKEN], limitMs: 120_000 }, () =>
    usbSilence(station, generator(seed + 9), LARGE, { withUser, driver, givenBack }),
  );
  const watching =
    'usb: whoever watches hears of every plug and unplug, and may use a bridge once udevd would let it';
  await report.check(watching, { after: [TAKEN] }, () => watched(station));
}

/** After the other times, for the bench stays as it is started: with the time model on. */
export async function usbTimes(report, station, log) {
  for (const clockHz of [100_000, 400_000]) {
    const name = `usb: 32 KiB at ${clockHz / 1000} kHz against the bench's time model: identical`;
    await report.check(name, { after: [PROBE], limitMs: 60_000 }, async () => {
      await station.useTimeModel();
      await station.adapter();
      await withUser(station.cli, async (user) => {
        const uri = `${LARGE}&speed=${clockHz}`;
        await user.ask('open', { uri });
        await user.read(uri); // the bench is JavaScript too: the first time it is not compiled yet
        const { data, seconds } = await user.read(uri);
        await user.ask('close', { uri });
        assertSame(data, station.image);
        const wire = ((data.length + 4) * BITS_PER_BYTE) / clockHz;
        const ratio = (seconds / wire).toFixed(2);
        report.figure(
          `32 KiB at ${clockHz / 1000} kHz, this driver over usb: ${seconds.toFixed(2)} s, ` +
            `${ratio} x the wire time of ${wire.toFixed(2)} s`,
        );
      });
      await givenBack();
      log.assertWell();
    });
  }
}

async function taken(station, log) {
  await station.detach(); // whatever the checks before have left
  await station.plug();
  await station.attach();
  const mark = log.mark();
  return await withUser(station.cli, async (user) => {
    const { identity } = await user.ask('open', { uri: LARGE });
    if (driver() !== 'usbfs') throw new Error(`the interface is with ${driver()} while it is open`);
    if (adapters().length > 0) throw new Error('the I2C adapter of hid-cp2112 is still there');
    // The same bridge: were these other buses, the node would be claimed.
    const names = [identity.serial, identity.path].map((name) => LARGE.replace('///', `//${name}/`));
    for (const uri of names) await user.ask('open', { uri });
    for (const uri of [LARGE, ...names]) assertSame((await user.read(uri)).data, station.image);
    for (const uri of [LARGE, ...names]) {
      if (driver() !== 'usbfs') throw new Error('given back before the last device was closed');
      await user.ask('close', { uri });
    }
    await givenBack();
    log.assertQuiet(mark);
    const found = (await detect(await adapterComes())).join(' ');
    if (found !== '50 52') throw new Error(`i2cdetect finds: ${found}`);
    return `${identity.path}, serial ${identity.serial}`;
  });
}

async function written(station, seed) {
  const patch = bytes(seed + 2, 100);
  await withUser(station.cli, async (user) => {
    const before = await station.content(0x50);
    await user.ask('open', { uri: SMALL });
    await user.ask('write', { uri: SMALL, offset: 33, data: patch.toString('base64') });
    await user.ask('close', { uri: SMALL });
    patch.copy(before, 33);
    assertSame(await station.content(0x50), before);
    if (((await station.gpioLevels()) & 1) !== 1) throw new Error('the WP line was left low');
  });
  await givenBack();
}

async function stalls(station) {
  await withUser(station.cli, async (user) => {
    await user.ask('open', { uri: LARGE });
    for (const pipe of ['out', 'in']) {
      await station.arm(`stall:${pipe}`);
      assertSame((await user.read(LARGE)).data, station.image);
    }
    await user.ask('close', { uri: LARGE });
  });
  await givenBack();
}

async function inTheWay(station, log) {
  const mark = log.mark();
  await withUser(station.cli, async (first) => {
    await first.ask('open', { uri: LARGE });
    await withUser(station.cli, async (second) => {
      const error = await second.refused('EBUSY', 'open', { uri: LARGE });
      expectText(error.message, `node (process ${first.pid})`);
      await second.refused('ENOENT', 'open', { uri: LARGE.replace('///', '//nobody/') });
    });
    assertSame((await first.read(LARGE)).data, station.image);
    await first.ask('close', { uri: LARGE });

    const adapter = await givenBack();
    const holder = spawn('sh', ['-c', `exec 3<>/dev/i2c-${adapter}; echo open; read -r line`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const closed = new Promise((done) => holder.on('close', done));
    try {
      await new Promise((done) => holder.stdout.once('data', done));
      const error = await first.refused('EBUSY', 'open', { uri: LARGE });
      expectText(error.message, `/dev/i2c-${adapter} is open in sh (process ${holder.pid})`);
      if (driver() !== 'usbhid') throw new Error('the bridge was taken all the same');
    } finally {
      holder.stdin.end();
      await closed;
    }
    await first.ask('open', { uri: LARGE });
    await first.ask('close', { uri: LARGE });
    await givenBack();

    await first.ask('become', { uid: 65534 });
    const error = await first.refused('EACCES', 'open', { uri: LARGE });
    expectText(error.hint, 'ATTR{idVendor}=="10c4"');
  });
  await assertNoStuckTasks();
  log.assertQuiet(mark);
}

async function endings(station, log) {
  const mark = log.mark();
  for (const how of ['natural', 'exit', 'throw']) {
    await withUser(station.cli, async (user) => {
      await user.ask('open', { uri: LARGE });
      const status = await user.end(how);
      if (status !== (how === 'throw' ? 1 : 0))
        throw new Error(`${how}: it ended with ${status}: ${user.stderr}`);
    });
    await givenBack(`after "${how}"`);
  }

  // The command line handles the signal; a read that does not end by itself gives it the time.
  await station.arm('stuck:hard');
  const command = spawn(process.execPath, [station.cli, 'read', LARGE, '-o', `${station.scratch}/never`], {
    stdio: 'ignore',
  });
  const ended = new Promise((done) => command.on('close', (code, signal) => done(code ?? signal)));
  await until('bridge that is taken', 15_000, () => driver() === 'usbfs');
  command.kill('SIGTERM');
  const status = await ended;
  await givenBack('after SIGTERM to the command');
  await station.replug();

  // A killed program can do nothing; the next one that closes the bridge gives it back.
  await withUser(station.cli, async (user) => {
    await user.ask('open', { uri: LARGE });
    user.kill('SIGKILL');
    await user.ended;
  });
  await until('interface without a driver', 10_000, () => driver() === undefined);
  await withUser(station.cli, async (user) => {
    await user.ask('open', { uri: LARGE });
    assertSame((await user.read(LARGE)).data, station.image);
    await user.ask('close', { uri: LARGE });
  });
  await givenBack('after a program was killed, and another one');
  log.assertQuiet(mark);
  return `SIGTERM to the command: ${status}`;
}

async function unplugged(station, log, seed) {
  const mark = log.mark();
  const next = generator(seed + 3);
  const places = [];
  await withUser(station.cli, async (user) => {
    const again = async () => {
      await user.ask('close', { uri: LARGE });
      await allFree();
      await station.plug();
      await station.attach();
      await user.ask('open', { uri: LARGE });
    };
    await station.adapter();
    await user.ask('open', { uri: LARGE });
    for (let round = 0; round < 2; round++) {
      const at = next(1, 32_000);
      await station.arm(`unplug:wire=${at}`);
      const error = await user.refused('ENODEV', 'read', { uri: LARGE });
      const good = Buffer.from(error.partial ?? '', 'base64');
      if (good.length > at || !station.image.subarray(0, good.length).equals(good))
        throw new Error(`${good.length} bytes came before the unplug at ${at}, not all of them the image's`);
      await again();
      places.push(`read at ${at}`);
    }

    const at = next(1, 2_000);
    const data = bytes(seed + 4, 2_048);
    const before = await station.content(0x52);
    await station.arm(`unplug:wire=${at}`);
    const error = await user.refused('ENODEV', 'write', {
      uri: LARGE,
      offset: 0,
      data: data.toString('base64'),
    });
    const inChip = await station.content(0x52);
    for (const { offset, length } of error.committed)
      assertSame(inChip.subarray(offset, offset + length), data.subarray(offset, offset + length));
    for (const { offset, length } of error.untouched)
      assertSame(inChip.subarray(offset, offset + length), before.subarray(offset, offset + length));
    places.push(`write at ${at}`);
    await again();
    await user.ask('write', { uri: LARGE, offset: 0, data: before.subarray(0, 2_048).toString('base64') });

    // Nobody reads: the end of the device is noticed all the same. This time the cable is pulled on the kernel's side.
    const gone = user.ask('gone', { uri: LARGE });
    await detach();
    await gone;
    await user.refused('ENODEV', 'read', { uri: LARGE });
    await again();
    assertSame((await user.read(LARGE)).data, station.image);
    await user.ask('close', { uri: LARGE });
  });
  await givenBack();
  await assertNoStuckTasks();
  log.assertWell(mark);
  return places.join(', ');
}

async function watched(station) {
  await station.adapter();
  await withUser(station.cli, async (user) => {
    const expect = async (wanted) => {
      const { event, path } = await user.ask('next');
      if (`${event} ${path}` !== wanted) throw new Error(`${event} ${path} instead of ${wanted}`);
    };
    await user.ask('watch');
    await expect('attach 1-1');
    await station.arm('unplug:now');
    await expect('detach 1-1');
    await allFree();
    await user.ask('become', { uid: 65534 });
    await station.plug();
    await attach(station.port);
    await expect('attach 1-1');
    // In the place of udevd, which is not in this kernel's user space.
    const opening = user.ask('open', { uri: LARGE });
    await pause(UDEV_MS);
    const [node] = readdirSync('/dev/bus/usb/001').filter((name) => name !== '001');
    chmodSync(`/dev/bus/usb/001/${node}`, 0o666);
    const { ms } = await opening;
    if (ms < UDEV_MS / 2) throw new Error(`it was open after ${ms} ms, before it was allowed to`);
    await user.ask('close', { uri: LARGE });
  });
  await givenBack();
}

/** What is bound to the bridge's interface. */
export function driver() {
  const name = readdirSync(DEVICES).find((entry) => /^\d+-[1-9]\d*:1\.0$/.test(entry));
  if (name === undefined) return undefined;
  try {
    return basename(readlinkSync(`${DEVICES}/${name}/driver`));
  } catch {
    return undefined;
  }
}

/** hid-cp2112 has the bridge again, with all its nodes. Gives the number of its adapter. */
async function givenBack(when = '') {
  await until(`hid-cp2112 at the bridge ${when}`, 10_000, () => driver() === 'usbhid');
  const number = await adapterComes();
  if (readdirSync('/dev').filter((name) => /^hidraw/.test(name)).length !== 1)
    throw new Error(`no hidraw node ${when}`);
  return number;
}

function assertSame(got, wanted) {
  if (!got.equals(wanted)) throw new Error(difference(got, wanted));
}

function expectText(text, part) {
  if (!text.includes(part)) throw new Error(`"${text}" does not say "${part}"`);
}
