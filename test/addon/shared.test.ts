/** share() and attachShared(): one device, several threads. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  attachShared,
  memoryProvider,
  Registry,
  open,
  type NvmemDevice,
  type SharedToken,
} from '../../lib/index.js';
import { native } from '../../lib/native/index.js';
import { VirtualBench } from '../../lib/rig/index.js';

const registry = new Registry();
/** For toThrow(). */
function coded(code: string): Error {
  const matcher: unknown = expect.objectContaining({ code });
  return matcher as Error;
}
const shares = (): number => native().counts().shares;

interface Answer {
  readonly number?: number;
  readonly event?: string;
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
  readonly reason?: string;
}

/** A worker of the built package, asked for one thing after another. */
class Helper {
  readonly worker = new Worker(join(__dirname, 'fixtures', 'shared-worker.js'));
  /** Everything it said, in order. */
  readonly log: Answer[] = [];
  #number = 0;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly removed: Promise<Answer>;

  constructor() {
    let resolve: (answer: Answer) => void;
    this.removed = new Promise((r) => (resolve = r));
    this.worker.on('message', (answer: Answer) => {
      this.log.push(answer);
      if (answer.event === 'removed') resolve(answer);
      else this.#waiting.get(answer.number ?? -1)?.(answer);
    });
  }

  async tell(command: string, details: object): Promise<Answer> {
    const number = this.#number++;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(number, resolve));
    this.worker.postMessage({ number, command, ...details });
    return answered;
  }

  async ask(command: string, details: object): Promise<unknown> {
    const { value, code, message } = await this.tell(command, details);
    if (code !== undefined) throw new Error(`${command}: ${code} ${message ?? ''}`);
    return value;
  }
}

let helper: Helper;

beforeEach(() => {
  helper = new Helper();
});

afterEach(async () => {
  await helper.worker.terminate();
  for (const device of registry.devices()) await registry.unregister(device);
  expect(shares()).toBe(0);
});

async function board(): Promise<{ device: NvmemDevice; token: SharedToken; id: string }> {
  const device = await registry.register({
    name: 'board',
    id: 'none',
    provider: memoryProvider(Buffer.from('0123456789abcdef')),
    cells: [
      { name: 'mac', offset: 2, bytes: 6 },
      { name: 'hooked', offset: 0, bytes: 1, readPostProcess: () => undefined },
    ],
    keepouts: [{ start: 10, end: 12, value: 0x2e }],
  });
  const token = device.share();
  return { device, token, id: token.id };
}

test('a worker reads, writes and reads synchronously the very same memory', async () => {
  const { device, token, id } = await board();
  expect(device.share()).toEqual(token);
  expect(shares()).toBe(1);
  const facts = { name: 'board', size: 16, type: 'Unknown', alive: true, cells: ['mac'] };
  expect(await helper.ask('attach', { token })).toEqual(facts);
  expect(
    Buffer.from((await helper.ask('read', { id, offset: 0, length: 16 })) as Uint8Array).toString(),
  ).toBe('0123456789..cdef');
  await helper.ask('write', { id, offset: 0, data: Buffer.from('AB') });
  expect((await device.read(0, 4)).toString()).toBe('AB23');
  await device.write(2, Buffer.from('CD'));
  const sync = (await helper.ask('readSync', { id, offset: 0, length: 12 })) as Uint8Array;
  expect(Buffer.from(sync).toString()).toBe('ABCD456789..');
  expect(Buffer.from((await helper.ask('cell', { id, name: 'mac' })) as Uint8Array).toString()).toBe(
    'CD4567',
  );
  expect(await helper.ask('share', { id })).toEqual(token);
});

test('after unregister() every thread says ENODEV, and hears of it once everything there has settled', async () => {
  const { device, token, id } = await board();
  await helper.ask('attach', { token });
  await helper.ask('readSync', { id, offset: 0, length: 4 });
  const here = attachShared(token);
  const removedHere = once(here, 'removed');
  await registry.unregister(device, { cause: 'unplugged', reason: 'taken away' });
  expect(await removedHere).toMatchObject([{ cause: 'unplugged', reason: 'taken away' }]);
  expect(await helper.removed).toMatchObject({ reason: 'taken away', alive: false });
  for (const [command, details] of [
    ['read', { offset: 0, length: 4 }],
    ['readSync', { offset: 0, length: 4 }],
    ['write', { offset: 0, data: Buffer.from('x') }],
    ['cell', { name: 'mac' }],
    ['share', {}],
  ] as const) {
    expect(await helper.tell(command, { id, ...details })).toMatchObject({ code: 'ENODEV' });
  }
  expect(await helper.tell('attach', { token })).toMatchObject({ code: 'ENODEV' });
  await expect(here.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
});

test('an EEPROM: reads of two threads overlap, an unregister ends both; the answer comes before removed', async () => {
  const bench = await VirtualBench.start({
    time: 'real',
    devices: [{ eeproms: [{ address: 0x52, chip: '24c256', wp: 0 }] }],
  });
  const eeprom = await open(`usbip://127.0.0.1:${String(bench.port)}/1-1/0x52?chip=24c256&wp=0`, {
    registry,
  });
  // What has to be waited for cannot be read synchronously, in any thread.
  expect(() => eeprom.reader(0, 4)).toThrow(coded('EOPNOTSUPP'));
  const token = eeprom.share();
  await helper.ask('attach', { token });
  expect(await helper.tell('readSync', { id: token.id, offset: 0, length: 4 })).toMatchObject({
    code: 'EOPNOTSUPP',
  });
  await helper.ask('begin', { id: token.id, what: 'read' });
  const ended = helper.tell('end', { id: token.id });
  await eeprom.close();
  expect(await ended).toMatchObject({ value: 'ENODEV' });
  await helper.removed;
  const order = helper.log.map(({ event, number }) => event ?? number);
  expect(order.at(-1)).toBe('removed');
  await bench.close();
});

test('a worker that is terminated in the middle of a read or a write frees what it held', async () => {
  const bench = await VirtualBench.start({
    time: 'real',
    devices: [{ eeproms: [{ address: 0x52, chip: '24c256', wp: 0 }] }],
  });
  const eeprom = await open(`usbip://127.0.0.1:${String(bench.port)}/1-1/0x52?chip=24c256&wp=0`, {
    registry,
  });
  const token = eeprom.share();
  const { id } = token;
  for (const what of ['read', 'write']) {
    const other = new Helper();
    await other.ask('attach', { token });
    await other.ask('begin', { id, what });
    await other.worker.terminate();
    // Neither its section nor its turn stayed behind.
    await expect(eeprom.read(0, 4)).resolves.toHaveLength(4);
    await eeprom.write(0, Buffer.from('ours'), { timeoutMs: 10_000 });
  }
  expect((await eeprom.read(0, 4)).toString()).toBe('ours');
  await eeprom.close();
  expect(bench.device().gpioLevels & 1).toBe(1);
  await bench.close();
});

test('when the owner ends, its device ends everywhere', async () => {
  const owner = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const { memoryProvider, nvmem } = require(${JSON.stringify(join(__dirname, '..', '..', 'dist', 'index.js'))});
     void (async () => {
       const device = await nvmem.register({ provider: memoryProvider(Buffer.from('theirs')) });
       parentPort.postMessage(device.share());
       parentPort.once('message', () => process.exit());
     })();`,
    { eval: true },
  );
  const [token] = (await once(owner, 'message')) as [SharedToken];
  const device = attachShared(token);
  expect((await device.read(0, 6)).toString()).toBe('theirs');
  const reader = device.reader(0, 6);
  const removed = once(device, 'removed');
  owner.postMessage('end');
  expect(await removed).toMatchObject([{ reason: 'its thread has ended' }]);
  expect(() => reader.readSync()).toThrow(coded('ENODEV'));
});

test('bits of one byte that two threads write at the same time all arrive', async () => {
  const { device, token, id } = await board();
  await helper.ask('attach', { token });
  const times = 200;
  const theirs = helper.ask('writeBits', { id, info: { offset: 0, bitOffset: 4, nbits: 4 }, times });
  for (let i = 0; i < times; i++) {
    await device.cellWrite({ offset: 0, bitOffset: 0, nbits: 4 }, Buffer.of(i & 15));
    // Nobody else writes these bits: a read-modify-write that overlapped ours would bring old ones back.
    expect((await device.read(0, 1)).readUInt8() & 15).toBe(i & 15);
  }
  await theirs;
});

test('close() lets go in one thread and changes nothing in others', async () => {
  const { device, token, id } = await board();
  await helper.ask('attach', { token });
  const here = attachShared(token);
  const removed = once(here, 'removed');
  const slots = native().counts().slots;
  await here.close();
  await here.close();
  expect(await removed).toEqual([{ cause: 'closed', reason: 'closed' }]);
  expect(native().counts().slots).toBe(slots - 1);
  await expect(here.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
  expect(device.alive).toBe(true);
  await expect(helper.ask('read', { id, offset: 0, length: 1 })).resolves.toHaveLength(1);
});

test('what is no token, or none any more, is refused and says why', async () => {
  const { device, token } = await board();
  for (const wrong of [undefined, null, 'text', {}, { ...token, type: 'other' }, { ...token, id: 7 }]) {
    expect(() => attachShared(wrong as SharedToken)).toThrow(TypeError);
  }
  const forged = { ...token, id: token.id.replace(/.$/, (last) => (last === '0' ? '1' : '0')) };
  expect(() => attachShared(forged)).toThrow(/no device is shared under this token/);
  await registry.unregister(device);
  expect(() => attachShared(token)).toThrow(coded('ENODEV'));
  expect(() => device.share()).toThrow(coded('ENODEV'));
  const script = await registry.register({
    size: 4,
    provider: { read: (_, length) => Buffer.alloc(length) },
  });
  expect(() => script.share()).toThrow(coded('EOPNOTSUPP'));
});
