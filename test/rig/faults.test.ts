import fc from 'fast-check';
import type { FaultSpec } from '../../lib/rig/index';
import { decodeStatus, Gone, Wire } from './client';
import { DirectHost, next, pattern, smbusReport, withBench, withDevice } from './helpers';

const IMAGE = pattern(32768);
const PARTS = {
  eeproms: [
    { address: 0x50, chip: '24c02' },
    { address: 0x52, chip: '24c256', image: IMAGE },
  ],
};

describe('unplug', () => {
  test('after byte N on the wire, at any N', () =>
    withBench({ devices: [PARTS] }, async (bench, attach) => {
      const device = bench.device();
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 511 }), async (n) => {
          const client = await attach();
          const before = device.stats.wireBytes;
          device.faults.add({ kind: 'unplug', on: 'wire', n });
          await expect(client.readAt(0x52, [0, 0], 512)).rejects.toBeInstanceOf(Gone);
          expect(device.stats.wireBytes - before).toBe(n);
          expect(device.plugged).toBe(false);
          device.plug();
        }),
        { numRuns: 30 },
      );
    }));

  test('bytes written count as well, word addresses do not, and nothing is stored without the STOP', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'unplug', on: 'wire', n: 3 });
      await expect(client.writeBytes(0x50, 0, 1, 2, 3, 4)).rejects.toBeInstanceOf(Gone);
      expect(device.stats.wireBytes).toBe(3);
      expect(device.eeprom(0x50).image[0]).toBe(0xff);
    }));

  test.each([
    [0, 0],
    [1, 61],
    [61, 61],
    [62, 122],
    [100, 122],
    [123, 130],
  ])('after %i bytes delivered to the host: %i arrive, in whole reports', (n, arrive) =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'unplug', on: 'host', n });
      await client.out(0x11, 0xa4, 0, 130, 2, 0, 0);
      await client.finish();
      const parts: Buffer[] = [];
      const collect = async (): Promise<void> => {
        await client.out(0x12, 0, 130);
        for (;;) {
          const report = await client.report();
          parts.push(report.subarray(3, 3 + report.readUInt8(2)));
        }
      };
      await expect(collect()).rejects.toBeInstanceOf(Gone);
      expect(Buffer.concat(parts)).toEqual(Buffer.from(IMAGE.subarray(0, arrive)));
      expect(device.stats.hostBytes).toBe(arrive);
    }),
  );

  const reports: [
    on: 'in' | 'out' | 'any' | 'control',
    n: number,
    phase: 'before' | 'after',
    reportsOut: number,
    reportsIn: number,
  ][] = [
    ['out', 2, 'before', 1, 0],
    ['out', 2, 'after', 2, 0],
    ['in', 1, 'before', 2, 0],
    ['in', 1, 'after', 2, 1],
    ['any', 1, 'after', 1, 0],
    ['any', 3, 'before', 2, 0],
    ['any', 3, 'after', 2, 1],
  ];
  test.each(reports)('at %s report %i, %s it takes effect', (on, n, phase, reportsOut, reportsIn) =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'unplug', on, n, phase });
      await expect(client.readAt(0x52, [0, 0], 61)).rejects.toBeInstanceOf(Gone);
      expect([device.stats.reportsOut, device.stats.reportsIn]).toEqual([reportsOut, reportsIn]);
    }),
  );

  test('at a control transfer, before and after it takes effect', async () => {
    for (const [phase, levels] of [
      ['before', []],
      ['after', [0xfe, 0xff]],
    ] as const) {
      await withDevice(PARTS, async (client, device) => {
        await client.setFeature(2, 1, 1, 0, 0);
        const told: number[] = [];
        device.on('gpio', (level) => told.push(level));
        device.faults.add({ kind: 'unplug', on: 'control', n: 1, phase });
        const set = client.setFeature(4, 0, 1);
        if (phase === 'before') await expect(set).rejects.toBeInstanceOf(Gone);
        else await set;
        await client.gone;
        expect(told).toEqual(levels);
      });
    }
  });

  test('now, with a reset of the connection', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'unplug', on: 'now', how: 'rst' });
      await client.gone;
      expect(device.plugged).toBe(false);
    }));

  test('a seeded position is the same each time, in range, and differs by seed', () =>
    withBench({ devices: [PARTS] }, async (bench, attach) => {
      const device = bench.device();
      const positions: number[] = [];
      for (const seed of [1, 1, 2, 3]) {
        const client = await attach();
        const before = device.stats.wireBytes;
        device.faults.add({ kind: 'unplug', on: 'wire', below: 500, seed });
        await expect(client.readAt(0x52, [0, 0], 512)).rejects.toBeInstanceOf(Gone);
        positions.push(device.stats.wireBytes - before);
        device.plug();
      }
      expect(positions[0]).toBe(positions[1]);
      expect(new Set(positions).size).toBe(3);
      expect(Math.max(...positions)).toBeLessThan(500);
    }));

  test('count: again after every N bytes of the next sessions', () =>
    withBench({ devices: [PARTS] }, async (bench, attach) => {
      const device = bench.device();
      device.faults.add({ kind: 'unplug', on: 'wire', n: 10, count: 2 });
      for (let round = 0; round < 2; round++) {
        await expect((await attach()).readAt(0x52, [0, 0], 64)).rejects.toBeInstanceOf(Gone);
        device.plug();
      }
      expect(await (await attach()).readAt(0x52, [0, 0], 64)).toEqual(Buffer.from(IMAGE.subarray(0, 64)));
    }));
});

describe('the wire', () => {
  test('NAK of the address N times: within the retries it is a success that counts them', () =>
    withDevice(PARTS, async (client, device) => {
      await client.setFeature(...smbusReport({ retries: 5 }));
      device.faults.add({ kind: 'nak', address: 0x52, count: 3 });
      await client.out(0x11, 0xa4, 0, 1, 2, 0, 0);
      expect(await client.finish()).toEqual({ code: 2, reason: 5, retries: 3, received: 1 });
    }));

  test('NAK for one chip leaves the others alone', () =>
    withDevice(PARTS, async (client, device) => {
      await client.setFeature(...smbusReport({ retries: 1 }));
      device.faults.add({ kind: 'nak', address: 0x50, count: Infinity });
      expect(await client.readAt(0x52, [0, 0], 1)).toHaveLength(1);
      expect(await client.writeBytes(0x50, 0, 1)).toMatchObject({ code: 3, reason: 0, retries: 1 });
    }));

  test('NAK of data byte n ends the write: incomplete', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'nak-data', byte: 2, address: 0x50 });
      expect(await client.writeBytes(0x50, 0, 1, 2, 3)).toMatchObject({ code: 3, reason: 4 });
      // Byte 1 of the data was taken and the STOP came: that much is programmed.
      expect([...device.eeprom(0x50).image.subarray(0, 3)]).toEqual([1, 0xff, 0xff]);
    }));

  test('NAK of a word address byte ends an addressed read: incomplete', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'nak-data', byte: 1 });
      await client.out(0x11, 0xa4, 0, 1, 2, 0, 0);
      expect(await client.finish()).toMatchObject({ code: 3, reason: 3, received: 0 });
    }));

  test('arbitration lost', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'arbitration' });
      await client.out(0x10, 0xa4, 0, 1);
      expect(await client.finish()).toMatchObject({ code: 3, reason: 2 });
      expect(await client.readAt(0x52, [0, 0], 1)).toHaveLength(1);
    }));

  test('SCL low: with the chip’s timeout an error, without until Cancel', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'scl-low', count: 2 });
      await client.out(0x10, 0xa4, 0, 1);
      for (let poll = 0; poll < 20; poll++) expect((await client.status()).code).toBe(1);
      await client.out(0x17, 1);
      expect((await client.status()).code).toBe(0);
      await client.setFeature(...smbusReport({ scl: true }));
      await client.out(0x10, 0xa4, 0, 1);
      expect(await client.status()).toMatchObject({ code: 3, reason: 1 });
    }));

  test('stuck busy ignores the chip’s own timeouts, until Cancel', () =>
    withDevice(PARTS, async (client, device) => {
      await client.setFeature(...smbusReport({ read: 1, scl: true, retries: 1 }));
      device.faults.add({ kind: 'stuck' });
      await client.out(0x10, 0xa4, 0, 1);
      for (let poll = 0; poll < 20; poll++) expect((await client.status()).code).toBe(1);
      await client.out(0x17, 1);
      expect((await client.status()).code).toBe(0);
    }));

  test('hard stuck ignores Cancel too; a Reset helps', () =>
    withBench({ devices: [PARTS] }, async (bench, attach) => {
      const client = await attach();
      bench.device().faults.add({ kind: 'stuck', hard: true });
      await client.out(0x10, 0xa4, 0, 1);
      await client.out(0x17, 1);
      expect((await client.status()).code).toBe(1);
      await client.setFeature(1, 1);
      await client.gone;
      expect(await (await attach()).readAt(0x52, [0, 0], 1)).toHaveLength(1);
    }));

  test('a longer write cycle, counted in refused addresses', () =>
    withDevice(PARTS, async (client, device) => {
      await client.setFeature(...smbusReport({ retries: 1 }));
      device.faults.add({ kind: 'slow-write', ms: 50, polls: 7 });
      await client.writeBytes(0x50, 0, 1);
      let refused = 0;
      for (; refused < 100; refused++) {
        await client.out(0x11, 0xa0, 0, 1, 1, 0);
        if ((await client.finish()).code === 2) break;
      }
      // Two attempts each: 2, 4, 6, and the eighth attempt gets through.
      expect(refused).toBe(3);
    }));

  test('without time the EEPROM refuses a fixed number of addresses after a write', () =>
    withDevice({ ...PARTS, busyPolls: 5 }, async (client) => {
      await client.writeBytes(0x50, 0, 1);
      await client.out(0x11, 0xa0, 0, 1, 1, 0);
      expect(await client.finish()).toEqual({ code: 2, reason: 5, retries: 5, received: 1 });
    }));
});

describe('responses', () => {
  test('a lost 0x16 takes the result with it', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'lose', report: 0x16 });
      await client.out(0x10, 0xa4, 0, 1);
      await client.out(0x15, 1);
      expect(await client.status()).toMatchObject({ code: 0 });
    }));

  test('a lost 0x13 leaves a gap', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'lose', report: 0x13, skip: 1 });
      await client.out(0x11, 0xa4, 0, 130, 2, 0, 0);
      await client.finish();
      await client.out(0x12, 0, 130);
      const [first, third] = [await client.report(), await client.report()];
      expect([...third.subarray(2, 11)]).toEqual([8, ...IMAGE.subarray(122, 130)]);
      expect(first[2]).toBe(61);
    }));

  test('a delayed response comes when it is released, after those that overtook it', () =>
    withDevice(PARTS, async (client, device) => {
      const fault = device.faults.add({ kind: 'delay', report: 0x16 });
      await client.out(0x10, 0xa4, 0, 1);
      await client.out(0x15, 1);
      expect(await client.status()).toMatchObject({ code: 0 });
      expect(fault.fired).toBe(1);
      fault.release();
      expect(decodeStatus(await client.report())).toMatchObject({ code: 2, received: 1 });
      expect(device.faults.list()).toEqual([]);
    }));

  test('a response held back does not survive an unplug', () =>
    withBench({ devices: [PARTS] }, async (bench, attach) => {
      const device = bench.device();
      const fault = device.faults.add({ kind: 'delay', report: 0x16 });
      await (await attach()).out(0x15, 1);
      device.unplug();
      device.plug();
      fault.release();
      const client = await attach();
      await client.out(0x10, 0xa4, 0, 1);
      expect(await client.status()).toMatchObject({ code: 2 });
    }));

  test('a 0x13 without data: the data stay', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'empty' });
      await client.out(0x11, 0xa4, 0, 4, 2, 0, 0);
      await client.finish();
      await client.out(0x12, 0, 4);
      expect([...(await client.report()).subarray(0, 3)]).toEqual([0x13, 2, 0]);
      expect(await client.collect(4)).toEqual(Buffer.from(IMAGE.subarray(0, 4)));
    }));

  test('unsolicited reports: at once, or before the next response', () =>
    withDevice(PARTS, async (client, device) => {
      const pending = client.in();
      device.faults.add({ kind: 'unsolicited' });
      expect([...(await pending.reply).data.subarray(0, 7)]).toEqual([0x16, 0, 0, 0, 0, 0, 0]);
      device.faults.add({ kind: 'unsolicited', report: 0x13, when: 'next' });
      await client.out(0x10, 0xa4, 0, 1);
      await client.out(0x15, 1);
      expect([...(await client.report()).subarray(0, 3)]).toEqual([0x13, 0, 0]);
      expect(decodeStatus(await client.report())).toMatchObject({ code: 2 });
    }));

  test('garbage before the next response, the same for the same seed', () =>
    withDevice(PARTS, async (client, device) => {
      const garbage: Buffer[] = [];
      for (const seed of [5, 5, 6]) {
        device.faults.add({ kind: 'garbage', seed });
        await client.out(0x15, 1);
        garbage.push(await client.report());
        expect((await client.report())[0]).toBe(0x16);
      }
      expect(garbage[0]).toEqual(garbage[1]);
      expect(garbage[0]).not.toEqual(garbage[2]);
      device.faults.add({ kind: 'garbage', report: 0x13 });
      await client.out(0x15, 1);
      expect((await client.report())[0]).toBe(0x13);
    }));

  test('a stalled request, of one kind or of one report', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'stall', on: 'control', report: 6 });
      expect(await client.getFeature(5)).toHaveLength(3);
      await expect(client.getFeature(6)).rejects.toThrow('-32');
      expect(await client.getFeature(6)).toHaveLength(14);
      device.faults.add({ kind: 'stall', on: 'out', report: 0x15 });
      expect((await client.out(0x12, 0, 1)).status).toBe(0);
      expect((await client.out(0x15, 1)).status).toBe(-32);
      device.faults.add({ kind: 'stall', on: 'in' });
      expect((await client.in().reply).status).toBe(-32);
      await client.out(0x15, 1);
      expect((await client.report())[0]).toBe(0x16);
      expect(device.stats.stalls).toBe(3);
    }));
});

describe('silence', () => {
  test('of a device: nothing is answered until the fault is released, then everything', () =>
    withDevice(PARTS, async (client, device) => {
      // Twice the same silence is one silence for each fault, and over with the last of them.
      const other = device.faults.add({ kind: 'silent' });
      const fault = device.faults.add({ kind: 'silent' });
      other.release();
      let answers = 0;
      const asked = [client.getFeature(5), client.getFeature(6)].map((promise) =>
        promise.finally(() => answers++),
      );
      // The requests and any answer have had their turns of the event loop on both ends.
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      expect(answers).toBe(0);
      fault.release();
      expect((await Promise.all(asked)).map((report) => report.length)).toEqual([3, 14]);
    }));

  test('it NAKs: what was submitted can be taken back, and nothing of it has happened', () => {
    const host = new DirectHost(PARTS);
    host.device.faults.add({ kind: 'silent', ms: 50 });
    const setup = Uint8Array.of(0xa1, 1, 5, 3, 0, 0, 3, 0);
    const first = host.submit(0, true, [], 3, setup);
    const second = host.submit(0, true, [], 3, setup);
    host.clock.advance(49_000);
    expect(host.completions).toEqual([]);
    expect(host.unlink(first)).toBe(true);
    host.clock.advance(10_000);
    expect(host.completions.map(({ id, status }) => [id, status])).toEqual([[second, 0]]);
    host.device.dispose();
  });

  test('in only, after some reports: what is sent is taken, and answered when it is over', () => {
    const host = new DirectHost(PARTS);
    const fault = host.device.faults.add({ kind: 'silent', on: 'in', skip: 2 });
    const ask = (): void => {
      host.submit(1, true, [], 64);
      host.submit(1, false, [0x15, 1], 2);
    };
    host.submit(0, false, [], 0, Uint8Array.of(0, 9, 1, 0, 0, 0, 0, 0));
    host.clock.advance(10_000);
    ask();
    host.clock.advance(10_000);
    expect(host.completions).toHaveLength(3);
    expect(fault.fired).toBe(1);
    ask();
    host.clock.advance(500_000);
    expect(host.completions).toHaveLength(4); // the report out
    fault.release();
    host.clock.advance(10_000);
    expect(host.completions).toHaveLength(5);
    host.device.dispose();
  });

  test('of the server: connections are taken, and nothing is said', () =>
    withBench({ devices: [PARTS] }, async (bench) => {
      bench.silent = true;
      const wire = await Wire.open(bench.port);
      wire.write(Buffer.from('0111800500000000', 'hex'));
      let said = false;
      const list = wire.rest().then((bytes) => {
        said = true;
        return bytes;
      });
      await new Promise(setImmediate);
      expect(said).toBe(false);
      bench.silent = false;
      expect((await list).readUInt32BE(8)).toBe(1);
    }));

  test('a client that gives up on a silent device is noticed', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'silent' });
      const detached = next(device, 'detached');
      client.close();
      await detached;
      expect(device.attached).toBe(false);
    }));
});

describe('the box', () => {
  test('skip lets opportunities pass, count is how often, events tell', () =>
    withDevice(PARTS, async (client, device) => {
      const told: FaultSpec[] = [];
      device.on('fault', (spec) => told.push(spec));
      const spec: FaultSpec = { kind: 'lose', report: 0x16, skip: 1, count: 2 };
      const fault = device.faults.add(spec);
      expect([fault.remaining, fault.fired]).toEqual([2, 0]);
      for (let poll = 0; poll < 4; poll++) await client.out(0x15, 1);
      expect(device.stats.reportsOut).toBe(4);
      await Promise.all([client.report(), client.report()]);
      expect(told).toEqual([spec, spec]);
      expect([fault.remaining, fault.fired]).toEqual([0, 2]);
      expect(device.faults.list()).toEqual([]);
    }));

  test('clear takes every fault away', () =>
    withDevice(PARTS, async (client, device) => {
      device.faults.add({ kind: 'stall', count: Infinity });
      device.faults.add({ kind: 'nak', count: Infinity });
      device.faults.add({ kind: 'unplug', on: 'out', n: 3 });
      device.faults.clear();
      expect(await client.getFeature(5)).toHaveLength(3);
      expect(await client.readAt(0x52, [0, 0], 1)).toHaveLength(1);
    }));

  test.each<[string, FaultSpec]>([
    ['count 0', { kind: 'lose', count: 0 }],
    ['half a byte', { kind: 'nak-data', byte: 0.5 }],
    ['an unplug without a position', { kind: 'unplug', on: 'wire' }],
    ['report 0', { kind: 'unplug', on: 'in', n: 0 }],
    ['skip -1', { kind: 'empty', skip: -1 }],
  ])('%s is refused', (_name, spec) =>
    withDevice(PARTS, (_client, device) => {
      expect(() => device.faults.add(spec)).toThrow(RangeError);
      return Promise.resolve();
    }),
  );
});
