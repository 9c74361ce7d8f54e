/** The contract (cases.js) on everything that needs no kernel: what lies in memory, in JavaScript, in a file, on the virtual bench. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { memoryProvider, Registry, open, type NvmemDevice, type OpenOptions } from '../../lib/index.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { parseFault } from '../../lib/rig/fault_text.js';
import { imageOf, seedOfRun } from '../e2e/bench.js';
import { plan, runCase, type Subject } from './cases.js';

const seed = seedOfRun();
const SIZE = 2048;
const folder = mkdtempSync(join(tmpdir(), 'nvmem-contract-'));
const registry = new Registry();

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A device that is registered for every case, and unregistered by close(). */
function registered(config: Parameters<Registry['register']>[0]): Promise<NvmemDevice> {
  return registry.register(config);
}

function memory(): Subject {
  const image = imageOf(SIZE, seed);
  let open: NvmemDevice;
  return {
    name: 'memory',
    can: new Set(['write', 'content', 'close'] as const),
    size: SIZE,
    async open({ readOnly }) {
      const device = await registered({ provider: memoryProvider(image), readOnly: readOnly ?? false });
      open = device;
      return device;
    },
    // The other way to read it: a section on this thread, and no queue.
    content: () => Promise.resolve(Buffer.from(open.reader(0, SIZE).readSync())),
  };
}

function script(): Subject {
  const image = imageOf(SIZE, seed);
  // Answers a turn later, in pieces that can be given up in between.
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const provider = {
    size: SIZE,
    async read(offset: number, length: number, { signal }: { signal: AbortSignal }): Promise<Buffer> {
      for (let i = 0; i < 4 && !signal.aborted; i++) await turn();
      return Buffer.from(image.subarray(offset, offset + length));
    },
    async write(offset: number, data: Uint8Array): Promise<void> {
      await turn();
      image.set(data, offset);
    },
  };
  return {
    name: 'a provider in JavaScript',
    can: new Set(['write', 'content', 'close', 'interrupt'] as const),
    size: SIZE,
    open: ({ readOnly }) => registered({ provider, readOnly: readOnly ?? false }),
    content: () => Promise.resolve(image),
  };
}

function file(): Subject {
  const path = join(folder, 'image.bin');
  writeFileSync(path, imageOf(SIZE, seed));
  return {
    name: 'file://',
    can: new Set(['write', 'content', 'close'] as const),
    size: SIZE,
    open: (options: OpenOptions) => open(`file://${path}`, options),
    content: () => Promise.resolve(readFileSync(path)),
  };
}

const ADDRESS = 0x52;
let bench: VirtualBench;

function usbip(time: 'real' | 'off'): Subject {
  const at = (address: number): string =>
    `usbip://127.0.0.1:${String(bench.port)}/1-1/0x${address.toString(16)}?chip=24c16&wp=0&speed=400000`;
  return {
    name: `usbip://, time ${time}`,
    can: new Set([
      ...(['write', 'content', 'close', 'wp', 'unplug', 'bus', 'interrupt'] as const),
      ...(time === 'real' ? (['slow'] as const) : []),
    ]),
    size: SIZE,
    absent: ['ENXIO'],
    async before() {
      const eeproms = [{ address: ADDRESS, chip: '24c32', wp: 0, image: imageOf(4096, seed) }];
      bench = await VirtualBench.start({ time, devices: [{ eeproms }] });
    },
    after: () => bench.close(),
    open: (options: OpenOptions) => open(at(ADDRESS).replace('24c16', '24c32&size=2048'), options),
    openAt: (address: number) => open(at(address).replace('24c16', '24c02')),
    content: () => Promise.resolve(Buffer.from(bench.device().eeprom(ADDRESS).image.subarray(0, SIZE))),
    wpIsHigh: () => Promise.resolve((bench.device().gpioLevels & 1) === 1),
    arm: (text) => {
      bench.device().faults.add(parseFault(text));
      return Promise.resolve();
    },
    plug: () => {
      bench.device().faults.clear();
      if (!bench.device().plugged) bench.device().plug();
      return Promise.resolve();
    },
  };
}

const subjects = [memory(), script(), file(), usbip('real'), usbip('off')];

describe.each(subjects.map((subject) => [subject.name, subject] as const))('%s', (_name, subject) => {
  beforeAll(() => subject.before?.());
  afterAll(() => subject.after?.());

  const planned = plan(subject);
  for (const [index, it] of planned.entries()) {
    if (it.lacks.length === 0) test(it.name, () => runCase(subject, it, seed + index), 20_000);
  }
  test('what it cannot be held to is declared', () => {
    const held = planned.filter(({ lacks }) => lacks.length === 0);
    const rest = planned
      .filter(({ lacks }) => lacks.length > 0)
      .map(({ name, lacks }) => `${name} (${lacks.join(', ')})`);
    process.stdout.write(
      `contract, NVMEM_SEED=${String(seed)}: ${subject.name}: ${String(held.length)} of ${String(planned.length)} cases` +
        (rest.length === 0 ? '\n' : `; it cannot: ${rest.join('; ')}\n`),
    );
    expect(held.length).toBeGreaterThan(3);
  });
});
