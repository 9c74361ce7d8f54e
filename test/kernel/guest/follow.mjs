// It lives on: a memory that is followed through a real kernel is unplugged in the middle of reads and writes, again and again,
// and each of them ends as if nothing had happened.
import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PROBE } from './basics.mjs';
import { adapterComes, adapters } from './i2c.mjs';
import { bytes, generator } from './random.mjs';
import { assertNoStuckTasks } from './tasks.mjs';
import { hidrawTransport, i2cTransport, sysfsTransport, usbTransport } from './transports.mjs';
import { withUdevd } from './udevd.mjs';
import { allFree, attach } from './usbip.mjs';
import { until } from './wait.mjs';

const PROGRAM = fileURLToPath(new URL('./follow_program.mjs', import.meta.url));
const NOBODY = 65534;
const LIMIT_MS = 30_000;
const PART = '0x52?chip=24c256';
/** Bytes of a write; with reading back at least as many again cross the wire. at24 writes a byte at a time. */
const WRITE = { usb: 4096, hidraw: 4096, i2c: 2048, sysfs: 96 };

/** Twenty-five replugs over each of two transports that own the bridge or share it. */
export async function followChecks(report, station, log, seed) {
  for (const transport of [usbTransport(station), hidrawTransport(station)])
    await overAndOver(report, station, log, seed, transport, 25);
}

/** The kernel's own adapter and its own memory, and users without rights. */
export async function followKernelChecks(report, station, log, seed) {
  await overAndOver(report, station, log, seed + 1, i2cTransport(station), 20);
  await overAndOver(report, station, log, seed + 2, sysfsTransport(station), 10);

  const alone =
    'follow: an unprivileged user without udevd: EACCES is told and tried again until it is permitted';
  await report.check(alone, { after: [PROBE], limitMs: 90_000 }, async () => {
    // Without the kernel's at24 on the part.
    const number = await station.replug();
    const permit = () => chmodSync(`/dev/i2c-${number}`, 0o666);
    permit();
    return await replugs(station, log, seed + 3, i2cTransport(station), 8, { uid: NOBODY, permit });
  });
  const udev = 'follow: an unprivileged user beside udevd, which opens the nodes';
  await report.check(udev, { after: [PROBE], limitMs: 120_000 }, async () => {
    await station.detach();
    return await withUdevd(async () => {
      await station.attach();
      const said = [];
      for (const transport of [usbTransport(station), hidrawTransport(station)])
        said.push(await replugs(station, log, seed + 4, transport, 6, { uid: NOBODY }));
      return said.join('; ');
    });
  });
}

async function overAndOver(report, station, log, seed, transport, rounds) {
  const name = `follow: ${rounds} replugs in reads and writes over ${transport.name}, all of which end well`;
  await report.check(name, { after: [PROBE], limitMs: 150_000 }, () =>
    replugs(station, log, seed, transport, rounds),
  );
}

/** A follow_program.mjs, seen from here. */
class Board {
  #child;
  #waiting = [];
  #stderr = '';
  #ended;
  states = [];
  troubles = [];

  constructor(station, uri, uid) {
    const env = { ...process.env, ...(uid !== undefined && { NVMEM_UID: String(uid) }) };
    this.#child = spawn(process.execPath, [PROGRAM, station.cli, uri], { env });
    createInterface({ input: this.#child.stdout }).on('line', (text) => {
      const line = JSON.parse(text);
      if (line.state !== undefined) this.states.push(line.state);
      else if (line.trouble !== undefined) this.troubles.push(line.trouble);
      else this.#waiting.shift()?.(line);
    });
    this.#child.stdin.on('error', () => {}); // it may have ended
    this.#child.stderr.on('data', (chunk) => (this.#stderr += chunk));
    this.#ended = new Promise((done) => this.#child.on('close', done));
    void this.#ended.then(() => {
      for (const answer of this.#waiting.splice(0))
        answer({ error: { message: `it ended: ${this.#stderr}` } });
    });
  }

  async ask(cmd, args = {}) {
    let timer;
    const said = await Promise.race([
      new Promise((done) => {
        this.#waiting.push(done);
        this.#child.stdin.write(`${JSON.stringify({ cmd, ...args })}\n`);
      }),
      new Promise((done) => {
        timer = setTimeout(done, LIMIT_MS, { error: { message: `no answer after ${LIMIT_MS / 1000} s` } });
      }),
    ]);
    clearTimeout(timer);
    if (said.error === undefined) return said.answer;
    const { states, troubles } = this;
    throw new Error(
      `${cmd}: ${said.error.message}; states: ${states.join(' ')}; troubles: ${troubles.join(' ')}`,
    );
  }

  async end() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** What a board's own start would do after each plug; the bridge itself needs nobody. */
async function again(station, name) {
  if (name !== 'i2c' && name !== 'sysfs') return;
  const number = await adapterComes();
  if (name === 'sysfs') await station.at24(number, '24c256', 0x52);
}

/** Unplugs at a seeded byte in the middle of each operation. @param how `permit`: opens the node, as udev would; only once EACCES was told. */
async function replugs(station, log, seed, transport, rounds, how = {}) {
  const mark = log.mark();
  const next = generator(seed);
  const found = await transport.ready();
  const board = new Board(station, transport.uri(PART, found), how.uid);
  try {
    await board.ask('present');
    const content = await station.content(0x52);
    for (let round = 0; round < rounds; round++) {
      const length = WRITE[transport.name];
      const writes = round % 2 === 1;
      const at = writes ? next(1, 2 * length) : next(1, content.length);
      const data = bytes(seed + round, length);
      const offset = next(0, content.length - length);
      try {
        await station.arm(`unplug:wire=${at}`);
        const operation = writes
          ? board.ask('write', { offset, data: data.toString('base64') })
          : board.ask('read');
        operation.catch(() => undefined);
        await until('unplug', LIMIT_MS, async () => !(await station.plugged()));
        await allFree();
        await until('adapter that has gone', LIMIT_MS, () => adapters().length === 0);
        await station.plug();
        await attach(station.port);
        await again(station, transport.name);
        if (how.permit !== undefined) {
          await until('EACCES', LIMIT_MS, () => board.troubles.includes('EACCES'));
          board.troubles.length = 0;
          how.permit();
        }
        const { data: got } = await operation;
        if (writes) data.copy(content, offset);
        const is = writes ? await station.content(0x52) : Buffer.from(got, 'base64');
        if (!is.equals(content)) throw new Error(`${writes ? 'stored' : 'read'} is something else`);
      } catch (error) {
        throw new Error(`round ${round}, ${writes ? 'write' : 'read'}, byte ${at}: ${error.message}`, {
          cause: error,
        });
      }
    }
    const { resumes, unplugs } = await board.ask('stats');
    if (unplugs !== rounds) throw new Error(`it has counted ${unplugs} unplugs instead of ${rounds}`);
    const states = board.states.join(' ');
    const wanted = ['present', ...Array.from({ length: rounds }, () => 'absent present')].join(' ');
    if (states !== wanted) throw new Error(`its states: ${states}`);
    await board.ask('close');
    await assertNoStuckTasks();
    log.assertWell(mark);
    const troubles = [...new Set(board.troubles)].join(' ');
    return `${transport.name}: ${resumes} resumed${troubles === '' ? '' : `; told meanwhile: ${troubles}`}`;
  } finally {
    await board.end();
    await station.releaseFaults();
    if (!(await station.plugged())) await station.plug();
  }
}
