/** Presence over a real socket: a bridge of the virtual bench that is plugged in and pulled out. */
import { once } from 'node:events';

import { open } from '../../lib/open/open.js';
import { presence, type Presence } from '../../lib/hotplug/presence.js';
import type { PresenceState } from '../../lib/hotplug/judge.js';
import { VirtualBench } from '../../lib/rig/index.js';

let bench: VirtualBench;
let it: Presence;
beforeEach(async () => {
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ busid: '1-1', eeproms: [{ address: 0x50, chip: '24c02' }] }, { busid: '1-2' }],
  });
  it = presence(`usbip://127.0.0.1:${String(bench.port)}/1-1`);
});
afterEach(async () => {
  it.close();
  await bench.close();
});

async function becomes(present: boolean): Promise<PresenceState> {
  while (it.current.cause === 'unknown' || it.current.present !== present) await once(it, 'change');
  return it.current;
}

test('each plug and each unplug is told, soon after the last', async () => {
  const found: number[] = [];
  await becomes(true);
  for (let round = 0; round < 10; round++) {
    bench.device('1-1').unplug();
    await becomes(false);
    expect(it.current.cause).toBe('unplugged');
    bench.device('1-1').plug();
    const plugged = performance.now();
    await becomes(true);
    found.push(performance.now() - plugged);
  }
  console.info(`plug to present, ms: ${found.map((ms) => ms.toFixed(0)).join(' ')}`);
});

test('a replug between two looks is told as both', async () => {
  await becomes(true);
  const said: string[] = [];
  it.on('change', ({ cause }) => said.push(cause));
  bench.device('1-1').unplug();
  bench.device('1-1').plug();
  await it.look();
  expect(said).toEqual(['unplugged', 'plugged']);
});

test('open: the list leaves it out and it is there; its end comes from the device, and the next plug from the list', async () => {
  await becomes(true);
  const uri = `${it.uri}/0x50?chip=24c02`;
  const device = await open(uri);
  it.noteOpen();
  expect((await it.look()).present).toBe(true);
  const removed = once(device, 'removed');
  bench.device('1-1').unplug();
  await removed;
  it.noteGone('the bridge was unplugged');
  expect(it.current.cause).toBe('gone');
  expect((await it.look()).present).toBe(false);
  bench.device('1-1').plug();
  await becomes(true);
  const again = await open(uri);
  it.noteOpen();
  await again.close();
  it.noteClosed();
  expect((await it.look()).present).toBe(true);
});

test('a server that ends and comes back; one connection at a time for fifty buses', async () => {
  const { port } = bench;
  const others = Array.from({ length: 50 }, (_, i) =>
    presence(`usbip://127.0.0.1:${String(port)}/9-${String(i)}`),
  );
  await becomes(true);
  let connections = 0;
  bench.on('connection', () => connections++);
  await Promise.all(others.map((other) => other.look()));
  expect(connections).toBeLessThanOrEqual(3);
  await bench.close();
  await becomes(false);
  expect(it.current).toMatchObject({
    cause: 'unreachable',
    reason: expect.stringContaining('nobody listens'),
  });
  bench = await VirtualBench.start({ port, time: 'off' });
  await becomes(true);
  for (const other of others) other.close();
});
