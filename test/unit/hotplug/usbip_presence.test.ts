/** What a USB/IP server offers: when it is asked, and what its answers mean. */
import { NvmemError } from '../../../lib/base/errors.js';
import type { ExportedDevice } from '../../../lib/bus/usbip_devices.js';
import { Presence, Watchers, type PresenceOptions } from '../../../lib/hotplug/presence.js';
import { targetOf } from '../../../lib/hotplug/target.js';
import { thisMachine } from '../../../lib/machine/machine.js';
import { FakeClock } from './fake_clock.js';

const device = (busid: string, devnum: number): ExportedDevice => ({
  busid,
  devnum,
  busnum: 1,
  vendorId: 0x10c4,
  productId: 0xea90,
  bcdDevice: 0x0100,
});

let clock: FakeClock;
let asked: string[];
let underWay: number;
let mostUnderWay: number;
let answer: () => Promise<readonly ExportedDevice[]>;
let watchers: Watchers;
const open = new Set<Presence>();

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  underWay = 0;
  mostUnderWay = 0;
  answer = () => Promise.resolve([]);
  const none = (): never => {
    throw new Error('a server needs no lookout');
  };
  watchers = new Watchers(clock, thisMachine, none, async (host, port, signal) => {
    asked.push(`${host} ${String(port)}`);
    mostUnderWay = Math.max(mostUnderWay, ++underWay);
    try {
      return await Promise.race([
        answer(),
        new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new NvmemError('ABORT_ERR', 'aborted'));
          });
        }),
      ]);
    } finally {
      underWay--;
    }
  });
});

afterEach(() => {
  for (const each of open) each.close();
  open.clear();
  expect(clock.timers.size).toBe(0);
});

function follow(busid = '1-1', options: PresenceOptions = {}): { it: Presence; said: string[] } {
  const it = new Presence(targetOf(`usbip://Bench:4000/${busid}`), options, watchers);
  open.add(it);
  const said: string[] = [];
  it.on('change', ({ present, cause }) => said.push(`${present ? 'present' : 'absent'} ${cause}`));
  return { it, said };
}

/** The question that is under way is over, and the next one's time is set. */
async function settled(): Promise<void> {
  while (underWay > 0 || clock.next === undefined) await new Promise((resolve) => setImmediate(resolve));
}

test('absent, offered, gone from the list; another number of the device is another plug', async () => {
  const { it, said } = follow();
  await it.look();
  expect(it.current.reason).toBe(
    'bench:4000 does not offer 1-1: it is not plugged in there, or somebody uses it',
  );
  answer = () => Promise.resolve([device('1-2', 2), device('1-1', 3)]);
  await it.look();
  expect(it.current).toMatchObject({ place: 'bench:4000/1-1', present: true });
  answer = () => Promise.resolve([device('1-1', 4)]);
  await it.look();
  answer = () => Promise.resolve([]);
  await it.look();
  expect(said).toEqual([
    'absent absent',
    'present plugged',
    'absent unplugged',
    'present plugged',
    'absent unplugged',
  ]);
});

test('the longer nothing happens, the rarer it is asked: a twentieth of the time, from 25 ms to everyMs', async () => {
  const { it } = follow('1-1', { everyMs: 900 });
  await settled();
  const pauses: number[] = [];
  while (clock.time < 60_000) {
    pauses.push(clock.next ?? NaN);
    clock.pass(clock.next ?? 0);
    await settled();
  }
  expect(pauses[0]).toBe(25);
  expect(Math.max(...pauses)).toBeCloseTo(900, 6);
  expect(pauses.length).toBeLessThan(160);
  // A plug after one second is found within 50 ms.
  let at = 0;
  const first = pauses.filter((pause) => (at += pause) <= 1000);
  expect(Math.max(...first)).toBeLessThanOrEqual(50);
  // Something happens: it begins anew.
  answer = () => Promise.resolve([device('1-1', 2)]);
  await it.look();
  await settled();
  expect(clock.next).toBe(25);
});

test('jitter: up to a fifth either way, as chance has it', async () => {
  const { it } = follow();
  await settled();
  for (const [chance, pause] of [
    [0, 20],
    [1 - 2 ** -53, 30],
    [0.5, 25],
  ] as const) {
    clock.chance = chance;
    await it.look();
    it.noteClosed();
    await it.look();
    await settled();
    expect(clock.next).toBeCloseTo(pause, 6);
  }
});

test('two hundred buses on one server: one question at a time, and one for all', async () => {
  let release: () => void = () => undefined;
  answer = () =>
    new Promise((resolve) => {
      release = () => {
        resolve([device('1-7', 2)]);
      };
    });
  const all = Array.from({ length: 200 }, (_, i) => follow(`1-${String(i)}`));
  const looking = all.map(({ it }) => it.look());
  expect(asked).toEqual(['bench 4000']);
  release();
  answer = () => Promise.resolve([device('1-7', 2)]);
  await Promise.all(looking);
  expect(mostUnderWay).toBe(1);
  expect(asked.length).toBeLessThanOrEqual(2);
  expect(all.filter(({ it }) => it.current.present).map(({ it }) => it.uri)).toEqual([
    'usbip://Bench:4000/1-7',
  ]);
});

test('a server that cannot be reached is no error: it is asked again, ever more rarely', async () => {
  answer = () =>
    Promise.reject(new NvmemError('ECONNREFUSED', 'cannot list the devices of bench:4000: nobody listens'));
  const { it, said } = follow();
  await it.look();
  expect(it.current).toMatchObject({
    cause: 'unreachable',
    reason: 'cannot list the devices of bench:4000: nobody listens',
  });
  while (clock.time < 400_000) {
    await settled();
    clock.pass(clock.next ?? 0);
  }
  await settled();
  expect(clock.next).toBe(10_000);
  answer = () => Promise.resolve([]);
  await it.look();
  answer = () => Promise.resolve([device('1-1', 2)]);
  await it.look();
  answer = () => Promise.reject(new TypeError('of whatever kind'));
  await it.look();
  expect(said).toEqual(['absent unreachable', 'absent absent', 'present plugged', 'absent unreachable']);
});

test('what is open is not asked for, is there although the list leaves it out, and has a second to be offered again', async () => {
  answer = () => Promise.resolve([device('1-1', 2)]);
  const { it, said } = follow();
  await it.look();
  it.noteOpen();
  answer = () => Promise.resolve([]);
  await it.look();
  clock.pass(60_000);
  const before = asked.length;
  clock.pass(60_000);
  expect(asked.length).toBe(before);
  expect(clock.timers.size).toBe(0);
  it.noteClosed();
  clock.pass(25);
  await it.look();
  answer = () => Promise.resolve([device('1-1', 2)]);
  await it.look();
  expect(said).toEqual(['present plugged']);
  // And if it is not offered again, it has gone.
  it.noteOpen();
  it.noteClosed();
  answer = () => Promise.resolve([]);
  clock.pass(1000);
  await it.look();
  expect(said).toEqual(['present plugged', 'absent unplugged']);
});

test('open, and another plug is offered in its place: a doubt', async () => {
  answer = () => Promise.resolve([device('1-1', 2)]);
  const { it } = follow();
  const other = follow('1-2'); // which is why the server is asked at all
  const doubts: string[] = [];
  it.on('doubt', (reason) => doubts.push(reason));
  await it.look();
  it.noteOpen();
  answer = () => Promise.resolve([]);
  await other.it.look();
  answer = () => Promise.resolve([device('1-1', 3)]);
  await other.it.look();
  await other.it.look();
  expect(doubts).toEqual(['something else is plugged in there']);
  it.noteGone();
  await it.look();
  expect(it.current).toMatchObject({ present: true, cause: 'plugged' });
});

test('close() in the middle of a question ends the question', async () => {
  answer = () => new Promise(() => undefined);
  const { it, said } = follow();
  const looking = it.look();
  it.close();
  await looking;
  while (underWay > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(said).toEqual([]);
});

test('two servers are two questions; an address in brackets is shown in brackets', async () => {
  const { it } = follow();
  const six = new Presence(targetOf('usbip://[::1]:4000/1-1'), {}, watchers);
  open.add(six);
  await Promise.all([it.look(), six.look()]);
  expect(new Set(asked)).toEqual(new Set(['bench 4000', '::1 4000']));
  expect(six.current.reason).toMatch(/^\[::1\]:4000 /);
});
