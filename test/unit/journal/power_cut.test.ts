/** The power goes at every point of a journalled write and of its recovery: afterwards the memory is old or new, page for page. */
import fc from 'fast-check';

import { readJournal } from '../../../lib/journal/files.js';
import { recover } from '../../../lib/journal/recover.js';
import { journalledWrite } from '../../../lib/journal/write.js';
import { imageOf, seedOfRun } from '../../e2e/bench.js';
import { Power, PowerCut, SimFs, SimMemory, type Tear } from './sim.js';

const FILE = '/journals/board';
const seed = seedOfRun();
/** `NVMEM_JOURNAL_POINTS`, as for the processes that are killed (test/e2e/journal.test.ts). */
const RUNS = process.env['NVMEM_JOURNAL_POINTS'] === undefined ? 100 : 1000;

beforeAll(() => {
  process.stdout.write(`power cuts from NVMEM_SEED=${String(seed)}\n`);
});

interface Case {
  readonly page: number;
  readonly image: Buffer;
  readonly offset: number;
  readonly content: Buffer;
  readonly links: boolean;
  readonly chunk: number;
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    page: fc.constantFrom(1, 8, 16, 32),
    size: fc.integer({ min: 1, max: 200 }),
    from: fc.double({ min: 0, max: 0.999, noNaN: true }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    imageSeed: fc.nat(),
    links: fc.boolean(),
    chunk: fc.constantFrom(7, 1000),
    // Bytes that stay as they are make pages that are old and new at once.
    kept: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ page, size, from, share, imageSeed, links, chunk, kept }) => {
    const image = imageOf(size, imageSeed);
    const offset = Math.floor(from * size);
    const content = imageOf(Math.max(1, Math.floor(share * (size - offset))), imageSeed + 1);
    for (let i = 0; i < content.length; i++) {
      if ((i * 0.618) % 1 < kept * 0.9) content[i] = image[offset + i] ?? 0;
    }
    return { page, image, offset, content, links, chunk };
  });

/** Runs `body`; whether the power went. What else goes wrong is a fault. */
async function cutOff(body: Promise<unknown>): Promise<boolean> {
  try {
    await body;
    return false;
  } catch (error) {
    if (error instanceof PowerCut || (error as { cause?: unknown }).cause instanceof PowerCut) return true;
    throw error;
  }
}

function written({ image, offset, content }: Case): Buffer {
  const after = Buffer.from(image);
  after.set(content, offset);
  return after;
}

const memoryOf = ({ page }: Case) => ({ pageSize: page });

/** A run that is cut at its n-th step. */
async function writeCut(given: Case, cutAt: number, tear: Tear, tearSeed: number) {
  const power = new Power(cutAt);
  const { links, chunk } = given;
  const fs = new SimFs(power, { links, chunk });
  const memory = new SimMemory(given.image, given.page, power, tear, tearSeed);
  const options = { journal: FILE, memory: memoryOf(given) };
  const cut = await cutOff(journalledWrite(memory, given.offset, given.content, options, fs));
  return { fs, memory, cut, steps: power.log };
}

/** What a run that nothing cuts does, step by step. */
async function stepsOf(given: Case): Promise<readonly string[]> {
  const { cut, steps, memory } = await writeCut(given, Infinity, 'keep', 1);
  expect(cut).toBe(false);
  expect(memory.data).toEqual(written(given));
  return steps;
}

async function journalAt(fs: SimFs) {
  if (fs.content(FILE) === undefined) return undefined;
  return readJournal(fs, FILE).catch((error: unknown) => error as Error);
}

const cutting = fc.record({
  at: fc.double({ min: 0, max: 0.9999, noNaN: true }),
  tear: fc.constantFrom<Tear>('keep', 'commit', 'mix'),
  crash: fc.nat(),
  /** The machine lost its power too, or only the process died. */
  machine: fc.boolean(),
});
type Cutting = typeof cutting extends fc.Arbitrary<infer T> ? T : never;

/** `where`: only at steps of that name. */
async function runCut(given: Case, { at, tear, crash, machine }: Cutting, where = '') {
  const steps = await stepsOf(given);
  const places = steps.flatMap((step, index) => (step.startsWith(where) ? [index + 1] : []));
  const cutAt = places[Math.floor(at * places.length)] ?? 1;
  const { fs, memory } = await writeCut(given, cutAt, tear, crash);
  const disk = machine ? fs.crash(crash) : fs.survive();
  memory.power = new Power();
  return { disk, memory };
}

test('after a cut anywhere the journal tells the truth, and recovering gives old or new', async () => {
  await fc.assert(
    fc.asyncProperty(cases, cutting, fc.boolean(), async (given, how, back) => {
      const { disk, memory } = await runCut(given, how);
      const journal = await journalAt(disk);
      if (journal === undefined || journal instanceof Error) {
        // Nothing of it is durable before all of it is, so that nothing has begun; or all was done.
        if (journal) {
          expect(given.links).toBe(false);
          expect(journal.message).toContain('is empty');
        }
        expect([given.image, written(given)]).toContainEqual(memory.data);
        return;
      }
      const { start, old, offset, content } = journal;
      expect(old).toEqual(given.image.subarray(start, start + old.length));
      expect([offset, content]).toEqual([given.offset, given.content]);
      const result = await recover(FILE, memory, { back, memory: memoryOf(given) }, disk);
      expect(result).toMatchObject({ holds: back ? 'old' : 'new', beside: [], journalError: undefined });
      expect(memory.data).toEqual(back ? given.image : written(given));
      expect(disk.content(FILE)).toBeUndefined();
    }),
    { seed, numRuns: RUNS },
  );
});

test('recovering may be cut off any number of times, in both directions', async () => {
  const again = fc.array(
    fc.record({
      back: fc.boolean(),
      cutAt: fc.integer({ min: 1, max: 60 }),
      crash: fc.nat(),
      machine: fc.boolean(),
    }),
    { maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(cases, cutting, again, fc.boolean(), async (given, how, attempts, back) => {
      let { disk, memory } = await runCut(given, how);
      if (!((await journalAt(disk)) && disk.content(FILE)?.length)) return;
      for (const { back: direction, cutAt, crash, machine } of attempts) {
        const power = new Power(cutAt);
        disk = disk.survive(power);
        memory = new SimMemory(memory.data, given.page, power, how.tear, crash);
        const options = { back: direction, memory: memoryOf(given) };
        const cut = await cutOff(recover(FILE, memory, options, disk));
        disk = machine ? disk.crash(crash) : disk.survive();
        memory.power = new Power();
        if (!cut || disk.content(FILE) === undefined) {
          expect(memory.data).toEqual(direction ? given.image : written(given));
          return;
        }
      }
      await recover(FILE, memory, { back, memory: memoryOf(given) }, disk);
      expect(memory.data).toEqual(back ? given.image : written(given));
    }),
    { seed, numRuns: RUNS },
  );
});

test('a torn page is refused as such, and with torn it and the bytes beside the write are put right', async () => {
  let torn = 0;
  await fc.assert(
    fc.asyncProperty(cases, cutting, fc.boolean(), fc.boolean(), async (given, how, first, back) => {
      let { disk, memory } = await runCut(given, { ...how, tear: 'garbage' }, 'memory cycle');
      if (!((await journalAt(disk)) && disk.content(FILE)?.length)) return;
      const known = memoryOf(given);
      const before = Buffer.from(memory.data);
      const end = given.offset + given.content.length;
      const outcome = await recover(FILE, memory, { back: first, memory: known }, disk.survive()).catch(
        (error: unknown) => error as Error,
      );
      if (outcome instanceof Error) {
        torn++;
        expect(outcome).toMatchObject({ code: 'ESTALE' });
        expect((outcome as { hint?: string }).hint).toContain('--torn');
        expect(memory.data).toEqual(before);
      } else {
        memory = new SimMemory(before, given.page);
      }
      // Cut once more, in the one direction, and finished in the other.
      const power = new Power(1 + (how.crash % 20));
      const cutDisk = disk.survive(power);
      const cutMemory = new SimMemory(memory.data, given.page, power, 'garbage', how.crash);
      const cut = await cutOff(recover(FILE, cutMemory, { back: first, torn: true, memory: known }, cutDisk));
      if (cut && cutDisk.content(FILE)) {
        [disk, memory] = [cutDisk.survive(), new SimMemory(cutMemory.data, given.page)];
      }
      await recover(FILE, memory, { back, torn: true, memory: known }, disk);
      const wanted = back ? given.image : written(given);
      expect(memory.data.subarray(given.offset, end)).toEqual(wanted.subarray(given.offset, end));
      expect(memory.data).toEqual(wanted);
    }),
    { seed, numRuns: RUNS },
  );
  expect(torn).toBeGreaterThan(RUNS / 4);
});

test('the name is free, empty or that of the whole journal at every step', async () => {
  for (const links of [true, false]) {
    const given = { page: 8, image: imageOf(64, 1), offset: 4, content: imageOf(40, 2), links, chunk: 50 };
    const steps = await stepsOf(given);
    const seen = new Set<string>();
    for (let cutAt = 1; cutAt <= steps.length; cutAt++) {
      const { fs, memory } = await writeCut(given, cutAt, 'keep', 1);
      for (let crash = 0; crash < 30; crash++) {
        const disk = fs.crash(crash);
        const data = disk.content(FILE);
        if (data === undefined) seen.add('free');
        else if (data.length === 0) seen.add('empty');
        else {
          seen.add('whole');
          await readJournal(disk, FILE);
        }
        const touched = !memory.data.equals(given.image) && !memory.data.equals(written(given));
        if (touched) expect(data?.length).toBeGreaterThan(0);
      }
    }
    expect([...seen].sort()).toEqual(links ? ['free', 'whole'] : ['empty', 'free', 'whole']);
  }
});

test('a journal that has been removed does not come back', async () => {
  const given = {
    page: 8,
    image: imageOf(64, 1),
    offset: 4,
    content: imageOf(40, 2),
    links: true,
    chunk: 50,
  };
  const { fs } = await writeCut(given, Infinity, 'keep', 1);
  const cut = await writeCut(given, (await stepsOf(given)).indexOf('memory cycle') + 1, 'keep', 1);
  const disk = cut.fs.survive();
  cut.memory.power = new Power();
  await recover(FILE, cut.memory, { memory: memoryOf(given) }, disk);
  for (let crash = 0; crash < 30; crash++) {
    expect(fs.crash(crash).names).toEqual([]);
    expect(disk.crash(crash).names).toEqual([]);
  }
});

test('undoing that loses its power in any write cycle leaves a page that can be told as torn', async () => {
  const given = {
    page: 8,
    image: imageOf(64, 1),
    offset: 4,
    content: imageOf(52, 2),
    links: true,
    chunk: 500,
  };
  const known = { memory: memoryOf(given) };
  const cycles = (await stepsOf(given)).flatMap((step, at) => (step === 'memory cycle' ? [at + 1] : []));
  const written5 = await writeCut(given, cycles[5] ?? 0, 'keep', 1);
  let cuts = 0;
  for (let cutAt = 1; ; cutAt++) {
    const power = new Power(cutAt);
    const disk = written5.fs.survive(power);
    const memory = new SimMemory(written5.memory.data, given.page, power, 'garbage', cutAt);
    if (!(await cutOff(recover(FILE, memory, { ...known, back: true }, disk)))) break;
    if (power.log.at(-1) !== 'memory cycle') continue;
    cuts++;
    for (const back of [true, false]) {
      const again = new SimMemory(memory.data, given.page);
      await recover(FILE, again, { ...known, back, torn: true }, disk.survive());
      expect(again.data).toEqual(back ? given.image : written(given));
    }
  }
  expect(cuts).toBe(5);
});
