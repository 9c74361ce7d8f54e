/** The follower's states, what it says, and what it does with operations, at a bench where nothing happens by itself. */
import { NvmemError } from '../../../lib/base/errors.js';
import { follow } from '../../../lib/follow/follow.js';
import type { FollowedDevice } from '../../../lib/follow/followed_device.js';
import type { FollowOptions } from '../../../lib/follow/options.js';
import { board, FakeBench, SIZE, URI } from './fake_bench.js';

let bench: FakeBench;
let followed: FollowedDevice[];
const A = board(1);
const B = board(2);

beforeEach(() => {
  bench = new FakeBench();
  followed = [];
});

afterEach(async () => {
  bench.flow();
  await Promise.all(followed.map((one) => one.close()));
  expect(bench.clock.timers.size).toBe(0);
  expect(bench.registry.devices()).toEqual([]);
  expect(bench.presence.eventNames()).toEqual([]);
});

function start(options: FollowOptions = {}): { it: FollowedDevice; said: string[] } {
  const { attach, clock, registry } = bench;
  const it = follow(URI, { name: 'board', registry, ...options }, { attach, clock });
  followed.push(it);
  const said: string[] = [];
  it.on('change', ({ state }) => said.push(state));
  it.on('error', ({ code }) => said.push(code));
  return { it, said };
}

const fails = (code: string): Promise<unknown> => expect.objectContaining({ code }) as never;
const failing = (code: string, message = 'no'): NvmemError => new NvmemError(code, message);

test('States and events come in the documented order.', async () => {
  const { it, said } = start();
  const events: string[] = [];
  for (const name of ['present', 'absent', 'replaced', 'closed'] as const)
    it.on(name, () => events.push(name));
  expect([it.state, it.alive, it.size, it.name]).toEqual(['absent', false, SIZE, 'board']);
  const iterated = (async () => {
    const states: string[] = [];
    for await (const { state } of it.changes()) states.push(state);
    return states;
  })();
  bench.plug(A);
  await bench.settle();
  expect(it.alive).toBe(true);
  bench.unplug();
  await bench.settle();
  bench.plug(A);
  await bench.settle();
  await it.close();
  const states = ['opening', 'present', 'absent', 'opening', 'present', 'closed'];
  expect(said).toEqual(states);
  expect(await iterated).toEqual(['absent', ...states]);
  expect(events).toEqual(['present', 'absent', 'present', 'closed']);
  // What its program closes was not pulled.
  expect(it.stats).toMatchObject({ plugs: 2, unplugs: 1, openFailures: 0 });
});

test('what cannot work is refused at once, with what to do', () => {
  const refused = (uri: string, options: object, message: string): void => {
    expect(() => follow(uri, options)).toThrow(message);
  };
  refused('usbip://h/1-1/0x50?chip=24c9999', {}, 'chip');
  refused('floppy://1', {}, 'scheme');
  refused('mem://256', {}, 'does not come and go');
  refused('file:///tmp/x', {}, 'does not come and go');
  refused(URI, { identity: 'unique' }, 'the part has none');
  refused(URI, { identity: 'colour' }, 'options.identity must be');
  refused(URI, { onUnplug: 'ignore' }, "options.onUnplug must be 'fail' or 'wait'");
  refused(URI, { onUnplugged: 'wait' }, 'options.onUnplugged');
  refused(URI, { cells: [{ name: 'x', offset: -1, bytes: 1 }] }, 'offset');
  refused(URI, { keepouts: [{ start: 4, end: 2, value: 0 }] }, 'keepouts');
  refused(URI, { lookups: [{ devId: 'a', conId: 'b', cellName: 'c' }] }, 'options.name');
});

test('accept() with nothing replaced, in each state', async () => {
  const { it } = start();
  const check = (): void => {
    expect(() => {
      it.accept();
    }).toThrow(
      expect.objectContaining({
        code: 'EINVAL',
        message: expect.stringContaining('nothing was replaced') as string,
      }) as Error,
    );
  };
  check();
  bench.plug(A);
  check();
  await bench.settle();
  check();
  await it.close();
  check();
});

test('close() in each state, and twice', async () => {
  for (const state of ['absent', 'opening', 'present', 'replaced']) {
    bench = new FakeBench();
    const { it } = start({ identity: (device) => Reflect.get(device, 'board') === A });
    if (state !== 'absent') bench.plug(A);
    if (state === 'opening') await Promise.resolve();
    if (state === 'present' || state === 'replaced') await bench.settle();
    if (state === 'replaced') {
      bench.unplug();
      await bench.settle();
      bench.plug(B);
      await bench.settle();
    }
    expect(it.state).toBe(state);
    const waiting = it.present();
    waiting.catch(() => undefined);
    const ends = [it.close(), it.close()];
    expect(it.state).toBe('closed');
    await Promise.all(ends);
    expect(bench.registry.devices()).toEqual([]);
    await expect(it.read(0, 1, { onUnplug: 'wait' })).rejects.toEqual(fails('ENODEV'));
    await expect(it.present()).rejects.toEqual(fails('ENODEV'));
    followed.pop();
  }
});

test('Opening that fails is told and tried again, less and less often.', async () => {
  const { it, said } = start();
  bench.openFailures.push(failing('EACCES'), failing('EBUSY'), failing('EBUSY'), failing('ENXIO'));
  bench.plug(A);
  const pauses: number[] = [];
  for (let i = 0; i < 4; i++) {
    await bench.settle();
    pauses.push(bench.clock.next ?? -1);
    expect(it.lastError?.code).toBe(['EACCES', 'EBUSY', 'EBUSY', 'ENXIO'][i]);
    bench.clock.pass(pauses.at(-1) ?? 0);
  }
  await bench.settle();
  expect(pauses).toEqual([25, 50, 100, 200]);
  expect(it.state).toBe('present');
  expect(it.lastError).toBeUndefined();
  expect(it.stats.openFailures).toBe(4);
  expect(said.filter((word) => word.startsWith('E'))).toEqual(['EACCES', 'EBUSY', 'EBUSY', 'ENXIO']);

  bench.unplug();
  await bench.settle();
  bench.openFailures.push(failing('EACCES', 'udev'));
  bench.presence.become(false, 'denied');
  await bench.settle();
  expect([it.state, it.lastError?.message, bench.clock.next]).toEqual(['absent', 'EACCES: udev', undefined]);
  const { opens } = bench;
  bench.presence.become(false, 'starting');
  await bench.settle();
  expect(bench.opens).toBe(opens);
});

test('nobody has to listen for errors', async () => {
  const { attach, clock, registry } = bench;
  const it = follow(URI, { name: 'board', registry }, { attach, clock });
  followed.push(it);
  bench.openFailures.push(failing('EBUSY'));
  bench.plug(A);
  await bench.settle();
  expect(it.lastError?.code).toBe('EBUSY');
});

test('a name that somebody else has is waited for', async () => {
  const other = await bench.registry.register({
    name: 'board',
    id: 'none',
    provider: { size: 1, read: () => new Uint8Array(1) },
  });
  const { it, said } = start();
  bench.plug(A);
  await bench.settle();
  expect([it.state, it.lastError?.code]).toEqual(['absent', 'EEXIST']);
  await bench.registry.unregister(other);
  bench.clock.pass(30);
  await bench.settle();
  expect(said.at(-1)).toBe('present');
});

test('A limit bounds the whole call, waits included, a signal ends a wait at once, and nothing is left behind.', async () => {
  const { it } = start();
  const ends: string[] = [];
  const end = (name: string, promise: Promise<unknown>): void => {
    promise.catch((error: unknown) => ends.push(`${name} ${(error as NvmemError).code}`));
  };
  const controller = new AbortController();
  end('read', it.read(0, 8, { onUnplug: 'wait', timeoutMs: 1000 }));
  end('aborted', it.read(0, 8, { onUnplug: 'wait', signal: controller.signal }));
  end('present', it.present({ timeoutMs: 500 }));
  end('first', it.write(0, Buffer.alloc(8), { onUnplug: 'wait', timeoutMs: 3000 }));
  end('second', it.write(0, Buffer.alloc(8), { onUnplug: 'wait', timeoutMs: 2000 }));
  end('now', it.write(0, Buffer.alloc(8)));
  await bench.settle();
  expect(ends).toEqual(['now ENODEV']);
  controller.abort(new Error('enough'));
  await bench.settle();
  for (const ms of [499, 1, 499, 1, 999, 1, 1000]) {
    bench.clock.pass(ms);
    await bench.settle();
  }
  expect(ends.slice(1)).toEqual([
    'aborted ABORT_ERR',
    'present ETIMEDOUT',
    'read ETIMEDOUT',
    'second ETIMEDOUT',
    'first ETIMEDOUT',
  ]);
});

test('an interrupted read that ends otherwise tells of all of it', async () => {
  const { it } = start({ onUnplug: 'wait' });
  bench.plug(A);
  await bench.settle();
  bench.hold();
  const controller = new AbortController();
  const done: string[] = [];
  const reading = it.read(10, 100, {
    signal: controller.signal,
    onProgress: (bytes, total, { waiting }) =>
      done.push(`${String(bytes)}/${String(total)}${waiting ? ' waiting' : ''}`),
  });
  reading.catch(() => undefined);
  bench.pass(1);
  await bench.settle();
  bench.pass(1);
  await bench.settle();
  bench.unplug();
  await bench.settle();
  bench.flow();
  bench.plug(A);
  bench.hold();
  for (let i = 0; i < 5; i++) {
    await bench.settle();
    bench.pass(1);
  }
  await bench.settle();
  controller.abort(new Error('enough'));
  await bench.settle();
  const error = await reading.catch((reason: unknown) => reason as NvmemError);
  expect(error).toMatchObject({ code: 'ABORT_ERR', syscall: 'read', offset: 10, device: 'board' });
  const { partial, bytesTransferred, message } = error as NvmemError;
  expect(partial).toEqual(A.image.subarray(10, 10 + (bytesTransferred ?? 0)));
  expect(bytesTransferred).toBeGreaterThan(32);
  expect(message).toContain(
    `read of 100 bytes at 10 of board; ${String(bytesTransferred)} of 100 bytes are good`,
  );
  expect(done.slice(0, 5)).toEqual(['16/100', '32/100', '32/100 waiting', '32/100', '48/100']);
});

test('what was written over meanwhile is no evidence that the memory is another', async () => {
  const { it } = start({ onUnplug: 'wait' });
  bench.plug({ ...A, image: Buffer.from(A.image) });
  await bench.settle();
  bench.hold();
  const reading = it.read(0, 64);
  for (let i = 0; i < 2; i++) {
    bench.pass(1);
    await bench.settle();
  }
  // A consumer that knows nothing of followers writes where the read has been.
  const consumer = bench.registry.get('board');
  await consumer.write(0, Buffer.alloc(32)).catch(() => undefined);
  bench.plugged?.image.fill(0xee, 0, 32);
  const same = bench.plugged;
  bench.unplug();
  await bench.settle();
  bench.flow();
  if (same) bench.plug(same);
  await bench.settle();
  expect((await reading).subarray(32)).toEqual(A.image.subarray(32, 64));
  expect(it.state).toBe('present');
});

test('a function that proves: asked for each return, with the device; false is another memory; a rejection is tried again', async () => {
  const answers: (boolean | Error)[] = [true, failing('EIO'), true, false];
  const asked: string[] = [];
  const { it } = start({
    identity: (device) => {
      asked.push(device.uri ?? '');
      expect(() => bench.registry.get('board')).toThrow('EPROBE_DEFER');
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer ?? true;
    },
  });
  const replug = async (): Promise<void> => {
    bench.unplug();
    await bench.settle();
    bench.plug(A);
    await bench.settle();
  };
  bench.plug(A);
  await bench.settle();
  expect(asked).toEqual([]);
  await replug();
  expect([it.state, asked.length]).toEqual(['present', 1]);
  await replug();
  expect([it.state, it.lastError?.code]).toEqual(['absent', 'EIO']);
  bench.clock.pass(30);
  await bench.settle();
  expect(it.state).toBe('present');
  await replug();
  expect([it.state, it.current.error?.code]).toEqual(['replaced', 'ESTALE']);
  expect(() => bench.registry.get('board')).toThrow('EPROBE_DEFER');
  // Over unplugs as well.
  await replug();
  expect(it.state).toBe('replaced');
  it.accept();
  await bench.settle();
  expect(it.state).toBe('present');
});

test("identity: 'bridge': what the URI names is enough, whatever the memory holds, in the middle of a read as well", async () => {
  const { it, said } = start({ identity: 'bridge', onUnplug: 'wait' });
  bench.plug(A);
  await bench.settle();
  bench.hold();
  const reading = it.read(0, 64);
  for (let i = 0; i < 2; i++) {
    bench.pass(1);
    await bench.settle();
  }
  bench.unplug();
  await bench.settle();
  bench.flow();
  bench.plug(B);
  await bench.settle();
  expect(await reading).toEqual(Buffer.concat([A.image.subarray(0, 32), B.image.subarray(32, 64)]));
  expect(said).toEqual(['opening', 'present', 'absent', 'opening', 'present']);
  expect(() => {
    it.accept();
  }).toThrow('nothing was replaced');
});

test('a function that never answers holds up neither an unplug nor close()', async () => {
  const { it } = start({ identity: () => new Promise(() => undefined) });
  bench.plug(A);
  await bench.settle();
  bench.unplug();
  await bench.settle();
  bench.plug(A);
  await bench.settle();
  expect(it.state).toBe('opening');
  bench.unplug();
  await bench.settle();
  expect(it.state).toBe('absent');
  bench.plug(A);
  await bench.settle();
  expect(it.state).toBe('opening');
  await it.close();
});
