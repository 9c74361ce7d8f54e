import fc from 'fast-check';
import { RealClock } from '../../lib/rig/index';
import { setupPacket } from './client';
import { DirectHost, pattern } from './helpers';

const PARTS = {
  eeproms: [
    { address: 0x50, chip: '24c02' },
    { address: 0x52, chip: '24c256', image: pattern(32768) },
  ],
};

/** Bytes received `us` after the start of an addressed read, two address bytes, by the count of bits. */
function crossed(us: number, hz: number, length: number): number {
  const bits = (us * hz) / 1e6;
  // START + address, two word address bytes, repeated START + address, then 9 bits a byte.
  const header = 10 + 2 * 9 + 10;
  return Math.max(0, Math.min(length, Math.floor((bits - header) / 9 + 1e-9)));
}

describe('USB frames', () => {
  test('an OUT report goes in the next frame, one a frame', () => {
    const host = new DirectHost(PARTS);
    host.clock.advance(300);
    const ids = [host.out(0x15, 0), host.out(0x15, 0), host.out(0x15, 0)];
    host.clock.advance(10_000);
    expect(ids.map((id) => host.done(id)?.at)).toEqual([1000, 2000, 3000]);
  });

  test('an answer can be collected from the frame after the request, one a frame', () => {
    const host = new DirectHost(PARTS);
    const reads = [host.in(), host.in(), host.in()];
    host.out(0x15, 1);
    host.out(0x15, 1);
    host.clock.advance(5000);
    expect(reads.map((id) => host.done(id)?.at)).toEqual([2000, 3000, undefined]);
  });

  test('an IN URB that comes late waits for the next frame too', () => {
    const host = new DirectHost(PARTS);
    host.out(0x15, 1);
    host.clock.advance(7500);
    const read = host.in();
    host.clock.advance(5000);
    expect(host.done(read)?.at).toBe(8000);
  });

  test('control transfers take a frame each and do not wait for the others', () => {
    const host = new DirectHost(PARTS);
    host.out(0x15, 0);
    const setup = setupPacket(0xa1, 1, 0x0305, 0, 3);
    const ids = [host.submit(0, true, [], 3, setup), host.submit(0, true, [], 3, setup)];
    host.clock.advance(3000);
    expect(ids.map((id) => host.done(id)?.at)).toEqual([1000, 2000]);
  });

  test('an OUT report unlinked before its frame never happens', () => {
    const host = new DirectHost(PARTS);
    const write = host.out(0x14, 0xa0, 2, 0, 7);
    expect(host.unlink(write)).toBe(true);
    host.clock.advance(50_000);
    expect(host.unlink(write)).toBe(false);
    expect(host.device.eeprom(0x50).writeCycles).toBe(0);
    expect(host.completions).toEqual([]);
  });

  test('nothing is due while nothing is asked: a pending IN URB sets no timer', () => {
    const host = new DirectHost(PARTS);
    host.in();
    let calls = 0;
    const at = host.clock.at.bind(host.clock);
    host.clock.at = (...args): ReturnType<typeof at> => {
      calls++;
      return at(...args);
    };
    host.clock.advance(1e9);
    expect(calls).toBe(0);
  });
});

describe('the wire', () => {
  test('bytes received grow at the speed of the bus, at any clock and at any moment', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(10_000, 50_000, 100_000, 400_000),
        fc.integer({ min: 1, max: 512 }),
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 12 }),
        (hz, length, pauses) => {
          const host = new DirectHost(PARTS);
          host.configure({ hz });
          const started = host.wait(host.out(0x11, 0xa4, length >> 8, length & 0xff, 2, 0, 0)).at;
          let over = false;
          for (const pause of pauses) {
            host.clock.advance(pause * 1000);
            const asked = host.wait(host.out(0x15, 1)).at;
            const status = host.wait(host.in()).data;
            const view = Buffer.from(status);
            const wanted = crossed(asked - started, hz, length);
            if (over) {
              expect(view[1]).toBe(0);
              continue;
            }
            // The STOP takes one more bit.
            const done = (asked - started) * hz >= (10 + 18 + 10 + 9 * length + 1) * 1e6;
            expect([view[1], view.readUInt16BE(5)]).toEqual([done ? 2 : 1, wanted]);
            over = done;
          }
        },
      ),
    );
  });

  test('the first silicon pays for its STOP', () => {
    const ends = ([1, 2] as const).map((version) => {
      const host = new DirectHost({ ...PARTS, version });
      // 10 kHz, so that one bit is a tenth of a frame: 10 + 18 + (1) + 10 + 9·8 bits, then the STOP.
      host.configure({ hz: 10_000 });
      const started = host.wait(host.out(0x11, 0xa4, 0, 8, 2, 0, 0)).at;
      host.clock.advance(11_000);
      host.out(0x15, 1);
      const first = Buffer.from(host.wait(host.in()).data);
      expect(host.clock.now() - started).toBe(13_000);
      return [first[1], first.readUInt16BE(5)];
    });
    // 12.0 ms after the start: 120 bits; byte 8 is complete after 110 or 111 bits, the STOP after 111 or 112.
    expect(ends).toEqual([
      [2, 8],
      [2, 8],
    ]);
    const early = ([1, 2] as const).map((version) => {
      const host = new DirectHost({ ...PARTS, version });
      host.configure({ hz: 10_000 });
      host.wait(host.out(0x11, 0xa4, 0, 8, 2, 0, 0));
      host.clock.advance(10_000);
      host.out(0x15, 1);
      return Buffer.from(host.wait(host.in()).data).readUInt16BE(5);
    });
    // 11.0 ms: 110 bits are eight bytes exactly, and one bit too few on version 1.
    expect(early).toEqual([7, 8]);
  });

  test('a force send during the read gives the bytes valid so far', () => {
    const host = new DirectHost(PARTS);
    const started = host.wait(host.out(0x11, 0xa4, 2, 0, 2, 0, 0)).at;
    const sent = host.wait(host.out(0x12, 2, 0)).at;
    const report = host.wait(host.in()).data;
    const valid = crossed(sent - started, 100_000, 512);
    expect(valid).toBe(6);
    expect([...report.subarray(0, 3 + valid)]).toEqual([0x13, 1, valid, ...pattern(valid)]);
    host.clock.advance(60_000);
    expect(host.status()).toMatchObject({ code: 2, received: 512 });
    host.out(0x12, 2, 0);
    expect([...host.wait(host.in()).data.subarray(3)]).toEqual([...pattern(valid + 61).subarray(valid)]);
  });

  test('auto send: a report as soon as 61 bytes are there, the rest at the end', () => {
    const host = new DirectHost({ ...PARTS, version: 3 });
    host.configure({ autoSend: true });
    const started = host.wait(host.out(0x11, 0xa4, 0, 130, 2, 0, 0)).at;
    const reads = [host.in(), host.in(), host.in()];
    const arrived = reads.map((id) => host.wait(id).at - started);
    // Byte 61 is complete after 38 + 549 bits of 10 µs, byte 122 after 38 + 1098, the STOP after 38 + 1170 + 1.
    expect(arrived).toEqual([6000, 12_000, 13_000]);
    expect(reads.map((id) => host.done(id)?.data[2])).toEqual([61, 61, 8]);
    expect(reads.map((id) => host.done(id)?.data[1])).toEqual([1, 1, 2]);
  });

  test('retries go on with the clock', () => {
    const host = new DirectHost(PARTS);
    const started = host.wait(host.out(0x10, 0x60, 0, 1)).at;
    host.clock.advance(20_000);
    const asked = host.wait(host.out(0x15, 1)).at;
    const status = Buffer.from(host.wait(host.in()).data);
    // START, address and STOP are eleven bits of 10 µs, the first attempt is no retry.
    expect([status[1], status[2]]).toEqual([1, 1]);
    expect(Math.abs(status.readUInt16BE(3) - (asked - started) / 110)).toBeLessThanOrEqual(1);
  });

  test.each([
    ['read', [0x10, 0x60, 0, 1]],
    ['write', [0x14, 0x60, 1, 0]],
  ])('the chip’s %s timeout, to the millisecond', (_name, report) => {
    const host = new DirectHost(PARTS);
    host.configure({ read: 30, write: 30 });
    host.wait(host.out(...report));
    host.clock.advance(28_000);
    expect(host.status()).toMatchObject({ code: 1, reason: 1 });
    expect(host.status()).toMatchObject({ code: 3, reason: 0 });
  });

  test('a timeout in the middle of data: incomplete, and the bytes so far can be collected', () => {
    const host = new DirectHost(PARTS);
    host.configure({ read: 20 });
    host.wait(host.out(0x11, 0xa4, 2, 0, 2, 0, 0));
    host.clock.advance(30_000);
    const received = crossed(20_000, 100_000, 512);
    expect(host.status()).toEqual({ code: 3, reason: 3, retries: 0, received });
    host.out(0x12, 2, 0);
    const first = host.wait(host.in()).data;
    expect([...first.subarray(0, 3)]).toEqual([0x13, 3, 61]);
  });

  test('Cancel: the byte on the wire and a STOP, then idle', () => {
    const host = new DirectHost(PARTS);
    host.wait(host.out(0x11, 0xa4, 2, 0, 2, 0, 0));
    host.clock.advance(5000);
    host.out(0x17, 1);
    expect(host.status()).toMatchObject({ code: 0 });
    host.clock.advance(100_000);
    expect(host.device.stats.wireBytes).toBeLessThan(70);
    expect(host.status()).toMatchObject({ code: 0 });
  });
});

describe('write cycles', () => {
  test('begin with the STOP and end by the clock, noticed although nobody asks', () => {
    const host = new DirectHost(PARTS);
    const events: [string, number][] = [];
    host.device.on('eeprom', (event) => events.push([event.type, host.clock.now()]));
    host.wait(host.out(0x14, 0xa0, 3, 0, 1, 2));
    host.clock.advance(20_000);
    const part = host.device.eeprom(0x50);
    expect(events.map(([type]) => type)).toEqual(['start', 'commit']);
    // 1000 + (10 + 3·9 + 1) bits = 1380 µs, and 5 ms; told within the coarse timer's millisecond.
    const committed = events[1]?.[1] ?? 0;
    expect(committed).toBeGreaterThanOrEqual(6380);
    expect(committed).toBeLessThanOrEqual(7380);
    expect([...part.image.subarray(0, 2)]).toEqual([1, 2]);
  });

  test('addresses are refused until the cycle ends; the bridge’s own retries get through', () => {
    const host = new DirectHost(PARTS);
    host.configure({ retries: 3 });
    host.wait(host.out(0x14, 0xa0, 2, 0, 1));
    host.out(0x10, 0xa0, 0, 1);
    expect(host.status()).toMatchObject({ code: 3, reason: 0, retries: 3 });
    host.configure({ retries: 0 });
    const started = host.wait(host.out(0x10, 0xa0, 0, 1)).at;
    host.clock.advance(10_000);
    const status = host.status();
    expect(status).toMatchObject({ code: 2, reason: 5, received: 1 });
    // Attempts of eleven bits from `started` to the end of the cycle.
    const stop = 2000 + (10 + 2 * 9 + 1) * 10;
    expect(status.retries).toBe(Math.ceil((stop + 5000 - started - 100) / 110));
  });

  test('an unplug in the cycle takes the page back, after it does not', () => {
    for (const [wait, left] of [
      [3000, 0xff],
      [10_000, 7],
    ] as const) {
      const host = new DirectHost(PARTS);
      host.wait(host.out(0x14, 0xa0, 2, 0, 7));
      host.clock.advance(wait);
      host.device.unplug();
      expect(host.device.eeprom(0x50).image[0]).toBe(left);
      expect(host.goneAt).toBe(host.clock.now());
    }
  });

  test('an unplug before the STOP has written nothing', () => {
    const host = new DirectHost(PARTS);
    host.configure({ hz: 10_000 });
    host.wait(host.out(0x14, 0xa0, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8));
    host.clock.advance(5000);
    host.device.unplug();
    expect(host.device.eeprom(0x50).image.every((byte) => byte === 0xff)).toBe(true);
  });
});

describe('faults with a time', () => {
  test('unplug after byte N on the wire: in the frame in which it is seen', () => {
    const host = new DirectHost(PARTS);
    host.device.faults.add({ kind: 'unplug', on: 'wire', n: 100 });
    const started = host.wait(host.out(0x11, 0xa4, 2, 0, 2, 0, 0)).at;
    host.clock.advance(50_000);
    expect(host.device.stats.wireBytes).toBe(100);
    const byte = (10 + 18 + 10 + 900) * 10;
    expect(host.goneAt).toBe(started + Math.ceil(byte / 1000) * 1000);
  });

  test('a response comes later by so many milliseconds, others overtake it', () => {
    const host = new DirectHost(PARTS);
    host.device.faults.add({ kind: 'delay', report: 0x16, ms: 20 });
    const read = host.in();
    host.out(0x15, 1);
    host.clock.advance(20_500);
    expect(host.done(read)).toBeUndefined();
    host.clock.advance(2000);
    expect(host.done(read)?.at).toBe(22_000);
  });

  test('SCL low: 25 ms if the chip watches for it, else the read timeout, else for ever', () => {
    for (const [config, busyAt, endAt] of [
      [{ scl: true }, 22_000, 26_000],
      [{ read: 40 }, 37_000, 41_000],
      [{}, 500_000, Infinity],
    ] as const) {
      const host = new DirectHost(PARTS);
      host.configure(config);
      host.device.faults.add({ kind: 'scl-low' });
      const started = host.wait(host.out(0x10, 0xa0, 0, 1)).at;
      host.clock.advance(started + busyAt - host.clock.now());
      expect(host.status()).toMatchObject({ code: 1 });
      if (endAt === Infinity) {
        host.out(0x17, 1);
        expect(host.status()).toMatchObject({ code: 0 });
      } else {
        host.clock.advance(started + endAt - host.clock.now());
        expect(host.status()).toMatchObject({ code: 3, reason: 1 });
      }
    }
  });

  test('SCL low for a while, then the transfer goes on', () => {
    const host = new DirectHost(PARTS);
    host.device.faults.add({ kind: 'scl-low', ms: 10 });
    host.wait(host.out(0x10, 0xa0, 0, 1));
    host.clock.advance(8000);
    expect(host.status()).toMatchObject({ code: 1 });
    host.clock.advance(2000);
    expect(host.status()).toMatchObject({ code: 2, received: 1 });
  });

  test('a longer write cycle', () => {
    const host = new DirectHost(PARTS);
    host.device.faults.add({ kind: 'slow-write', ms: 30 });
    host.wait(host.out(0x14, 0xa0, 2, 0, 1));
    host.clock.advance(28_000);
    expect(host.device.eeprom(0x50).busy(host.clock.now())).toBe(true);
    host.clock.advance(5000);
    expect(host.device.eeprom(0x50).busy(host.clock.now())).toBe(false);
  });

  test('after a Reset report the device is away for as long as it is set up', () => {
    const host = new DirectHost({ ...PARTS, reenumerateMs: 50 });
    host.setFeature(1, 1);
    host.clock.advance(1000);
    expect([host.goneAt, host.device.plugged]).toEqual([1000, false]);
    host.clock.advance(49_999);
    expect(host.device.plugged).toBe(false);
    host.clock.advance(1);
    expect(host.device.plugged).toBe(true);
  });

  test('transfer toggles blink at about 10 Hz while a transfer runs, and are high when none does', () => {
    const host = new DirectHost(PARTS);
    host.wait(host.setFeature(2, 0, 0, 0x06, 0));
    expect(host.device.gpioLevels).toBe(0xff);
    host.wait(host.out(0x10, 0x60, 0, 1));
    const seen = new Set<number>();
    for (let step = 0; step < 10; step++) {
      host.clock.advance(25_000);
      seen.add(host.device.gpioLevels);
    }
    expect(seen).toEqual(new Set([0xff, 0xfd]));
    host.wait(host.out(0x17, 1));
    host.clock.advance(60_000);
    expect(host.device.gpioLevels).toBe(0xff);
  });
});

describe('the real clock', () => {
  test('calls in order, never early, and not after it was disposed of', async () => {
    const clock = new RealClock();
    const start = clock.now();
    const calls: string[] = [];
    const early: string[] = [];
    await new Promise<void>((resolve) => {
      const at = (name: string, us: number, coarse = false): void => {
        clock.at(
          start + us,
          () => {
            calls.push(name);
            if (clock.now() < start + us) early.push(name);
            if (calls.length === 4) resolve();
          },
          coarse,
        );
      };
      at('d', 6000);
      at('b', 1500);
      at('c', 4000, true);
      at('a', 0);
      clock.at(start + 2000, () => calls.push('cancelled')).cancel();
    });
    expect(calls).toEqual(['a', 'b', 'c', 'd']);
    expect(early).toEqual([]);
    clock.at(clock.now(), () => calls.push('late'));
    clock.dispose();
    clock.at(clock.now(), () => calls.push('later'));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(calls).toHaveLength(4);
  });
});
