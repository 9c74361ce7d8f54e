/**
 * The kernel series' other defects by number (docs/defects.md): those of meaning, and the nearest thing that can go wrong
 * here for the three that are about the kernel's own locks and counts. With the real addon underneath.
 */
import { once } from 'node:events';

import { filesOf } from '../../lib/kernel/index.js';
import {
  memoryProvider,
  Registry,
  type NvmemDevice,
  type NvmemError,
  type NvmemLayout,
  type NvmemProvider,
} from '../../lib/index.js';
import { native } from '../../lib/native/index.js';

let registry: Registry;

beforeEach(() => {
  registry = new Registry();
});

afterEach(async () => {
  await Promise.all(registry.devices().map((device) => registry.unregister(device)));
});

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error as NvmemError).code,
  );

const cells = [{ name: 'c', offset: 0, bytes: 2 }];
const lookup = { nvmemName: 'd', cellName: 'c', devId: 'dev', conId: 'x' };

test('D5: lookups can be searched, added and removed from inside everything that the core calls', async () => {
  const said: unknown[] = [];
  const look = (): void => {
    registry.addCellLookups({ ...lookup, conId: 'y' });
    registry.removeCellLookups({ ...lookup, conId: 'y' });
    for (const conId of ['x', 'miss']) {
      try {
        said.push(registry.lookupCell('dev', conId).name);
      } catch (error) {
        said.push((error as NvmemError).code);
      }
    }
  };
  registry.addCellLookups(lookup);
  registry.registerNotifier({ notify: look });
  registry.on('add', look);
  registry.on('removed', look);
  const device = await registry.register({ provider: memoryProvider(4), name: 'd', id: 'none', cells });
  await registry.unregister(device);
  // CELL_ADD, ADD, add; REMOVE, CELL_REMOVE, removed: it is there as long as it can be found.
  expect(said).toEqual(
    [...Array(3).fill(['c', 'ENOENT']), ...Array(3).fill(['EPROBE_DEFER', 'ENOENT'])].flat(),
  );
});

test('D8: a layout goes before, between and after its devices, and each announcement has its end', async () => {
  const balance = new Map<string, number>();
  registry.on('layout-add', (_device, name) => balance.set(name, (balance.get(name) ?? 0) + 1));
  registry.on('layout-remove', (_device, name) => balance.set(name, (balance.get(name) ?? 0) - 1));
  let asked = 0;
  const layout: NvmemLayout = {
    name: 'l',
    addCells: ({ addCell }) => {
      asked++;
      addCell({ name: 'found', offset: 0, bytes: 1 });
    },
  };
  const config = (): { provider: ReturnType<typeof memoryProvider>; layout: string } => ({
    provider: memoryProvider(4),
    layout: 'l',
  });
  registry.addLayout(layout);
  const looked = once(registry, 'layout-add');
  const first = await registry.register(config());
  await looked;
  const cell = first.cell('found');
  registry.removeLayout(layout);
  // What it found stays, and needs it no more.
  expect(await cell.read()).toHaveLength(1);
  const second = await registry.register(config());
  await registry.unregister(first);
  expect(await codeOf(cell.read())).toBe('ENODEV');
  cell[Symbol.dispose]();
  const lookedAgain = once(registry, 'layout-add');
  registry.addLayout(layout);
  await lookedAgain;
  expect(second.cells().map(({ name }) => name)).toEqual(['found']);
  await registry.unregister(second);
  expect([asked, balance.get('l')]).toEqual([2, 0]);
});

test('D11: what becomes of the line never hides what became of the write', async () => {
  const memory = new Uint8Array(4);
  const fault: { error?: Error } = {};
  const device = await registry.register({
    size: 4,
    provider: {
      write: (offset, data) => {
        if (fault.error) throw fault.error;
        memory.set(data, offset);
      },
    },
    wp: {
      set: (protect) => {
        if (protect) throw Object.assign(new Error('stuck'), { code: 'ETIMEDOUT' });
      },
    },
  });
  const { bytesWritten, protectError } = await device.write(0, Uint8Array.of(1, 2));
  expect([bytesWritten, protectError?.code, ...memory]).toEqual([2, 'ETIMEDOUT', 1, 2, 0, 0]);
  fault.error = Object.assign(new Error('no'), { code: 'EREMOTEIO' });
  await expect(device.write(0, Uint8Array.of(3))).rejects.toMatchObject({
    code: 'EREMOTEIO',
    protectError: { code: 'ETIMEDOUT' },
  });
});

test('D12: what a provider says of itself stays what it said at the user boundary', async () => {
  const refuse = (): never => {
    throw Object.assign(new Error('not this part'), { code: 'EOPNOTSUPP' });
  };
  const device = await registry.register({ size: 4, provider: { read: refuse, write: refuse } });
  using file = filesOf(device).open('nvmem', { flags: 'r+' });
  expect(await codeOf(file.pread(1, 0))).toBe('EOPNOTSUPP');
  expect(await codeOf(file.pwrite(Buffer.of(1), 0))).toBe('EOPNOTSUPP');
  // EPERM is for what is missing.
  const reader = await registry.register({ size: 4, provider: { read: (_at, n) => new Uint8Array(n) } });
  expect(filesOf(reader).list()).not.toContain('force_ro');
  expect(() => filesOf(reader).open('nvmem', { flags: 'w' })).toThrow(
    expect.objectContaining({ code: 'EACCES' }) as Error,
  );
});

test('D13: nothing of the provider is ever called outside a section, and no section is left', async () => {
  const before = native().counts().holds;
  const inside: number[] = [];
  const note = (): void => void inside.push(native().counts().holds - before);
  const provider: NvmemProvider = {
    async read(_offset, length) {
      note();
      await Promise.resolve();
      note();
      return new Uint8Array(length);
    },
    write: note,
  };
  const device = await registry.register({
    provider,
    size: 4,
    keepouts: [{ start: 1, end: 2, value: 9 }],
    cells: [{ ...cells[0], name: 'p', offset: 0, bytes: 4, readPostProcess: note }],
    wp: { set: note },
  });
  device.forceRo = false;
  await device.read(0, 4);
  await device.write(0, Buffer.alloc(4), { verify: false });
  await device.cell('p').read();
  expect(inside.length).toBeGreaterThanOrEqual(4 + 2 * 3 + 4 + 1);
  expect(Math.min(...inside)).toBeGreaterThan(0);
  expect(native().counts().holds).toBe(before);
});

test('D18: neither a handle nor a cell keeps the number of a device that has gone', async () => {
  const held: NvmemDevice[] = [];
  for (let i = 0; i < 3; i++) {
    const device = await registry.register({ provider: memoryProvider(4), name: 'd', cells });
    held.push(registry.get('d0'), device);
    expect(device.cell('c').device).toBe('d0');
    await registry.unregister(device);
  }
  expect(held.map(({ alive }) => alive)).toEqual(Array(6).fill(false));
});

test('D19: no way of writing gets past read-only', async () => {
  let written = 0;
  const device = await registry.register({
    size: 4,
    readOnly: true,
    cells,
    provider: {
      read: (_offset, length) => new Uint8Array(length),
      write: () => {
        written++;
      },
    },
  });
  const bytes = Buffer.alloc(2);
  expect(await codeOf(device.write(0, bytes))).toBe('EPERM');
  expect(await codeOf(device.cellWrite({ offset: 0, bytes: 2 }, bytes))).toBe('EINVAL');
  expect(await codeOf(device.cell('c').write(bytes))).toBe('EINVAL');
  expect(() => filesOf(device).open('nvmem', { flags: 'w' })).toThrow(
    expect.objectContaining({ code: 'EACCES' }) as Error,
  );
  expect(written).toBe(0);
  device.forceRo = false;
  expect(await codeOf(device.write(0, bytes))).toBe('done');
});

test('D20: a bit cell of any place and width is written, and no other bit of the memory changes', async () => {
  const size = 12;
  const toBits = (bytes: Uint8Array): number[] =>
    Array.from({ length: bytes.length * 8 }, (_, i) => ((bytes[i >> 3] ?? 0) >> (i & 7)) & 1);
  const image = Uint8Array.from({ length: size }, (_, i) => (i * 151 + 37) & 0xff);
  const device = await registry.register({ provider: memoryProvider(image), name: 'd' });
  let checked = 0;
  for (let bitOffset = 0; bitOffset < 24; bitOffset++) {
    for (let nbits = 1; nbits <= 64; nbits++) {
      await device.write(0, image);
      const cell = { offset: 1, bitOffset, nbits };
      // All bits set, those above the field as well: they are not its business.
      const value = Buffer.alloc(Math.ceil(nbits / 8), nbits % 2 === 0 ? 0xff : 0xa5);
      await device.cellWrite(cell, value);
      const want = toBits(image);
      toBits(value)
        .slice(0, nbits)
        .forEach((bit, i) => (want[8 + bitOffset + i] = bit));
      expect(toBits(await device.read(0, size))).toEqual(want);
      const back = toBits(await device.cellRead(cell)).slice(0, nbits);
      expect(back).toEqual(toBits(value).slice(0, nbits));
      checked++;
    }
  }
  expect(checked).toBe(24 * 64);
});
