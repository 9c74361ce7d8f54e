import { next, pattern, smbusReport, withBench, withDevice } from './helpers';

const PARTS = {
  eeproms: [
    { address: 0x50, chip: '24c02' },
    { address: 0x52, chip: '24c256', image: pattern(32768) },
  ],
};

describe('feature reports', () => {
  test.each([1, 2, 3] as const)('version report of silicon %d', (version) =>
    withDevice({ version }, async (client) => {
      expect(await client.getFeature(5, 3)).toEqual(Buffer.from([5, 0x0c, version]));
    }),
  );

  test('the SMBus configuration has its defaults, keeps what it is given and loses it with the cable', () =>
    withBench({}, async (bench, attach) => {
      const client = await attach();
      const defaults = smbusReport({});
      expect([...(await client.getFeature(6, 14))]).toEqual(defaults);
      const given = { hz: 400_000, own: 0x20, autoSend: true, write: 1000, read: 300, scl: true, retries: 7 };
      await client.setFeature(...smbusReport(given));
      expect([...(await client.getFeature(6, 14))]).toEqual(smbusReport(given));
      // Another importer of the same plug finds it as it was left.
      const detached = next(bench.device(), 'detached');
      client.close();
      await detached;
      const second = await attach();
      expect([...(await second.getFeature(6, 14))]).toEqual(smbusReport(given));
      bench.device().unplug();
      bench.device().plug();
      expect([...(await (await attach()).getFeature(6, 14))]).toEqual(defaults);
    }));

  test.each([
    ['clock 0', { hz: 0 }],
    ['own address with bit 0', { own: 0x03 }],
    ['auto send 2', { autoSend: 2 }],
    ['write timeout 1001', { write: 1001 }],
    ['read timeout 65535', { read: 65535 }],
    ['SCL timeout 2', { scl: 2 }],
    ['retries 1001', { retries: 1001 }],
  ])('%s is ignored without a word', (_name, wrong) =>
    withDevice({}, async (client) => {
      const good = { hz: 50_000, own: 0x10, autoSend: true, write: 10, read: 20, scl: true, retries: 3 };
      await client.setFeature(...smbusReport(good));
      await client.setFeature(...smbusReport({ ...good, ...wrong }));
      expect([...(await client.getFeature(6, 14))]).toEqual(smbusReport(good));
    }),
  );

  test('a configuration that is too short changes nothing', () =>
    withDevice({}, async (client) => {
      await client.setFeature(...smbusReport({ hz: 50_000 }).slice(0, 10));
      expect([...(await client.getFeature(6))]).toEqual(smbusReport({}));
    }));

  test('a short GET_REPORT gets the beginning', () =>
    withDevice({}, async (client) => {
      expect(await client.getFeature(6, 5)).toEqual(Buffer.from(smbusReport({}).slice(0, 5)));
    }));

  test('Reset is an unplug and a plug with everything forgotten; other values are ignored', () =>
    withDevice({}, async (client, device, bench) => {
      await client.setFeature(1, 2);
      await client.setFeature(2, 0xff, 0xff, 0, 0);
      await client.setFeature(4, 0, 0xff);
      expect(device.gpioLevels).toBe(0);
      const before = device.devid;
      await client.setFeature(1, 1);
      await client.gone;
      expect(device.plugged).toBe(true);
      expect(device.devid).not.toBe(before);
      expect(device.gpioLevels).toBe(0xff);
      expect(bench.device().attached).toBe(false);
    }));

  test('the one-time programmable data: lock bits, program once, seen at GET', () =>
    withDevice({}, async (client) => {
      expect(await client.getFeature(0x20)).toEqual(Buffer.from([0x20, 0xff]));
      expect([...(await client.getFeature(0x21))]).toEqual([
        0x21, 0xc4, 0x10, 0x90, 0xea, 0x32, 0, 0, 0, 0xff,
      ]);
      // Program the release number only (mask bit 4), twice: the second time it is locked.
      await client.setFeature(0x21, 1, 1, 1, 1, 1, 1, 3, 4, 0x10);
      await client.setFeature(0x21, 1, 1, 1, 1, 1, 1, 5, 6, 0x10);
      expect([...(await client.getFeature(0x21))]).toEqual([
        0x21, 0xc4, 0x10, 0x90, 0xea, 0x32, 0, 3, 4, 0xef,
      ]);
      // A 0 bit locks for ever, a 1 bit unlocks nothing.
      await client.setFeature(0x20, 0x0f);
      await client.setFeature(0x20, 0xff);
      expect(await client.getFeature(0x20)).toEqual(Buffer.from([0x20, 0x0f]));
      const serial = await client.getFeature(0x24);
      expect(serial).toHaveLength(63);
      expect([serial[1], serial[2], serial.toString('utf16le', 3, 19)]).toEqual([18, 3, '0043FFF3']);
      await client.setFeature(0x24, 6, 3, 0x41, 0, 0x42, 0);
      expect((await client.getFeature(0x24)).toString('utf16le', 3, 19)).toBe('0043FFF3');
    }));

  test('a string of 30 characters can be programmed once, one of a wrong length not at all', () =>
    withDevice({}, async (client) => {
      const text = 'x'.repeat(30);
      await client.setFeature(0x23, 64, 3, 1, 2, 3);
      expect((await client.getFeature(0x23)).readUInt8(1)).toBe(2 + 60);
      await client.setFeature(0x23, 62, 3, ...Buffer.from(text, 'utf16le'));
      expect((await client.getFeature(0x23)).toString('utf16le', 3)).toBe(text);
      expect(await client.getFeature(0x20)).toEqual(Buffer.from([0x20, 0xbf]));
    }));
});

describe('GPIO', () => {
  test('pins float high; set acts on masked outputs only; configuration is read back', () =>
    withDevice({}, async (client) => {
      const level = async (): Promise<number> => (await client.getFeature(3, 2)).readUInt8(1);
      expect(await level()).toBe(0xff);
      await client.setFeature(4, 0x00, 0xff);
      expect(await level()).toBe(0xff);
      await client.setFeature(2, 0x0f, 0x03, 0, 9);
      expect([...(await client.getFeature(2, 5))]).toEqual([2, 0x0f, 0x03, 0, 9]);
      // An output begins at 1; the Set that came while it was an input left nothing behind.
      expect(await level()).toBe(0xff);
      await client.setFeature(4, 0x00, 0x05);
      expect(await level()).toBe(0xfa);
      await client.setFeature(4, 0xff, 0x04);
      expect(await level()).toBe(0xfe);
    }));

  test('outside drivers win over floating and open-drain highs, not over outputs that drive', () =>
    withDevice({}, async (client, device) => {
      device.driveGpio(0, 0);
      device.driveGpio(1, 0);
      device.driveGpio(2, 0);
      expect(device.gpioLevels).toBe(0xf8);
      await client.setFeature(2, 0x03, 0x01, 0, 0);
      // 0: push-pull high; 1: open-drain high, pulled down; 2: input, pulled down.
      expect(device.gpioLevels).toBe(0xf9);
      device.driveGpio(1, null);
      device.driveGpio(2, null);
      expect(device.gpioLevels).toBe(0xff);
      expect(() => {
        device.driveGpio(8, 1);
      }).toThrow(RangeError);
    }));

  test('special functions take their pins: bit 0 is pin 7, bits 1 and 2 are pins 0 and 1, idle high', () =>
    withDevice({}, async (client, device) => {
      await client.setFeature(2, 0xff, 0xff, 0x07, 0);
      await client.setFeature(4, 0x00, 0xff);
      expect(device.gpioLevels).toBe(0x83);
    }));

  test('changes are told, and only changes', () =>
    withDevice({ eeproms: [{ address: 0x50, chip: '24c02', wp: 3 }] }, async (client, device) => {
      const told: unknown[] = [];
      device.on('gpio', (levels) => told.push(levels));
      device.on('wp', (address, high) => told.push([address, high]));
      await client.setFeature(2, 0x08, 0x08, 0, 0);
      await client.setFeature(4, 0x00, 0x08);
      await client.setFeature(4, 0x00, 0x08);
      device.unplug();
      expect(told).toEqual([0xf7, [0x50, false], 0xff, [0x50, true]]);
    }));
});

describe('transfers', () => {
  test('an addressed read in three steps, with the codes told once', () =>
    withDevice(PARTS, async (client) => {
      await client.out(0x11, 0xa4, 0, 130, 2, 0x12, 0x34);
      expect(await client.status()).toEqual({ code: 2, reason: 5, retries: 0, received: 130 });
      expect((await client.status()).code).toBe(0);
      await client.out(0x12, 0, 130);
      const reports = [await client.report(), await client.report(), await client.report()];
      expect(reports.map((report) => [report.length, report[0], report[1], report[2]])).toEqual([
        [64, 0x13, 2, 61],
        [64, 0x13, 2, 61],
        [64, 0x13, 2, 8],
      ]);
      const data = Buffer.concat(reports.map((report) => report.subarray(3, 3 + report.readUInt8(2))));
      expect(data).toEqual(Buffer.from(pattern(32768).subarray(0x1234, 0x1234 + 130)));
    }));

  test('data are collected in any portions, once', () =>
    withDevice(PARTS, async (client) => {
      await client.out(0x11, 0xa4, 0, 100, 2, 0, 0);
      await client.finish();
      const parts = [await client.collect(1), await client.collect(61), await client.collect(30)];
      // More than there is: what there is, and then nothing.
      await client.out(0x12, 2, 0);
      const last = await client.report();
      expect(last[2]).toBe(8);
      parts.push(last.subarray(3, 11));
      expect(Buffer.concat(parts)).toEqual(Buffer.from(pattern(100)));
      await client.out(0x12, 0, 1);
      expect((await client.status()).code).toBe(0);
    }));

  test('512 bytes in one go, the current address after it, a plain read', () =>
    withDevice(PARTS, async (client) => {
      expect(await client.readAt(0x52, [0x01, 0x00], 512)).toEqual(
        Buffer.from(pattern(32768).subarray(256, 768)),
      );
      await client.out(0x10, 0xa4, 0, 3);
      expect((await client.finish()).received).toBe(3);
      expect(await client.collect(3)).toEqual(Buffer.from(pattern(32768).subarray(768, 771)));
    }));

  test.each([
    ['read of length 0', [0x10, 0xa4, 0, 0]],
    ['read of 513', [0x10, 0xa4, 2, 1]],
    ['read without a length', [0x10, 0xa4]],
    ['read with bit 0 of the address set', [0x10, 0xa5, 0, 1]],
    ['read from address 0', [0x10, 0x00, 0, 1]],
    ['read from address 0x7c', [0x10, 0xf8, 0, 1]],
    ['addressed read with 0 address bytes', [0x11, 0xa4, 0, 1, 0]],
    ['addressed read with 17 address bytes', [0x11, 0xa4, 0, 1, 17, ...new Array<number>(17).fill(0)]],
    ['addressed read that is cut', [0x11, 0xa4, 0, 1, 2, 0]],
    ['write of length 0', [0x14, 0xa0, 0]],
    ['write of 62', [0x14, 0xa0, 62, ...new Array<number>(61).fill(0)]],
    ['write that is cut', [0x14, 0xa0, 3, 0, 1]],
    ['a report nobody knows', [0x77, 1, 2, 3]],
    ['cancel with another value', [0x17, 2]],
    ['an empty packet', []],
  ])('%s is ignored', (_name, report) =>
    withDevice(PARTS, async (client, device) => {
      expect((await client.out(...report)).status).toBe(0);
      expect((await client.status()).code).toBe(0);
      expect(device.stats.wireBytes).toBe(0);
      expect(device.eeprom(0x50).writeCycles).toBe(0);
    }),
  );

  test('status requests with another value, and force sends of 0 and 513, are ignored', () =>
    withDevice(PARTS, async (client, device) => {
      await client.out(0x10, 0xa0, 0, 4);
      await client.out(0x15, 0);
      await client.out(0x12, 0, 0);
      await client.out(0x12, 2, 1);
      expect((await client.status()).received).toBe(4);
      expect(device.stats.reportsIn).toBe(1);
    }));

  test('reports padded to 64 bytes are understood', () =>
    withDevice(PARTS, async (client) => {
      const pad = (...report: number[]): number[] => [
        ...report,
        ...new Array<number>(64 - report.length).fill(0xee),
      ];
      await client.out(...pad(0x11, 0xa4, 0, 5, 2, 0, 7));
      await client.out(...pad(0x15, 1));
      expect((await client.report()).readUInt8(1)).toBe(2);
      await client.out(...pad(0x12, 0, 5));
      expect((await client.report()).subarray(3, 8)).toEqual(Buffer.from(pattern(12).subarray(7)));
    }));

  test('no data: a force send says nothing, or an empty 0x13 when so set up', async () => {
    await withDevice(PARTS, async (client) => {
      await client.out(0x12, 0, 1);
      expect((await client.status()).code).toBe(0);
    });
    await withDevice({ ...PARTS, answerEmpty: true }, async (client) => {
      await client.out(0x12, 0, 1);
      const report = await client.report();
      expect([report[0], report[1], report[2]]).toEqual([0x13, 0, 0]);
    });
  });

  test('auto send: data come unasked, force sends are ignored', () =>
    withDevice({ ...PARTS, version: 3 }, async (client) => {
      await client.setFeature(...smbusReport({ autoSend: true }));
      await client.out(0x11, 0xa4, 0, 100, 2, 0, 0);
      await client.out(0x12, 0, 100);
      const [first, second] = [await client.report(), await client.report()];
      expect([first[2], second[2]]).toEqual([61, 39]);
      expect(Buffer.concat([first.subarray(3, 64), second.subarray(3, 42)])).toEqual(
        Buffer.from(pattern(100)),
      );
      expect(await client.status()).toMatchObject({ code: 2, received: 100 });
      expect(await client.status()).toMatchObject({ code: 0 });
    }));

  test('nobody at the address: limited retries end in an error that counts them', () =>
    withDevice(PARTS, async (client) => {
      await client.setFeature(...smbusReport({ retries: 5 }));
      await client.out(0x10, 0x60, 0, 1);
      expect(await client.status()).toEqual({ code: 3, reason: 0, retries: 5, received: 0 });
      expect((await client.status()).code).toBe(0);
      await client.out(0x14, 0x60, 1, 0);
      expect(await client.status()).toMatchObject({ code: 3, reason: 0, retries: 5 });
    }));

  test('nobody at the address: by default it is tried for ever, until Cancel', () =>
    withDevice(PARTS, async (client) => {
      await client.out(0x10, 0x60, 0, 1);
      const first = await client.status();
      const second = await client.status();
      expect(first).toMatchObject({ code: 1, reason: 1 });
      expect(second).toMatchObject({ code: 1, reason: 1 });
      expect(second.retries).toBeGreaterThan(first.retries);
      await client.out(0x17, 1);
      expect((await client.status()).code).toBe(0);
      expect(await client.readAt(0x52, [0, 0], 2)).toEqual(Buffer.from(pattern(2)));
    }));

  test('the chip’s own read timeout ends endless retries', () =>
    withDevice(PARTS, async (client) => {
      await client.setFeature(...smbusReport({ read: 100, write: 200 }));
      await client.out(0x10, 0x60, 0, 1);
      expect(await client.status()).toMatchObject({ code: 3, reason: 0 });
      await client.out(0x14, 0x60, 1, 0);
      expect(await client.status()).toMatchObject({ code: 3, reason: 0 });
    }));

  test('Cancel drops read responses that wait, not status responses', () =>
    withDevice(PARTS, async (client, device) => {
      await client.out(0x11, 0xa4, 0, 100, 2, 0, 0);
      await client.out(0x15, 1);
      await client.out(0x12, 0, 100);
      await client.out(0x17, 1);
      expect((await client.report())[0]).toBe(0x16);
      expect((await client.status()).code).toBe(0);
      expect(device.stats.hostBytes).toBe(0);
    }));

  test('a new transfer forgets the data and the result of the one before', () =>
    withDevice(PARTS, async (client) => {
      await client.out(0x11, 0xa4, 0, 100, 2, 0, 0);
      await client.out(0x11, 0xa4, 0, 3, 2, 1, 0);
      expect(await client.status()).toMatchObject({ code: 2, received: 3 });
      expect(await client.collect(3)).toEqual(Buffer.from(pattern(259).subarray(256)));
    }));

  test('what a shorter IN report leaves of a longer one is on the bus too', () =>
    withDevice(PARTS, async (client) => {
      const data = await client.readAt(0x52, [0, 0], 61);
      await client.out(0x15, 1);
      expect((await client.report()).subarray(7)).toEqual(Buffer.concat([data.subarray(4)]));
    }));

  test('a host buffer under 64 bytes is babble', () =>
    withDevice(PARTS, async (client) => {
      await client.out(0x15, 1);
      expect((await client.in(16).reply).status).toBe(-75);
    }));
});
