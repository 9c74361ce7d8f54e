jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import fc from 'fast-check';

import { providerOfSlot } from '../../../lib/core/provider_port.js';
import type { NvmemDevice } from '../../../lib/core/device.js';
import { NvmemError } from '../../../lib/base/errors.js';
import type { Keepout } from '../../../lib/core/keepouts.js';
import { Registry } from '../../../lib/core/registry.js';
import { memoryProvider } from '../../../lib/core/memory_provider.js';
import type { NvmemConfig } from '../../../lib/index.js';
import { FakeSlot } from '../fake_native.js';

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + 3) & 0xff);
}

async function onSlot(
  slot: FakeSlot,
  config: Partial<NvmemConfig> & { hasWpLine?: boolean; isPart?: boolean } = {},
): Promise<{ nvmem: Registry; device: NvmemDevice }> {
  const nvmem = new Registry();
  const { hasWpLine = false, isPart = false, ...rest } = config;
  const provider = providerOfSlot(slot, slot.memory.length, { hasWpLine, isPart });
  return { nvmem, device: await nvmem.register({ provider, name: 'dev', id: 'none', ...rest }) };
}

async function failure(promise: Promise<unknown>): Promise<NvmemError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NvmemError);
  return error as NvmemError;
}

describe('one pass, one buffer', () => {
  test('what was read is the buffer that the caller gets', async () => {
    const slot = new FakeSlot(pattern(64));
    const { device } = await onSlot(slot);
    const reading = device.read(8, 16);
    const data = Buffer.from(pattern(64).subarray(8, 24));
    (await slot.next()).end({ data });
    expect(await reading).toBe(data);
  });

  test('memory that is only lent is copied, as is a piece of a whole', async () => {
    const slot = new FakeSlot(pattern(64));
    const { device } = await onSlot(slot);
    const reading = device.read(8, 16);
    const data = Buffer.from(pattern(64).subarray(8, 24));
    (await slot.next()).end({ data, lent: true });
    const got = await reading;
    expect(got).not.toBe(data);
    expect(got).toEqual(data);

    const keepouts = [{ start: 32, end: 36, value: 0xff }];
    const cut = new FakeSlot(pattern(64), false, true);
    const { device: other } = await onSlot(cut, { keepouts });
    expect(Uint8Array.from((await other.read(28, 12)).subarray(0, 4))).toEqual(pattern(64).subarray(28, 32));
  });
});

describe('arguments are refused before any I/O', () => {
  test.each<[string, (device: NvmemDevice) => Promise<unknown>, new (...args: never[]) => Error, RegExp]>([
    ['offset', (d) => d.read('0' as never, 1), TypeError, /^offset must be a number, got "0"/],
    ['offset', (d) => d.read(-1, 1), RangeError, /^offset must be an integer of at least 0, got -1/],
    ['offset', (d) => d.read(0.5, 1), RangeError, /^offset must be an integer/],
    ['length', (d) => d.read(0, NaN), RangeError, /^length must be an integer/],
    ['length', (d) => d.read(0, 2n as never), TypeError, /^length must be a number, got 2n/],
    ['bounds', (d) => d.read(8, 9), NvmemError, /at most 16, the size of dev in bytes, got 8 \+ 9/],
    ['bounds', (d) => d.write(16, new Uint8Array(1)), NvmemError, /at most 16/],
    ['data', (d) => d.write(0, 'x' as never), TypeError, /^data must be a Uint8Array/],
    ['options', (d) => d.read(0, 1, null as never), TypeError, /^options must be an object/],
    [
      'options',
      (d) => d.read(0, 1, { timeout: 3 } as never),
      TypeError,
      /^options\.timeout must be one of signal/,
    ],
    [
      'signal',
      (d) => d.read(0, 1, { signal: {} as never }),
      TypeError,
      /^options\.signal must be an AbortSignal/,
    ],
    ['timeoutMs', (d) => d.read(0, 1, { timeoutMs: 0 }), RangeError, /^options\.timeoutMs must be above 0/],
    ['onProgress', (d) => d.read(0, 1, { onProgress: 1 as never }), TypeError, /^options\.onProgress/],
    ['verify', (d) => d.write(0, new Uint8Array(1), { verify: 1 as never }), TypeError, /^options\.verify/],
  ])('%s: %s', async (_field, call, type, message) => {
    const slot = new FakeSlot(pattern(16));
    const { device } = await onSlot(slot);
    const error: unknown = await call(device).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toMatch(message);
    expect(slot.log).toEqual([]);
  });
});

test('beyond the end is EINVAL to programs', async () => {
  const { device } = await onSlot(new FakeSlot(pattern(16)));
  await expect(device.read(16, 1)).rejects.toMatchObject({ code: 'EINVAL', errno: -22 });
  await expect(device.read(17, 0)).rejects.toMatchObject({ code: 'EINVAL' });
});

test('a read gives the bytes and holds one section beside the request', async () => {
  const slot = new FakeSlot(pattern(64));
  const { device } = await onSlot(slot);
  const read = device.read(4, 8);
  const request = await slot.next();
  expect(slot.holds).toBe(2);
  request.end();
  expect(await read).toEqual(Buffer.from(pattern(64).subarray(4, 12)));
  expect(slot.labels).toEqual(['dev: read']);
  expect(slot.holds).toBe(0);
});

test('memory that answers at once is asked once, without a section', async () => {
  const slot = new FakeSlot(pattern(64), true);
  const { device } = await onSlot(slot);
  expect(await device.read(0, 64)).toEqual(Buffer.from(pattern(64)));
  expect(await device.write(3, Uint8Array.of(1, 2))).toEqual({
    bytesWritten: 2,
    bytesSkipped: 0,
    bytesUnchanged: 0,
    protectError: undefined,
  });
  expect([...slot.memory.subarray(2, 6)]).toEqual([17, 1, 2, 38]);
  expect(slot.labels).toEqual([]);
});

test('an operation of no bytes reaches nobody, and still needs its device', async () => {
  const slot = new FakeSlot(pattern(4));
  const { nvmem, device } = await onSlot(slot);
  expect(await device.read(4, 0)).toHaveLength(0);
  expect(await device.write(4, new Uint8Array(0))).toMatchObject({ bytesWritten: 0 });
  expect(slot.log).toEqual([]);
  await nvmem.unregister(device);
  expect((await failure(device.read(0, 0))).code).toBe('ENODEV');
});

test('a read that fails hands over the good bytes', async () => {
  const slot = new FakeSlot(pattern(64));
  const { device } = await onSlot(slot);
  const read = device.read(10, 40);
  (await slot.next()).end({ status: -19, transferred: 17, reason: 'cable' });
  const error = await failure(read);
  expect(error).toMatchObject({
    code: 'ENODEV',
    syscall: 'read',
    device: 'dev',
    offset: 10,
    bytesTransferred: 17,
  });
  expect(error.partial).toEqual(Buffer.from(pattern(64).subarray(10, 27)));
  expect(error.message).toBe(
    'ENODEV: the device is gone (cable), read of 40 bytes at 10 of dev; 17 of 40 bytes are good',
  );
});

test('a failed write says what is committed, uncertain and untouched', async () => {
  const slot = new FakeSlot(new Uint8Array(256));
  const { device } = await onSlot(slot);
  const write = device.write(16, new Uint8Array(100).fill(1));
  const request = await slot.next();
  expect(request.io.verify).toBe(true);
  request.end({ status: -5, transferred: 32, uncertain: 16, protectStatus: -19 });
  const error = await failure(write);
  expect(error).toMatchObject({
    code: 'EIO',
    bytesTransferred: 32,
    committed: [{ offset: 16, length: 32 }],
    uncertain: [{ offset: 48, length: 16 }],
    untouched: [{ offset: 64, length: 52 }],
  });
  expect(error.protectError).toMatchObject({ code: 'ENODEV', syscall: 'protect' });
});

test('write protect that stays down does not replace the result of the write', async () => {
  const slot = new FakeSlot(new Uint8Array(8));
  const { device } = await onSlot(slot);
  const write = device.write(0, Uint8Array.of(1));
  (await slot.next()).end({ transferred: 1, protectStatus: -5 });
  const { bytesWritten, protectError } = await write;
  expect(bytesWritten).toBe(1);
  expect(protectError).toMatchObject({
    code: 'EIO',
    message: expect.stringContaining('NOT protected') as string,
  });
});

test('a mismatch says where and how much', async () => {
  const slot = new FakeSlot(new Uint8Array(8));
  const { device } = await onSlot(slot, { isPart: true });
  const write = device.write(0, Uint8Array.of(1, 2, 3));
  (await slot.next()).end({ status: -74, transferred: 3, mismatchOffset: 1, mismatchCount: 2 });
  const error = await failure(write);
  expect(error).toMatchObject({
    code: 'EBADMSG',
    message: expect.stringMatching(/; 1 of 3 bytes are committed; 2 differ, the first at 0x1$/),
    mismatchOffset: 1,
    mismatchCount: 2,
    committed: [{ offset: 0, length: 1 }],
    uncertain: [{ offset: 1, length: 2 }],
    untouched: [],
  });
  expect(error.hint).toMatch(/WP/);
});

test('the caller may change the data as soon as write() has returned', async () => {
  const slot = new FakeSlot(new Uint8Array(4), false, true);
  const { device } = await onSlot(slot);
  const first = device.write(0, Uint8Array.of(9, 9));
  const data = Uint8Array.of(1, 2);
  const second = device.write(2, data);
  data.fill(0xee);
  await Promise.all([first, second]);
  expect([...slot.memory]).toEqual([9, 9, 1, 2]);
});

test('writers take turns, readers do not wait', async () => {
  const slot = new FakeSlot(new Uint8Array(8));
  const { device } = await onSlot(slot);
  const first = device.write(0, Uint8Array.of(1));
  const second = device.write(1, Uint8Array.of(2));
  const read = device.read(0, 4);
  const request = await slot.next();
  expect(slot.log).toEqual(['write 0+1', 'read 0+4']);
  request.end();
  await first;
  (await slot.next()).end();
  await read;
  (await slot.next()).end();
  await second;
  expect(slot.log).toEqual(['write 0+1', 'read 0+4', 'write 1+1']);
});

describe('who may write', () => {
  const data = Uint8Array.of(1);

  test('a read-only device refuses with EPERM and nothing is touched', async () => {
    const { device } = await onSlot(new FakeSlot(new Uint8Array(8)), { readOnly: true });
    expect(await failure(device.write(2, data))).toMatchObject({
      code: 'EPERM',
      bytesTransferred: 0,
      untouched: [{ offset: 2, length: 1 }],
    });
    device.forceRo = false;
    expect(device.forceRo).toBe(false);
  });

  test('a write-protect line keeps cells from being written, not write() itself', async () => {
    const slot = new FakeSlot(new Uint8Array(8), false, true);
    const cells = [{ name: 'c', offset: 0, bytes: 1 }];
    const { device } = await onSlot(slot, { hasWpLine: true, cells });
    expect(device.forceRo).toBe(true);
    expect((await failure(device.cell('c').write(data))).code).toBe('EINVAL');
    await device.write(0, data);
    device.forceRo = false;
    await device.cell('c').write(data);
    device.forceRo = true;
    expect((await failure(device.write(0, data))).code).toBe('EPERM');
  });

  test('with ignoreWp the line is the provider’s own affair', async () => {
    const { device } = await onSlot(new FakeSlot(new Uint8Array(8)), { hasWpLine: true, ignoreWp: true });
    expect(device.forceRo).toBe(false);
  });
});

describe('abort and time limit', () => {
  test('an aborted signal ends before any I/O', async () => {
    const slot = new FakeSlot(new Uint8Array(8), true);
    const { device } = await onSlot(slot);
    const signal = AbortSignal.abort('why');
    expect(await failure(device.read(0, 1, { signal }))).toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      cause: 'why',
    });
    expect(await failure(device.write(0, Uint8Array.of(1), { signal }))).toMatchObject({ code: 'ABORT_ERR' });
    expect(slot.memory[0]).toBe(0);
  });

  test('an abort on the wire gives the good bytes', async () => {
    const slot = new FakeSlot(pattern(8));
    const { device } = await onSlot(slot);
    const controller = new AbortController();
    const read = device.read(0, 8, { signal: controller.signal });
    await slot.next();
    controller.abort();
    expect(await failure(read)).toMatchObject({
      code: 'ABORT_ERR',
      bytesTransferred: 0,
      cause: controller.signal.reason as unknown,
    });
    expect(slot.holds).toBe(0);
  });

  test('a writer that waits for its turn can be aborted', async () => {
    const slot = new FakeSlot(new Uint8Array(8));
    const { device } = await onSlot(slot);
    const first = device.write(0, Uint8Array.of(1));
    const controller = new AbortController();
    const second = device.write(1, Uint8Array.of(2), { signal: controller.signal });
    controller.abort();
    expect(await failure(second)).toMatchObject({ code: 'ABORT_ERR', untouched: [{ offset: 1, length: 1 }] });
    (await slot.next()).end();
    await first;
    expect(slot.log).toEqual(['write 0+1']);
  });

  test('the time limit goes down to the wire', async () => {
    const slot = new FakeSlot(new Uint8Array(8));
    const { device } = await onSlot(slot);
    const read = device.read(0, 8, { timeoutMs: 60_000 });
    const request = await slot.next();
    expect(request.io.timeoutMs).toBeGreaterThan(0);
    expect(request.io.timeoutMs).toBeLessThanOrEqual(60_000);
    request.end({ status: -110, transferred: 2 });
    expect(await failure(read)).toMatchObject({ code: 'ETIMEDOUT', bytesTransferred: 2 });
  });
});

test('progress counts over all pieces, and what the callback throws is the caller’s own affair', async () => {
  const slot = new FakeSlot(pattern(32));
  const { device } = await onSlot(slot, { keepouts: [{ start: 8, end: 12, value: 0xff }] });
  const seen: [number, number][] = [];
  const read = device.read(0, 32, { onProgress: (done, total) => seen.push([done, total]) });
  const first = await slot.next();
  first.io.onProgress?.(5);
  first.end();
  const second = await slot.next();
  second.io.onProgress?.(7);
  second.end();
  await read;
  expect(seen).toEqual([
    [5, 32],
    [19, 32],
  ]);
});

describe('keepouts', () => {
  const keepouts: Keepout[] = [
    { start: 4, end: 8, value: 0xaa },
    { start: 10, end: 12, value: 0xbb },
  ];

  test('one operation is one section, however many pieces', async () => {
    const slot = new FakeSlot(pattern(16), false, true);
    const { device } = await onSlot(slot, { keepouts });
    await device.read(0, 16);
    await device.write(0, new Uint8Array(16));
    expect(slot.log).toEqual(['read 0+4', 'read 8+2', 'read 12+4', 'write 0+4', 'write 8+2', 'write 12+4']);
    expect(slot.labels).toEqual(['dev: read', 'dev: write']);
  });

  test('a failure in the middle tells which pieces hold what', async () => {
    const slot = new FakeSlot(pattern(16));
    const { device } = await onSlot(slot, { keepouts });
    const write = device.write(2, new Uint8Array(14));
    (await slot.next()).end();
    (await slot.next()).end({ status: -5, transferred: 1, uncertain: 1 });
    expect(await failure(write)).toMatchObject({
      bytesTransferred: 3,
      committed: [
        { offset: 2, length: 2 },
        { offset: 8, length: 1 },
      ],
      uncertain: [{ offset: 9, length: 1 }],
      untouched: [{ offset: 12, length: 4 }],
    });
  });

  test('an access wholly inside one needs its device all the same', async () => {
    const slot = new FakeSlot(pattern(16));
    const { nvmem, device } = await onSlot(slot, { keepouts });
    expect([...(await device.read(5, 2))]).toEqual([0xaa, 0xaa]);
    expect(await device.write(5, Uint8Array.of(1, 2))).toMatchObject({ bytesWritten: 2, bytesSkipped: 2 });
    expect(slot.log).toEqual([]);
    await nvmem.unregister(device);
    expect((await failure(device.read(5, 2))).code).toBe('ENODEV');
    expect((await failure(device.write(5, Uint8Array.of(1)))).code).toBe('ENODEV');
  });

  test('any mix of reads and writes equals a flat array', async () => {
    const step = fc.record({
      offset: fc.nat(15),
      data: fc.uint8Array({ maxLength: 16 }),
      write: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, immediate) => {
        const slot = new FakeSlot(pattern(16), immediate, true);
        const { device } = await onSlot(slot, { keepouts });
        const model = pattern(16);
        for (const { offset, data, write } of steps) {
          const bytes = data.subarray(0, 16 - offset);
          const kept = (at: number): Keepout | undefined => keepouts.find((k) => k.start <= at && at < k.end);
          if (write) {
            await device.write(offset, bytes);
            bytes.forEach((byte, i) => {
              if (!kept(offset + i)) model[offset + i] = byte;
            });
          } else {
            const expected = Array.from(bytes, (_, i) => kept(offset + i)?.value ?? model[offset + i]);
            expect([...(await device.read(offset, bytes.length))]).toEqual(expected);
          }
        }
        expect(slot.memory).toEqual(model);
      }),
      { numRuns: 60 },
    );
  });
});

test('a memory provider serves one registration', async () => {
  const nvmem = new Registry();
  const provider = memoryProvider(Uint8Array.of(1, 2, 3));
  const device = await nvmem.register({ provider });
  expect(device).toMatchObject({ name: 'nvmem0', size: 3, type: 'Unknown', wordSize: 1, stride: 1 });
  expect([...(await device.read(0, 3))]).toEqual([1, 2, 3]);
  await expect(nvmem.register({ provider })).rejects.toMatchObject({ code: 'EBUSY' });
});
