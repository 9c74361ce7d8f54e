/** Advice follows from the cause: what a provider of another kind ends with says nothing of an I2C bus. */
import { filesOf } from '../../../lib/kernel/index.js';
import { errorTable, NvmemError, type NvmemErrorCode } from '../../../lib/base/errors.js';
import { partWords } from '../../../lib/base/part_words.js';
import { memoryProvider, Registry, open, type NvmemDevice, type NvmemProvider } from '../../../lib/index.js';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const codes = Object.keys(errorTable) as NvmemErrorCode[];
/** Words of a bus, of a bridge and of the parameters of their URIs. */
const BUS =
  /\bI2C\b|SDA|SCL|pull-up|wiring|\bWP\b|\bplug|bridge|master|acknowledge|usb|chip=|speed=|addressWidth/i;

async function failure(call: () => unknown): Promise<NvmemError> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(NvmemError);
    return error as NvmemError;
  }
  throw new Error('it did not fail');
}

test.each(codes)('%s by itself says nothing of a bus', (code) => {
  const { says, hint } = errorTable[code];
  expect(says).not.toMatch(BUS);
  expect(hint).not.toMatch(BUS);
});

test.each(codes)('%s from a provider in JavaScript says nothing of a bus', async (code) => {
  const fail = (): never => {
    throw Object.assign(new Error('so it is'), { code });
  };
  const registry = new Registry();
  const cells = [
    { name: 'c', offset: 0, bytes: 1 },
    { name: 'b', offset: 0, bitOffset: 1, nbits: 3 },
    { name: 'p', offset: 0, bytes: 1, readPostProcess: fail },
  ];
  const device = await registry.register({ provider: { read: fail, write: fail }, size: 8, cells });
  const good: NvmemProvider = { read: (_offset, length) => new Uint8Array(length), write: fail };
  const other = await registry.register({ provider: good, size: 8, cells });
  for (const call of [
    () => device.read(0, 1),
    () => device.write(0, Buffer.of(1)),
    () => device.cell('c').read(),
    () => device.cell('b').write(Buffer.of(1)),
    () => other.cell('p').read(),
    () => filesOf(device).open('nvmem').read(0, 1),
    () => filesOf(other).open('nvmem', { flags: 'w' }).write(0, Buffer.of(1)),
  ]) {
    const error = await failure(call);
    if (code !== 'ABORT_ERR') expect(error.message).toContain('so it is');
    expect(`${error.message} ${error.hint}`).not.toMatch(BUS);
  }
  await device.close();
  await other.close();
});

describe('what a device of memory, a file or JavaScript can end with', () => {
  const script = (): NvmemProvider => ({ read: () => new Uint8Array(1), write: () => undefined });
  const devices: [string, (registry: Registry) => Promise<NvmemDevice>][] = [
    ['memory', (registry) => registry.register({ provider: memoryProvider(8), name: 'd', id: 'none' })],
    ['JavaScript', (registry) => registry.register({ provider: script(), size: 8, name: 'd', id: 'none' })],
    ['mem://', (registry) => open('mem://8', { registry, name: 'd' })],
    [
      'file://',
      async (registry) => {
        const file = join(await mkdtemp(join(tmpdir(), 'nvmem-hints-')), 'image');
        await writeFile(file, Buffer.alloc(8));
        return open(`file://${file}`, { registry, name: 'd' });
      },
    ],
  ];
  test.each(devices)('%s', async (name, make) => {
    const registry = new Registry();
    const device = await make(registry);
    const aborted = { signal: AbortSignal.abort() };
    const hints = new Map<string, string>();
    const tell = async (what: string, call: () => unknown): Promise<void> => {
      const error = await failure(call);
      expect(`${what}: ${error.message} ${error.hint}`).not.toMatch(BUS);
      hints.set(what, error.hint);
    };
    await tell('cell', () => device.cell('nothing'));
    await tell('lookup', () => registry.lookupCell('a', 'b'));
    await tell('get', () => registry.get('nothing'));
    await tell('taken', () => registry.register({ provider: memoryProvider(1), name: 'd', id: 'none' }));
    await tell('wait', () => registry.waitFor('nothing', { timeoutMs: 1 }));
    await tell('aborted', () => device.read(0, 1, aborted));
    await tell('aborted write', () => device.write(0, Buffer.of(1), aborted));
    await tell('file', () => filesOf(device).open('nothing'));
    if (name === 'JavaScript') {
      await tell('short', () => device.read(0, 4));
      await tell('reader', () => device.reader(0, 4));
      await tell('share', () => device.share());
    }
    device.forceRo = true;
    await tell('read-only', () => device.write(0, Buffer.of(1)));
    const file = filesOf(device).open('nvmem');
    await (name.includes('://') ? device.close() : registry.unregister(device));
    for (const call of [
      () => device.read(0, 1),
      () => device.write(0, Buffer.of(1)),
      () => device.reader(0, 1),
      () => file.read(0, 1),
      () => filesOf(device).open('nvmem'),
    ]) {
      await tell('gone', call);
      expect(hints.get('gone')).toMatch(
        name.includes('://') ? /^The program has closed it/ : /^The program has unregistered it/,
      );
    }
    expect(hints.get('cell')).toMatch(/^Name one of these/);
    expect(hints.get('lookup')).toMatch(/addCellLookups/);
    expect(hints.get('short') ?? 'Mend the provider').toMatch(/^Mend the provider/);
  });
});

test('the words of a bus are for codes of the table, and where nobody answers the scan is named', () => {
  const others = codes.filter((code) => partWords(code) === undefined);
  expect(others).toContain('ENOENT');
  expect(partWords('ENXIO')?.hint).toMatch(/^nvmem scan/);
  expect(partWords('toString')).toBeUndefined();
});
