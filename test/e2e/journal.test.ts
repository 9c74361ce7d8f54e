/**
 * kill -9 at seeded points of a journalled write of 64 pages, and of its recovery: processes of the built package write to the
 * virtual bench, which lives here and keeps its power. Afterwards the memory is old or new, page for page.
 *
 * `NVMEM_JOURNAL_POINTS` says how many points of the write (300 in the long run; a third as many of the recovery), `NVMEM_SEED` which.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

import { atomicCell } from '../../lib/journal/atomic_cell.js';
import { nodeJournalFs, readJournal } from '../../lib/journal/files.js';
import { encodeJournal } from '../../lib/journal/format.js';
import { recover } from '../../lib/journal/recover.js';
import { journalledWrite } from '../../lib/journal/write.js';
import { open } from '../../lib/index.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { imageOf, random, seedOfRun } from './bench.js';

const POINTS = Number(process.env['NVMEM_JOURNAL_POINTS'] ?? 4);
const FIXTURE = join(__dirname, 'fixtures', 'journal.js');
const PAGE = 64;
const SIZE = 32_768;
/** From the middle of a page to the middle of another, 64 pages in all; one goes over the bridge in two pieces. */
const OFFSET = 100;
const CONTENT_LENGTH = 64 * PAGE - 60;

const seed = seedOfRun();
const before = imageOf(SIZE, seed);
const content = imageOf(CONTENT_LENGTH, seed + 1);
const after = Buffer.from(before);
after.set(content, OFFSET);
const folder = mkdtempSync(join(tmpdir(), 'nvmem-journal-'));

type How = 'write' | 'recover' | 'back';

/** Where a process is killed: before the n-th step of its files, or at the n-th report on the wire. */
interface Point {
  readonly at: 'files' | 'report';
  readonly n: number;
}

class Lane {
  private constructor(
    readonly bench: VirtualBench,
    readonly file: string,
  ) {}

  static async start(name: string): Promise<Lane> {
    const eeproms = [{ address: 0x52, chip: '24c256', wp: 0 }];
    const bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms }] });
    return new Lane(bench, join(folder, name));
  }

  get uri(): string {
    return `usbip://127.0.0.1:${String(this.bench.port)}/1-1/0x52?chip=24c256&wp=0`;
  }

  get image(): Buffer {
    return Buffer.from(this.bench.device().eeprom(0x52).image);
  }

  set image(image: Buffer) {
    this.bench.device().eeprom(0x52).image = image;
  }

  /** Runs a process to its end, which may come at `point`. */
  async run(
    how: How,
    point?: Point,
  ): Promise<{ killed: boolean; steps: number; reports: number; first: number }> {
    const device = this.bench.device();
    const { uri, file } = this;
    const killAt = point?.at === 'files' ? point.n : 0;
    const order = { uri, file, how, offset: OFFSET, content: content.toString('base64'), killAt };
    const child = spawn(process.execPath, [FIXTURE, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 20_000,
    });
    let reports = 0;
    /** The report at which the first page write began. */
    let first = 0;
    const onReport = (): void => {
      if (++reports === point?.n && point.at === 'report') child.kill('SIGKILL');
    };
    const onWrite = (): void => void (first ||= reports);
    device.on('report', onReport).on('eeprom', onWrite);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (device.attached) await once(device, 'detached');
    device.off('report', onReport).off('eeprom', onWrite);
    if (signal === null) expect(status).toBe(0);
    else expect(signal).toBe('SIGKILL');
    const { steps } = signal === null ? (JSON.parse(said) as { steps: number }) : { steps: 0 };
    return { killed: signal !== null, steps, reports, first };
  }

  async recover(back: boolean): Promise<void> {
    await using device = await open(this.uri);
    const { holds } = await recover(this.file, device, { back });
    expect(holds).toBe(back ? 'old' : 'new');
    expect(existsSync(this.file)).toBe(false);
  }
}

let lanes: Lane[];

beforeAll(async () => {
  process.stdout.write(
    `kill points from NVMEM_SEED=${String(seed)}, NVMEM_JOURNAL_POINTS=${String(POINTS)}\n`,
  );
  lanes = [await Lane.start('a'), await Lane.start('b')];
});

afterAll(async () => {
  await Promise.all(lanes.map(({ bench }) => bench.close()));
  rmSync(folder, { recursive: true });
});

/** Works off so many rounds, each lane one at a time. */
async function rounds(
  count: number,
  round: (lane: Lane, next: () => number) => Promise<void>,
): Promise<void> {
  let done = 0;
  await Promise.all(
    lanes.map(async (lane) => {
      while (done < count) await round(lane, random(seed ^ (0x9e37 * ++done)));
    }),
  );
}

function pick(next: () => number, from: number, to: number): number {
  return from + Math.floor(next() * (to - from + 1));
}

async function ended(
  child: ChildProcessByStdio<null, null, Readable>,
): Promise<{ status: number | null; stderr: string }> {
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stderr };
}

/** Every byte of the range is old or new, every other as it was. */
function expectMixture(image: Buffer): void {
  const foreign = image.findIndex((byte, at) => byte !== before[at] && byte !== after[at]);
  expect(foreign).toBe(-1);
}

test(
  `a write that is killed at ${String(POINTS)} points is finished or undone`,
  async () => {
    const [lane] = lanes;
    if (!lane) throw new Error('no lane');
    lane.image = before;
    const whole = await lane.run('write');
    expect(lane.image.equals(after)).toBe(true);
    expect(existsSync(lane.file)).toBe(false);
    expect(whole.steps).toBeGreaterThan(8);

    const ends = { killed: 0, none: 0, left: 0, done: 0 };
    await rounds(POINTS, async (one, next) => {
      one.image = before;
      // One in four among the files; else from a while before the first page to the last report.
      const point: Point =
        next() < 0.25
          ? { at: 'files', n: pick(next, 1, whole.steps) }
          : { at: 'report', n: pick(next, whole.first - 20, whole.reports) };
      const context = JSON.stringify({ seed, point });
      const { killed } = await one.run('write', point);
      if (killed) ends.killed++;
      const { image } = one;
      if (!existsSync(one.file)) {
        // Not begun, or finished: nothing needs a journal.
        const state = image.equals(before) ? 'none' : image.equals(after) ? 'done' : 'torn';
        expect({ context, state }).toEqual({ context, state: expect.stringMatching(/none|done/) });
        if (state === 'none' || state === 'done') ends[state]++;
        return;
      }
      ends.left++;
      const journal = await readJournal(nodeJournalFs, one.file);
      const { start, old } = journal;
      expect({ context, ...journal }).toMatchObject({ context, offset: OFFSET, start: PAGE });
      expect(old.length).toBe(64 * PAGE);
      expect(before.subarray(start, start + old.length).equals(old)).toBe(true);
      expect(content.equals(journal.content)).toBe(true);
      expect(journal.memory).toMatchObject({ size: SIZE, pageSize: PAGE, uri: one.uri });
      expectMixture(image);
      const back = next() < 0.5;
      await one.recover(back);
      expect({ context, back, same: one.image.equals(back ? before : after) }).toEqual({
        context,
        back,
        same: true,
      });
    });
    console.info(`killed ${JSON.stringify(ends)}`);
    expect(ends.killed).toBeGreaterThan(POINTS / 2);
    expect(readdirSync(folder).filter((name) => !name.startsWith('.nvmem-journal-'))).toEqual([]);
  },
  30_000 + POINTS * 5000,
);

test(
  'a recovery that is killed is begun again, in either direction',
  async () => {
    const points = Math.max(2, Math.round(POINTS / 3));
    const totals = { recover: 0, back: 0 };
    const steps = { recover: 0, back: 0 };
    const prepare = (lane: Lane, reach: number): void => {
      const image = Buffer.from(before);
      content.copy(image, OFFSET, 0, reach);
      lane.image = image;
      const memory = { name: 'x', size: SIZE, uri: lane.uri, pageSize: PAGE };
      const old = before.subarray(PAGE, 65 * PAGE);
      writeFileSync(
        lane.file,
        encodeJournal({ memory, offset: OFFSET, content, start: PAGE, old, holes: [] }),
      );
    };
    await Promise.all(
      (['recover', 'back'] as const).map(async (how, index) => {
        const lane = lanes[index];
        if (!lane) throw new Error('no lane');
        prepare(lane, how === 'back' ? CONTENT_LENGTH : 0);
        const whole = await lane.run(how);
        expect(lane.image.equals(how === 'back' ? before : after)).toBe(true);
        [totals[how], steps[how]] = [whole.reports, whole.steps];
      }),
    );
    let killed = 0;
    await rounds(points, async (lane, next) => {
      const how = next() < 0.5 ? 'recover' : 'back';
      prepare(lane, pick(next, 0, CONTENT_LENGTH));
      /** Reports that there will be, nearly: as many as there are bytes to change. */
      const reports = (direction: 'recover' | 'back'): number => {
        const wanted = direction === 'back' ? before : after;
        const differ = lane.image.filter((byte, at) => byte !== wanted[at]).length;
        return Math.ceil((totals[direction] * (differ + 300)) / (CONTENT_LENGTH + 300));
      };
      // Twice, the second time perhaps the other way round.
      for (const direction of [how, next() < 0.5 ? 'recover' : 'back'] as const) {
        if (!existsSync(lane.file)) break;
        const point: Point =
          next() < 0.2
            ? { at: 'files', n: pick(next, 1, steps[direction]) }
            : { at: 'report', n: pick(next, 1, reports(direction)) };
        const outcome = await lane.run(direction, point);
        if (outcome.killed) killed++;
        else expect(lane.image.equals(direction === 'back' ? before : after)).toBe(true);
        expectMixture(lane.image);
      }
      if (!existsSync(lane.file)) {
        expect(lane.image.equals(before) || lane.image.equals(after)).toBe(true);
        return;
      }
      const back = next() < 0.5;
      await lane.recover(back);
      expect(lane.image.equals(back ? before : after)).toBe(true);
    });
    expect(killed).toBeGreaterThan(points / 2);
  },
  30_000 + POINTS * 5000,
);

test.each([
  [
    'full',
    'size=8k',
    'ENOSPC: the journal .* cannot be made: the disk is full .it takes 8[0-9]{3} bytes.; nothing was written to',
  ],
  [
    'read-only',
    'ro',
    'EROFS: the journal .* cannot be made: the file system is read-only; nothing was written to',
  ],
])('a disk that is %s: said, and the memory untouched', async (name, how, says) => {
  const [lane] = lanes;
  if (!lane) throw new Error('no lane');
  lane.image = before;
  const disk = join(folder, name);
  mkdirSync(disk);
  const order = {
    uri: lane.uri,
    file: join(disk, 'j'),
    how: 'write',
    offset: OFFSET,
    content: content.toString('base64'),
  };
  const script = `mount -t tmpfs -o ${how} none "$0" && exec "$@"`;
  const inside = ['sh', '-c', script, disk, process.execPath, FIXTURE, JSON.stringify(order)];
  // A file system of its own, that nobody else sees and that ends with the process.
  const { status, stderr } = await ended(
    spawn('unshare', ['--map-root-user', '--mount', ...inside], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 20_000,
    }),
  );
  expect(lane.image.equals(before)).toBe(true);
  if (/^(unshare|mount):/m.test(stderr)) {
    console.info(`not run: this machine lets nobody mount (${stderr.trim()})`);
    return;
  }
  expect([status, stderr]).toEqual([1, expect.stringMatching(says)]);
});

test('a bridge that is pulled in a write cycle leaves a torn page: it is told as one, and put right', async () => {
  const eeproms = [{ address: 0x52, chip: '24c256', powerLoss: 'tear' as const, image: before }];
  await using bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms }] });
  const uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x52?chip=24c256`;
  const device = bench.device();
  const file = join(folder, 'pulled');
  let pages = 0;
  device.on('eeprom', ({ type }) => {
    if (type === 'start' && ++pages === 31)
      setImmediate(() => {
        device.unplug();
      });
  });
  const board = await open(uri);
  await expect(journalledWrite(board, OFFSET, content, { journal: file })).rejects.toMatchObject({
    code: 'ENODEV',
    hint: expect.stringContaining(`The journal ${file} is kept: nvmem recover ${file} '${uri}'`),
  });
  device.plug();
  const left = Buffer.from(device.eeprom(0x52).image);
  const journal = readFileSync(file);
  for (const [options, holds, image] of [
    [{ torn: true, back: true }, 'old', before],
    [{ torn: true }, 'new', after],
  ] as const) {
    device.eeprom(0x52).image = left;
    writeFileSync(file, journal);
    await using again = await open(uri);
    await expect(recover(file, again)).rejects.toMatchObject({
      code: 'ESTALE',
      hint: expect.stringContaining('--torn'),
    });
    expect(await recover(file, again, options)).toMatchObject({ holds, pages: { torn: 1 } });
    expect(Buffer.from(device.eeprom(0x52).image).equals(image)).toBe(true);
  }
});

test.each([
  ['while the memory is unplugged', 0],
  ['after it has come back', 3],
])('a follower that is killed in the middle of a journalled write, %s', async (_, pagesAfter) => {
  const eeproms = [{ address: 0x52, chip: '24c256', image: before }];
  await using bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms }] });
  const uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x52?chip=24c256`;
  const device = bench.device();
  const file = join(folder, `followed ${String(pagesAfter)}`);
  const order = { uri, file, how: 'follow', offset: OFFSET, content: content.toString('base64') };
  const child = spawn(process.execPath, [FIXTURE, JSON.stringify(order)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const exit = once(child, 'exit');
  let pages = 0;
  device.on('eeprom', ({ type }) => {
    if (type !== 'start') return;
    if (++pages === 20)
      setImmediate(() => {
        device.unplug();
      });
    if (pages === 20 + pagesAfter) child.kill('SIGKILL');
  });
  device.once('unplugged', () => {
    if (pagesAfter === 0) child.kill('SIGKILL');
    else
      setImmediate(() => {
        device.plug();
      });
  });
  expect(await exit).toEqual([null, 'SIGKILL']);
  if (device.attached) await once(device, 'detached');
  if (!device.plugged) device.plug();
  const left = Buffer.from(device.eeprom(0x52).image);
  expect([left.equals(before), left.equals(after)]).toEqual([false, false]);
  expectMixture(left);
  const journal = readFileSync(file);
  for (const [back, image] of [
    [true, before],
    [false, after],
  ] as const) {
    device.eeprom(0x52).image = left;
    writeFileSync(file, journal);
    await using again = await open(uri);
    expect(await recover(file, again, { back })).toMatchObject({ holds: back ? 'old' : 'new' });
    expect(Buffer.from(device.eeprom(0x52).image).equals(image)).toBe(true);
    expect(existsSync(file)).toBe(false);
  }
});

test('write() with a journal, of a device: the journal is there while pages are written, and its errors are those of journalledWrite()', async () => {
  const eeproms = [{ address: 0x52, chip: '24c256', image: before }];
  await using bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms }] });
  const uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x52?chip=24c256`;
  const device = bench.device();
  const file = join(folder, 'of a device');
  const seen = new Set<boolean>();
  device.on('eeprom', ({ type }) => {
    if (type === 'start') seen.add(existsSync(file));
  });
  await using board = await open(uri);
  const done = await board.write(OFFSET, content, { journal: file });
  expect(done).toMatchObject({ bytesWritten: CONTENT_LENGTH, journalError: undefined });
  expect([...seen, existsSync(file)]).toEqual([true, false]);
  expect(Buffer.from(device.eeprom(0x52).image).equals(after)).toBe(true);
  device.faults.add({ kind: 'unplug', on: 'wire', n: 9000 });
  await expect(board.write(OFFSET, before.subarray(0, 4000), { journal: file })).rejects.toMatchObject({
    code: 'ENODEV',
    hint: expect.stringContaining(`The journal ${file} is kept`) as string,
  });
  device.plug();
  await using again = await open(uri);
  await expect(again.write(OFFSET, content, { journal: file })).rejects.toMatchObject({
    code: 'EEXIST',
    hint: expect.stringContaining(`finish it with nvmem recover`) as string,
  });
  await recover(file, again, { back: true });
  expect(Buffer.from(device.eeprom(0x52).image).equals(after)).toBe(true);
  await expect(again.write(0, content, { journal: join(folder, 'no', 'such') })).rejects.toMatchObject({
    code: 'ENOENT',
  });
  await expect(again.write(0, content, { journal: '' })).rejects.toThrow('options.journal');
});

test('an atomic cell on a part that loses its power anywhere: the value before, or the new one', async () => {
  const eeproms = [{ address: 0x50, chip: '24c02', powerLoss: 'tear' as const }];
  await using bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms }] });
  const uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c02`;
  const device = bench.device();
  const cell = atomicCell({ name: 'c', copies: [{ offset: 0 }, { offset: 32 }], bytes: 20 });
  const next = random(seed);
  let last: Buffer | undefined;
  let cuts = 0;
  for (let round = 0; round < 12; round++) {
    const value = imageOf(20, seed + round);
    const board = await open(uri);
    const fault = device.faults.add({ kind: 'unplug', on: 'any', n: pick(next, 1, 60) });
    const written = await cell.write(board, value).then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'ENODEV' });
        return false;
      },
    );
    fault.release();
    await board.close();
    if (!device.plugged) device.plug();
    await using again = await open(uri);
    const now = await cell.read(again);
    if (!written) cuts++;
    if (written || now?.equals(value)) last = value;
    expect({ seed, round, now }).toEqual({ seed, round, now: last });
  }
  expect(cuts).toBeGreaterThan(3);
});
