/** Claims hold in the whole process: two threads that reach the same wires, by buses of their own. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { native, type NativeBus } from '../../lib/native/index.js';
import { VirtualBench } from '../../lib/rig/index.js';

const WIRE = 'wire of this test';

async function busOn(port: number): Promise<NativeBus> {
  const options = { host: '127.0.0.1', port, busid: '1-1', clockHz: 100_000, openTimeoutMs: 5000 };
  const { bus } = await native().openUsbip(options);
  if (!bus) throw new Error('no bus');
  return bus;
}

/** The other thread opens the other bench, claims, and says what came of it; it ends when told to. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { native } = require(workerData.entry);
parentPort.on('message', () => undefined); // it stays until it is terminated
(async () => {
  const { bus } = await native().openUsbip(workerData.options);
  const claimed = bus.claim(workerData.claim);
  const slot = bus.at24({
    address: 0x50, size: 256, addressBytes: 1, pageSize: 8, writeCycleMs: 25, blockShift: 0, offsetAdd: 0,
    readRollover: false, wpLine: -1, paging: 'none', claim: typeof claimed === 'number' ? claimed : 0,
  });
  const turn = slot.takeTurn();
  parentPort.postMessage({ claimed, waits: turn.granted !== undefined });
  if (turn.granted) {
    await turn.granted;
    parentPort.postMessage('granted');
  }
})();
`;

test('another thread is refused by the holder’s name, shares the same part and its turns, and its end frees both', async () => {
  const setup = { time: 'off', devices: [{ eeproms: [{ address: 0x50, chip: '24c02' }] }] } as const;
  const [here, there] = await Promise.all([VirtualBench.start(setup), VirtualBench.start(setup)]);
  const bus = await busOn(here.port);
  const uses = [{ address: 0x50, as: 'a 24c02' }];
  const claim = bus.claim?.({ wire: WIRE, uses, holder: 'here' });
  expect(claim).toBeGreaterThan(0);
  const slot = bus.at24({
    address: 0x50,
    size: 256,
    addressBytes: 1,
    pageSize: 8,
    writeCycleMs: 25,
    blockShift: 0,
    offsetAdd: 0,
    readRollover: false,
    wpLine: -1,
    paging: 'none',
    claim: Number(claim),
  });
  const other = (as: string): { worker: Worker; next: () => Promise<unknown> } => {
    const worker = new Worker(THREAD, {
      eval: true,
      workerData: {
        entry: join(__dirname, '../../dist/native/index.js'),
        options: { host: '127.0.0.1', port: there.port, busid: '1-1', clockHz: 100_000, openTimeoutMs: 5000 },
        claim: { wire: WIRE, uses: [{ address: 0x50, as }], holder: 'there' },
      },
    });
    return { worker, next: () => new Promise((resolve) => worker.once('message', resolve)) };
  };
  const refused = other('a 24c32');
  expect(await refused.next()).toMatchObject({ claimed: 'here' });
  await refused.worker.terminate();

  const turn = slot.takeTurn();
  if (typeof turn === 'number') throw new Error('no turn');
  const shares = other('a 24c02');
  expect(await shares.next()).toMatchObject({ claimed: expect.any(Number) as number, waits: true });
  const granted = shares.next();
  turn.give();
  expect(await granted).toBe('granted');
  // It writes; we wait; it is terminated, and our turn comes.
  const ours = slot.takeTurn();
  if (typeof ours === 'number' || !ours.granted) throw new Error('it has no turn');
  await shares.worker.terminate();
  await ours.granted;
  ours.give();
  await slot.unregister();
  expect(
    bus.claim?.({ wire: WIRE, uses: [{ address: 0x50, as: 'a 24c32' }], holder: 'later' }),
  ).toBeGreaterThan(0);
  await bus.close();
  await Promise.all([here.close(), there.close()]);
});
