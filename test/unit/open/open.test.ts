jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Registry } from '../../../lib/core/registry.js';
import type { OpenOptions } from '../../../lib/bus/open_device.js';
import { open } from '../../../lib/open/open.js';
import type { At24Config, BusOpening, NativeBus, UsbipOptions } from '../../../lib/native/index.js';
import { fake, FakeSlot, NO_BUS_STATS } from '../fake_native.js';

/** A bridge whose parts answer at the addresses given. */
class FakeBus implements NativeBus {
  readonly identity = new Map([
    ['part', '0x0c'],
    ['clock_hz', '100000'],
  ]);
  readonly slots: FakeSlot[] = [];
  readonly configs: At24Config[] = [];
  closes = 0;
  pull!: (reason: string) => void;
  finishClosing: (() => void) | undefined;
  readonly gone = new Promise<string>((resolve) => {
    this.pull = resolve;
  });

  constructor(
    readonly options: object,
    readonly answers: (config: At24Config) => number = () => 0,
    readonly slowClose = false,
    /** The line on WP and not the part is what fails. */
    readonly wpFails = '',
  ) {}

  stats(): typeof NO_BUS_STATS {
    return NO_BUS_STATS;
  }

  at24(config: At24Config): FakeSlot {
    const slot = new FakeSlot(new Uint8Array(config.size), false, true);
    const status = this.answers(config);
    const probe = slot.probe.bind(slot);
    slot.probe = async (io) => {
      const outcome = await probe(io);
      if (outcome.status !== 0 || status === 0) return outcome;
      return this.wpFails === ''
        ? { ...outcome, status, reason: 'as the test says' }
        : { ...outcome, status, protectStatus: status, reason: this.wpFails };
    };
    this.slots.push(slot);
    this.configs.push(config);
    return slot;
  }

  kernelFile(): FakeSlot {
    throw new Error('an I2C bus has no files');
  }

  pins(): FakeSlot {
    throw new Error('nobody looks at pins here');
  }

  readonly lines: string[] = [];

  gpioLine(chip: string, line: number | string): number {
    return 1000 + this.lines.push(`${chip} ${String(line)}`);
  }

  close(): Promise<void> {
    this.closes++;
    if (!this.slowClose) return Promise.resolve();
    return new Promise((resolve) => {
      this.finishClosing = resolve;
    });
  }
}

let buses: FakeBus[] = [];
let registry = new Registry();

function plugIn(make: (options: UsbipOptions) => BusOpening | Promise<BusOpening>): void {
  fake.openUsbip = async (options) => make(options);
}

beforeEach(() => {
  buses = [];
  registry = new Registry();
  plugIn((options) => {
    const bus = new FakeBus(options);
    buses.push(bus);
    return { status: 0, bus };
  });
});

const openHere = (uri: string, options: OpenOptions = {}): ReturnType<typeof open> =>
  open(uri, { registry, ...options });

const A = 'usbip://127.0.0.1/1-1/0x50?chip=24c02';
const B = 'usbip://127.0.0.1/1-1/0x52?chip=24c256';

test('the part is described to the addon as the chip and the URI say', async () => {
  const device = await openHere('usbip://h:99/2-1/0x50?chip=24c1025&wp=3&page=64&speed=400000');
  expect(buses[0]?.options).toEqual({
    host: 'h',
    port: 99,
    busid: '2-1',
    clockHz: 400_000,
    openTimeoutMs: 5000,
  });
  expect(buses[0]?.configs).toMatchObject([
    {
      address: 0x50,
      size: 131_072,
      addressBytes: 2,
      pageSize: 64,
      writeCycleMs: 25,
      blockShift: 2,
      offsetAdd: 0,
      readRollover: false,
      wpLine: 3,
      paging: 'none',
      forceGeometry: false,
    },
  ]);
  expect(device.name).toBe('2-1-00500');
  expect(device.size).toBe(131_072);
  expect(device.type).toBe('EEPROM');
  expect(device.identity['part']).toBe('0x0c');
  expect(device.forceRo).toBe(false);
  await device.close();
});

test('devices on one bridge share its bus, and the last one closes it', async () => {
  const [a, b] = await Promise.all([openHere(A), openHere(B)]);
  expect(buses).toHaveLength(1);
  await a.close();
  expect(buses[0]?.closes).toBe(0);
  expect(await b.read(0, 2)).toHaveLength(2);
  await b.close();
  await b.close();
  expect(buses[0]?.closes).toBe(1);
  expect(registry.devices()).toEqual([]);
});

test('another clock on an open bridge is refused, none is taken as it is', async () => {
  const a = await openHere(`${A}&speed=400000`);
  await expect(openHere(`${B}&speed=100000`)).rejects.toMatchObject({
    code: 'EBUSY',
    message: expect.stringMatching(/open at 400000 Hz.*asks for 100000 Hz/),
  });
  const b = await openHere(B);
  await Promise.all([a.close(), b.close()]);
  expect(buses).toHaveLength(1);
});

test('a bridge that is closing is waited for: its server frees it only then', async () => {
  plugIn((options) => {
    const bus = new FakeBus(options, undefined, true);
    buses.push(bus);
    return { status: 0, bus };
  });
  const first = await openHere(A);
  const closing = first.close();
  while (buses[0]?.finishClosing === undefined) await new Promise((resolve) => setImmediate(resolve));
  const second = openHere(A);
  await new Promise((resolve) => setImmediate(resolve));
  expect(buses).toHaveLength(1);
  buses[0].finishClosing();
  await closing;
  const device = await second;
  expect(buses).toHaveLength(2);
  const end = device.close();
  while (buses[1]?.finishClosing === undefined) await new Promise((resolve) => setImmediate(resolve));
  buses[1].finishClosing();
  await end;
});

test('when the bridge goes its devices go by themselves, and can be opened again', async () => {
  const [a, b] = await Promise.all([openHere(A), openHere(B)]);
  const reasons: string[] = [];
  const removed = [a, b].map(
    (device) =>
      new Promise<void>((resolve) => {
        device.once('removed', ({ cause, reason }) => {
          expect(cause).toBe('unplugged');
          reasons.push(reason);
          resolve();
        });
      }),
  );
  buses[0]?.pull('server closed the connection');
  await Promise.all(removed);
  expect(reasons).toEqual(['server closed the connection', 'server closed the connection']);
  expect(buses[0]?.closes).toBe(1);
  await expect(a.read(0, 1)).rejects.toMatchObject({
    code: 'ENODEV',
    message: expect.stringContaining('server closed the connection'),
  });
  const again = await openHere(A);
  expect(buses).toHaveLength(2);
  expect(again.name).toBe(a.name);
  await again.close();
  await a.close();
});

test.each([
  ['gpiochip0:17', 'gpiochip0 17'],
  ['pinctrl-bcm2835:EEPROM_WP', 'pinctrl-bcm2835 EEPROM_WP'],
  ['0003:10C4:EA90.0001:0', '0003:10C4:EA90.0001 0'],
])('wp=%s is a line of a gpiochip', async (wp, line) => {
  const device = await openHere(`${A}&wp=${wp}`);
  expect(buses[0]?.lines).toEqual([line]);
  expect(buses[0]?.configs).toMatchObject([{ wpLine: 1001 }]);
  await device.close();
});

test('a device that is unregistered instead of closed lets go of its bridge as well', async () => {
  const device = await openHere(A);
  await registry.unregister(registry.get(device.name));
  expect(buses[0]?.closes).toBe(1);
});

describe('nothing stays open after a failure', () => {
  test.each([
    [-6, 'ENXIO', /no part answers at 0x50 on the bridge 1-1 at 127\.0\.0\.1:3240$/],
    [-110, 'ETIMEDOUT', /did not answer in time, at 100000 Hz \(as the test says\)$/],
    [-19, 'ENODEV', /went away while it was being opened/],
    [-16, 'EBUSY', /is stuck/],
    [-11, 'EAGAIN', /another master/],
    [-124, 'EMEDIUMTYPE', /is no 24c02/],
  ])('of the part: %i', async (status, code, message) => {
    plugIn((options) => {
      const bus = new FakeBus(options, () => status);
      buses.push(bus);
      return { status: 0, bus };
    });
    await expect(openHere(A)).rejects.toMatchObject({
      code,
      syscall: 'open',
      message: expect.stringMatching(message),
    });
    expect(buses[0]?.closes).toBe(1);
    expect(buses[0]?.slots[0]?.alive).toBe(false);
    expect(registry.devices()).toEqual([]);
  });

  test.each([
    [
      'gpiochip0:17',
      -16,
      'EBUSY',
      /: line 17 of gpiochip0 cannot drive write protect: held by x$/,
      /gpioinfo/,
    ],
    ['soc:WP', -2, 'ENOENT', /: line WP of soc cannot drive write protect: held by x$/, /gpiodetect/],
    ['soc:WP', -13, 'EACCES', /: line WP of soc cannot/, /root, or as a member of the group/],
    ['soc:WP', -38, 'ENOSYS', /: line WP of soc cannot/, /newer kernel/],
    ['soc:WP', -5, 'EIO', /: line WP of soc cannot/, /\.$/],
    ['3', -16, 'EBUSY', /: GPIO 3 cannot drive write protect: held by x$/, /\.$/],
    ['soc:WP', -19, 'ENODEV', /went away while it was being opened/, /\.$/],
  ])('of write protect: %s %i', async (wp, status, code, message, hint) => {
    plugIn((options) => {
      const bus = new FakeBus(options, () => status, false, 'held by x');
      buses.push(bus);
      return { status: 0, bus };
    });
    await expect(openHere(`${A}&wp=${wp}`)).rejects.toMatchObject({
      code,
      errno: status,
      syscall: 'open',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(buses[0]?.closes).toBe(1);
    expect(registry.devices()).toEqual([]);
  });

  test.each([
    [-111, '', 'ECONNREFUSED', /nobody listens there$/],
    [-111, 'nothing listens at h:1', 'ECONNREFUSED', /: nothing listens at h:1$/],
    [-2, '', 'ENOENT', /exports no such device$/],
    [-95, 'it is 1234:5678', 'EOPNOTSUPP', /no CP2112 \(it is 1234:5678\)$/],
    [-71, '', 'EPROTO', /no USB\/IP server$/],
    // A wait of the protocol's own: the limit has not passed.
    [-110, '', 'ETIMEDOUT', /the bridge did not answer$/],
    [-101, '', 'ENETUNREACH', /cannot be reached$/],
  ])('of the bridge: %i %s', async (status, reason, code, message) => {
    plugIn(() => ({ status, reason }));
    await expect(openHere(A, { openTimeoutMs: 70 })).rejects.toMatchObject({
      code,
      errno: status,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/\.$/),
    });
  });

  test('of the bridge: the limit is named where it has passed', async () => {
    plugIn(
      () =>
        new Promise((resolve) => {
          setTimeout(resolve, 25, { status: -110, reason: '' });
        }),
    );
    await expect(openHere(A, { openTimeoutMs: 20 })).rejects.toMatchObject({
      message: expect.stringMatching(/within 20 ms$/),
    });
  });

  test('of the registry', async () => {
    const first = await openHere(A, { name: 'board' });
    await expect(openHere(B, { name: 'board' })).rejects.toMatchObject({ code: 'EEXIST' });
    expect(buses[0]?.slots.map(({ alive }) => alive)).toEqual([true, false]);
    await first.close();
    expect(buses[0]?.closes).toBe(1);
  });

  test('of patience: what still opens after an abort is let go of', async () => {
    let finish!: () => void;
    plugIn(
      (options) =>
        new Promise((resolve) => {
          finish = () => {
            const bus = new FakeBus(options);
            buses.push(bus);
            resolve({ status: 0, bus });
          };
        }),
    );
    const controller = new AbortController();
    const opening = openHere(A, { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort('no time');
    await expect(opening).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'no time' });
    finish();
    while (buses[0]?.closes !== 1) await new Promise((resolve) => setImmediate(resolve));
    expect(buses[0].slots).toEqual([]);
    expect(registry.devices()).toEqual([]);
  });
});

test.each<[string, unknown, unknown, typeof TypeError | typeof RangeError]>([
  ['the URI', 7, {}, TypeError],
  ['an unknown option', 'mem://8', { nmae: 'x' }, TypeError],
  ['readOnly', 'mem://8', { readOnly: 1 }, TypeError],
  ['openTimeoutMs', 'mem://8', { openTimeoutMs: -1 }, RangeError],
  ['signal', 'mem://8', { signal: {} }, TypeError],
])('bad options are refused before any I/O: %s', async (_name, uri, options, type) => {
  await expect(open(uri as string, options as OpenOptions)).rejects.toBeInstanceOf(type);
});

test('read-only parts and readOnly make read-only devices; a line alone does not', async () => {
  const data = Uint8Array.of(1);
  const serial = await openHere('usbip://h/1-1/0x58?chip=24cs02');
  await expect(serial.write(0, data)).rejects.toMatchObject({ code: 'EPERM' });
  const careful = await openHere(`${A}&wp=0`, { readOnly: true });
  await expect(careful.write(0, data)).rejects.toMatchObject({ code: 'EPERM' });
  await Promise.all([serial.close(), careful.close()]);
  const writable = await openHere(`${A}&wp=0`, { cells: [{ name: 'c', offset: 0, bytes: 1 }] });
  await writable.write(0, data);
  await writable.cell('c').write(data);
  await writable.close();
});

test('mem:// is memory', async () => {
  const device = await openHere('mem://16');
  await device.write(3, Uint8Array.of(1, 2));
  expect([...(await device.read(2, 4))]).toEqual([0, 1, 2, 0]);
  expect(device.name).toBe('mem0');
  await device.close();
});

describe('file://', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'nvmem-open-'));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  test('is an image that can be read and written', async () => {
    const path = join(directory, 'image.bin');
    writeFileSync(path, 'Hello, world');
    const device = await openHere(`file://${path}`);
    expect(device.size).toBe(12);
    expect((await device.read(7, 5)).toString()).toBe('world');
    await device.write(7, Buffer.from('nvmem'));
    await expect(device.read(7, 6)).rejects.toMatchObject({ name: 'NvmemError', code: 'EINVAL' });
    await device.close();
    expect(readFileSync(path, 'utf8')).toBe('Hello, nvmem');
  });

  test('that became shorter is an EIO with what is left', async () => {
    const path = join(directory, 'short.bin');
    writeFileSync(path, '0123456789');
    const device = await openHere(`file://${path}`, { readOnly: true });
    writeFileSync(path, '0123');
    await expect(device.read(0, 10)).rejects.toMatchObject({ code: 'EIO', partial: Buffer.from('0123') });
    await device.close();
  });

  test('that is no regular file is refused without being opened, and nothing waits for its other end', async () => {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    symlinkSync(fifo, join(directory, 'link'));
    const socket = join(directory, 'socket');
    const server = createServer().listen(socket);
    await once(server, 'listening');
    const kinds: [string, RegExp][] = [
      [fifo, /: it is a FIFO$/],
      [join(directory, 'link'), /: it is a FIFO$/],
      [socket, /: it is a socket$/],
      ['/dev/null', /: it is a character device$/],
    ];
    for (const [path, message] of kinds) {
      for (const readOnly of [false, true]) {
        await expect(openHere(`file://${path}`, { readOnly })).rejects.toMatchObject({
          code: 'EINVAL',
          syscall: 'open',
          message: expect.stringMatching(message),
          hint: expect.stringContaining('regular file'),
        });
      }
    }
    server.close();
  });

  test('with a NUL byte in its path names no file', async () => {
    await expect(openHere(`file://${directory}/image.bin%00.txt`)).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('NUL byte'),
    });
  });

  test.each([
    ['missing', 'ENOENT'],
    ['.', 'EISDIR'],
  ])('%s is refused', async (name, code) => {
    await expect(openHere(`file://${directory}/${name}`)).rejects.toMatchObject({ code, syscall: 'open' });
    await expect(openHere(`file://${directory}/${name}`, { readOnly: true })).rejects.toMatchObject({ code });
  });
});
