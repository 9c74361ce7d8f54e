/** What the kernel says to names that are empty or not there: drivers/nvmem/core.c and kobject_add_internal(). */
import { Registry, NvmemKernelApi, type NvmemCellInfo, type NvmemConfig } from '../../../lib/index.js';

function setUp(): { registry: Registry; kernel: NvmemKernelApi; seen: string[] } {
  const registry = new Registry();
  const seen: string[] = [];
  registry.registerNotifier({ notify: (event, name) => seen.push(`${event} ${name}`) });
  return { registry, kernel: new NvmemKernelApi(registry), seen };
}

const config = (rest: Partial<NvmemConfig>): NvmemConfig => ({
  provider: { size: 8, read: (_offset, length) => new Uint8Array(length) },
  ...rest,
});
const nameless = { offset: 0, bytes: 1 } as NvmemCellInfo;

test.each<[string, Partial<NvmemConfig>, string]>([
  ['an empty name alone', { name: '', id: 'none' }, 'EINVAL'],
  ['an empty name alone, by number', { name: '', id: -1 }, 'EINVAL'],
  ['no name at all', { id: 'none' }, 'ENOMEM'],
  ['a cell without a name', { name: 'a', cells: [nameless] }, 'ENOMEM'],
  ['a cell whose name is null', { name: 'a', cells: [{ ...nameless, name: null as never }] }, 'ENOMEM'],
  [
    'a cell without a name and off the stride',
    { name: 'a', stride: 2, cells: [{ ...nameless, offset: 1 }] },
    'EINVAL',
  ],
])('%s is %s', async (_what, rest, code) => {
  const { registry, kernel } = setUp();
  await expect(kernel.nvmemRegister(config(rest))).rejects.toMatchObject({ code });
  expect(registry.devices()).toEqual([]);
});

test.each<[Partial<NvmemConfig>, string]>([
  [{ name: '', id: 'auto' }, '0'],
  [{ name: '', id: 7 }, '7'],
  [{ id: 'auto' }, '(null)0'],
  [{ id: 5 }, 'nvmem0'],
])('%p is registered as %s', async (rest, name) => {
  const { kernel } = setUp();
  const device = await kernel.nvmemRegister(config(rest));
  expect(kernel.nvmemDevName(device)).toBe(name);
  expect(kernel.nvmemDeviceGet('consumer', name).name).toBe(name);
});

test('the cells of a device with an empty name come and go, as they do before any other end of device_add()', async () => {
  const { kernel, seen } = setUp();
  const cells = [{ name: 'a', offset: 0, bytes: 1 }];
  await expect(kernel.nvmemRegister(config({ name: '', id: 'none', cells }))).rejects.toThrow();
  expect(seen).toEqual(['CELL_ADD a', 'CELL_REMOVE a']);
});

test('an empty name of a cell, a consumer or what it calls the cell is a name', async () => {
  const { kernel } = setUp();
  await kernel.nvmemRegister(config({ name: 'a', id: 'none', cells: [{ name: '', offset: 3, bytes: 1 }] }));
  const lookup = { nvmemName: 'a', cellName: '', devId: '', conId: '' };
  expect(() => kernel.nvmemCellGet('', '')).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
  kernel.nvmemAddCellLookups(lookup);
  expect(kernel.nvmemCellGet('', '').offset).toBe(3);
  kernel.nvmemDelCellLookups(lookup);
  expect(() => kernel.nvmemCellGet('', '')).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
  expect(() => kernel.nvmemDeviceGet('', '')).toThrow(
    expect.objectContaining({ code: 'EPROBE_DEFER' }) as Error,
  );
});

test('what a lookup said when it was added counts, whatever becomes of the object', async () => {
  const { registry } = setUp();
  await registry.register(config({ name: 'a', id: 'none', cells: [{ name: 'c', offset: 0, bytes: 1 }] }));
  const lookup = { nvmemName: 'a', cellName: 'c', devId: 'd', conId: 'x' };
  registry.addCellLookups(lookup);
  lookup.conId = 'y';
  expect(registry.lookupCell('d', 'x').name).toBe('c');
});
