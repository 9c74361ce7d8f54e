// Is it there? What lib/hotplug says of a bridge that is plugged in and pulled, by what a real kernel says and shows.
import { spawn } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PROBE } from './basics.mjs';
import { adapterComes, adapters } from './i2c.mjs';
import { assertNoStuckTasks } from './tasks.mjs';
import { withUdevd } from './udevd.mjs';
import { allFree, attach } from './usbip.mjs';
import { until } from './wait.mjs';

const PROGRAM = fileURLToPath(new URL('./presence_program.mjs', import.meta.url));
const NOBODY = 65534;
const ROUNDS = 10;
const LIMIT_MS = 15_000;
export async function presenceChecks(report, station, log) {
  const options = { after: [PROBE], limitMs: 90_000 };
  const kernel = `presence: ${ROUNDS} plugs and unplugs, told by the kernel alone, to an unprivileged user, without udevd`;
  await report.check(kernel, options, () => byKernel(station, log));
  await report.check('presence: the same by what happens in /dev, and by the clock', options, () =>
    byOthers(station),
  );
  await report.check('presence: in a network namespace that the kernel tells nothing', options, () =>
    isolated(station),
  );
  await report.check('presence: not permitted, then permitted, without udevd', options, () =>
    permitted(station),
  );
  await report.check("presence: a device of the kernel's nvmem", options, () => memory(station));
  const udev = `presence: ${ROUNDS} plugs and unplugs beside udevd, which opens the nodes to an unprivileged user`;
  await report.check(udev, options, () => besideUdev(station, log));
}

/** A presence_program.mjs, and what it has said of each URI. */
class Follower {
  #child;
  #lines = [];
  #stderr = '';
  #ended;

  constructor(station, hints, uris, uid, inside = []) {
    const env = { ...process.env, ...(uid !== undefined && { NVMEM_UID: String(uid) }) };
    const [program, ...args] = [...inside, process.execPath, PROGRAM, station.cli, hints, ...uris];
    this.#child = spawn(program, args, { env });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#lines.push(JSON.parse(line)));
    this.#child.stderr.on('data', (chunk) => (this.#stderr += chunk));
    this.#ended = new Promise((done) => this.#child.on('close', done));
  }

  async ready() {
    try {
      return await until('program that follows', 30_000, () => this.#lines.find(({ ready }) => ready));
    } catch (error) {
      throw new Error(`${error.message}; it said: ${JSON.stringify(this.#lines)} ${this.#stderr}`, {
        cause: error,
      });
    }
  }

  /** Causes in order. A state that is only passed through may be seen or not. */
  said(uri) {
    return this.#lines
      .filter((line) => line.uri === uri && line.cause !== 'starting')
      .map(({ cause }) => cause);
  }

  /** Until the newest word on every one of the URIs is that cause. */
  async all(uris, cause) {
    try {
      await until(`"${cause}"`, LIMIT_MS, () => uris.every((uri) => this.said(uri).at(-1) === cause));
    } catch (error) {
      const said = uris.map((uri) => `${uri}: ${this.said(uri).join(' ')}`).join('; ');
      throw new Error(`${error.message}; ${said}; ${this.#stderr}`, { cause: error });
    }
  }

  expect(uri, wanted) {
    const said = this.said(uri).join(' ');
    if (said !== wanted.join(' ')) throw new Error(`of ${uri} it said: ${said}`);
  }

  async end() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** @param inside What starts the program, where it is not started plainly. */
async function following(station, hints, uris, uid, body, inside = []) {
  const follower = new Follower(station, hints, uris, uid, inside);
  try {
    const { hears } = await follower.ready();
    if (hears !== !['folders', 'clock'].includes(hints)) throw new Error(`it hears the kernel: ${hears}`);
    return await body(follower);
  } finally {
    await follower.end();
  }
}

/** The bridge by serial number and by place, its node, its adapter. */
async function uris(station) {
  await station.adapter();
  const number = await adapterComes();
  const [hidraw] = readdirSync('/sys/class/hidraw');
  return ['cp2112://', 'cp2112://1-1', `hidraw:///dev/${hidraw}`, `i2c:///dev/i2c-${number}`];
}

async function pull(station) {
  const present = adapters();
  await station.arm('unplug:now');
  await allFree();
  await until('adapter that has gone', LIMIT_MS, () =>
    adapters().every((number) => !present.includes(number)),
  );
}

async function plugIn(station) {
  await station.plug();
  await attach(station.port);
}

const cycle = (up, down) => Array.from({ length: ROUNDS }, () => [down, up]).flat();

async function byKernel(station, log) {
  const mark = log.mark();
  const all = await uris(station);
  await following(station, 'kernel', all, NOBODY, async (follower) => {
    await follower.all(all, 'denied');
    for (let round = 0; round < ROUNDS; round++) {
      await pull(station);
      await follower.all(all, 'unplugged');
      await plugIn(station);
      await follower.all(all, 'denied');
    }
    for (const uri of all) follower.expect(uri, ['denied', ...cycle('denied', 'unplugged')]);
  });
  await assertNoStuckTasks();
  log.assertWell(mark);
}

async function byOthers(station) {
  const all = await uris(station);
  for (const hints of ['folders', 'clock']) {
    await following(station, hints, all, undefined, async (follower) => {
      await follower.all(all, 'plugged');
      await pull(station);
      await follower.all(all, 'unplugged');
      await plugIn(station);
      await follower.all(all, 'plugged');
      for (const uri of all) follower.expect(uri, ['plugged', 'unplugged', 'plugged']);
    });
  }
}

/** A socket is to be had there, and the kernel sends it nothing (uevent_net_init()). */
async function isolated(station) {
  const all = await uris(station);
  const inside = ['unshare', '--user', '--map-root-user', '--net'];
  const follow = (hints, body) => following(station, hints, all, undefined, body, inside);
  await follow('all', async (follower) => {
    await follower.all(all, 'plugged');
    await follow('kernel', async (deaf) => {
      await deaf.all(all, 'plugged');
      await pull(station);
      await follower.all(all, 'unplugged');
      await plugIn(station);
      await follower.all(all, 'plugged');
      for (const uri of all) deaf.expect(uri, ['plugged']);
    });
    for (const uri of all) follower.expect(uri, ['plugged', 'unplugged', 'plugged']);
  });
}

async function permitted(station) {
  const all = await uris(station);
  await pull(station);
  await following(station, 'both', all, NOBODY, async (follower) => {
    await follower.all(all, 'absent');
    await plugIn(station);
    await follower.all(all, 'denied');
    // In the place of udevd.
    const [usb] = readdirSync('/dev/bus/usb/001').filter((name) => name !== '001');
    chmodSync(`/dev/bus/usb/001/${usb}`, 0o666);
    for (const uri of all.slice(2)) chmodSync(uri.slice(uri.indexOf('/dev')), 0o666);
    await follower.all(all, 'plugged');
    for (const uri of all) follower.expect(uri, ['absent', 'denied', 'plugged']);
  });
}

async function memory(station) {
  const bind = async () => {
    const adapter = await adapterComes();
    await station.at24(adapter, '24c256', 0x52);
    return readdirSync(`/sys/bus/i2c/devices/${adapter}-0052`).find((entry) =>
      entry.startsWith(`${adapter}-0052`),
    );
  };
  await station.adapter();
  const uri = `sysfs://${await bind()}`;
  await following(station, 'kernel', [uri], undefined, async (follower) => {
    await follower.all([uri], 'plugged');
    for (let round = 0; round < 3; round++) {
      await pull(station);
      await follower.all([uri], 'unplugged');
      await plugIn(station);
      await bind();
      await follower.all([uri], 'plugged');
    }
    follower.expect(uri, ['plugged', ...cycle('plugged', 'unplugged').slice(0, 6)]);
  });
}

async function besideUdev(station, log) {
  const mark = log.mark();
  const all = await uris(station);
  await pull(station);
  return await withUdevd(async () => {
    const remark = await following(station, 'both', all, NOBODY, async (follower) => {
      await follower.all(all, 'absent');
      for (let round = 0; round < ROUNDS; round++) {
        await plugIn(station);
        await follower.all(all, 'plugged');
        await pull(station);
        await follower.all(all, 'unplugged');
      }
      // Whether a node is seen before udevd has opened it is a race, and "denied" the honest word for it.
      const waits = all.map((uri) => follower.said(uri).filter((cause) => cause === 'denied').length);
      for (const uri of all) {
        const said = follower.said(uri).filter((cause) => cause !== 'denied');
        const wanted = ['absent', ...cycle('unplugged', 'plugged')];
        if (said.join(' ') !== wanted.join(' '))
          throw new Error(`of ${uri} it said: ${follower.said(uri).join(' ')}`);
      }
      return `not permitted yet: seen ${waits.join(', ')} times of ${ROUNDS}`;
    });
    log.assertWell(mark);
    return remark;
  });
}
