/**
 * A busy event loop gets everything that happened meanwhile in one batch: `opened`, `gone` and `closed` of a bridge that was
 * pulled right after it was opened come before anybody could do a thing with it. However they are cut into batches, every
 * promise of open(), close() and what is between them settles.
 */
let mockAddon: FakeAddon;
jest.mock('../../../lib/native/addon.js', () => ({
  ...jest.requireActual<object>('../../../lib/native/addon.js'),
  loadAddon: () => mockAddon,
}));

import { Kind } from '../../../lib/native/addon.js';
import type * as Library from '../../../lib/index.js';
import { random, seedOfRun } from '../../e2e/bench.js';
import { FakeAddon } from './fake_addon.js';

const PART = '/0x50?chip=24c02&wp=0';
const A = `usbip://127.0.0.1/1-1${PART}`;
const B = 'usbip://127.0.0.1/1-1/0x52?chip=24c256&wp=chip:3';

let lib: typeof Library;
let registry: Library.Registry;

beforeEach(async () => {
  jest.resetModules();
  mockAddon = new FakeAddon();
  lib = await import('../../../lib/index.js');
  registry = new lib.Registry();
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const settled = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: unknown) => String((error as { code?: unknown }).code),
  );

/** Turns of the event loop until it has settled; undefined: it never does. */
async function outcome<T>(promise: Promise<T>, turns = 200): Promise<T | undefined> {
  const results: T[] = [];
  void promise.then((value) => results.push(value));
  for (let i = 0; i < turns; i++) {
    await turn();
    if (results.length > 0) break;
    mockAddon.deliver();
  }
  return results[0];
}

function nothingLeft(): void {
  expect(mockAddon.wrong).toEqual([]);
  expect(mockAddon.counts()).toMatchObject({ requests: 0, slots: 0, buses: 0 });
  expect(registry.devices()).toEqual([]);
}

test('opened, gone and closed in one batch: open() rejects with ENODEV, and the bus can be opened again', async () => {
  const opening = settled(lib.open(A, { registry }));
  await turn();
  mockAddon.open();
  mockAddon.unplug();
  mockAddon.deliver();
  expect(await outcome(opening)).toBe('ENODEV');
  nothingLeft();
  const again = settled(lib.open(A, { registry }));
  await turn();
  mockAddon.open();
  mockAddon.deliver();
  await turn();
  await turn();
  mockAddon.work();
  expect(await outcome(again)).toBe('done');
});

test('the same where the line on WP is one of a gpiochip: no part is ever opened without it', async () => {
  const opening = settled(lib.open(B, { registry }));
  await turn();
  mockAddon.open();
  mockAddon.unplug();
  mockAddon.deliver();
  expect(await outcome(opening)).toBe('ENODEV');
  nothingLeft();
});

/** Every way to cut three messages, in order, into batches. */
test.each([[[3]], [[1, 2]], [[2, 1]], [[1, 1, 1]]])('opened, gone, closed as %j', async (batches) => {
  const opening = settled(lib.open(A, { registry }));
  await turn();
  mockAddon.open();
  mockAddon.unplug();
  for (const size of batches) {
    mockAddon.deliver(size);
    await turn();
  }
  expect(await outcome(opening)).toBe('ENODEV');
  nothingLeft();
});

test('opening fails, and the messages come in one batch', async () => {
  const opening = settled(lib.open(A, { registry }));
  await turn();
  mockAddon.open(-111);
  mockAddon.deliver();
  expect(await outcome(opening)).toBe('ECONNREFUSED');
  nothingLeft();
});

test('whatever happens between opening and closing, in whatever batches, everything settles', async () => {
  const seed = seedOfRun();
  const next = random(seed);
  const below = (n: number): number => Math.floor(next() * n);
  for (let round = 0; round < 300; round++) {
    const label = `NVMEM_SEED=${String(seed)}, round ${String(round)}`;
    const promises: Promise<unknown>[] = [];
    const devices: Library.NvmemDevice[] = [];
    const controller = new AbortController();
    const open = (uri: string): void => {
      const signal = below(3) === 0 ? { signal: controller.signal } : {};
      const opening = lib.open(uri, { registry, openTimeoutMs: 60_000, ...signal });
      promises.push(settled(opening));
      opening.then(
        (device) => devices.push(device),
        () => undefined,
      );
    };
    const steps = [
      () => {
        open(below(2) === 0 ? A : B);
      },
      () => {
        mockAddon.open();
      },
      () => {
        mockAddon.open(-110);
      },
      () => {
        mockAddon.work();
      },
      () => {
        mockAddon.unplug();
      },
      () => {
        const device = devices[below(devices.length)];
        if (device) promises.push(settled(device.read(0, 16)), settled(device.write(0, Buffer.alloc(16))));
      },
      () => {
        const device = devices[below(devices.length)];
        if (device) promises.push(settled(device.close()));
      },
      () => {
        controller.abort();
      },
    ];
    open(A);
    for (let i = 0; i < 30; i++) {
      steps[below(8)]?.();
      if (below(2) === 0) await turn();
      mockAddon.deliver(below(4));
    }
    // The end: the bridge goes for good, whoever opens it is refused, and everybody closes.
    const all = Promise.all(promises).then(() => Promise.all(devices.map((device) => device.close())));
    const everything = settled(all);
    let end: string | undefined;
    void everything.then((value) => (end = value));
    for (let i = 0; i < 300 && end === undefined; i++) {
      mockAddon.open(-110);
      mockAddon.unplug();
      mockAddon.deliver();
      await turn();
    }
    expect(`${label}: ${String(end)}`).toBe(`${label}: done`);
    mockAddon.deliver();
    expect(`${label}: ${mockAddon.wrong.join()}`).toBe(`${label}: `);
    expect(registry.devices()).toEqual([]);
  }
});

describe('the time limit and the signal bound every wait', () => {
  const FEW_MS = { openTimeoutMs: 20 };

  test('for a bus that another call opens', async () => {
    const first = settled(lib.open(A, { registry, openTimeoutMs: 60_000 }));
    await turn();
    expect(await settled(lib.open(A, { registry, ...FEW_MS }))).toBe('ETIMEDOUT');
    const controller = new AbortController();
    const aborted = settled(lib.open(A, { registry, signal: controller.signal }));
    await turn();
    controller.abort();
    expect(await aborted).toBe('ABORT_ERR');
    mockAddon.open(-110);
    expect(await outcome(first)).toBe('ETIMEDOUT');
    nothingLeft();
  });

  test('for a bus that is being closed', async () => {
    const opening = lib.open(A, { registry });
    await turn();
    mockAddon.open();
    mockAddon.deliver();
    await turn();
    mockAddon.work();
    const device = await outcome(opening);
    const closing = settled(device?.close() ?? Promise.reject(new Error('not open')));
    // Until the slot is unregistered; `closed` of the bus stays undelivered.
    for (let i = 0; i < 50 && mockAddon.mail.every(({ kind }) => kind !== Kind.BusClosed); i++) {
      mockAddon.deliver();
      await turn();
    }
    await expect(lib.open(A, { registry, ...FEW_MS })).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringContaining('still being closed'),
    });
    mockAddon.deliver();
    expect(await outcome(closing)).toBe('done');
    nothingLeft();
  });

  test('for letting go of what could not be opened', async () => {
    const opening = settled(lib.open(A, { registry, ...FEW_MS }));
    await turn();
    mockAddon.open();
    mockAddon.deliver();
    await turn();
    // Neither the probe nor anything after it is ever answered.
    expect(await opening).toBe('ETIMEDOUT');
  });

  test('and a bus that does not close keeps close() only for a while', async () => {
    const opening = lib.open(A, { registry });
    await turn();
    mockAddon.open();
    mockAddon.deliver();
    await turn();
    mockAddon.work();
    const device = await outcome(opening);
    const removed = new Promise((resolve) => device?.once('removed', resolve));
    const closing = settled(device?.close() ?? Promise.reject(new Error('not open')));
    for (let i = 0; i < 50 && mockAddon.mail.every(({ kind }) => kind !== Kind.BusClosed); i++) {
      mockAddon.deliver();
      await turn();
    }
    expect(await closing).toBe('done');
    await removed;
    expect(registry.devices()).toEqual([]);
    mockAddon.deliver();
  });
});
