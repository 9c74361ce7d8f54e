// Write protect on a line of the kernel's gpiochip, the one of hid-cp2112, for parts behind any bus.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { difference, PROBE } from './basics.mjs';
import { chipComes, chipGoes, holding, userOf } from './gpio.mjs';
import { adapterGoes, adapters } from './i2c.mjs';
import { bytes } from './random.mjs';
import { assertNoStuckTasks } from './tasks.mjs';
import { allFree } from './usbip.mjs';
import { until } from './wait.mjs';

const require = createRequire(import.meta.url);
const PROGRAM = fileURLToPath(new URL('./gpiochip_program.mjs', import.meta.url));

/** Of the station: a 24c02 with its WP pin on GPIO 0. By label, for the chip's number changes with every plug. */
const WP = '&wp=cp2112_gpio:0';
const ADDRESS = 0x50;
const OPTIONS = { openTimeoutMs: 20_000 };

const WRITE = 'over i2c:// with wp=cp2112_gpio:0: the line is ours and high, and low for the write alone';
const PAST = 'a write past it is dropped, and noticed';

export async function gpiochipChecks(report, station, log, seed) {
  const { open } = require(join(dirname(station.cli), '..', 'index.js'));
  const uri = (number, query = '') => `i2c:///dev/i2c-${number}/0x50?chip=24c02${query}`;

  await report.check(WRITE, { after: [PROBE], limitMs: 60_000 }, async () => {
    const mark = log.mark();
    const number = await station.adapter();
    const chip = await chipComes();
    const patch = bytes(seed + 10, 100);
    const expected = Buffer.from(await station.content(ADDRESS));
    patch.copy(expected, 33);
    await withEvents(station, async (events) => {
      const device = await open(uri(number, WP), OPTIONS);
      try {
        const { user, output } = await userOf(chip, 0);
        if (user !== 'nvmem-wp' || !output) throw new Error(`the line's user is ${user}`);
        await expectHigh(station, 'after open()');
        await device.write(33, patch);
        await expectHigh(station, 'after the write');
      } finally {
        await device.close();
      }
      assertLowForWritesAlone(await events.until(isHigh));
    });
    const content = await station.content(ADDRESS);
    if (!content.equals(expected)) throw new Error(difference(content, expected));
    if ((await userOf(chip, 0)).user !== undefined) throw new Error('the line is not released');
    await expectHigh(station, 'after close()');
    log.assertWell(mark);
  });

  await report.check(PAST, { after: [PROBE, WRITE], limitMs: 60_000 }, async () => {
    const number = await station.adapter();
    const careful = await open(uri(number, WP), { ...OPTIONS, readOnly: true });
    const careless = await open(uri(number), OPTIONS);
    try {
      const before = await station.content(ADDRESS);
      const error = await refusal(careless.write(7, bytes(seed + 11, 40)));
      if (error.code !== 'EBADMSG') throw error;
      const after = await station.content(ADDRESS);
      if (!after.equals(before)) throw new Error(difference(after, before));
    } finally {
      await careless.close();
      await careful.close();
    }
  });

  const busy = 'a line that gpioset has is refused, with its name';
  await report.check(busy, { after: [PROBE, WRITE], limitMs: 60_000 }, async () => {
    const number = await station.adapter();
    const chip = await chipComes();
    await holding(chip, 0, 1, async () => {
      const error = await refusal(open(uri(number, WP), OPTIONS));
      if (error.code !== 'EBUSY' || !/line 0 of gpiochip\d+ is in use by gpioset/.test(error.message))
        throw error;
    });
  });

  await endChecks(report, station, log, open);
  await unplugCheck(report, station, log, seed, open);
}

/** Programs that end in the middle of a write. */
async function endChecks(report, station, log, open) {
  // 32 KiB take long enough to be in the middle; whose WP pin it is makes no difference to the line.
  const large = (number) => `i2c:///dev/i2c-${number}/0x52?chip=24c256${WP}`;
  const exit = 'a program that ends in the middle of a write leaves the line high and free';
  await report.check(exit, { after: [PROBE, WRITE], limitMs: 60_000 }, async () => {
    const mark = log.mark();
    const number = await station.adapter();
    const chip = await chipComes();
    await withEvents(station, async (events) => {
      await writer(station, large(number), 'exit', (program) => program.ended);
      assertLowForWritesAlone(await events.until(isHigh));
    });
    await expectHigh(station, 'after exit()');
    if ((await userOf(chip, 0)).user !== undefined) throw new Error('the line is not released');
    log.assertWell(mark);
  });

  // The kernel releases the line and hid-cp2112 leaves its level: nothing in this package runs any more.
  const killed =
    'after SIGKILL in the middle of a write the line stays low, is free, and the next open() raises it';
  await report.check(killed, { after: [PROBE, WRITE], limitMs: 60_000 }, async () => {
    const number = await station.adapter();
    const chip = await chipComes();
    await writer(station, large(number), 'go on', async (program) => {
      program.kill();
      await program.ended;
    });
    if (((await station.gpioLevels()) & 1) !== 0) throw new Error('the line is high: the write was over');
    if ((await userOf(chip, 0)).user !== undefined) throw new Error('the line is not released');
    const device = await open(large(number), { ...OPTIONS, readOnly: true });
    try {
      await expectHigh(station, 'after the next open()');
    } finally {
      await device.close();
    }
  });
}

async function unplugCheck(report, station, log, seed, open) {
  const name =
    'the gpiochip is pulled while its line is ours: nothing waits, the memory stays, writes fail until it is back';
  await report.check(name, { after: [PROBE, WRITE], limitMs: 90_000 }, async () => {
    const mark = log.mark();
    const [number] = adapters();
    const chip = await chipComes();
    await withOtherBench(station, async (port) => {
      const device = await open(`usbip://127.0.0.1:${port}/1-1/0x51?chip=24c02${WP}`, OPTIONS);
      try {
        if ((await userOf(chip, 0)).user !== 'nvmem-wp') throw new Error('the line is not ours');
        const patch = bytes(seed + 12, 20);
        await device.write(0, patch);
        const started = performance.now();
        await station.arm('unplug:now');
        await chipGoes(chip);
        await adapterGoes(number);
        await allFree();
        const seconds = (performance.now() - started) / 1000;
        await assertNoStuckTasks();
        if (!device.alive) throw new Error('the device went with a chip that is not its own');
        const error = await refusal(device.write(0, bytes(seed + 13, 20)));
        if (error.code !== 'EIO' || !/line 0 of cp2112_gpio: its gpiochip is gone/.test(error.message))
          throw error;
        const content = await device.read(0, patch.length);
        if (!patch.equals(content)) throw new Error(difference(Buffer.from(content), patch));
        await station.plug();
        await station.attach();
        await chipComes();
        await withEvents(station, async (events) => {
          await device.write(0, bytes(seed + 13, 20));
          const seen = (await events.until((all) => levels(all).at(-1) === 1)).filter(
            ({ event }) => event === 'gpio',
          );
          if (!levels(seen).includes(0)) throw new Error('the line was not lowered');
        });
        await expectHigh(station, 'after the write');
        log.assertWell(mark);
        return `gone ${seconds.toFixed(1)} s after the cable`;
      } finally {
        await device.close();
      }
    });
  });
}

/** Runs `body` with the port of a bench that the kernel does not see: a 24c02 at 0x51. */
async function withOtherBench(station, body) {
  const port = station.port + 100;
  const args = [station.cli, 'rig', '--port', String(port), '--eeprom', '0x51:24c02', '--time', 'off'];
  const bench = spawn(process.execPath, args, { stdio: 'ignore' });
  const ended = new Promise((done) => bench.on('close', done));
  try {
    await until('second bench', 40_000, () => listens(port));
    return await body(port);
  } finally {
    bench.kill('SIGTERM');
    await ended;
  }
}

function listens(port) {
  return new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => done(false));
    socket.on('connect', () => {
      socket.destroy();
      done(true);
    });
  });
}

/** Runs `body` with a program that is at writing all of the part (gpiochip_program.mjs). */
async function writer(station, uri, how, body) {
  const child = spawn(process.execPath, [PROGRAM, station.cli, uri, how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((done) => child.on('close', done));
  const first = new Promise((done) => createInterface({ input: child.stdout }).once('line', done));
  const writing = Promise.race([
    first,
    ended.then((status) => {
      throw new Error(`the program ended with ${status} before it wrote`);
    }),
  ]);
  try {
    await writing;
    await body({ ended, kill: () => child.kill('SIGKILL') });
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** What the bench tells while `body` runs. */
async function withEvents(station, body) {
  const socket = connect({ port: station.controlPort, host: '127.0.0.1', noDelay: true });
  const all = [];
  const lines = createInterface({ input: socket });
  const subscribed = new Promise((done) => lines.once('line', done));
  lines.on('line', (line) => {
    const message = JSON.parse(line);
    if (message.event !== undefined) all.push(message);
  });
  socket.write(`${JSON.stringify({ token: station.controlToken, cmd: 'events' })}\n`);
  await subscribed;
  const events = {
    /** What came so far, once it fulfils the condition. */
    until: (condition) => until('the bench to tell', 10_000, () => (condition(all) ? all : undefined)),
  };
  try {
    return await body(events);
  } finally {
    socket.destroy();
  }
}

/** Levels of GPIO 0, in the order of time. */
function levels(all) {
  return all.filter(({ event }) => event === 'gpio').map(({ args: [pins] }) => pins & 1);
}

function wpOf(all) {
  return all
    .filter(({ event, args: [address] }) => event === 'wp' && address === ADDRESS)
    .map(({ args }) => args[1]);
}

function isHigh(all) {
  return wpOf(all).at(-1) === true;
}

/** The line went down once and up once, every write began in between, and none was dropped. */
function assertLowForWritesAlone(all) {
  let low = false;
  let writes = 0;
  for (const { event, args } of all) {
    if (event === 'wp' && args[0] === ADDRESS) low = !args[1];
    if (event !== 'eeprom') continue;
    if (args[0].type === 'drop') throw new Error('the chip dropped a write');
    if (args[0].type !== 'start') continue;
    writes++;
    if (!low) throw new Error('a write began while the line was high');
  }
  const changes = wpOf(all).join(' ');
  if (changes !== 'false true') throw new Error(`the line went ${changes}`);
  if (writes === 0) throw new Error('no write began');
}

async function expectHigh(station, when) {
  if (((await station.gpioLevels()) & 1) !== 1) throw new Error(`the line is low ${when}`);
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}
