/**
 * What keeps a program going, as sockets do: what is open, iterated or listened to, until it is closed or gone; unref() and
 * ref() say otherwise. Each case is a program of its own, and its end is what is looked at.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { VirtualBench } from '../../lib/rig/index.js';
import { runNode } from './lanes.js';
import { UsbTree } from '../unit/usb_tree.js';

const LIBRARY = join(__dirname, '..', '..', 'dist', 'index.js');

let bench: VirtualBench;
beforeAll(async () => {
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ eeproms: [{ address: 0x50, chip: '24c02' }] }],
  });
});
afterAll(async () => {
  await bench.close();
});

const script = (body: string): string[] => [
  '-e',
  `const { once } = require('node:events');
   const { Worker } = require('node:worker_threads');
   const lib = require(${JSON.stringify(LIBRARY)});
   const uri = ${JSON.stringify(`usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c02`)};
   const say = (text) => process.stdout.write(text + '\\n');
   (async () => { ${body} })();`,
];

/** Runs a program until it says 'waiting', lets `then` happen, and gives how it ended. */
async function waiting(
  body: string,
  then: (child: { kill: () => void }) => void,
): Promise<{ status: number | null; signal: string | null; said: string }> {
  const child = spawn(process.execPath, script(body), {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  let said = '';
  let isWaiting = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (isWaiting || !said.includes('waiting')) return;
    isWaiting = true;
    then({ kill: () => child.kill('SIGTERM') });
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { status, signal, said };
}

function pull(): void {
  bench.device().unplug();
  bench.device().plug();
}

/** Everything is set up: what the program waits for may happen. */
const IDLE = `say('waiting');`;

describe('a follower', () => {
  const NOWHERE = `'cp2112://NOWHERE/0x50?chip=24c02'`;

  test('holds the loop while it is absent, until it is closed', async () => {
    const body = `const board = lib.follow(${NOWHERE});
      process.once('SIGTERM', () => board.close().then(() => say(board.state))); ${IDLE}`;
    const { status, said } = await waiting(body, ({ kill }) => {
      kill();
    });
    expect({ status, said }).toEqual({ status: 0, said: 'waiting\nclosed\n' });
  });

  test('holds it while it is present, with the device or without', async () => {
    const body = `const board = lib.follow(uri); await board.present(); board.on('absent', () => board.close());
      board.once('closed', () => say('closed')); ${IDLE}`;
    const { status, said } = await waiting(body, pull);
    expect({ status, said }).toEqual({ status: 0, said: 'waiting\nclosed\n' });
  });

  test('after unref() the program ends, present or absent; ref() takes that back', async () => {
    const body = `lib.follow(${NOWHERE}).unref(); const there = lib.follow(uri); await there.present(); there.unref();
      const back = lib.follow(${NOWHERE}.replace('NOWHERE', 'ELSE')).unref().ref();
      process.once('SIGTERM', () => { back.unref(); say([there.state, back.state].join(' ')); }); ${IDLE}`;
    const { status, signal, said } = await waiting(body, ({ kill }) => {
      kill();
    });
    expect({ status, signal, said }).toEqual({ status: 0, signal: null, said: 'waiting\npresent absent\n' });
  });

  test('after unref() what is under way is waited for', async () => {
    const body = `const board = lib.follow(uri).unref(); await board.read(0, 4, { onUnplug: 'wait' });
      say('read'); ${IDLE}`;
    const { status, said } = await waiting(body, () => undefined);
    expect({ status, said }).toEqual({ status: 0, said: 'read\nwaiting\n' });
  });
});

describe('an open device', () => {
  test("holds the loop until it is gone: await once(device, 'removed')", async () => {
    const body = `const device = await lib.open(uri); ${IDLE} say((await once(device, 'removed'))[0].reason);`;
    const { status, said } = await waiting(body, pull);
    expect({ status, said }).toEqual({ status: 0, said: expect.stringMatching(/^waiting\n.+\n$/) });
  });

  test('holds it with nobody listening, until it is gone', async () => {
    const { status, signal } = await waiting(`await lib.open(uri); ${IDLE}`, pull);
    expect({ status, signal }).toEqual({ status: 0, signal: null });
  });

  test.each(['mem://64', `file://${__filename}`])('whatever is behind it: %s', async (uri) => {
    const body = `await lib.open(${JSON.stringify(uri)}, { readOnly: true }); ${IDLE}`;
    const ended = await waiting(body, (child) => {
      child.kill();
    });
    expect(ended.signal).toBe('SIGTERM');
  });

  test('holds it no more when it is closed', async () => {
    const body = `const device = await lib.open(uri); await device.close(); say('closed');`;
    expect(await runNode(script(body))).toMatchObject({ status: 0, stdout: 'closed\n' });
  });

  test('holds it no more after unref(), and again after ref()', async () => {
    expect(await runNode(script(`(await lib.open(uri)).unref();`))).toMatchObject({ status: 0, stderr: '' });
    const again = await waiting(`(await lib.open(uri)).unref().ref(); ${IDLE}`, pull);
    expect(again).toMatchObject({ status: 0, signal: null });
  });

  test('in a worker keeps the worker, and that can be terminated', async () => {
    const inWorker = `
      const lib = require(${JSON.stringify(LIBRARY)});
      lib.open(require('node:worker_threads').workerData).then((device) => {
        require('node:worker_threads').parentPort.postMessage('open');
        device.once('removed', () => require('node:worker_threads').parentPort.postMessage('removed'));
      });`;
    const start = `const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true, workerData: uri });
      worker.on('message', (text) => text === 'open' ? say('waiting') : say(text));`;
    const gone = await waiting(`${start} say('exit ' + (await once(worker, 'exit'))[0]);`, pull);
    expect(gone).toMatchObject({ status: 0, said: 'waiting\nremoved\nexit 0\n' });
    const end = `${start} await once(worker, 'message'); say('exit ' + await worker.terminate());`;
    expect(await runNode(script(end))).toMatchObject({ status: 0, stdout: 'waiting\nexit 1\n' });
  });
});

test('registered memories and providers, and who listens to the registry, hold nothing', async () => {
  const body = `await lib.nvmem.register({ provider: lib.memoryProvider(4) });
    await lib.nvmem.register({ size: 4, provider: { read: () => Buffer.alloc(4) } });
    lib.nvmem.on('add', () => {});
    say('end');`;
  expect(await runNode(script(body))).toMatchObject({ status: 0, stdout: 'end\n' });
});

describe('a shared device', () => {
  test("holds its thread while somebody listens for 'removed'", async () => {
    const inWorker = `
      const { parentPort, workerData } = require('node:worker_threads');
      const device = require(${JSON.stringify(LIBRARY)}).attachShared(workerData);
      device.once('removed', () => parentPort.postMessage('removed'));
      parentPort.postMessage('attached');`;
    const body = `const device = await lib.open(uri);
      const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true, workerData: device.share() });
      await once(worker, 'message');
      worker.on('message', say);
      ${IDLE}
      say('exit ' + (await once(worker, 'exit'))[0]);`;
    expect(await waiting(body, pull)).toMatchObject({ status: 0, said: 'waiting\nremoved\nexit 0\n' });
  });

  test('and else does not', async () => {
    const body = `const device = (await lib.open(uri)).unref();
      const shared = lib.attachShared(device.share());
      shared.on('removed', () => {}).unref();
      lib.attachShared(device.share()).once('removed', () => {}).removeAllListeners();
      say('end');`;
    expect(await runNode(script(body))).toMatchObject({ status: 0, stdout: 'end\n' });
  });
});

describe('a watch', () => {
  let tree: UsbTree;
  beforeEach(() => {
    tree = new UsbTree();
    tree.plug('1-1', { devnum: 4 });
  });
  afterEach(() => {
    tree.remove();
  });
  // As watchBridges() does, on a machine of its own.
  const start = (): string => {
    const [watch, machine] = ['hotplug/watch', 'machine/machine'].map((name) =>
      JSON.stringify(join(LIBRARY, '..', `${name}.js`)),
    );
    const root = JSON.stringify(tree.machine.root);
    return `new (require(${watch ?? ''}).BridgeWatch)({}, new (require(${machine ?? ''}).Machine)(${root}))`;
  };

  test.each([
    ['iterated', `for await (const { event } of watch) if (event === 'detach') break;`],
    ['awaited', `await once(watch, 'detach');`],
    ['listened to', `watch.on('detach', () => { watch.close(); });`],
    [
      'listened to once more',
      `watch.on('attach', () => {}).removeAllListeners(); watch.prependOnceListener('detach', () => {});`,
    ],
    ['unref()ed and ref()ed', `await once(watch.unref().ref(), 'detach');`],
  ])('holds the loop while it is %s', async (_how, use) => {
    // A bridge that goes before the first look has never been there.
    const body = `const watch = ${start()}; await watch.look(); ${IDLE} ${use}`;
    const ended = await waiting(body, () => {
      tree.pull('1-1', 4);
    });
    expect(ended).toMatchObject({ status: 0, signal: null });
  });

  test('holds nothing while nobody listens, any more or at all, when it is closed, and when it is unref()ed', async () => {
    const body = `${start()};
      const left = ${start()}; left.on('attach', say).off('attach', say);
      for await (const one of ${start()}) break;
      const closed = ${start()}; closed.on('attach', () => {}); closed.close();
      ${start()}.on('attach', () => {}).unref();
      say('end');`;
    expect(await runNode(script(body))).toMatchObject({ status: 0, stdout: 'end\n' });
  });
});
