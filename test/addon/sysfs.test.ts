/** sysfs://, on a folder that looks like the kernel's: the addon reads real files. The real kernel is test/kernel's. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Registry, type NvmemDevice } from '../../lib/index.js';
import { native } from '../../lib/native/index.js';
import { openSysfs } from '../../lib/open/sysfs_device.js';
import { parseUri, type SysfsUri } from '../../lib/uri/uri.js';
import { imageOf, left } from '../e2e/bench.js';

const SIZE = 1500;
const image = imageOf(SIZE, 7);
const registry = new Registry();
const before = native().counts();
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nvmem-sysfs-'));
  const folder = join(root, '0-00500');
  mkdirSync(join(folder, 'cells'), { recursive: true });
  writeFileSync(join(folder, 'nvmem'), image);
  writeFileSync(join(folder, 'type'), 'EEPROM\n');
  writeFileSync(join(folder, 'cells', 'mac@fa,0'), image.subarray(0xfa, 0x100));
  // What a bit cell's driver makes of its byte is the kernel's business.
  writeFileSync(join(folder, 'cells', 'mode@10,3'), Buffer.from([5]));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

async function opened(readOnly = false): Promise<NvmemDevice> {
  const source = await openSysfs(parseUri('sysfs://0-00500') as SysfsUri, readOnly, 5000, undefined, root);
  const { provider, name, type, cells } = source;
  const config = { provider, name, id: 'none' as const, type, readOnly: source.readOnly, cells };
  const device = registry.registerNow(config, () => source.free());
  void source.gone?.then((reason) => registry.unregister(device, { cause: 'unplugged', reason }));
  return Object.assign(device, {
    close: () => registry.unregister(device, { cause: 'closed', reason: 'closed' }),
  });
}

test('its bytes, its type, its cells; and writes, read back', async () => {
  const device = await opened();
  expect([device.name, device.type, device.size]).toEqual(['0-00500', 'EEPROM', SIZE]);
  expect(await device.read(0, SIZE)).toEqual(image);
  expect(device.cells().map(({ name }) => name)).toEqual(['mac', 'mode']);
  expect(await device.cell('mac').read()).toEqual(image.subarray(0xfa, 0x100));
  expect(await device.cell('mode').read()).toEqual(Buffer.from([5]));
  await expect(device.cell('mode').write(Buffer.from([1]))).rejects.toMatchObject({ code: 'EINVAL' });
  await device.write(500, Buffer.from('written'));
  expect(
    readFileSync(join(root, '0-00500', 'nvmem'))
      .subarray(500, 507)
      .toString(),
  ).toBe('written');
  await device.close();
  expect(left(native().counts(), before)).toEqual({});
});

test('what was read can be given to another thread, however much it is', async () => {
  const large = Buffer.alloc(3 * 4096, 'large');
  writeFileSync(join(root, '0-00500', 'nvmem'), large);
  const device = await opened();
  for (const length of [16, 4095, 4096, large.length]) {
    const data = await device.read(0, length);
    expect(Buffer.compare(data, large.subarray(0, length))).toBe(0);
    const given = structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
    expect([given.length, data.length]).toEqual([length, 0]);
  }
  await device.close();
});

test('a device that the kernel lets nobody write is read-only', async () => {
  chmodSync(join(root, '0-00500', 'nvmem'), 0o444);
  const device = await opened();
  await expect(device.write(0, Buffer.from([1]))).rejects.toMatchObject({ code: 'EPERM' });
  await device.close();
});

test('force_ro is cleared by opening for writing, and set again by closing', async () => {
  const path = join(root, '0-00500', 'force_ro');
  writeFileSync(path, '1');
  const reader = await opened(true);
  expect(readFileSync(path, 'utf8')).toBe('1');
  await reader.close();
  const writer = await opened();
  expect(readFileSync(path, 'utf8')).toBe('0');
  await writer.close();
  expect(readFileSync(path, 'utf8')).toBe('1');
});

test('force_ro is set again by a process that exits without closing', () => {
  const path = join(root, '0-00500', 'force_ro');
  writeFileSync(path, '1');
  const dist = join(__dirname, '..', '..', 'dist');
  const script = `
    const { openSysfs } = require(${JSON.stringify(join(dist, 'open', 'sysfs_device.js'))});
    const { parseUri } = require(${JSON.stringify(join(dist, 'uri', 'uri.js'))});
    void openSysfs(parseUri('sysfs://0-00500'), false, 5000, undefined, ${JSON.stringify(root)}).then(() => {
      console.log(require('node:fs').readFileSync(${JSON.stringify(path)}, 'utf8'));
      process.exit(0);
    });`;
  expect(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })).toBe('0\n');
  expect(readFileSync(path, 'utf8')).toBe('1');
});

test('removed by the kernel: "removed" says so, and then everything is ENODEV', async () => {
  const device = await opened();
  const removed = new Promise((resolve) => device.once('removed', resolve));
  renameSync(join(root, '0-00500'), join(root, 'aside'));
  expect(await removed).toMatchObject({
    cause: 'unplugged',
    reason: expect.stringMatching(/the kernel has removed/) as string,
  });
  await expect(device.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
  expect(left(native().counts(), before)).toEqual({});
});

test('a name that the kernel does not have', async () => {
  await expect(
    openSysfs(parseUri('sysfs://1-00500') as SysfsUri, false, 5000, undefined, root),
  ).rejects.toMatchObject({
    code: 'ENOENT',
    message: expect.stringMatching(/kernel has no such device/) as string,
    hint: expect.stringMatching(/nvmem list/) as string,
  });
});
