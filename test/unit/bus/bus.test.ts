jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { filesOf } from '../../../lib/kernel/index.js';
import {
  memoryProvider,
  Registry,
  type NvmemConfig,
  type NvmemEvents,
  type NvmemLayout,
  type WpLine,
} from '../../../lib/index.js';

const LOOKUP = { nvmemName: 'dev', cellName: 'mac', devId: 'eth0', conId: 'mac-address' };

const register = (nvmem: Registry, config: Partial<NvmemConfig> = {}): ReturnType<Registry['register']> =>
  nvmem.register({
    provider: memoryProvider(Uint8Array.from({ length: 16 }, (_, i) => i + 1)),
    name: 'dev',
    id: 'none',
    ...config,
  });

function record(nvmem: Registry): string[] {
  const events: string[] = [];
  const names: (keyof NvmemEvents)[] = [
    'add',
    'cell-add',
    'layout-add',
    'remove',
    'layout-remove',
    'cell-remove',
    'removed',
  ];
  for (const name of names) {
    nvmem.on(name, (...args: unknown[]) => {
      events.push(`${name} ${(args[0] as { name: string }).name}`);
    });
  }
  return events;
}

describe('lookups', () => {
  test('a consumer gets its cell by its own name, as soon as it is there', async () => {
    const nvmem = new Registry();
    nvmem.addCellLookups(LOOKUP);
    const eth0 = nvmem.consumer('eth0');
    expect(() => eth0.cell('mac-address')).toThrow(
      expect.objectContaining({ code: 'EPROBE_DEFER' }) as Error,
    );
    expect(() => eth0.cell('other')).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
    const waiting = nvmem.waitFor({ devId: 'eth0', conId: 'mac-address' });
    await register(nvmem, { cells: [{ name: 'mac', offset: 2, bytes: 2 }] });
    expect([...(await (await waiting).read())]).toEqual([3, 4]);
    expect(await eth0.readU16('mac-address')).toBe(0x0403);
    await expect(eth0.readU8('mac-address')).rejects.toMatchObject({ code: 'EINVAL' });
    expect(await eth0.readVariableLeU32('mac-address')).toBe(0x0403);
    nvmem.removeCellLookups({ ...LOOKUP });
    expect(() => eth0.cell('mac-address')).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
  });

  test('waiting ends with the signal, with the time, and with a cell that will never come', async () => {
    const nvmem = new Registry();
    nvmem.addCellLookups(LOOKUP);
    const controller = new AbortController();
    const aborted = nvmem.waitFor('dev', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toMatchObject({ code: 'ABORT_ERR', cause: { message: 'enough' } });
    await expect(nvmem.waitFor('dev', { timeoutMs: 1 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const never = nvmem.waitFor({ devId: 'eth0', conId: 'mac-address' });
    await Promise.all([expect(never).rejects.toMatchObject({ code: 'ENOENT' }), register(nvmem)]);
    expect(nvmem.listenerCount('add')).toBe(0);
  });
});

describe('layouts', () => {
  const layout: NvmemLayout = {
    name: 'acme,board',
    async addCells({ device, addCell }) {
      const [length = 0] = await device.read(0, 1);
      addCell({ name: 'mac', offset: 1, bytes: length });
    },
  };

  test('cells appear when the layout does, before or after the device', async () => {
    for (const first of ['layout', 'device']) {
      const nvmem = new Registry();
      nvmem.addCellLookups(LOOKUP);
      const events = record(nvmem);
      if (first === 'layout') nvmem.addLayout(layout);
      const device = await register(nvmem, { layout: 'acme,board' });
      const waiting = nvmem.waitFor({ devId: 'eth0', conId: 'mac-address' });
      if (first === 'device') nvmem.addLayout(layout);
      expect([...(await (await waiting).read())]).toEqual([2]);
      await new Promise(setImmediate);
      await nvmem.unregister(device);
      expect(events).toEqual([
        'add dev',
        'cell-add mac',
        'layout-add dev',
        'remove dev',
        'layout-remove dev',
        'cell-remove mac',
        'removed dev',
      ]);
    }
  });

  test('one that fails takes its cells with it and says so', async () => {
    const nvmem = new Registry();
    nvmem.addCellLookups(LOOKUP);
    const events = record(nvmem);
    const failed = new Promise((resolve) => {
      nvmem.once('layout-add', (_device, _layout, error) => {
        resolve(error);
      });
    });
    nvmem.addLayout({
      name: 'bad',
      addCells({ addCell }) {
        addCell({ name: 'mac', offset: 0, bytes: 1 });
        throw new Error('no magic');
      },
    });
    const device = await register(nvmem, { layout: 'bad' });
    expect(await failed).toMatchObject({ message: 'no magic' });
    expect(events).toEqual(['add dev', 'cell-add mac', 'cell-remove mac', 'layout-add dev']);
    expect(device.cells()).toEqual([]);
    expect(() => nvmem.lookupCell('eth0', 'mac-address')).toThrow(
      expect.objectContaining({ code: 'ENOENT' }) as Error,
    );
    expect(() => {
      nvmem.addLayout({ name: 'bad', addCells: () => undefined });
    }).toThrow(expect.objectContaining({ code: 'EBUSY' }) as Error);
  });
});

describe('board cells', () => {
  test('become cells, without their unit address, after the provider has had its say', async () => {
    const device = await register(new Registry(), {
      boardCells: [
        { name: 'mac@2', reg: [2, 2] },
        { name: 'trim@4', reg: [4, 1], bits: [2, 3] },
        { name: 'partitions' },
      ],
      fixupCellInfo: (info) => (info.name === 'mac' ? { ...info, offset: 8 } : info),
    });
    expect(device.cells().map(({ name, offset, nbits }) => [name, offset, nbits])).toEqual([
      ['mac', 8, 0],
      ['trim', 4, 3],
    ]);
  });

  test.each([
    [{ name: 'a', reg: [1] }],
    [{ name: 'a', reg: [1, 1], bits: [8, 1] }],
    [{ name: 'a', reg: [1, 1], bits: [0, 0] }],
    [{ name: 'a', reg: [1, 1], bits: [4, 5] }],
  ])('%j is refused', async (node) => {
    await expect(register(new Registry(), { boardCells: [node] })).rejects.toMatchObject({ code: 'EINVAL' });
  });
});

describe('a write-protect line', () => {
  function bench(fail: { on?: boolean } = {}): { line: WpLine; log: string[]; config: Partial<NvmemConfig> } {
    const log: string[] = [];
    const line: WpLine = {
      request: () => log.push('request'),
      set: async (protect) => {
        await Promise.resolve();
        log.push(protect ? 'up' : 'down');
        if (fail.on === protect) throw Object.assign(new Error('stuck'), { code: 'EIO' });
      },
      release: () => log.push('release'),
    };
    const config = {
      size: 4,
      wp: line,
      provider: {
        read: (_offset: number, length: number) => new Uint8Array(length),
        write: async () => {
          log.push('begin');
          await new Promise(setImmediate);
          log.push('end');
        },
      },
    };
    return { line, log, config };
  }
  const raw = { verify: false };

  test('is down while somebody writes behind it, and one writer never raises it on another', async () => {
    const nvmem = new Registry();
    const { log, config } = bench();
    const one = await register(nvmem, config);
    const two = await register(nvmem, { ...config, name: 'two' });
    await Promise.all([one.write(0, Uint8Array.of(0), raw), two.write(0, Uint8Array.of(0), raw)]);
    expect(log).toEqual(['request', 'request', 'down', 'begin', 'begin', 'end', 'end', 'up']);
  });

  test('that cannot be lowered stops the write; one that cannot be raised is told beside it (D11)', async () => {
    const down = bench({ on: false });
    const stuck = await register(new Registry(), down.config);
    await expect(stuck.write(0, Uint8Array.of(1), raw)).rejects.toMatchObject({
      code: 'EIO',
      untouched: [{ offset: 0, length: 1 }],
    });
    expect(down.log).toEqual(['request', 'down']);
    const open = await register(new Registry(), bench({ on: true }).config);
    const result = await open.write(0, Uint8Array.of(1), raw);
    expect(result).toMatchObject({ bytesWritten: 1, protectError: { code: 'EIO', syscall: 'protect' } });
  });

  test('goes back up, and only then is let go of, when the device goes in the middle of a write', async () => {
    const nvmem = new Registry();
    const { log, config } = bench();
    const device = await register(nvmem, config);
    const write = device.write(0, Uint8Array.of(1), raw);
    while (!log.includes('begin')) await new Promise(setImmediate);
    const unregistered = nvmem.unregister(device);
    await expect(write).rejects.toMatchObject({ code: 'ENODEV', uncertain: [{ offset: 0, length: 1 }] });
    await unregistered;
    expect(log).toEqual(['request', 'down', 'begin', 'end', 'up', 'release']);
  });

  test('keeps cells and files from being written until forceRo is cleared', async () => {
    const device = await register(new Registry(), {
      ...bench().config,
      cells: [{ name: 'c', offset: 0, bytes: 1 }],
    });
    await expect(device.cell('c').write(Uint8Array.of(1), raw)).rejects.toMatchObject({ code: 'EINVAL' });
    using ro = filesOf(device).open('force_ro', { flags: 'r+' });
    expect((await ro.read(0, ro.size)).toString()).toBe('1\n');
    await ro.pwrite(Buffer.from('0\n'), 0);
    await device.cell('c').write(Uint8Array.of(1), raw);
    expect(device.forceRo).toBe(false);
  });
});

describe('files', () => {
  test('a long read is many pages, and its caller does not see them', async () => {
    const image = Uint8Array.from({ length: 10_000 }, (_, i) => i & 0xff);
    const device = await register(new Registry(), { provider: memoryProvider(image) });
    using file = filesOf(device).open('nvmem', { flags: 'r+' });
    expect((await file.pread(10_000, 0)).length).toBe(4096);
    expect(Buffer.compare(await file.read(0, 20_000), image)).toBe(0);
    await expect(file.write(9_999, Uint8Array.of(1, 2))).rejects.toMatchObject({ code: 'EFBIG' });
    const done: number[] = [];
    const written = await file.write(4_000, image.subarray(0, 6_000), { onProgress: (at) => done.push(at) });
    expect(written).toEqual({
      bytesWritten: 6_000,
      bytesSkipped: 0,
      bytesUnchanged: 0,
      protectError: undefined,
    });
    expect(done.at(-1)).toBe(6_000);
    expect((await device.read(9_999, 1))[0]).toBe(image[5_999]);
  });

  test('a whole read or write is whole words on the stride, and says what a device says', async () => {
    const memory = Buffer.alloc(16, 7);
    let drops = false;
    const device = await register(new Registry(), {
      size: 16,
      wordSize: 4,
      stride: 4,
      provider: {
        read: (offset, length) => Uint8Array.from(memory.subarray(offset, offset + length)),
        write: (offset, data) => {
          if (!drops) memory.set(data, offset);
        },
      },
    });
    using file = filesOf(device).open('nvmem', { flags: 'r+' });
    expect(await file.read(8, 100)).toEqual(Buffer.alloc(8, 7));
    for (const [position, length] of [
      [0, 6],
      [2, 4],
      [0, 3],
    ] as const) {
      await expect(file.read(position, length)).rejects.toMatchObject({ code: 'EINVAL' });
      await expect(file.write(position, Buffer.alloc(length))).rejects.toMatchObject({ code: 'EINVAL' });
    }
    await file.write(4, Buffer.of(1, 2, 3, 4));
    expect([...memory.subarray(4, 8)]).toEqual([1, 2, 3, 4]);
    drops = true;
    await expect(file.write(0, Buffer.alloc(8))).rejects.toMatchObject({
      code: 'EBADMSG',
      mismatchOffset: 0,
    });
    device.forceRo = true;
    await expect(file.write(0, Buffer.alloc(4))).rejects.toMatchObject({ code: 'EPERM' });
    expect(await file.read(16, 4)).toHaveLength(0);
  });

  test('an open one outlives its device, numb; a closed one says so', async () => {
    const nvmem = new Registry();
    const device = await register(nvmem, { cells: [{ name: 'c', offset: 10, bitOffset: 3, nbits: 2 }] });
    const files = filesOf(device);
    expect(files.list()).toEqual(['cells', 'force_ro', 'nvmem', 'type']);
    expect(files.list('cells')).toEqual(['c@a,3']);
    const file = files.open('nvmem');
    await expect(file.pwrite(Uint8Array.of(1), 0)).rejects.toMatchObject({ code: 'EBADF' });
    await nvmem.unregister(device);
    await expect(file.pread(1, 0)).rejects.toMatchObject({ code: 'ENODEV' });
    expect(() => files.open('nvmem')).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
    file.close();
    await expect(file.pread(1, 0)).rejects.toMatchObject({ code: 'EBADF' });
  });

  test('only the owner opens what is rootOnly', async () => {
    const files = filesOf(await register(new Registry(), { rootOnly: true }));
    expect(files.stat('nvmem').mode).toBe(0o600);
    expect(() => files.open('nvmem', { as: 'other' })).toThrow(
      expect.objectContaining({ code: 'EACCES' }) as Error,
    );
  });
});
