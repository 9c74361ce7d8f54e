/** A followed memory on the virtual bench: unplugged in the middle of what is done to it, many times. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import {
  Registry,
  follow,
  open,
  type FollowState,
  type FollowedDevice,
  type FollowOptions,
  type NvmemError,
} from '../../lib/index.js';
import { VirtualBench, type VirtualDevice } from '../../lib/rig/index.js';
import { imageOf, random, seedOfRun } from './bench.js';

const SEED = seedOfRun();
let bench: VirtualBench;
let bridge: VirtualDevice;
const followed = new Set<FollowedDevice>();

afterEach(async () => {
  await Promise.all([...followed].map((one) => one.close()));
  followed.clear();
  await bench.close();
});

async function start(chip: string, image: Buffer, time: 'off' | 'real' = 'off'): Promise<string> {
  bench = await VirtualBench.start({ time, devices: [{ eeproms: [{ address: 0x50, chip, image }] }] });
  bridge = bench.device('1-1');
  return `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=${chip}&speed=400000`;
}

function followIt(uri: string, options: FollowOptions = {}): FollowedDevice {
  const it = follow(uri, { registry: new Registry(), name: 'board', ...options });
  followed.add(it);
  return it;
}

/** Unplugs it at seeded places, and plugs it in again; the bytes that crossed the wire in between are counted as they are. */
function unplugAgainAndAgain(times: number, size: number): { count: number } {
  const next = random(SEED);
  const done = { count: 0 };
  const arm = (): void => {
    if (done.count >= times) return;
    bridge.faults.add({ kind: 'unplug', on: 'wire', n: 1 + Math.floor(next() * ((1.3 * size) / times)) });
  };
  bridge.on('unplugged', () => {
    done.count++;
    setImmediate(() => {
      bridge.plug();
      arm();
    });
  });
  arm();
  return done;
}

test('A read goes on at the first byte that is missing: 64 KiB over 20 unplugs move less than 3 % more bytes on the wire.', async () => {
  const image = imageOf(65_536, SEED);
  const uri = await start('24c512', image);
  const plain = await open(uri, { registry: new Registry() });
  const before = bridge.stats.wireBytes;
  await plain.read(0, image.length);
  const alone = bridge.stats.wireBytes - before;
  await plain.close();

  const board = followIt(uri, { onUnplug: 'wait' });
  await board.present();
  const start0 = bridge.stats.wireBytes;
  const done = unplugAgainAndAgain(20, image.length);
  const data = await board.read(0, image.length);
  const moved = bridge.stats.wireBytes - start0;
  console.info(
    `seed ${String(SEED)}: ${String(done.count)} unplugs, ${String(moved)} bytes instead of ${String(alone)}`,
    board.stats,
  );
  expect(data.equals(image)).toBe(true);
  expect(done.count).toBe(20);
  expect(moved).toBeLessThan(alone * 1.03);
});

test('A write over 20 unplugs ends verified, with at most one page written twice per unplug.', async () => {
  const image = imageOf(32_768, SEED + 1);
  const uri = await start('24c256', imageOf(32_768, SEED));
  const board = followIt(`${uri}&page=32`, { onUnplug: 'wait' });
  await board.present();
  const pages: number[] = [];
  bridge.on('eeprom', ({ type, offset, length }) => {
    // A page that lost its power before the STOP was not begun.
    if (type === 'start') pages.push(offset);
    if (type === 'start') expect(length).toBeLessThanOrEqual(32);
  });
  // In the middle of pages, between them, and while what was written is read back.
  const done = unplugAgainAndAgain(20, 2 * image.length);
  const told: number[] = [];
  const waits: boolean[] = [];
  const result = await board.write(0, image, {
    onProgress: (bytes, total, { waiting }) => {
      expect(total).toBe(image.length);
      told.push(bytes);
      waits.push(waiting);
    },
  });
  console.info(`seed ${String(SEED)}: ${String(done.count)} unplugs, ${String(pages.length)} page writes`);
  expect(held()).toEqual(image);
  expect(done.count).toBe(20);
  expect(pages.length).toBeLessThanOrEqual(1024 + done.count);
  expect(result).toEqual({
    bytesWritten: image.length,
    bytesSkipped: 0,
    bytesUnchanged: 0,
    protectError: undefined,
  });
  expect(told).toEqual([...told].sort((a, b) => a - b));
  expect(waits).toContain(true);
});

function held(): Buffer {
  return Buffer.from(bridge.eeprom(0x50).image);
}

async function becomes(it: FollowedDevice, state: FollowState): Promise<void> {
  for await (const change of it.changes()) if (change.state === state) return;
}

test('Another memory is ESTALE with all that is known: nothing of it is read for a caller, and nothing written to it, before accept().', async () => {
  const [first, second, image] = [1, 2, 3].map((n) => imageOf(4096, SEED + n)) as [Buffer, Buffer, Buffer];
  const uri = await start('24c32', first);
  const board = followIt(uri, { onUnplug: 'wait' });
  await board.present();
  bridge.once('unplugged', () => {
    bridge.eeprom(0x50).image = second;
    setImmediate(() => {
      bridge.plug();
    });
  });
  bridge.faults.add({ kind: 'unplug', on: 'wire', n: 1000 });
  const written = board.write(0, image);
  const queued = board.write(0, Buffer.from('behind it'));
  const error = await written.catch((reason: unknown) => reason as NvmemError);
  expect(error).toMatchObject({ code: 'ESTALE', syscall: 'write', device: 'board', offset: 0 });
  const { committed, uncertain, untouched, bytesTransferred } = error as NvmemError;
  expect(committed?.[0]?.offset).toBe(0);
  expect(bytesTransferred).toBe(committed?.[0]?.length);
  const all = [...(committed ?? []), ...(uncertain ?? []), ...(untouched ?? [])];
  expect(all.reduce((sum, { length }) => sum + length, 0)).toBe(4096);
  await expect(queued).rejects.toMatchObject({ code: 'ESTALE', bytesTransferred: 0 });
  expect(board.state).toBe('replaced');
  expect(held()).toEqual(second);
  await expect(board.read(0, 1)).rejects.toMatchObject({ code: 'ESTALE' });
  await expect(board.present()).rejects.toMatchObject({ code: 'ESTALE' });
  board.accept();
  await board.present();
  expect(await board.read(0, 4096)).toEqual(second);
  expect(() => {
    board.accept();
  }).toThrow('nothing was replaced');
});

test('While it is absent the registry says EPROBE_DEFER and waitFor() waits; a plain device of it stays numb for ever.', async () => {
  const uri = await start('24c02', imageOf(256, SEED));
  const registry = new Registry();
  const board = followIt(uri, {
    registry,
    cells: [{ name: 'mac', offset: 16, bytes: 6 }],
    lookups: [{ devId: 'eth0', conId: 'mac-address', cellName: 'mac' }],
  });
  const mac = board.cell('mac');
  const waited = registry.waitFor({ devId: 'eth0', conId: 'mac-address' });
  expect(() => registry.get('board')).toThrow(expect.objectContaining({ code: 'EPROBE_DEFER' }) as Error);
  await expect(mac.read()).rejects.toMatchObject({ code: 'ENODEV', syscall: 'cell-read' });
  expect(await (await waited).read()).toEqual(held().subarray(16, 22));
  const consumer = registry.get('board');
  for (let round = 0; round < 3; round++) {
    bridge.unplug();
    await becomes(board, 'absent');
    expect(() => registry.get('board')).toThrow(expect.objectContaining({ code: 'EPROBE_DEFER' }) as Error);
    await expect(board.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV', device: 'board' });
    const later = mac.read({ onUnplug: 'wait' });
    const again = registry.waitFor('board');
    bridge.plug();
    expect(await later).toEqual(held().subarray(16, 22));
    expect((await (await again).read(0, 8)).length).toBe(8);
    await expect(consumer.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
  }
  await board.close();
  expect(registry.devices()).toEqual([]);
  expect(() => registry.lookupCell('eth0', 'mac-address')).toThrow(
    expect.objectContaining({ code: 'ENOENT' }) as Error,
  );
});

test('Write protect is leased anew after a replug, writes keep their order, and a cell of bits keeps its neighbours.', async () => {
  bench = await VirtualBench.start({
    time: 'off',
    devices: [
      { eeproms: [{ address: 0x50, chip: '24c02', wp: 0, image: imageOf(256, SEED), powerLoss: 'tear' }] },
    ],
  });
  bridge = bench.device('1-1');
  const board = followIt(`usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c02&wp=0`, {
    onUnplug: 'wait',
    cells: [{ name: 'mode', offset: 100, bitOffset: 3, nbits: 11 }],
  });
  await board.present();
  const before = held();
  unplugAgainAndAgain(4, 256);
  const ended: number[] = [];
  const writes = [0, 1, 2, 3].map((n) =>
    board.write(8, Buffer.alloc(64, n)).then(() => {
      ended.push(n);
    }),
  );
  await Promise.all([...writes, board.cell('mode').write(Uint8Array.of(0x55, 0x02))]);
  expect(ended).toEqual([0, 1, 2, 3]);
  const wanted = Buffer.from(before);
  wanted.fill(3, 8, 72);
  wanted.writeUInt16LE((before.readUInt16LE(100) & ~(0x7ff << 3)) | (0x255 << 3), 100);
  expect(held()).toEqual(wanted);
  expect(bridge.gpioLevels & 1).toBe(1);
  expect((await board.cell('mode').readU16()) & 0x7ff).toBe(0x255);
});

test('A journalled write over 10 unplugs, of a part whose pages are torn by them, ends verified, and its journal is gone.', async () => {
  const [before, image] = [imageOf(32_768, SEED), imageOf(8192, SEED + 1)];
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ eeproms: [{ address: 0x50, chip: '24c256', image: before, powerLoss: 'tear' }] }],
  });
  bridge = bench.device('1-1');
  // Pages that cross the bridge in two pieces: what tears the second tears the first.
  const uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c256&speed=400000`;
  const folder = mkdtempSync(join(tmpdir(), 'nvmem-'));
  const file = join(folder, 'board.journal');
  try {
    const board = followIt(uri, { onUnplug: 'wait' });
    await board.present();
    // In write cycles: which of the two pieces of a page it strikes changes each time.
    let cycles = 0;
    bridge.on('eeprom', ({ type }) => {
      if (type === 'start' && ++cycles % 17 === 0 && bridge.stats.unplugs < 10)
        setImmediate(() => {
          bridge.unplug();
        });
    });
    bridge.on('unplugged', () =>
      setImmediate(() => {
        bridge.plug();
      }),
    );
    const isThere = new Set<boolean>();
    bridge.on('unplugged', () => isThere.add(existsSync(file)));
    await board.write(0, image, { journal: file });
    console.info(`seed ${String(SEED)}: ${String(bridge.stats.unplugs)} unplugs`);
    expect(bridge.stats.unplugs).toBe(10);
    expect(held().equals(Buffer.concat([image, before.subarray(image.length)]))).toBe(true);
    expect([...isThere, existsSync(file)]).toEqual([true, false]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('streams live on: what is copied through them over 8 unplugs is the same', async () => {
  const image = imageOf(16_384, SEED);
  const uri = await start('24c128', image);
  const board = followIt(uri, { onUnplug: 'wait' });
  unplugAgainAndAgain(4, image.length);
  const read = await buffer(board.readStream({ highWaterMark: 1500 }));
  expect(read.equals(image)).toBe(true);
  expect(await buffer(Readable.toWeb(board.readStream({ start: 10, end: 19 })) as never)).toEqual(
    image.subarray(10, 20),
  );
  const other = imageOf(10_000, SEED + 1);
  unplugAgainAndAgain(4, 2 * other.length);
  const to = board.writeStream({ start: 100 });
  await pipeline(Readable.from([other.subarray(0, 3), other.subarray(3, 7000), other.subarray(7000)]), to);
  expect(to.bytesWritten).toBe(other.length);
  expect(held().subarray(100, 10_100).equals(other)).toBe(true);
  await expect(buffer(board.readStream({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
    name: 'AbortError',
  });
});

test('In a worker there are the same states, and operations go on through the shared slot.', async () => {
  const image = imageOf(8192, SEED);
  const uri = await start('24c64', image);
  const board = followIt(uri, { cells: [{ name: 'mac', offset: 16, bytes: 6 }], onUnplug: 'wait' });
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const { followShared } = require(${JSON.stringify(join(__dirname, '..', '..', 'dist', 'index.js'))});
     const board = followShared(workerData, { onUnplug: 'wait' });
     board.on('change', ({ state }) => parentPort.postMessage(state));
     parentPort.on('message', async ({ method, args }) => {
       try {
         parentPort.postMessage({ value: await board[method](...args) });
       } catch ({ code, bytesTransferred }) {
         parentPort.postMessage({ code, bytesTransferred });
       }
     });
     board.cell('mac').read().then((mac) => parentPort.postMessage({ value: mac }));`,
    { eval: true, workerData: board.share() },
  );
  const states: unknown[] = [];
  const answers: Record<string, unknown>[] = [];
  let more: () => void = () => undefined;
  worker.on('message', (message: unknown) => {
    if (typeof message === 'string') states.push(message);
    else answers.push(message as Record<string, unknown>);
    more();
  });
  const answer = async (): Promise<Record<string, unknown>> => {
    for (;;) {
      const next = answers.shift();
      if (next) return next;
      await new Promise<void>((resolve) => (more = resolve));
    }
  };
  const ask = (method: string, ...args: unknown[]): Promise<Record<string, unknown>> => {
    worker.postMessage({ method, args });
    return answer();
  };
  try {
    expect(Buffer.from((await answer())['value'] as Uint8Array)).toEqual(image.subarray(16, 22));
    const done = unplugAgainAndAgain(3, image.length / 2);
    const { value } = await ask('read', 0, image.length);
    expect(image.equals(value as Uint8Array)).toBe(true);
    expect(done.count).toBe(3);
    expect(states.filter((state) => state === 'present')).toHaveLength(4);

    // Another board, which nobody but the worker's own read can tell.
    bridge.removeAllListeners('unplugged');
    bridge.once('unplugged', () => {
      bridge.eeprom(0x50).image = imageOf(8192, SEED + 1);
      setImmediate(() => {
        bridge.plug();
      });
    });
    bridge.faults.add({ kind: 'unplug', on: 'wire', n: 3000 });
    const { code, bytesTransferred } = await ask('read', 0, image.length);
    expect(code).toBe('ESTALE');
    expect(bytesTransferred).toBeGreaterThan(0);
    expect([board.state, states.at(-1)]).toEqual(['replaced', 'replaced']);
    await Promise.all([becomes(board, 'present'), ask('accept')]);
    expect(await ask('read', 0, 4)).toEqual({
      value: new Uint8Array(bridge.eeprom(0x50).image.subarray(0, 4)),
    });
    await board.close();
    expect((await ask('read', 0, 4, { onUnplug: 'fail' }))['code']).toBe('ENODEV');
  } finally {
    await worker.terminate();
  }
});

test('by its serial number: the same part with other contents is the same, one with another number is not', async () => {
  const place = { address: 0x50, chip: '24cs02' };
  const restart = async (port: number, seed: number, window: Buffer): Promise<void> => {
    const eeproms = [{ ...place, image: imageOf(256, seed), window }];
    bench = await VirtualBench.start({ port, time: 'off', devices: [{ eeproms }] });
  };
  const [one, other] = [imageOf(16, SEED), imageOf(16, SEED + 1)] as [Buffer, Buffer];
  await restart(0, SEED, one);
  const { port } = bench;
  const uri = `usbip://127.0.0.1:${String(port)}/1-1/0x50?chip=AT24CS02`;
  const board = followIt(uri, { identity: 'unique' });
  await becomes(board, 'present');
  for (const [seed, number, state] of [
    [SEED + 1, one, 'present'],
    [SEED, other, 'replaced'],
  ] as const) {
    const absent = becomes(board, 'absent');
    await bench.close();
    await absent;
    await restart(port, seed, number);
    await becomes(board, state);
  }
  expect(board.current.error?.message).toContain(`its serial number is ${other.toString('hex')}`);
});

test.each([
  ['ee1004', 512, 320],
  ['spd5118', 1024, 512],
])('by the serial number of a module: %s', async (chip, size, at) => {
  const [one, other] = [imageOf(9, SEED), imageOf(9, SEED + 1)] as [Buffer, Buffer];
  const module = (seed: number, number: Buffer): Buffer => {
    const image = imageOf(size, seed);
    image.set(number, at);
    return image;
  };
  const uri = (await start(chip, module(SEED, one))).replace(/&speed=.*/, '');
  const board = followIt(uri, { identity: 'unique' });
  await becomes(board, 'present');
  for (const [image, state] of [
    [module(SEED + 1, one), 'present'],
    [module(SEED, other), 'replaced'],
  ] as const) {
    const absent = becomes(board, 'absent');
    bridge.unplug();
    await absent;
    bridge.eeprom(0x50).image = image;
    bridge.plug();
    await becomes(board, state);
  }
  expect(board.current.error?.message).toContain(
    `its serial number is ${other.toString('hex')}, and was ${one.toString('hex')}`,
  );
  board.accept();
  await becomes(board, 'present');
});

test('A write stream is a web stream as well, and goes on over unplugs; the end of the web stream is the end of the write.', async () => {
  const image = imageOf(4096, SEED + 1);
  const uri = await start('24c32', imageOf(4096, SEED));
  const board = followIt(uri, { onUnplug: 'wait' });
  await board.present();
  const done = unplugAgainAndAgain(5, 2 * image.length);
  const stream = board.writeStream({ highWaterMark: 256 });
  const pieces = Array.from({ length: 41 }, (_, i) => image.subarray(i * 100, (i + 1) * 100));
  await new Blob(pieces).stream().pipeTo(Writable.toWeb(stream));
  expect(held()).toEqual(image);
  expect(stream.bytesWritten).toBe(image.length);
  expect(done.count).toBeGreaterThan(0);

  // What is wrong with the memory is what is wrong with the web stream.
  bridge.removeAllListeners('unplugged');
  bridge.faults.add({ kind: 'unplug', on: 'wire', n: 500 });
  const failed = new Blob(pieces).stream().pipeTo(Writable.toWeb(board.writeStream({ onUnplug: 'fail' })));
  await expect(failed).rejects.toMatchObject({ code: 'ENODEV' });
});
