/** What is plugged into this machine, by hints that come twice, late, never, or too early. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';

import type { PresenceState } from '../../../lib/hotplug/judge.js';
import { Needs, observe, Snapshot, type LocalTarget } from '../../../lib/hotplug/observation.js';
import { Presence, presence, Watchers, type PresenceOptions } from '../../../lib/hotplug/presence.js';
import { targetOf } from '../../../lib/hotplug/target.js';
import { type Machine } from '../../../lib/machine/machine.js';
import { at24Entries, bridgeEntries, FakeMachine } from '../fake_machine.js';
import { FakeClock } from './fake_clock.js';

const HIDRAW0 = 246 * 256;
const I2C0 = 89 * 256;
const CHAR = '/sys/dev/char';

let fake: FakeMachine;
let machine: Machine;
let clock: FakeClock;
let hint: () => void;
let folders: Set<string>;
let listening: number;
let looks: number;
let watchers: Watchers;
const open = new Set<Presence>();

beforeEach(() => {
  fake = new FakeMachine({ '/sys/dev/char/1:3': { folder: true }, '/dev/bus/usb/001': { folder: true } });
  machine = fake.machine();
  clock = new FakeClock();
  folders = new Set();
  listening = 0;
  looks = 0;
  const list = machine.list.bind(machine);
  machine.list = (path, pattern) => {
    if (path === '/sys/bus/usb/devices') looks++;
    return list(path, pattern);
  };
  watchers = new Watchers(clock, machine, (look) => {
    listening++;
    hint = look;
    return {
      watchFolder: (path) => folders.add(path.slice(fake.root.length)),
      stop: () => {
        listening--;
      },
    };
  });
});

afterEach(() => {
  for (const each of open) each.close();
  open.clear();
  expect(listening).toBe(0);
  expect(clock.timers.size).toBe(0);
  fake.remove();
});

/** A presence and all that it has said. */
function follow(uri: string, options: PresenceOptions = {}): { it: Presence; said: string[] } {
  const it = new Presence(targetOf(uri), options, watchers);
  open.add(it);
  const said: string[] = [];
  it.on('change', (state) => said.push(shown(state)));
  return { it, said };
}

function shown({ present, cause, place }: PresenceState): string {
  return [present ? 'present' : 'absent', cause, ...(place === undefined ? [] : [place])].join(' ');
}

function pull(place = '1-1', number = 0, devnum = '2'): void {
  for (const path of [
    `/sys/bus/usb/devices/${place}`,
    `/sys/devices/usb1/${place}`,
    `/sys/class/hidraw/hidraw${String(number)}`,
    `/sys/bus/i2c/devices/i2c-${String(number)}`,
    `/dev/bus/usb/001/${devnum.padStart(3, '0')}`,
    `/dev/hidraw${String(number)}`,
    `/dev/i2c-${String(number)}`,
  ])
    rmSync(fake.path(path), { recursive: true, force: true });
}

/** What /sys/dev/char says of the nodes of a bridge, which FakeMachine leaves out. */
function withNumbers(id = '0001', node: 'hidraw0' | 'i2c-0' = 'hidraw0'): void {
  const hid = `/sys/devices/usb1/1-1/1-1:1.0/0003:10C4:EA90.${id}`;
  const [number, rdev, device] =
    node === 'hidraw0' ? ['246:0', HIDRAW0, `${hid}/hidraw/hidraw0`] : ['89:0', I2C0, `${hid}/i2c-0`];
  fake.rdevs.set(`/dev/${node}`, rdev);
  rmSync(fake.path(`${CHAR}/${number}`), { force: true });
  fake.add({ [`${device}/uevent`]: '', [`${CHAR}/${number}`]: { link: device } });
}

describe('a bridge', () => {
  test('is absent, comes, goes and comes again; each change is told once, with since when', async () => {
    const { it, said } = follow('cp2112://0043FFF3');
    expect(it.current).toMatchObject({ present: false, cause: 'unknown' });
    await it.look();
    expect(said).toEqual(['absent absent']);
    expect(it.current.reason).toBe('no bridge has the serial number or the place 0043FFF3');
    clock.pass(10_000);
    fake.add(bridgeEntries());
    hint();
    const since = clock.date();
    expect(await it.look()).toMatchObject({ present: true, cause: 'plugged', place: '1-1', since });
    clock.pass(5);
    await it.look();
    expect(it.current.since).toBe(since);
    pull();
    await it.look();
    await it.look();
    fake.add(bridgeEntries({ devnum: '3' }));
    await it.look();
    expect(said).toEqual(['absent absent', 'present plugged 1-1', 'absent unplugged', 'present plugged 1-1']);
  });

  test("with an OEM's ids it is there where they are named, and where its product says what it is", async () => {
    const named = follow('cp2112://?id=1234:abcd');
    const others = follow('cp2112://?id=1234:abce');
    const unnamed = follow('cp2112://');
    const look = (): Promise<unknown> => Promise.all([named, others, unnamed].map(({ it }) => it.look()));
    fake.add(bridgeEntries({ ids: ['1234', 'abcd'] }));
    await look();
    expect(named.said).toEqual(['present plugged 1-1']);
    expect([...others.said, ...unnamed.said]).toEqual(['absent absent', 'absent absent']);
    pull();
    fake.add(bridgeEntries({ ids: ['1234', 'abcd'], product: 'CP2112 of ours', devnum: '3' }));
    await look();
    expect(named.it.current.present).toBe(true);
    expect(unnamed.it.current.present).toBe(true);
    expect(others.it.current.present).toBe(false);
  });

  test('what says when to look: a hint, and without any the clock', async () => {
    const { it } = follow('cp2112://');
    await it.look();
    fake.add(bridgeEntries());
    const byHint = once(it, 'change');
    clock.pass(20);
    hint();
    expect(shown((await byHint)[0] as PresenceState)).toBe('present plugged 1-1');
    // The pauses grow up to everyMs.
    pull();
    const byClock = once(it, 'change');
    const tick = setInterval(() => {
      clock.pass(2000);
    }, 1);
    await byClock;
    clearInterval(tick);
    expect(it.current.present).toBe(false);
    expect([...folders]).toEqual(['/dev', '/dev/bus', '/dev/bus/usb', '/dev/bus/usb/001']);
  });

  test('a storm of hints costs a look every 20 ms, and quiet times one every everyMs', async () => {
    const { it } = follow('cp2112://', { everyMs: 700 });
    await it.look();
    clock.pass(1000);
    await it.look();
    looks = 0;
    clock.pass(20);
    for (let i = 0; i < 1000; i++) hint();
    await it.look();
    const most = looks;
    expect(most).toBeLessThanOrEqual(2);
    // The first of them began at once; what comes now has to wait.
    for (let i = 0; i < 1000; i++) hint();
    expect(clock.next).toBe(20);
    const pauses: (number | undefined)[] = [];
    for (let i = 0; i < 7; i++) {
      clock.pass(clock.next ?? 0);
      while (clock.next === undefined) await new Promise((resolve) => setImmediate(resolve));
      pauses.push(clock.next);
    }
    expect(pauses).toEqual([50, 100, 200, 400, 700, 700, 700]);
  });

  test('a hint that comes before its cause: nothing is told that is not so, and soon it is', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('cp2112://');
    await it.look();
    hint(); // of a removal that sysfs does not show yet
    await it.look();
    expect(said).toEqual(['present plugged 1-1']);
    pull();
    const gone = once(it, 'change');
    while (clock.next === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(clock.next).toBeLessThanOrEqual(50);
    clock.pass(50);
    await gone;
    expect(said).toEqual(['present plugged 1-1', 'absent unplugged']);
  });

  test('one that came back before its end was noticed is told as both', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('cp2112://1-1');
    await it.look();
    pull();
    fake.add(bridgeEntries({ devnum: '3' }));
    await it.look();
    expect(said).toEqual(['present plugged 1-1', 'absent unplugged', 'present plugged 1-1']);
  });

  test('in another port: its serial number is there again, its place is not', async () => {
    fake.add(bridgeEntries());
    const bySerial = follow('cp2112://0043FFF3');
    const byPlace = follow('cp2112://1-1');
    await bySerial.it.look();
    pull();
    fake.add(bridgeEntries({ place: '1-2', devnum: '3' }));
    await bySerial.it.look();
    expect(bySerial.said).toEqual(['present plugged 1-1', 'absent unplugged', 'present plugged 1-2']);
    expect(byPlace.said).toEqual(['present plugged 1-1', 'absent unplugged']);
  });

  test('in another port before the kernel has let go of the first: ambiguous in between', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('cp2112://0043FFF3');
    await it.look();
    fake.add(bridgeEntries({ place: '1-2', number: 1, devnum: '3' }));
    await it.look();
    pull();
    await it.look();
    expect(said).toEqual(['present plugged 1-1', 'absent ambiguous', 'present plugged 1-2']);
  });

  test('two of one serial number are none, and the reason names both', async () => {
    fake.add(bridgeEntries());
    fake.add(bridgeEntries({ place: '1-2', number: 1, devnum: '3' }));
    const { it } = follow('cp2112://0043FFF3');
    const { cause, reason, present } = await it.look();
    expect({ cause, present }).toEqual({ cause: 'ambiguous', present: false });
    expect(reason).toBe(
      'several bridges have the serial number 0043FFF3: 1-1 (serial 0043FFF3), 1-2 (serial 0043FFF3)',
    );
    const any = follow('cp2112://');
    expect((await any.it.look()).reason).toMatch(/^several bridges are plugged in/);
    // Its place says which one is meant.
    const byPlace = follow('cp2112://1-2');
    expect((await byPlace.it.look()).present).toBe(true);
  });

  test('half ready: without its node, then not permitted yet, then there', async () => {
    const { it, said } = follow('cp2112://');
    const node = '/dev/bus/usb/001/002';
    fake.denied.add(node);
    fake.add(bridgeEntries());
    rmSync(fake.path(node));
    await it.look();
    expect(it.current.reason).toMatch(/there is no \/dev\/bus\/usb\/001\/002 yet/);
    fake.add({ [node]: '' });
    await it.look();
    expect(it.current.reason).toMatch(/may not open \/dev\/bus\/usb\/001\/002 yet: udev/);
    fake.denied.clear();
    await it.look();
    fake.denied.add(node);
    await it.look();
    expect(said).toEqual([
      'absent starting 1-1',
      'absent denied 1-1',
      'present plugged 1-1',
      'absent denied 1-1',
    ]);
  });

  test('its node goes before the kernel lets go of it: it was unplugged, and does not begin', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('cp2112://');
    await it.look();
    rmSync(fake.path('/dev/bus/usb/001/002'));
    await it.look();
    await it.look();
    pull();
    await it.look();
    expect(said).toEqual(['present plugged 1-1', 'absent unplugged']);
  });

  test('pulled while it was half ready', async () => {
    const { it, said } = follow('cp2112://');
    fake.denied.add('/dev/bus/usb/001/002');
    fake.add(bridgeEntries());
    await it.look();
    pull();
    await it.look();
    expect(said).toEqual(['absent denied 1-1', 'absent unplugged']);
  });
});

describe('nodes and devices of the kernel', () => {
  test('hidraw: the same number for another plug is another visit', async () => {
    fake.add(bridgeEntries());
    withNumbers();
    const { it, said } = follow('hidraw:///dev/hidraw0');
    await it.look();
    pull();
    fake.add(bridgeEntries());
    withNumbers('0007');
    await it.look();
    pull();
    await it.look();
    expect(said).toEqual([
      'present plugged /dev/hidraw0',
      'absent unplugged',
      'present plugged /dev/hidraw0',
      'absent unplugged',
    ]);
    expect([...folders]).toEqual(['/dev']);
  });

  test('hidraw: a folder of sysfs that is made anew at the same path is another visit', async () => {
    fake.add(bridgeEntries());
    withNumbers();
    const { it, said } = follow('hidraw:///dev/hidraw0');
    await it.look();
    const device = '/sys/devices/usb1/1-1/1-1:1.0/0003:10C4:EA90.0001/hidraw/hidraw0';
    fake.add({ [`${device}-new/uevent`]: '' }); // made before the old one goes: no file system gives it the same inode
    rmSync(fake.path(device), { recursive: true });
    rmSync(fake.path(`${CHAR}/246:0`));
    fake.add({ [`${CHAR}/246:0`]: { link: `${device}-new` } });
    await it.look();
    expect(said).toEqual([
      'present plugged /dev/hidraw0',
      'absent unplugged',
      'present plugged /dev/hidraw0',
    ]);
  });

  test('hidraw: a node that stayed behind, one that is none, and one that a container was not given', async () => {
    fake.rdevs.set('/dev/hidraw0', HIDRAW0);
    fake.add({ '/dev/hidraw0': '', '/dev/hidraw1': '' });
    const stale = follow('hidraw:///dev/hidraw0');
    const file = follow('hidraw:///dev/hidraw1');
    fake.add({ '/sys/class/hidraw/hidraw2/dev': '246:2' });
    const missing = follow('hidraw:///dev/hidraw2');
    await stale.it.look();
    expect(stale.it.current.reason).toBe('the node /dev/hidraw0 has no device behind it');
    expect(file.it.current.reason).toBe('/dev/hidraw1 is no device node');
    expect(missing.said).toEqual(['absent starting /dev/hidraw2']);
    expect(missing.it.current.reason).toMatch(/a container has to be given the node/);
    // Where sysfs is hidden, the node is what there is.
    rmSync(fake.path('/sys'), { recursive: true });
    expect((await stale.it.look()).present).toBe(true);
  });

  test('i2c: an adapter whose node i2c-dev has not made, and a link to one', async () => {
    fake.add(bridgeEntries());
    rmSync(fake.path('/dev/i2c-0'));
    const { it, said } = follow('i2c:///dev/i2c-0');
    await it.look();
    expect(it.current.reason).toMatch(/modprobe i2c-dev/);
    fake.add({ '/dev/i2c-0': '', '/dev/boards/left': { link: '/dev/i2c-0' } });
    withNumbers('0001', 'i2c-0');
    fake.rdevs.set('/dev/boards/left', I2C0);
    const link = follow('i2c:///dev/boards/left');
    fake.denied.add('/dev/i2c-0');
    await it.look();
    fake.denied.clear();
    await it.look();
    expect(said).toEqual([
      'absent starting /dev/i2c-0',
      'absent denied /dev/i2c-0',
      'present plugged /dev/i2c-0',
    ]);
    expect(link.it.current).toMatchObject({ present: true, place: '/dev/boards/left' });
    expect([...folders].sort()).toEqual(['/dev', '/dev/boards']);
  });

  test('sysfs: a device of the kernel, from the binding of its driver to its end', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('sysfs://0-00501');
    await it.look();
    expect(it.current.reason).toBe('the kernel has no nvmem device 0-00501');
    const file = '/sys/bus/nvmem/devices/0-00501/nvmem';
    fake.denied.add(file);
    fake.add(at24Entries());
    await it.look();
    expect(it.current.reason).toBe(`this user may not open ${file} yet`);
    fake.denied.clear();
    await it.look();
    rmSync(fake.path('/sys/bus/nvmem/devices/0-00501'));
    await it.look();
    expect(said).toEqual([
      'absent absent',
      'absent denied 0-00501',
      'present plugged 0-00501',
      'absent unplugged',
    ]);
  });
});

describe('what the data path says', () => {
  test('gone: at once, and the plug that is still shown is not believed for a second', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('cp2112://');
    await it.look();
    it.noteOpen();
    it.noteGone('the cable was pulled');
    expect(it.current).toMatchObject({ present: false, cause: 'gone', reason: 'the cable was pulled' });
    await it.look();
    clock.pass(999);
    await it.look();
    expect(said).toEqual(['present plugged 1-1', 'absent gone']);
    clock.pass(1);
    await it.look();
    expect(said).toEqual(['present plugged 1-1', 'absent gone', 'present plugged 1-1']);
  });

  test('gone: the next plug is believed at once, and its absence is no news', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('cp2112://');
    await it.look();
    it.noteGone();
    pull();
    await it.look();
    fake.add(bridgeEntries({ devnum: '3' }));
    await it.look();
    it.noteGone();
    it.noteGone();
    expect(said).toEqual(['present plugged 1-1', 'absent gone', 'present plugged 1-1', 'absent gone']);
  });

  test('open: looks only raise a doubt, once for each; closed: looks decide again', async () => {
    fake.add(bridgeEntries());
    const { it, said } = follow('cp2112://');
    const doubts: string[] = [];
    it.on('doubt', (reason) => doubts.push(reason));
    await it.look();
    it.noteOpen();
    pull();
    await it.look();
    await it.look();
    fake.add(bridgeEntries({ devnum: '3' }));
    await it.look();
    await it.look();
    expect(said).toEqual(['present plugged 1-1']);
    expect(doubts).toEqual(['no bridge is plugged in', 'something else is plugged in there']);
    it.noteClosed();
    await it.look();
    expect(said).toEqual(['present plugged 1-1', 'absent unplugged', 'present plugged 1-1']);
  });

  test('open before anybody has looked; and a look that began before it was said changes nothing', async () => {
    const { it, said } = follow('cp2112://');
    const looking = it.look(); // the first one, under way, will show nothing
    fake.add(bridgeEntries());
    it.noteOpen();
    await looking;
    expect(said).toEqual(['present opened']);
    it.noteClosed();
    await it.look();
    expect(said).toEqual(['present opened']);
  });
});

describe('one that is followed', () => {
  test('as an iterable: what is so first, then each change, and the end with close()', async () => {
    const { it } = follow('cp2112://');
    const seen: string[] = [];
    const reading = (async () => {
      for await (const state of it) {
        seen.push(shown(state));
        if (state.present) it.close();
        else {
          fake.add(bridgeEntries());
          hint();
          clock.pass(20);
        }
      }
    })();
    await reading;
    expect(seen).toEqual(['absent absent', 'present plugged 1-1']);
    for await (const state of it) seen.push(`again ${shown(state)}`);
    expect(seen[2]).toBe('again present plugged 1-1');
  });

  test('a consumer that is far behind misses the oldest changes, and never sees a plug without the absence before', async () => {
    fake.add(bridgeEntries());
    const { it } = follow('cp2112://');
    await it.look();
    const states = it[Symbol.asyncIterator]();
    expect((await states.next()).value).toMatchObject({ present: true });
    for (let i = 0; i < 200; i++) {
      it.noteGone(`number ${String(i)}`);
      it.noteOpen();
    }
    it.close();
    const rest: PresenceState[] = [];
    for (let next = await states.next(); !next.done; next = await states.next()) rest.push(next.value);
    expect(rest.length).toBeGreaterThan(60);
    expect(rest.length).toBeLessThanOrEqual(64);
    rest.forEach(({ present }, index) => {
      expect(present).toBe(index % 2 === 1);
    });
    expect(rest.at(-2)?.reason).toBe('number 199');
  });

  test('close() and an aborted signal end it; nothing comes after, and close is told once', async () => {
    const controller = new AbortController();
    const { it, said } = follow('cp2112://', { signal: controller.signal });
    let closes = 0;
    it.on('close', () => closes++);
    await it.look();
    const looking = it.look();
    controller.abort();
    it.close();
    await looking;
    fake.add(bridgeEntries());
    it.noteOpen();
    await it.look();
    expect({ said, closes, closed: it.closed }).toEqual({ said: ['absent absent'], closes: 1, closed: true });
    expect(follow('cp2112://', { signal: controller.signal }).it.closed).toBe(true);
    expect(listening).toBe(0);
  });

  test('two hundred share one look and one lookout', async () => {
    const all = Array.from({ length: 200 }, (_, i) => follow(`cp2112://NONE${String(i)}`));
    await all[0]?.it.look();
    expect(all.every(({ said }) => said[0] === 'absent absent')).toBe(true);
    expect(listening).toBe(1);
    expect(looks).toBeLessThanOrEqual(3);
  });

  test('a listener that throws is the uncaught exception, and the others hear all the same', async () => {
    const bad = follow('cp2112://');
    bad.it.on('change', () => {
      throw new Error('of a listener');
    });
    const good = follow('cp2112://');
    const uncaught = jest.spyOn(process, 'nextTick').mockImplementation((call: unknown) => {
      expect(call).toThrow('of a listener');
    });
    await good.it.look();
    uncaught.mockRestore();
    expect(good.said).toEqual(['absent absent']);
  });

  test.each([
    ['mem://64', /does not come and go/],
    ['file:///x', /does not come and go/],
    ['ftp://x', /of no bus/],
    ['sysfs://a/b', /takes the name/],
    ['cp2112:///0x50?chip=24c02', /names a part/],
  ])('%s is refused', (uri, why) => {
    expect(() => presence(uri)).toThrow(why);
  });

  test('wrong options and wrong objects are refused', () => {
    expect(() => presence('cp2112://', { everyMs: 0 })).toThrow(RangeError);
    expect(() => presence('cp2112://', { every: 1 } as PresenceOptions)).toThrow(TypeError);
    expect(() => presence({ scheme: 'mem' } as never)).toThrow(/uri.scheme/);
    expect(() => presence(null as never)).toThrow(TypeError);
  });
});

describe('many who wait for what is not there', () => {
  const LOCAL = [
    'cp2112://NOWHERE',
    'cp2112://?id=1234:abcd',
    'hidraw:///dev/hidraw7',
    'i2c:///dev/i2c-7',
    'sysfs://7-00501',
  ];

  test('what one look reads does not depend on how many they are', async () => {
    const asked: string[] = [];
    for (const name of ['list', 'read', 'bytes', 'linkName', 'status', 'access'] as const) {
      const original = machine[name].bind(machine) as (path: string, ...rest: unknown[]) => Promise<unknown>;
      Object.assign(machine, {
        [name]: (path: string, ...rest: unknown[]) => {
          asked.push(`${name} ${path}`);
          return original(path, ...rest);
        },
      });
    }
    fake.add(bridgeEntries());
    const counts: number[] = [];
    for (let many = 0; many < 3; many++) {
      for (let i = 0; i < 1 + many * 20; i++)
        for (const uri of LOCAL) follow(`${uri.slice(0, -1)}${String(i % 10)}`);
      await [...open].at(-1)?.look();
      asked.length = 0;
      await [...open].at(-1)?.look();
      expect(new Set(asked).size).toBe(asked.length);
      counts.push(asked.length);
    }
    expect(counts[0]).toBeGreaterThan(5);
    expect(new Set(counts).size).toBe(1);
  });

  test.each(LOCAL)('%s costs no promise a look', async (uri) => {
    fake.add(bridgeEntries({ devnum: '3', serial: 'ANOTHER' }));
    const target = targetOf(uri) as LocalTarget;
    const seen = observe(target, await Snapshot.take(machine, new Needs([target])));
    expect(seen).toMatchObject({ cause: 'absent' });
  });
});
