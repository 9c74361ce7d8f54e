import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { BridgeWatch, watchBridges, type BridgeEvent } from '../../../lib/hotplug/watch.js';
import { reportDescriptor } from '../../../lib/rig/descriptors.js';
import { UsbTree } from '../usb_tree.js';

let tree: UsbTree;
let watching: BridgeWatch;
let events: string[];
beforeEach(async () => {
  tree = new UsbTree();
  tree.plug('1-1', { serial: '0001', devnum: 4 });
  // Only what is asked for and what the nodes say: the clock is out of the way.
  watching = new BridgeWatch({ everyMs: 1e6 }, tree.machine);
  events = [];
  watching.on('attach', ({ path, devnum }) => events.push(`attach ${path} ${String(devnum)}`));
  watching.on('detach', ({ path, devnum }) => events.push(`detach ${path} ${String(devnum)}`));
  await watching.look();
});
afterEach(() => {
  watching.close();
  tree.remove();
});

test('what is there is announced first, then what comes and goes', async () => {
  expect(events).toEqual(['attach 1-1 4']);
  tree.plug('1-2', { devnum: 5 });
  await watching.look();
  tree.pull('1-1', 4);
  await watching.look();
  await watching.look();
  expect(events).toEqual(['attach 1-1 4', 'attach 1-2 5', 'detach 1-1 4']);
  expect(watching.bridges.map(({ path }) => path)).toEqual(['1-2']);
});

test('a replug between two looks is a detach and an attach', async () => {
  tree.pull('1-1', 4);
  tree.plug('1-1', { serial: '0001', devnum: 5 });
  await watching.look();
  expect(events).toEqual(['attach 1-1 4', 'detach 1-1 4', 'attach 1-1 5']);
});

test('ids of an OEM: a bridge as soon as the kernel has its report descriptor, and as long as it is there', async () => {
  tree.plug('1-2', { ids: ['1234', 'abcd'], devnum: 5 });
  await watching.look();
  tree.pull('1-2', 5);
  tree.plug('1-2', { ids: ['1234', 'abcd'], devnum: 5, reports: reportDescriptor() });
  await watching.look();
  tree.claim('1-2');
  await watching.look();
  expect(events).toEqual(['attach 1-1 4', 'attach 1-2 5']);
  tree.pull('1-2', 5);
  await watching.look();
  expect(events).toEqual(['attach 1-1 4', 'attach 1-2 5', 'detach 1-2 5']);
});

test('a node that appears is reason enough to look', async () => {
  const attached = once(watching, 'attach');
  tree.plug('1-3', { devnum: 6 });
  await attached;
  const detached = once(watching, 'detach');
  tree.pull('1-3', 6);
  await detached;
  expect(events).toEqual(['attach 1-1 4', 'attach 1-3 6', 'detach 1-3 6']);
});

test('as an iterable it begins with what is there and ends with close()', async () => {
  const seen: string[] = [];
  const read = async (): Promise<void> => {
    for await (const { event, bridge } of watching as AsyncIterable<BridgeEvent>) {
      seen.push(`${event} ${bridge.path}`);
      if (event === 'detach') watching.close();
    }
  };
  const reading = read();
  tree.pull('1-1', 4);
  await watching.look();
  await reading;
  expect(seen).toEqual(['attach 1-1', 'detach 1-1']);
  expect(watching.listenerCount('attach')).toBe(1);
});

test('close() and an aborted signal end it, and nothing comes after', async () => {
  const controller = new AbortController();
  const other = new BridgeWatch({ signal: controller.signal }, tree.machine);
  await other.look();
  controller.abort();
  expect(other.closed).toBe(true);
  expect(watchBridges({ signal: controller.signal }).closed).toBe(true);
  watching.close();
  watching.close();
  tree.pull('1-1', 4);
  await watching.look();
  expect(events).toEqual(['attach 1-1 4']);
});

// That it goes on without it, as with sockets: test/e2e/event_loop.test.ts.
test('a program that only watches ends by itself after unref()', async () => {
  const script = "require('./dist/hotplug/watch.js').watchBridges().on('attach', () => {}).unref()";
  await promisify(execFile)(process.execPath, ['-e', script], { timeout: 20_000 });
});
