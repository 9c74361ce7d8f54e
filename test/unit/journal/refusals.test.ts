/** What is refused, with what to do about it, and that the memory is as it was then. */
jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { memoryProvider, Registry, NvmemError, open, type NvmemProvider } from '../../../lib/index.js';
import { nodeJournalFs } from '../../../lib/journal/files.js';
import { encodeJournal, type Journal } from '../../../lib/journal/format.js';
import { recover } from '../../../lib/journal/recover.js';
import { journalledWrite } from '../../../lib/journal/write.js';
import { imageOf } from '../../e2e/bench.js';
import { Power, SimFs, SimMemory } from './sim.js';

const IMAGE = imageOf(64, 1);
const CONTENT = imageOf(40, 2);
const OFFSET = 4;
const memory = { pageSize: 8 };
const folder = mkdtempSync(join(tmpdir(), 'nvmem-journal-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function failure(body: Promise<unknown>): Promise<NvmemError> {
  const outcome = await body.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(NvmemError);
  const error = outcome as NvmemError;
  expect(error.hint).toMatch(/^[A-Z].*[.]$/);
  return error;
}

function journalOf(change: Partial<Journal> = {}): Journal {
  const known = { name: 'sim', size: 64, uri: 'test://sim/memory', pageSize: 8 };
  return {
    memory: known,
    offset: OFFSET,
    content: CONTENT,
    start: 0,
    old: IMAGE.subarray(0, 48),
    holes: [],
    ...change,
  };
}

/** A memory and a disk after a write that was cut off in its third page; `change` is what happened to the memory since. */
function cutOff(change: (data: Buffer) => void = () => undefined, journal = journalOf()) {
  const device = new SimMemory(IMAGE, 8);
  CONTENT.copy(device.data, OFFSET, 0, 16);
  change(device.data);
  const fs = new SimFs();
  fs.put('/j', encodeJournal(journal));
  return { device, fs, before: Buffer.from(device.data) };
}

describe('a journal cannot be made', () => {
  test.each([
    ['write', 'ENOSPC', 'the disk is full (it takes ', 'Make room'],
    ['sync', 'ENOSPC', 'the disk is full', 'Make room'],
    ['write', 'EDQUOT', 'the disk quota is used up', 'Make room'],
    ['create', 'EROFS', 'the file system is read-only', 'Name a file on a file system that can be written'],
    ['create', 'EACCES', 'permission denied', 'or name a file in another folder'],
    ['create', 'ENOENT', 'there is no such file or folder', 'Check the path'],
    ['create', 'ENOTDIR', 'part of its path is no folder', 'Check the path'],
    ['create', 'ENAMETOOLONG', 'its name is too long', 'shorter'],
    ['look', 'EACCES', 'permission denied', 'or name a file in another folder'],
    ['close', 'EIO', 'EIO', 'Check the disk'],
    ['link', 'EIO', 'EIO', 'Check the disk'],
    ['syncFolder', 'EINVAL', 'cannot promise that it survives a power cut', 'another file system'],
    ['unlink', 'EIO', 'EIO', 'Check the disk'],
  ])('%s fails with %s: said, nothing written, nothing left', async (operation, code, says, hint) => {
    for (const links of [true, false]) {
      if (!links && (operation === 'link' || operation === 'unlink')) continue;
      let failed = 0;
      // Removing what was made does not fail again.
      const fail = (what: string): string | undefined =>
        what === operation && failed++ === 0 ? code : undefined;
      const fs = new SimFs(new Power(), { fail, links });
      const device = new SimMemory(IMAGE, 8);
      const error = await failure(journalledWrite(device, OFFSET, CONTENT, { journal: '/f/j', memory }, fs));
      expect(error).toMatchObject({ code, syscall: 'journal', device: 'sim' });
      expect(error.message).toContain('the journal /f/j cannot be made: ');
      expect(error.message).toContain(says);
      expect(error.message).toMatch(/; nothing was written to sim$/);
      expect(error.hint).toContain(hint);
      expect([device.data, fs.names]).toEqual([IMAGE, []]);
      for (let crash = 0; crash < 10; crash++) expect(fs.crash(crash).names).toEqual([]);
    }
  });

  test('a journal that cannot be removed does not undo the write', async () => {
    const fail = (what: string, path: string): string | undefined =>
      what === 'unlink' && path === '/f/j' ? 'EROFS' : undefined;
    const device = new SimMemory(IMAGE, 8);
    const fs = new SimFs(new Power(), { fail });
    const { journalError } = await journalledWrite(device, OFFSET, CONTENT, { journal: '/f/j', memory }, fs);
    expect(journalError).toMatchObject({
      code: 'EROFS',
      message: expect.stringContaining('cannot be removed'),
    });
    expect(device.data.subarray(OFFSET, OFFSET + 40)).toEqual(CONTENT);
    const { holds, bytesWritten, journalError: again } = await recover('/f/j', device, {}, fs);
    expect([holds, bytesWritten, again?.code]).toEqual(['new', 0, 'EROFS']);
  });
});

describe('there is something of that name', () => {
  const existing: readonly (readonly [string, (path: string) => unknown, string, string])[] = [
    [
      'a folder',
      (path) => {
        mkdirSync(path);
      },
      'EISDIR',
      'is a folder',
    ],
    ['a FIFO', (path) => execFileSync('mkfifo', [path]), 'EEXIST', 'as a FIFO'],
    [
      'a symbolic link',
      (path) => {
        symlinkSync('/dev/null', path);
      },
      'EEXIST',
      'as a symbolic link',
    ],
    [
      'a symbolic link to nowhere',
      (path) => {
        symlinkSync('nowhere', path);
      },
      'EEXIST',
      'as a symbolic link',
    ],
    [
      'an empty file',
      (path) => {
        writeFileSync(path, '');
      },
      'EEXIST',
      'is empty',
    ],
    [
      'another file',
      (path) => {
        writeFileSync(path, 'hello');
      },
      'EEXIST',
      'is no journal',
    ],
  ];
  test.each(existing)('%s', async (what, make, code, says) => {
    const path = join(folder, what.replaceAll(' ', '-'));
    make(path);
    const before = readdirSync(folder);
    const device = new SimMemory(IMAGE, 8);
    const error = await failure(journalledWrite(device, OFFSET, CONTENT, { journal: path, memory }));
    expect(error).toMatchObject({ code });
    expect(error.message).toContain(says);
    expect(error.message).toContain('nothing was written to sim');
    expect([device.data, readdirSync(folder)]).toEqual([IMAGE, before]);
  });

  test('a journal of the same memory', async () => {
    const { device, fs, before } = cutOff();
    const error = await failure(journalledWrite(device, 0, Buffer.of(1), { journal: '/j', memory }, fs));
    expect(error.code).toBe('EEXIST');
    expect(error.message).toContain('a write of 40 bytes at 4 that is not finished, to this memory');
    expect(error.hint).toContain('nvmem recover /j test://sim/memory, or undo it with --back');
    expect(device.data).toEqual(before);
  });

  test('the command that is proposed can be pasted into a shell', async () => {
    const { device, fs } = cutOff();
    const journal = "/it's a j";
    fs.put(journal, encodeJournal(journalOf()));
    const { hint } = await failure(journalledWrite(device, 0, Buffer.of(1), { journal, memory }, fs));
    const [, argument = ''] = /nvmem recover (.*) test:/.exec(hint) ?? [];
    expect(execFileSync('sh', ['-c', `printf %s ${argument}`]).toString()).toBe(journal);
  });

  test('a journal of another memory', async () => {
    const other = journalOf({ memory: { name: 'b', size: 64, uri: 'test://other' } });
    const { device, fs, before } = cutOff(undefined, other);
    const error = await failure(journalledWrite(device, 0, Buffer.of(1), { journal: '/j', memory }, fs));
    expect(error.code).toBe('EEXIST');
    expect(error.message).toContain('to another memory (test://other)');
    expect(error.hint).toMatch(/Name another file.*nvmem recover \/j test:\/\/other, or/);
    expect(device.data).toEqual(before);
  });

  test('one that comes while ours is being made is not replaced', async () => {
    for (const links of [true, false]) {
      const fs: SimFs = new SimFs(new Power(), {
        links,
        fail: (what, path) => {
          if (what === 'sync' && path !== '/j') fs.put('/j', encodeJournal(journalOf()));
          return undefined;
        },
      });
      const device = new SimMemory(IMAGE, 8);
      const { code } = await failure(journalledWrite(device, OFFSET, CONTENT, { journal: '/j', memory }, fs));
      expect([code, fs.names, device.data]).toEqual(['EEXIST', ['/j'], IMAGE]);
    }
  });
});

describe('a file that cannot be recovered from', () => {
  test.each([
    ['nothing', () => undefined, 'ENOENT', 'there is no such file'],
    [
      'a folder',
      (path: string) => {
        mkdirSync(path);
      },
      'EISDIR',
      'it is a folder',
    ],
    [
      'a FIFO',
      (path: string) => execFileSync('mkfifo', [path]),
      'EINVAL',
      'is a FIFO, and a journal is a regular file',
    ],
    [
      'a symbolic link',
      (path: string) => {
        symlinkSync('/dev/null', path);
      },
      'EINVAL',
      'is a symbolic link',
    ],
  ] as const)('%s', async (what, make, code, says) => {
    const path = join(folder, `recover-${what.replaceAll(' ', '-')}`);
    make(path);
    const device = new SimMemory(IMAGE, 8);
    const error = await failure(recover(path, device));
    expect(error).toMatchObject({ code, syscall: 'journal', message: expect.stringContaining(says) });
    expect(device.data).toEqual(IMAGE);
  });

  test('a file that is larger than any memory', async () => {
    const path = join(folder, 'large');
    writeFileSync(path, encodeJournal(journalOf()));
    truncateSync(path, 2 ** 32);
    expect(await failure(recover(path, new SimMemory(IMAGE, 8)))).toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('is no journal: it has 4294967296 bytes'),
    });
  });

  test('a socket and a device node', async () => {
    const path = join(folder, 'socket');
    const server = createServer().listen(path);
    try {
      await new Promise((resolve) => server.once('listening', resolve));
      const device = new SimMemory(IMAGE, 8);
      expect(await failure(recover(path, device))).toMatchObject({
        code: 'EINVAL',
        message: expect.stringContaining('socket'),
      });
      expect((await failure(recover('/dev/null', device))).message).toContain('is a device node');
    } finally {
      server.close();
    }
  });
});

describe('another memory', () => {
  test.each<[string, Partial<Journal['memory']>, object, string | undefined, boolean]>([
    ['of another size', { size: 128 }, {}, 'that one has 128 bytes and sim 64', false],
    ['at another URI', { uri: 'test://elsewhere' }, {}, 'that one was at test://elsewhere', true],
    ['the same URI with other parameters', { uri: 'test://SIM/memory?speed=1' }, {}, undefined, false],
    [
      'of another name, where no URI is known',
      { uri: undefined, name: 'b' },
      {},
      'that one was called b',
      true,
    ],
    [
      'of another serial number',
      { unique: 'a1' },
      { unique: 'b2' },
      'that part is a1 and this one b2',
      false,
    ],
    [
      'of the same serial number at another URI',
      { unique: 'a1', uri: 'test://x' },
      { unique: 'a1' },
      undefined,
      false,
    ],
  ])('%s', async (_what, known, memoryOption, says, mayHaveMoved) => {
    const base = { name: 'sim', size: 64, uri: 'test://sim/memory', pageSize: 8 };
    const make = () => cutOff(undefined, journalOf({ memory: { ...base, ...known } }));
    const { device, fs, before } = make();
    const run = recover('/j', device, { memory: memoryOption }, fs);
    if (says === undefined) {
      expect(await run).toMatchObject({ holds: 'new' });
      return;
    }
    const error = await failure(run);
    expect(error.code).toBe('ESTALE');
    expect(error.message).toContain(`/j is the journal of another memory: ${says}`);
    expect([device.data, fs.names]).toEqual([before, ['/j']]);
    expect(error.hint.includes('--moved')).toBe(mayHaveMoved);
    const moved = recover('/j', device, { memory: memoryOption, moved: true }, fs);
    if (mayHaveMoved) expect(await moved).toMatchObject({ holds: 'new' });
    else expect((await failure(moved)).code).toBe('ESTALE');
  });
});

describe('a memory that holds something else', () => {
  const flip = (at: number) => (data: Buffer) => {
    const used = [data[at], IMAGE[at], CONTENT[at - OFFSET]];
    for (let byte = 0; byte < 4; byte++) if (!used.includes(byte)) data[at] = byte;
  };
  test.each([
    // The write had come to 20: pages 0 and 1 are new, page 2 is mixed, 3 to 5 are old.
    [5, false],
    [12, false],
    [17, true],
    [22, true],
    [24, false],
    [43, false],
  ])('at byte %i', async (at, mayBeTorn) => {
    const { device, fs, before } = cutOff(flip(at));
    const error = await failure(recover('/j', device, {}, fs));
    expect(error).toMatchObject({ code: 'ESTALE', mismatchOffset: at, mismatchCount: 1, offset: OFFSET });
    expect(error.message).toContain('in 1 of 6 pages: 1 byte, the first at offset');
    expect(error.hint.includes('--torn')).toBe(mayBeTorn);
    expect([device.data, fs.names]).toEqual([before, ['/j']]);
    const torn = recover('/j', device, { torn: true }, fs);
    if (mayBeTorn)
      expect(await torn).toMatchObject({ holds: 'new', pages: { new: 2, old: 3, mixed: 0, torn: 1 } });
    else expect((await failure(torn)).code).toBe('ESTALE');
  });

  test('in two pages: no write cycle does that', async () => {
    const { device, fs } = cutOff((data) => {
      flip(17)(data);
      flip(25)(data);
    });
    expect((await failure(recover('/j', device, { torn: true }, fs))).mismatchCount).toBe(2);
  });

  test('old and new pages in any order are a mixture', async () => {
    const { device, fs } = cutOff((data) => {
      IMAGE.copy(data, 0, 0, 8);
      CONTENT.copy(data, 32, 28, 36);
    });
    const { pages } = await recover('/j', device, {}, fs);
    expect(pages).toEqual({ new: 2, old: 3, mixed: 1, torn: 0 });
    expect(device.data.subarray(OFFSET, 44)).toEqual(CONTENT);
  });

  test('bytes beside the write are not the write: they are told, and left alone', async () => {
    const { device, fs } = cutOff((data) => {
      data[1] = (data[1] ?? 0) ^ 1;
      data[46] = (data[46] ?? 0) ^ 1;
      data[47] = (data[47] ?? 0) ^ 1;
    });
    const { beside } = await recover('/j', device, { back: true }, fs);
    expect(beside).toEqual([
      { offset: 1, length: 1 },
      { offset: 46, length: 2 },
    ]);
    expect(device.data.subarray(OFFSET, 44)).toEqual(IMAGE.subarray(OFFSET, 44));
    expect(device.data[1]).not.toBe(IMAGE[1]);
  });
});

describe('a device of the registry', () => {
  test('keepouts are not compared, not written and do not stand in the way', async () => {
    const image = Buffer.from(IMAGE);
    const registry = new Registry();
    let writes = 0;
    const provider: NvmemProvider = {
      read: (offset, length) => Buffer.from(image.subarray(offset, offset + length)),
      write: (offset, data) => {
        if (writes++ === 1) throw Object.assign(new Error('gone'), { code: 'EIO' });
        image.set(data, offset);
      },
    };
    const keepouts = [{ start: 10, end: 20, value: 0xaa }];
    const device = await registry.register({ provider, name: 'kept', id: 'none', size: 64, keepouts });
    const file = join(folder, 'keepouts');
    const error = await failure(journalledWrite(device, OFFSET, CONTENT, { journal: file, memory }));
    expect(error).toMatchObject({ code: 'EIO', committed: [{ offset: 4, length: 6 }] });
    expect(error.hint).toContain(
      `The journal ${file} is kept: recover("${file}", device) finishes the write, with { back: true }`,
    );
    await registry.unregister(device);

    // Opened without the keepouts, what lies in them is still nobody's business.
    const bare = await registry.register({ provider, name: 'kept', id: 'none', size: 64 });
    image[15] = 0x77;
    const { pages, beside } = await recover(file, bare, {});
    expect([pages, beside]).toEqual([{ new: 2, old: 4, mixed: 0, torn: 0 }, []]);
    const wanted = Buffer.from(IMAGE);
    CONTENT.copy(wanted, OFFSET);
    IMAGE.copy(wanted, 10, 10, 20);
    wanted[15] = 0x77;
    expect(image).toEqual(wanted);
  });

  test('a write that touched nothing leaves no journal', async () => {
    const file = join(folder, 'untouched');
    const registry = new Registry();
    const config = { provider: memoryProvider(64), name: 'ro', id: 'none' as const, readOnly: true };
    const device = await registry.register(config);
    const error = await failure(journalledWrite(device, 0, CONTENT, { journal: file }));
    expect(error.code).toBe('EPERM');
    expect(await nodeJournalFs.look(file)).toBeUndefined();
    const gone = registry.unregister(device);
    expect((await failure(journalledWrite(device, 0, CONTENT, { journal: file }))).code).toBe('ENODEV');
    await gone;
  });

  test('a process that died in the middle of nothing: the write is done from the start, or undone', async () => {
    const image = join(folder, 'image');
    writeFileSync(image, IMAGE);
    const uri = `file://${image}`;
    await using device = await open(uri, { registry: new Registry() });
    for (const back of [true, false]) {
      const file = join(folder, 'nothing');
      writeFileSync(file, encodeJournal(journalOf({ memory: { name: 'x', size: 64, uri } })));
      const progress: [number, number][] = [];
      const onProgress = (done: number, total: number): unknown => progress.push([done, total]);
      const result = await recover(file, device, { back, onProgress });
      expect(result).toMatchObject({
        holds: back ? 'old' : 'new',
        offset: 4,
        length: 40,
        bytesWritten: back ? 0 : 40,
      });
      if (!back) expect(progress.at(-1)).toEqual([40, 40]);
      expect(await nodeJournalFs.look(file)).toBeUndefined();
    }
    expect(await device.read(OFFSET, 40)).toEqual(CONTENT);
  });
});

describe('limits and turns', () => {
  /** A memory whose next write waits. */
  function slow() {
    const device = new SimMemory(IMAGE, 8);
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    let begun!: () => void;
    const writing = new Promise<void>((resolve) => (begun = resolve));
    const write = device.write.bind(device);
    device.write = async (...args) => {
      begun();
      await gate;
      return write(...args);
    };
    return { device, go, writing };
  }

  test('journalled writes and recoveries of one device take turns, and waiting ends when it is told to', async () => {
    const { device, go, writing } = slow();
    const fs = new SimFs();
    const first = journalledWrite(device, OFFSET, CONTENT, { journal: '/j', memory }, fs);
    await writing;
    const controller = new AbortController();
    const aborted = failure(recover('/j', device, { signal: controller.signal }, fs));
    const late = failure(recover('/j', device, { timeoutMs: 1 }, fs));
    const second = recover('/j', device, {}, fs);
    const third = journalledWrite(device, 0, Buffer.of(9), { journal: '/j', memory }, fs);
    controller.abort(new Error('enough'));
    expect(await aborted).toMatchObject({
      code: 'ABORT_ERR',
      name: 'AbortError',
      cause: { message: 'enough' },
    });
    expect(await late).toMatchObject({ code: 'ETIMEDOUT', syscall: 'recover' });
    expect(fs.names).toEqual(['/j']);
    go();
    await first;
    expect((await failure(second)).code).toBe('ENOENT');
    await third;
    expect(device.data[0]).toBe(9);
  });

  test('an aborted signal is refused before anything is made', async () => {
    const fs = new SimFs();
    const options = { journal: '/j', memory, signal: AbortSignal.abort() };
    const device = new SimMemory(IMAGE, 8);
    expect((await failure(journalledWrite(device, OFFSET, CONTENT, options, fs))).code).toBe('ABORT_ERR');
    expect([device.data, fs.names]).toEqual([IMAGE, []]);
  });
});

test.each<[string, () => Promise<unknown>]>([
  ['options.journal', () => journalledWrite(new SimMemory(IMAGE, 8), 0, CONTENT, {} as never)],
  ['options.journal', () => journalledWrite(new SimMemory(IMAGE, 8), 0, CONTENT, { journal: '' })],
  ['options.jornal', () => journalledWrite(new SimMemory(IMAGE, 8), 0, CONTENT, { jornal: 'x' } as never)],
  [
    'options.memory.pageSize',
    () => journalledWrite(new SimMemory(IMAGE, 8), 0, CONTENT, { journal: 'x', memory: { pageSize: 0 } }),
  ],
  ['options.memory.uri', () => recover('x', new SimMemory(IMAGE, 8), { memory: { uri: 'no uri' } })],
  ['offset + length', () => journalledWrite(new SimMemory(IMAGE, 8), 60, CONTENT, { journal: 'x' })],
  ['data', () => journalledWrite(new SimMemory(IMAGE, 8), 0, 'text' as never, { journal: 'x' })],
  ['file', () => recover('', new SimMemory(IMAGE, 8))],
  ['options.back', () => recover('x', new SimMemory(IMAGE, 8), { back: 1 as never })],
])('a bad %s is refused by name', async (field, call) => {
  await expect(call()).rejects.toThrow(field);
  await expect(call()).rejects.toBeInstanceOf(Error);
});
