/**
 * Programs put fake timers and clocks in the place of the real ones to test themselves. The library, and the bench beside it,
 * keep those that were there when they were loaded: nothing waits for a clock that stands still.
 */
import { join } from 'node:path';

import type * as Library from '../../lib/index.js';
import type * as Rig from '../../lib/rig/index.js';
import { runNode } from './lanes.js';

interface Loaded {
  lib: typeof Library;
  rig: typeof Rig;
}

async function load(): Promise<Loaded> {
  jest.resetModules();
  return { lib: await import('../../lib/index.js'), rig: await import('../../lib/rig/index.js') };
}

/** All that waits for time: opening, a write with its cycles, limits, closing; providers in JavaScript; the shared device. */
async function everything({ lib, rig }: Loaded): Promise<unknown[]> {
  const done: unknown[] = [];
  const codeOf = (error: unknown): unknown => (error as { code: unknown }).code;
  const bench = await rig.VirtualBench.start({
    time: 'real',
    devices: [{ eeproms: [{ address: 0x50, chip: '24c02', wp: 0 }] }],
  });
  const registry = new lib.Registry();
  const uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c02&wp=0`;
  const device = await lib.open(uri, { registry });
  await device.write(0, Buffer.from('written under a fake clock'), { timeoutMs: 10_000 });
  done.push((await device.read(0, 7)).toString());
  const shared = lib.attachShared(device.share());
  await shared.close();
  await device.close();
  done.push('closed');
  const late = await registry.register({
    size: 4,
    provider: { read: () => new Promise<Uint8Array>(() => undefined) },
  });
  done.push(await late.read(0, 4, { timeoutMs: 10 }).catch(codeOf));
  done.push(await registry.waitFor('nobody', { timeoutMs: 10 }).then(String, codeOf));
  const script = await registry.register({
    size: 4,
    provider: { read: (_, length) => Buffer.alloc(length) },
  });
  await script.read(0, 4);
  await registry.unregister(script);
  done.push('unregistered');
  const nobody = lib.open('usbip://127.0.0.1:9/1-1/0x50?chip=24c02', { registry, openTimeoutMs: 200 });
  done.push(await nobody.then(String, codeOf));
  await bench.close();
  return done;
}

const DONE = ['written', 'closed', 'ETIMEDOUT', 'ETIMEDOUT', 'unregistered', 'ECONNREFUSED'];

describe('jest', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test('fake timers after the library was loaded', async () => {
    const loaded = await load();
    jest.useFakeTimers({ now: 0 });
    expect(await everything(loaded)).toEqual(DONE);
  });

  test('fake timers before it was loaded, as with enableGlobally', async () => {
    jest.useFakeTimers({ now: 0 });
    expect(await everything(await load())).toEqual(DONE);
  });
});

test('node:test', async () => {
  const dist = (name: string): string => JSON.stringify(join(__dirname, '..', '..', 'dist', name));
  const script = `
    const { mock } = require('node:test');
    const lib = require(${dist('index.js')});
    const rig = require(${dist('rig/index.js')});
    mock.timers.enable();
    (${everything.toString()})({ lib, rig }).then((done) => console.log(JSON.stringify(done)));`;
  const { status, stdout, stderr } = await runNode(['-e', script]);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(JSON.parse(stdout)).toEqual(DONE);
});
