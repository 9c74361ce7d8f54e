// A bridge that is plugged in and says nothing, for a while or for good.
import { spawn } from 'node:child_process';
import { until } from './wait.mjs';

const KINDS = ['silent', 'silent:in'];
/** For what has no limit of its own to come to its end. */
const SOON_MS = 8000;

/** How long it took. Throws when it was longer. */
async function within(ms, what, promise) {
  const began = performance.now();
  const late = Symbol('late');
  const ended = await Promise.race([promise, until(what, ms, () => false).catch(() => late)]);
  if (ended === late) throw new Error(`${what}: not within ${ms} ms`);
  return (performance.now() - began) / 1000;
}

/**
 * cp2112://: the time-out is told, and neither close() nor the end of a program waits for the kernel, which would ask the
 * bridge again and again. `driver` gives what is bound to its interface, `givenBack` waits for hid-cp2112.
 */
export async function usbSilence(station, next, uri, { withUser, driver, givenBack }) {
  const times = [];
  for (const kind of KINDS) {
    for (const how of ['close', 'exit']) {
      await withUser(station.cli, async (user) => {
        await user.ask('open', { uri });
        await station.arm(`${kind}:skip=${next(1, 300)}`);
        const error = await user.refused('ETIMEDOUT', 'read', { uri });
        if (!/the bridge did not .*\(report 0x1/.test(error.message)) throw new Error(error.message);
        const end = how === 'close' ? user.ask('close', { uri }) : user.end('exit');
        const seconds = await within(SOON_MS, how, end);
        times.push(`${kind} ${how} ${seconds.toFixed(1)} s`);
      });
      if (kind === 'silent' && driver() !== undefined)
        throw new Error(`${driver()} was bound to a silent bridge`);
      await station.releaseFaults();
      await withUser(station.cli, async (user) => {
        await user.ask('open', { uri });
        const { data } = await user.read(uri);
        if (!data.equals(station.image)) throw new Error('other bytes after the silence');
        await user.ask('close', { uri });
      });
      await givenBack(`after ${kind}`);
    }
  }
  // The command: its error is there, and it ends.
  await station.arm(`silent:skip=${next(20, 300)}`);
  const command = spawn(process.execPath, [station.cli, 'read', uri, '-o', `${station.scratch}/silent`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  command.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise((done) => command.on('close', (code, signal) => done(code ?? signal)));
  const took = await within(20_000, 'end of nvmem read', ended);
  if (!stderr.includes('ETIMEDOUT')) throw new Error(`nvmem read says: ${stderr}`);
  await station.replug();
  return `${times.join(', ')}, nvmem read ${took.toFixed(1)} s in all`;
}

/** hidraw: silences of up to 1.2 s in writes. All that comes late is our own, and nobody else is blamed for it. */
export async function hidrawSilence(station, next, write) {
  const places = [];
  for (let round = 0; round < 8; round++) {
    const fault = `${KINDS[round % 2]}:ms=${next(300, 1200)}:skip=${next(0, 80)}`;
    await station.arm(fault);
    places.push(fault);
    try {
      await write(round);
    } catch (error) {
      throw new Error(`${fault}: ${error.message}`, { cause: error });
    } finally {
      await station.releaseFaults();
    }
  }
  return places.join(' ');
}

/** The same for good, over any way. `read` gives the code that it came to. */
export async function silentForGood(station, next, read) {
  const times = [];
  for (const kind of KINDS) {
    await station.arm(`${kind}:skip=${next(10, 100)}`);
    let code;
    const seconds = await within(
      20_000,
      `time-out (${kind})`,
      read().then((got) => (code = got)),
    );
    await station.releaseFaults();
    if (code !== 'ETIMEDOUT') throw new Error(`${kind}: ${code}`);
    times.push(`${kind} ${seconds.toFixed(1)} s`);
  }
  return times.join(', ');
}
