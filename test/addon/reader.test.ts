/** The synchronous fast path. */
import { memoryProvider, Registry } from '../../lib/index.js';

const registry = new Registry();
/** For toThrow(). */
function coded(code: string): Error {
  const matcher: unknown = expect.objectContaining({ code });
  return matcher as Error;
}

afterEach(async () => {
  for (const device of registry.devices()) await registry.unregister(device);
});

async function device(extra: object = {}): Promise<Awaited<ReturnType<Registry['register']>>> {
  return registry.register({ provider: memoryProvider(Buffer.from('0123456789abcdef')), ...extra });
}

test('one buffer, filled anew at every call', async () => {
  const memory = await device();
  for (let offset = 0; offset < 16; offset++) {
    for (let length = 1; length <= 16 - offset; length++) {
      const reader = memory.reader(offset, length);
      const expected = '0123456789abcdef'.slice(offset, offset + length);
      expect(reader.readSync().toString()).toBe(expected);
    }
  }
  const reader = memory.reader(4, 4);
  expect(reader.readSync()).toBe(reader.buffer);
  await memory.write(5, Buffer.from('XY'));
  reader.readSync();
  expect(reader.buffer.toString()).toBe('4XY7');
});

test('memory of the caller’s, where it cannot be detached', async () => {
  const memory = await device();
  const mine = new Uint8Array(new SharedArrayBuffer(32), 3, 5);
  const reader = memory.reader(8, mine);
  reader.readSync();
  expect(Buffer.from(mine).toString()).toBe('89abc');
  expect([...new Uint8Array(mine.buffer)].filter((byte) => byte !== 0)).toHaveLength(5);
  const detachable = new Uint8Array(8);
  expect(() => memory.reader(0, detachable)).toThrow(/SharedArrayBuffer/);
  // Nor can the reader's own be taken away.
  expect(() => structuredClone(reader.buffer, { transfer: [reader.buffer.buffer as ArrayBuffer] })).toThrow();
});

test('keepouts are filled, whatever the buffer held', async () => {
  const memory = await device({ keepouts: [{ start: 2, end: 4, value: 0x2e }] });
  const reader = memory.reader(0, 6);
  reader.buffer.fill(0);
  expect(reader.readSync().toString()).toBe('01..45');
  expect(memory.reader(2, 2).readSync().toString()).toBe('..');
});

test('cells: whole bytes, bits, raw lengths, and hooks that need waiting', async () => {
  const memory = await device({
    cells: [
      { name: 'text', offset: 2, bytes: 3 },
      { name: 'bits', offset: 0, bitOffset: 4, nbits: 4 },
      { name: 'longer', offset: 4, bytes: 2, rawLength: 6 },
      { name: 'hook', offset: 0, bytes: 1, readPostProcess: () => undefined },
    ],
  });
  for (const name of ['text', 'bits', 'longer']) {
    const cell = memory.cell(name);
    expect(cell.readSync()).toEqual(await cell.read());
    const reader = cell.reader();
    expect(reader.readSync()).toEqual(await cell.read());
    expect(reader.readSync()).toEqual(await cell.read());
    expect(cell.readSync()).not.toBe(cell.readSync());
  }
  expect(() => memory.cell('hook').reader()).toThrow(/readPostProcess/);
  expect(() => memory.cell('hook').readSync()).toThrow(coded('EOPNOTSUPP'));
});

test('what lies outside, and what needs waiting, is refused when the reader is made', async () => {
  const memory = await device();
  expect(() => memory.reader(8, 9)).toThrow(coded('EINVAL'));
  expect(() => memory.reader(-1, 1)).toThrow(RangeError);
  expect(() => memory.reader(0, 0)).toThrow(RangeError);
  expect(() => memory.reader(0, 'all' as unknown as number)).toThrow(TypeError);
  const script = await registry.register({
    size: 4,
    provider: { read: (_, length) => Buffer.alloc(length) },
  });
  expect(() => script.reader(0, 4)).toThrow(/EOPNOTSUPP.*use read\(\)/);
});

test('after unregister() it says ENODEV, at once and for ever, with the caller on top of the stack', async () => {
  const memory = await device({ cells: [{ name: 'text', offset: 2, bytes: 3 }] });
  const reader = memory.reader(0, 4);
  const cell = memory.cell('text');
  cell.readSync();
  const gone = registry.unregister(memory, { cause: 'unplugged', reason: 'pulled' });
  for (const read of [() => reader.readSync(), () => cell.readSync(), () => memory.reader(0, 4)]) {
    expect(read).toThrow(/^ENODEV.*pulled/);
  }
  await gone;
  let stack: string | undefined;
  try {
    reader.readSync();
  } catch (error) {
    ({ stack } = error as Error);
  }
  expect(stack?.split('\n')[1]).toContain(__filename);
});
