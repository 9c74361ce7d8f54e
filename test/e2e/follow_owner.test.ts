/** Followers in several threads, whose owner's thread dies without a close(). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import {
  followShared,
  type FollowedDevice,
  type FollowState,
  type FollowToken,
  type NvmemError,
} from '../../lib/index.js';
import { VirtualBench, type VirtualDevice } from '../../lib/rig/index.js';
import { imageOf, seedOfRun } from './bench.js';

const OWNER = join(__dirname, 'fixtures', 'follow_owner.js');
const SIZE = 256;

interface FromOwner {
  readonly token?: FollowToken;
  readonly state?: FollowState;
}

let bench: VirtualBench;
let bridge: VirtualDevice;
let uri: string;
let owner: Worker;
let mine: FollowedDevice;

beforeEach(async () => {
  const eeproms = [{ address: 0x50, chip: '24c02', image: imageOf(SIZE, seedOfRun()) }];
  bench = await VirtualBench.start({ time: 'off', devices: [{ plugged: false, eeproms }] });
  bridge = bench.device('1-1');
  uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c02`;
  owner = new Worker(OWNER, { workerData: { uri } });
  owner.on('error', () => undefined);
  const { token } = (await untilOwner(({ token: given }) => given !== undefined)) as { token: FollowToken };
  mine = followShared(token, { onUnplug: 'wait' });
});

afterEach(async () => {
  await mine.close();
  await owner.terminate();
  await bench.close();
});

function untilOwner(isIt: (message: FromOwner) => boolean): Promise<FromOwner> {
  return new Promise((resolve) => {
    const heard = (message: FromOwner): void => {
      if (!isIt(message)) return;
      owner.off('message', heard);
      resolve(message);
    };
    owner.on('message', heard);
  });
}

const WAYS = ['process.exit()', 'uncaught exception', 'its end', 'terminate()'] as const;

async function die(way: (typeof WAYS)[number]): Promise<void> {
  // once() would reject with the error of the worker.
  const exit = new Promise((resolve) => owner.once('exit', resolve));
  if (way === 'terminate()') await owner.terminate();
  else owner.postMessage(way);
  await exit;
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'done',
    (error: unknown) => `${(error as NvmemError).code}, ${(error as NvmemError).message}`,
  );
}

describe('When the thread of the owner ends, what waits in others ends with ENODEV, and their followers are closed.', () => {
  test.each(WAYS)('%s', async (way) => {
    const states: FollowState[] = [];
    mine.on('change', ({ state }) => states.push(state));
    const closed = once(mine, 'closed');
    // Absent: it waits for a plug that nobody would tell of.
    const waits = [
      mine.present(),
      mine.read(0, 8),
      mine.write(0, Buffer.alloc(8)),
      mine.write(8, Buffer.alloc(8)),
      mine.readStream().toArray(),
    ].map(codeOf);
    await die(way);
    for (const ended of await Promise.all(waits)) {
      expect(ended).toMatch(/^ENODEV, .*the thread that it was followed in has ended/);
    }
    await closed;
    expect([mine.state, states]).toEqual(['closed', ['closed']]);
    await expect(mine.read(0, 1)).rejects.toMatchObject({
      code: 'ENODEV',
      hint: expect.stringContaining('follow it again') as string,
    });
  });
});

test.each(WAYS)('the same while it is present, and in the middle of a read: %s', async (way) => {
  bridge.plug();
  await mine.present();
  expect((await mine.read(0, 4)).length).toBe(4);
  const closed = once(mine, 'closed');
  const reading = mine.read(0, SIZE);
  const ended = codeOf(reading);
  await die(way);
  await closed;
  // It may have been done before the end.
  expect(await ended).toMatch(/^done$|^ENODEV/);
  expect(mine.state).toBe('closed');
  const late = followShared(mine.share(), { onUnplug: 'wait' });
  expect(await codeOf(late.present())).toMatch(/^ENODEV/);
  await late.close();
});

test.each(WAYS)('a program that waits for such a memory ends: %s', async (way) => {
  const script = `
    const { Worker } = require('node:worker_threads');
    const { followShared } = require(${JSON.stringify(join(__dirname, '..', '..', 'dist', 'index.js'))});
    const owner = new Worker(${JSON.stringify(OWNER)}, { workerData: { uri: ${JSON.stringify(uri)} } });
    owner.on('error', () => {});
    owner.on('message', ({ token }) => {
      if (!token) return;
      const board = followShared(token, { onUnplug: 'wait' });
      board.present().catch(({ code }) => console.log(code));
      if (${JSON.stringify(way)} === 'terminate()') owner.terminate();
      else owner.postMessage(${JSON.stringify(way)});
    });`;
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 15_000,
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(said).toBe('ENODEV\n');
});
