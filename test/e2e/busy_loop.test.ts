/**
 * The bridge goes while the event loop is busy: `opened`, `gone` and `closed` of its bus are delivered together. Child
 * processes whose loop stands still until their bus's thread has ended, against the virtual bench.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { native } from '../../lib/native/index.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { CLI } from './bench.js';
import { runNode } from './lanes.js';

const BUSY = join(__dirname, 'fixtures', 'busy.js');
const LIBRARY = join(__dirname, '..', '..', 'dist', 'index.js');

let bench: VirtualBench;
let folder: string;
/** Control transfers of an opening; the last one is the last thing that it does. */
let controls: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nvmem-busy-'));
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ eeproms: [{ address: 0x52, chip: '24c64', wp: 0 }] }],
  });
  const { stats } = bench.device();
  const before = stats.controls;
  const opening = await native().openUsbip({
    host: '127.0.0.1',
    port: bench.port,
    busid: '1-1',
    clockHz: 100_000,
    openTimeoutMs: 5000,
  });
  controls = stats.controls - before;
  await opening.bus?.close();
});

afterAll(async () => {
  await bench.close();
  rmSync(folder, { recursive: true });
});

const uri = (): string => `usbip://127.0.0.1:${String(bench.port)}/1-1/0x52?chip=24c64&wp=0`;

/** Pulls the bridge after so many control transfers, for `body`, and plugs it in again. */
async function pulledAfter<T>(n: number, body: () => Promise<T>): Promise<T> {
  const device = bench.device();
  const fault = device.faults.add({ kind: 'unplug', on: 'control', n, phase: 'after', how: 'fin' });
  try {
    return await body();
  } finally {
    fault.release();
    if (!device.plugged) device.plug();
  }
}

test.each([0, 1, 3])(
  'open() rejects, when the bridge goes %i control transfers before it is open',
  async (before) => {
    const script = `
    const { open } = require(${JSON.stringify(LIBRARY)});
    open(${JSON.stringify(uri())}, { openTimeoutMs: 2000 }).then(
      (device) => device.close().then(() => console.log('opened')),
      ({ code }) => console.log(code),
    );`;
    const ended = await pulledAfter(controls - before, () => runNode(['-r', BUSY, '-e', script]));
    expect(ended).toMatchObject({ status: 0, signal: null, stderr: '', stdout: 'ENODEV\n' });
  },
);

test('the command line says so, leaves no file, and ends with the status of a device that has gone', async () => {
  const file = join(folder, 'dump.bin');
  const ended = await pulledAfter(controls, () => runNode(['-r', BUSY, CLI, 'read', uri(), '-o', file]));
  expect(ended).toMatchObject({ status: 3, signal: null });
  expect(ended.stderr).toMatch(/ENODEV|went away/);
  expect(existsSync(file)).toBe(false);
});

test('a command that nothing keeps going any more says so and fails, instead of ending in silence', async () => {
  // Whatever it was waiting for will never come: this one stands for faults that nobody has found yet.
  const deaf = `
    const pool = require(${JSON.stringify(join(__dirname, '..', '..', 'dist', 'bus', 'pool.js'))});
    pool.leaseBus = () => new Promise(() => {});`;
  const preload = join(folder, 'deaf.js');
  writeFileSync(preload, deaf);
  const ended = await runNode(['-r', preload, CLI, 'scan', `usbip://127.0.0.1:${String(bench.port)}/1-1`]);
  expect(ended).toMatchObject({ status: 1, signal: null });
  expect(ended.stderr).toMatch(/nvmem: /);
});
