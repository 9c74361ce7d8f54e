/** Writes with a journal to a memory that comes and goes, at a bench where every piece waits to be let pass. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { NvmemError } from '../../../lib/base/errors.js';
import { follow } from '../../../lib/follow/follow.js';
import type { FollowedDevice } from '../../../lib/follow/followed_device.js';
import { recover } from '../../../lib/journal/recover.js';
import { atomicCell } from '../../../lib/journal/atomic_cell.js';
import { board, FakeBench, SIZE, URI, type FakeBoard } from './fake_bench.js';

/** Of a 24C02. */
const PAGE = 8;
const IMAGE = Buffer.alloc(96, 0xff);
let bench: FakeBench;
let it: FollowedDevice;
let folder: string;
let file: string;
let A: FakeBoard;
let B: FakeBoard;

beforeEach(async () => {
  [A, B] = [board(1), board(2)];
  folder = mkdtempSync(join(tmpdir(), 'nvmem-'));
  file = join(folder, 'board.journal');
  bench = new FakeBench();
  const { attach, clock, registry } = bench;
  it = follow(URI, { name: 'board', registry, onUnplug: 'wait' }, { attach, clock });
  bench.plug(A);
  await bench.settle();
});

afterEach(async () => {
  bench.flow();
  await it.close();
  rmSync(folder, { recursive: true });
});

/** Lets pieces pass until `isReached`; files take their own time. */
async function passUntil(isReached: () => boolean): Promise<void> {
  const end = performance.now() + 15_000;
  while (!isReached() && performance.now() < end) {
    await bench.settle();
    if (!isReached()) bench.pass(1);
  }
  expect(isReached()).toBe(true);
}

/** Until the write has stored so many bytes, and the next piece of it waits. */
async function stored(count: number): Promise<void> {
  const isStored = (): boolean => A.image.subarray(0, count).every((byte) => byte === 0xff);
  await passUntil(() => existsSync(file) && isStored() && bench.waiting > 0);
}

async function replug(what: FakeBoard): Promise<void> {
  bench.unplug();
  await bench.settle();
  bench.flow();
  bench.plug(what);
  await bench.settle();
}

async function errorOf(promise: Promise<unknown>): Promise<NvmemError> {
  return promise.then(
    () => Promise.reject(new Error('it was done')),
    (error: unknown) => error as NvmemError,
  );
}

test('the journal is there over an unplug, and gone when the write is done', async () => {
  bench.hold();
  const writing = it.write(0, IMAGE, { journal: file });
  await stored(32);
  bench.unplug();
  await bench.settle();
  expect([it.state, existsSync(file)]).toEqual(['absent', true]);
  bench.flow();
  bench.plug(A);
  expect(await writing).toMatchObject({ bytesWritten: 96, journalError: undefined });
  expect(existsSync(file)).toBe(false);
  expect(A.image.subarray(0, 96)).toEqual(IMAGE);
});

test.each([0, 32])(
  'another memory after %i bytes is ESTALE: it stays as it is, and the journal stays',
  async (count) => {
    const [before, other] = [Buffer.from(A.image), Buffer.from(B.image)];
    bench.hold();
    const failed = errorOf(it.write(0, IMAGE, { journal: file }));
    await stored(count);
    await replug(B);
    const error = await failed;
    expect(error).toMatchObject({ code: 'ESTALE', syscall: 'write', bytesTransferred: count });
    expect(error.hint).toContain(
      `The journal ${file} is kept: nvmem recover ${file} '${URI}' finishes the write`,
    );
    expect(B.image).toEqual(other);
    // The journal is of the memory before, and refused on the other.
    it.accept();
    await bench.settle();
    await expect(recover(file, it)).rejects.toMatchObject({ code: 'ESTALE' });
    expect(B.image).toEqual(other);
    await replug(A);
    expect(await recover(file, it, { back: true })).toMatchObject({ holds: 'old' });
    expect(A.image).toEqual(before);
  },
);

test('another memory between the journal and the first page: nothing is written to it, and no journal stays', async () => {
  const other = Buffer.from(B.image);
  bench.hold();
  const failed = errorOf(it.write(0, IMAGE, { journal: file }));
  // All is read, and the files are being made.
  for (let piece = 0; piece < IMAGE.length / 16; piece++) {
    await passUntil(() => bench.waiting > 0);
    bench.pass(1);
  }
  for (let i = 0; i < 50; i++) await Promise.resolve();
  await replug(B);
  expect(await failed).toMatchObject({ code: 'ESTALE', bytesTransferred: 0 });
  expect([it.state, existsSync(file)]).toEqual(['replaced', false]);
  expect(B.image).toEqual(other);
});

test('a signal that ends the wait leaves the journal, by which the write is finished', async () => {
  bench.hold();
  const controller = new AbortController();
  const failed = errorOf(it.write(0, IMAGE, { journal: file, signal: controller.signal }));
  await stored(32);
  bench.unplug();
  await bench.settle();
  controller.abort();
  expect(await failed).toMatchObject({
    code: 'ABORT_ERR',
    hint: expect.stringContaining(`The journal ${file} is kept`) as string,
  });
  bench.flow();
  bench.plug(A);
  await bench.settle();
  expect(await recover(file, it)).toMatchObject({ holds: 'new', length: 96 });
  expect(A.image.subarray(0, 96)).toEqual(IMAGE);
});

test('what is wrong with the journal is said at once, also while the memory is absent', async () => {
  bench.hold();
  const controller = new AbortController();
  const first = errorOf(it.write(0, IMAGE, { journal: file, signal: controller.signal }));
  await stored(16);
  const kept = readFileSync(file);
  controller.abort();
  await first;
  await it.close();
  bench = new FakeBench();
  const { attach, clock, registry } = bench;
  it = follow(URI, { name: 'board', registry, onUnplug: 'wait' }, { attach, clock });
  await expect(it.write(0, IMAGE, { journal: file })).rejects.toMatchObject({
    code: 'EEXIST',
    message: expect.stringContaining('that is not finished, to this memory') as string,
    hint: expect.stringContaining('finish it with nvmem recover') as string,
  });
  await expect(it.write(0, IMAGE, { journal: folder })).rejects.toMatchObject({ code: 'EISDIR' });
  await expect(it.write(SIZE, IMAGE, { journal: file })).rejects.toMatchObject({ code: 'EINVAL' });
  await expect(it.write(0, IMAGE, { journal: 7 as never })).rejects.toThrow('options.journal');
  await expect(it.write(0, IMAGE, { journal: join(folder, 'j'), onUnplug: 'fail' })).rejects.toMatchObject({
    code: 'ENODEV',
  });
  expect(readFileSync(file)).toEqual(kept);
});

test('a recovery goes on with the memory that it has compared, and with no other', async () => {
  bench.hold();
  const controller = new AbortController();
  const failed = errorOf(it.write(0, IMAGE, { journal: file, signal: controller.signal }));
  await stored(32);
  controller.abort();
  await failed;
  // The same as A, but for a byte far behind what was written.
  const twin = { name: 'twin', image: Buffer.from(A.image) };
  twin.image[90] = 0;
  const image = Buffer.from(twin.image);
  let progress = 0;
  const recovering = errorOf(recover(file, it, { onProgress: () => progress++ }));
  await passUntil(() => progress > 0);
  await replug(twin);
  expect(await recovering).toMatchObject({ code: 'ESTALE' });
  expect(twin.image).toEqual(image);
  expect(existsSync(file)).toBe(true);
});

test('an atomic cell is not continued in another memory', async () => {
  const cell = atomicCell({ name: 'c', copies: [{ offset: 0 }, { offset: 4 * PAGE }], bytes: 16 });
  await cell.write(it, Buffer.alloc(16, 1), { format: true });
  bench.hold();
  const other = Buffer.from(B.image);
  const failed = errorOf(cell.write(it, Buffer.alloc(16, 2)));
  // Two copies are read, in two pieces each.
  for (let i = 0; i < 4; i++) {
    await bench.settle();
    bench.pass(1);
  }
  await bench.settle();
  await replug(B);
  expect(await failed).toMatchObject({ code: 'ESTALE' });
  expect(B.image).toEqual(other);
});

test('journalled writes of the follower and of a device that the registry gave take turns', async () => {
  bench.hold();
  const first = it.write(0, IMAGE, { journal: file });
  await stored(16);
  const ended: string[] = [];
  const plain = bench.registry.get('board');
  // Nobody is behind the fake's registered device, and so its turn ends as soon as it comes.
  const second = errorOf(plain.write(0, Buffer.alloc(1), { journal: join(folder, 'other') })).then(() =>
    ended.push('second'),
  );
  await bench.settle();
  bench.flow();
  await Promise.all([first.then(() => ended.push('first')), second]);
  expect(ended).toEqual(['first', 'second']);
});
