import { formatFault, parseFault, type VirtualDevice, type DeviceSetup } from '../../lib/rig/index';
import type { Client } from './client';
import { DirectHost, pattern, withBench, withDevice } from './helpers';

const IMAGE = pattern(256);
/** Pages of 8 bytes. */
const PART: DeviceSetup = { eeproms: [{ address: 0x50, chip: '24c02', image: IMAGE, wp: 0 }] };
const NEW = [0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8];

const arm = (device: VirtualDevice, text: string): void => void device.faults.add(parseFault(text));
const image = (device: VirtualDevice): number[] => [...device.eeprom(0x50).image];
/** WP is an output and low. */
const lowerWp = async (client: Client): Promise<void> => {
  await client.setFeature(2, 1, 1, 0, 0);
  await client.setFeature(4, 0, 1);
};
/** The content with some bytes in another place. */
const withBytes = (offset: number, bytes: readonly number[]): number[] => {
  const copy = [...IMAGE];
  copy.splice(offset, bytes.length, ...bytes);
  return copy;
};
/** Where two contents differ. */
const differences = (one: ArrayLike<number>, other: ArrayLike<number>): number[] =>
  Array.from(one).flatMap((byte, index) => (byte === other[index] ? [] : [index]));

describe('flip', () => {
  test.each([
    ['flip', 0, 0x01],
    ['flip:skip=40:bit=7', 40, 0x80],
    ['flip:at=200:bit=3', 200, 0x08],
  ])('%s: one bit of byte %i is wrong on the wire, once, and the array is right', (text, at, mask) =>
    withDevice(PART, async (client, device) => {
      arm(device, text);
      const first = await client.readAt(0x50, [0], 256);
      expect(differences(first, IMAGE)).toEqual([at]);
      expect((first[at] ?? 0) ^ (IMAGE[at] ?? 0)).toBe(mask);
      expect(image(device)).toEqual([...IMAGE]);
      expect(await client.readAt(0x50, [0], 256)).toEqual(Buffer.from(IMAGE));
      expect(device.faults.list()).toEqual([]);
    }),
  );

  test('a seeded place and bit are the same each time, in range, and differ by seed', async () => {
    const places: string[] = [];
    for (const seed of [1, 1, 2, 3, 4]) {
      await withDevice(PART, async (client, device) => {
        arm(device, `flip:below=100:seed=${String(seed)}`);
        const got = await client.readAt(0x50, [0], 256);
        const [at = -1, more] = differences(got, IMAGE);
        expect(more).toBeUndefined();
        expect(at).toBeLessThan(100);
        places.push(`${String(at)}^${String((got[at] ?? 0) ^ (IMAGE[at] ?? 0))}`);
      });
    }
    expect(places[0]).toBe(places[1]);
    expect(new Set(places).size).toBe(4);
  });

  test('stored: the byte is programmed wrong, and stays so', () =>
    withDevice(PART, async (client, device) => {
      await lowerWp(client);
      arm(device, 'flip:stored:at=18:bit=4');
      await client.writeBytes(0x50, 16, ...NEW);
      expect(image(device)).toEqual(withBytes(16, [0xa1, 0xa2, 0xa3 ^ 0x10, ...NEW.slice(3)]));
    }));

  test('now: the array changes without anybody’s doing', () =>
    withDevice(PART, async (client, device) => {
      arm(device, 'flip:now:at=9:bit=1');
      expect(differences(image(device), IMAGE)).toEqual([9]);
      expect((await client.readAt(0x50, [9], 1))[0]).toBe((IMAGE[9] ?? 0) ^ 2);
      expect(() => {
        arm(device, 'flip:now:at=256');
      }).toThrow('a 24c02 has bytes 0 to 255, not 256');
    }));

  test('an SPD5118 as well, which shows its array in pages of its own', () =>
    withDevice(
      { eeproms: [{ address: 0x50, chip: 'spd5118', image: pattern(1024) }] },
      async (client, device) => {
        arm(device, 'flip:at=3');
        expect(differences(await client.readAt(0x50, [0x80], 8), pattern(8))).toEqual([3]);
      },
    ));

  test('another part is left alone', () =>
    withDevice(
      {
        eeproms: [
          { address: 0x50, chip: '24c02', image: IMAGE },
          { address: 0x51, chip: '24c02', image: IMAGE },
        ],
      },
      async (client, device) => {
        arm(device, 'flip:address=0x51');
        expect(await client.readAt(0x50, [0], 8)).toEqual(Buffer.from(IMAGE.subarray(0, 8)));
        expect(differences(await client.readAt(0x51, [0], 8), IMAGE.subarray(0, 8))).toEqual([0]);
      },
    ));
});

describe('page writes that are acknowledged', () => {
  test.each([
    ['drop-page', [] as number[], true],
    ['drop-page:keep=3', [0xa1, 0xa2, 0xa3], true],
    ['drop-page:no-cycle', [], false],
  ])('%s: what is stored, and whether a write cycle takes place', (text, stored, cycle) =>
    withDevice(PART, async (client, device) => {
      await lowerWp(client);
      arm(device, text);
      const events: unknown[] = [];
      device.on('eeprom', (event) => events.push(event));
      expect(await client.writeBytes(0x50, 16, ...NEW)).toMatchObject({ code: 2 });
      expect(image(device)).toEqual(withBytes(16, stored));
      expect(events[0]).toEqual({
        type: 'drop',
        address: 0x50,
        offset: 16,
        length: 8 - stored.length,
        reason: 'fault',
      });
      await client.readAt(0x50, [0], 1);
      expect(device.eeprom(0x50).busyNaks > 0).toBe(cycle);
      await client.writeBytes(0x50, 16, ...NEW);
      expect(image(device)).toEqual(withBytes(16, NEW));
    }),
  );

  test.each([
    ['wrong-page', 16, 24],
    ['wrong-page:by=-2', 16, 0],
    ['wrong-page:by=-1', 0, 248],
    ['wrong-page:by=3', 240, 8],
  ])('%s: what belongs at %i is at %i', (text, at, where) =>
    withDevice(PART, async (client, device) => {
      await lowerWp(client);
      arm(device, text);
      await client.writeBytes(0x50, at, ...NEW);
      expect(image(device)).toEqual(withBytes(where, NEW));
    }),
  );

  test('wrong-page:read: a read begins a page further on', () =>
    withDevice(PART, async (client, device) => {
      arm(device, 'wrong-page:read');
      expect(await client.readAt(0x50, [16], 8)).toEqual(Buffer.from(IMAGE.subarray(24, 32)));
      expect(await client.readAt(0x50, [16], 8)).toEqual(Buffer.from(IMAGE.subarray(16, 24)));
    }));

  test('count, skip and at choose the writes', () =>
    withDevice(PART, async (client, device) => {
      await lowerWp(client);
      arm(device, 'drop-page:skip=1:count=2');
      arm(device, 'drop-page:at=100');
      for (const at of [0, 8, 16, 24, 96]) await client.writeBytes(0x50, at, ...NEW);
      const kept = differences(image(device), IMAGE).filter((at) => at % 8 === 0);
      expect(kept).toEqual([0, 24]);
      expect(device.faults.list()).toEqual([]);
    }));

  test('forget: it reads back, and the next unplug brings the old bytes back', () =>
    withBench({ devices: [PART] }, async (bench, attach) => {
      const device = bench.device();
      let client = await attach();
      await lowerWp(client);
      arm(device, 'forget');
      await client.writeBytes(0x50, 16, ...NEW);
      await client.writeBytes(0x50, 32, ...NEW);
      expect(await client.readAt(0x50, [16], 8)).toEqual(Buffer.from(NEW));
      // What is written over it properly stays.
      await client.writeBytes(0x50, 20, 1, 2);
      await client.readAt(0x50, [0], 1);
      device.unplug();
      device.plug();
      client = await attach();
      const now = withBytes(32, NEW);
      now.splice(20, 2, 1, 2);
      expect([...(await client.readAt(0x50, [0], 256))]).toEqual(now);
    }));
});

describe('write protect', () => {
  test('wp-stuck: the host lets it go up, and it stays low until the next time', () =>
    withDevice(PART, async (client, device) => {
      await lowerWp(client);
      arm(device, 'wp-stuck');
      await client.setFeature(4, 1, 1);
      expect(device.gpioLevels & 1).toBe(0);
      expect((await client.getFeature(3, 2))[1] ?? 1 & 1).toBe(0xfe);
      await client.writeBytes(0x50, 16, ...NEW);
      expect(image(device)).toEqual(withBytes(16, NEW));
      await client.setFeature(4, 1, 1);
      expect(device.gpioLevels & 1).toBe(1);
      await client.writeBytes(0x50, 32, ...NEW);
      expect(image(device)).toEqual(withBytes(16, NEW));
    }));

  test('wp-stuck:count=forever: not by making the pin an input either; other pins follow', () =>
    withDevice(PART, async (client, device) => {
      await client.setFeature(2, 3, 3, 0, 0);
      await client.setFeature(4, 0, 3);
      arm(device, 'wp-stuck:count=forever');
      await client.setFeature(4, 3, 3);
      expect(device.gpioLevels & 3).toBe(2);
      await client.setFeature(2, 0, 0, 0, 0);
      expect(device.gpioLevels & 3).toBe(2);
    }));

  test('wp-stuck with an inverter: the pin stays high', () =>
    withDevice(
      { eeproms: [{ address: 0x50, chip: '24c02', wp: 0, wpInverted: true }] },
      async (client, device) => {
        await client.setFeature(2, 1, 1, 0, 0);
        arm(device, 'wp-stuck');
        await client.setFeature(4, 0, 1);
        expect(device.gpioLevels & 1).toBe(1);
        await client.setFeature(4, 0, 1);
        expect(device.gpioLevels & 1).toBe(0);
      },
    ));

  test.each(['microchip', 'st'] as const)('wp-ignored: %s stores what WP forbids, once', (maker) =>
    withDevice(
      { eeproms: [{ address: 0x50, chip: '24c02', image: IMAGE, wp: true, maker, pageSize: 8 }] },
      async (client, device) => {
        arm(device, 'wp-ignored:skip=1');
        await client.writeBytes(0x50, 0, ...NEW);
        expect(image(device)).toEqual([...IMAGE]);
        await client.writeBytes(0x50, 16, ...NEW);
        expect(image(device)).toEqual(withBytes(16, NEW));
        await client.writeBytes(0x50, 32, ...NEW);
        expect(image(device)).toEqual(withBytes(16, NEW));
      },
    ),
  );
});

describe('what comes back', () => {
  const TWO: DeviceSetup = {
    eeproms: [
      { address: 0x50, chip: '24c02', image: IMAGE },
      { address: 0x51, chip: '24cs01', image: pattern(128, 9) },
    ],
  };
  const unplugAndPlug = (device: VirtualDevice): void => {
    device.unplug();
    device.plug();
  };

  test('swap: another content after the next unplug, the same for the same seed', () =>
    withBench({ devices: [TWO] }, (bench) => {
      const device = bench.device();
      const contents = [1, 1, 2].map((seed) => {
        device.eeprom(0x50).image = IMAGE;
        arm(device, `swap:address=0x50:seed=${String(seed)}`);
        expect(image(device)).toEqual([...IMAGE]);
        unplugAndPlug(device);
        return image(device);
      });
      expect(differences(contents[0] ?? [], IMAGE).length).toBeGreaterThan(200);
      expect(contents[0]).toEqual(contents[1]);
      expect(contents[0]).not.toEqual(contents[2]);
      expect([...device.eeprom(0x51).image]).toEqual([...pattern(128, 9)]);
      unplugAndPlug(device);
      expect(image(device)).toEqual(contents[2]);
      return Promise.resolve();
    }));

  test('swap: a few bytes, another part’s content, another part with its number', () =>
    withBench({ devices: [TWO] }, (bench) => {
      const device = bench.device();
      arm(device, 'swap:address=0x50:bytes=3');
      unplugAndPlug(device);
      expect(differences(image(device), IMAGE)).toHaveLength(3);
      arm(device, 'swap:address=0x50:with=0x51');
      unplugAndPlug(device);
      expect(image(device)).toEqual([...pattern(128, 9), ...new Uint8Array(128).fill(0xff)]);
      const number = [...device.eeprom(0x51).windowImage];
      arm(device, 'swap:address=0x51');
      unplugAndPlug(device);
      expect([...device.eeprom(0x51).windowImage]).toEqual(number);
      arm(device, 'swap:address=0x51:part');
      unplugAndPlug(device);
      expect([...device.eeprom(0x51).windowImage]).not.toEqual(number);
      return Promise.resolve();
    }));

  test('a Reset report takes no supply away: nothing is swapped', () =>
    withDevice(PART, async (client, device) => {
      arm(device, 'swap');
      await client.setFeature(1, 1).catch(() => undefined);
      await client.gone;
      expect(device.plugged).toBe(true);
      expect(image(device)).toEqual([...IMAGE]);
    }));

  test('slow-return: it shows ms after the plug', () => {
    const host = new DirectHost(PART);
    host.device.unplug();
    arm(host.device, 'slow-return:ms=300');
    host.device.plug();
    host.device.plug();
    host.clock.advance(299_999);
    expect(host.device.plugged).toBe(false);
    host.clock.advance(1);
    expect(host.device.plugged).toBe(true);
  });

  test('slow-return: unplugged before it showed, it does not; the next plug is as ever', () => {
    const host = new DirectHost(PART);
    host.device.unplug();
    arm(host.device, 'slow-return:ms=300');
    host.device.plug();
    host.device.unplug();
    host.clock.advance(1_000_000);
    expect(host.device.plugged).toBe(false);
    host.device.plug();
    expect(host.device.plugged).toBe(true);
  });

  test('slow-return without a time: never, until it is released', () => {
    const host = new DirectHost(PART);
    host.device.unplug();
    const fault = host.device.faults.add({ kind: 'slow-return' });
    host.device.plug();
    host.clock.advance(1e9);
    expect(host.device.plugged).toBe(false);
    fault.release();
    expect(host.device.plugged).toBe(true);
  });
});

describe('a supply that dips', () => {
  const DEVICE: DeviceSetup = { eeproms: [{ address: 0x50, chip: '24c02', powerLoss: 'tear' }] };
  /** Begins a write cycle, which takes 5 ms. */
  const writing = (): DirectHost => {
    const host = new DirectHost(DEVICE);
    host.configure({ hz: 400_000 });
    host.out(0x14, 0xa0, 9, 0, ...NEW);
    while (host.device.eeprom(0x50).writeCycles === 0) host.clock.advance(1000);
    return host;
  };

  test('sag: the bridge is gone and begins anew, the part completes its write cycle', () => {
    const host = writing();
    host.device.sag();
    expect(host.goneAt).toBeDefined();
    host.clock.advance(10_000);
    host.device.plug();
    expect(image(host.device).slice(0, 8)).toEqual(NEW);
  });

  test('unplug: the page is torn; so it is when the plug goes while the bridge is away', () => {
    for (const away of [false, true]) {
      const host = writing();
      if (away) host.device.sag();
      host.device.unplug();
      host.device.plug();
      expect(image(host.device).slice(0, 8)).toEqual([...NEW.slice(0, 4), 255, 255, 255, 255]);
    }
  });

  test('a plug pulled while a Reset report has the bridge away stays pulled', () => {
    const host = new DirectHost({ ...DEVICE, reenumerateMs: 50 });
    host.setFeature(1, 1);
    host.clock.advance(2000);
    expect(host.device.plugged).toBe(false);
    host.device.unplug();
    host.clock.advance(1_000_000);
    expect(host.device.plugged).toBe(false);
  });

  test('silence of some length ends by time, over an unplug too', () => {
    const host = new DirectHost(DEVICE);
    arm(host.device, 'silent:ms=300');
    host.device.unplug();
    host.device.plug();
    host.clock.advance(300_000);
    expect(host.device.faults.list()).toEqual([]);
  });
});

describe('stale', () => {
  test('the previous report once more: a status, or an answer with its data', () =>
    withDevice(PART, async (client, device) => {
      await client.readAt(0x50, [0], 4);
      arm(device, 'stale:report=0x13');
      expect(await client.readAt(0x50, [8], 4)).toEqual(Buffer.from(IMAGE.subarray(0, 4)));
      expect(await client.readAt(0x50, [8], 4)).toEqual(Buffer.from(IMAGE.subarray(8, 12)));
      arm(device, 'stale:report=0x16');
      await client.out(0x14, 0xb0, 1, 0);
      expect((await client.status()).code).toBe(2);
    }));

  test('data: the answer looks right, and its bytes are those of the read before', () =>
    withDevice(PART, async (client, device) => {
      arm(device, 'stale:data');
      // There is nothing to answer with yet.
      expect(await client.readAt(0x50, [0], 4)).toEqual(Buffer.from(IMAGE.subarray(0, 4)));
      const expected = [...IMAGE.subarray(0, 4), ...IMAGE.subarray(104, 108)];
      expect([...(await client.readAt(0x50, [100], 8))]).toEqual(expected);
      expect([...(await client.readAt(0x50, [100], 8))]).toEqual([...IMAGE.subarray(100, 108)]);
    }));

  test('an unplug makes the bridge forget what it had answered', () =>
    withBench({ devices: [PART] }, async (bench, attach) => {
      await (await attach()).readAt(0x50, [0], 4);
      arm(bench.device(), 'stale:data');
      bench.device().unplug();
      bench.device().plug();
      const client = await attach();
      expect(await client.readAt(0x50, [8], 4)).toEqual(Buffer.from(IMAGE.subarray(8, 12)));
    }));
});

test.each([
  'unplug:now',
  'unplug:wire=1000:before:rst:count=forever',
  'unplug:wire:below=32768:seed=7',
  'nak:address=0x50:count=3:skip=2',
  'silent:in:ms=300:skip=4',
  'stuck:hard',
  'flip:stored:bit=3:address=0x50:at=12:below=9:seed=4',
  'drop-page:no-cycle:keep=4',
  'wrong-page:read:by=-2',
  'swap:part:address=0x50:bytes=3',
  'stale:data:skip=1',
])('%s is written as it was read', (text) => {
  expect(formatFault(parseFault(text))).toBe(text);
});
