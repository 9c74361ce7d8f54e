import fc from 'fast-check';
import { VirtualBench } from '../../lib/rig/index';
import { Client, decodeBlock, encodeSubmit, encodeUnlink, importRequest, setupPacket, Wire } from './client';
import { next, pattern, withBench, withDevice } from './helpers';

async function devlist(port: number): Promise<Buffer> {
  const wire = await Wire.open(port);
  wire.write(Buffer.from('0111800500000000', 'hex'));
  return wire.rest();
}

async function importStatus(port: number, busid: string): Promise<{ status: number; length: number }> {
  const wire = await Wire.open(port);
  wire.write(importRequest(busid));
  const reply = await wire.rest();
  return { status: reply.readUInt32BE(4), length: reply.length };
}

describe('operations', () => {
  test('the list has every plugged device with its interface, and the connection ends', () =>
    withBench(
      {
        devices: [{ busid: '1-1' }, { busid: '2-1.4', bcdDevice: 0x0100 }, { busid: '3-1', plugged: false }],
      },
      async (bench) => {
        const list = await devlist(bench.port);
        expect(list.subarray(0, 12).toString('hex')).toBe('0111000500000000' + '00000002');
        expect(list).toHaveLength(12 + 2 * (312 + 4));
        const first = decodeBlock(list.subarray(12, 12 + 312));
        const second = decodeBlock(list.subarray(12 + 316, 12 + 316 + 312));
        expect(first).toMatchObject({
          busid: '1-1',
          busnum: 1,
          speed: 2,
          vendorId: 0x10c4,
          productId: 0xea90,
        });
        expect(second).toMatchObject({ busid: '2-1.4', busnum: 2, bcdDevice: 0x0100 });
        // Class, subclass, protocol, configuration in use, configurations, interfaces; then the interface: HID.
        expect([...first.block.subarray(0x132, 0x138)]).toEqual([0, 0, 0, 1, 1, 1]);
        expect([...list.subarray(12 + 312, 12 + 316)]).toEqual([3, 0, 0, 0]);
        expect(first.block.toString('latin1', 0, first.block.indexOf(0))).toMatch(/\/1-1$/);
      },
    ));

  test('import: busy while somebody has it, free again when he leaves, no such device otherwise', () =>
    withBench({}, async (bench, attach) => {
      const client = await attach();
      expect(client.device.busid).toBe('1-1');
      expect(await importStatus(bench.port, '1-1')).toEqual({ status: 2, length: 8 });
      expect(await importStatus(bench.port, '9-9')).toEqual({ status: 4, length: 8 });
      const detached = next(bench.device(), 'detached');
      client.close();
      await detached;
      await attach();
      bench.device().unplug();
      expect(await importStatus(bench.port, '1-1')).toEqual({ status: 4, length: 8 });
      expect((await devlist(bench.port)).readUInt32BE(8)).toBe(0);
      bench.device().plug();
      await attach();
    }));

  test('several devices at once, each with its own importer', () =>
    withBench(
      {
        devices: [1, 2, 3].map((n) => ({
          busid: `1-${String(n)}`,
          eeproms: [{ address: 0x50, chip: '24c02', image: pattern(256, n) }],
        })),
      },
      async (_bench, attach) => {
        const clients = await Promise.all([attach('1-1'), attach('1-2'), attach('1-3')]);
        const images = await Promise.all(clients.map((client) => client.readAt(0x50, [0], 256)));
        expect(images).toEqual([1, 2, 3].map((n) => Buffer.from(pattern(256, n))));
        expect(new Set(clients.map((client) => client.devid)).size).toBe(3);
      },
    ));

  test('each plug has a device number of its own; a header with the old one ends the connection', () =>
    withBench({}, async (bench, attach) => {
      const old = (await attach()).devid;
      bench.device().unplug();
      bench.device().plug();
      const client = await attach();
      expect(client.devid).not.toBe(old);
      const refused = next(bench, 'protocolError');
      client.wire.write(encodeSubmit({ seqnum: 77, devid: old, endpoint: 1, isIn: true, length: 64 }));
      expect((await refused)[1]).toMatch(/device id/);
      await client.gone;
      expect(bench.device().attached).toBe(false);
    }));
});

describe('garbage closes its own connection and nothing else', () => {
  const garbage: [name: string, bytes: Buffer][] = [
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['another version', Buffer.from('0106800500000000', 'hex')],
    ['an unknown operation', Buffer.from('0111800700000000', 'hex')],
    ['a reply', Buffer.from('0111000300000000', 'hex')],
  ];
  test.each(garbage)('%s', (_name, bytes) =>
    withBench({}, async (bench, attach) => {
      const bystander = await attach();
      const refused = next(bench, 'protocolError');
      const wire = await Wire.open(bench.port);
      wire.write(bytes);
      await refused;
      expect(await wire.rest()).toHaveLength(0);
      expect(await bystander.getFeature(5)).toHaveLength(3);
    }),
  );

  const devid = 0x10002;
  const header = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = encodeSubmit({ seqnum: 5, devid, endpoint: 1, isIn: true, length: 64 });
    change(bytes);
    return bytes;
  };
  const bad: [name: string, bytes: Buffer][] = [
    ['command 3', header((bytes) => bytes.writeUInt32BE(3, 0))],
    ['direction 2', header((bytes) => bytes.writeUInt32BE(2, 12))],
    ['endpoint 16', header((bytes) => bytes.writeUInt32BE(16, 16))],
    ['a huge buffer', header((bytes) => bytes.writeUInt32BE(0x40000000, 24))],
    ['isochronous packets', header((bytes) => bytes.writeUInt32BE(3, 32))],
    ['a sequence number twice', Buffer.concat([header(() => undefined), header(() => undefined)])],
  ];
  test.each(bad)('URB header with %s', (_name, bytes) =>
    withBench({}, async (bench, attach) => {
      const client = await attach();
      client.wire.write(bytes);
      await client.gone;
      expect(bench.device().attached).toBe(false);
      expect(await (await attach()).getFeature(5)).toHaveLength(3);
    }),
  );

  test('any bytes at all leave the bench alive', () =>
    withBench({}, async (bench, attach) => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, afterImport) => {
          const wire = await Wire.open(bench.port);
          if (afterImport) {
            wire.write(importRequest('1-1'));
            await wire.read(320);
          }
          wire.socket.end(Buffer.from(bytes));
          await wire.closed;
        }),
        { numRuns: 60 },
      );
      expect(await (await attach()).getFeature(5)).toEqual(Buffer.from([5, 0x0c, 2]));
    }));
});

/** One session as bytes, and what the bench answers when it gets them in these pieces. */
async function session(bench: VirtualBench, cuts: readonly number[]): Promise<string> {
  const devid = bench.device().devid;
  const out = (seqnum: number, ...report: number[]): Buffer =>
    encodeSubmit({
      seqnum,
      devid,
      endpoint: 1,
      isIn: false,
      length: report.length,
      data: Uint8Array.from(report),
    });
  const input = (seqnum: number): Buffer =>
    encodeSubmit({ seqnum, devid, endpoint: 1, isIn: true, length: 64, packets: 0 });
  const request = Buffer.concat([
    importRequest('1-1'),
    encodeSubmit({
      seqnum: 1,
      devid,
      endpoint: 0,
      isIn: true,
      length: 18,
      setup: setupPacket(0x80, 6, 0x0100, 0, 18),
    }),
    input(2),
    input(3),
    out(4, 0x11, 0xa0, 0, 100, 1, 0x20),
    out(5, 0x12, 0, 100),
    encodeSubmit({
      seqnum: 6,
      devid,
      endpoint: 0,
      isIn: false,
      length: 5,
      setup: setupPacket(0x21, 9, 0x0302, 0, 5),
      data: Uint8Array.of(2, 1, 1, 0, 0),
    }),
    input(7),
    encodeUnlink(8, devid, 7),
    encodeUnlink(9, devid, 2),
  ]);
  const wire = await Wire.open(bench.port);
  const ends = [...cuts.map((cut) => cut % request.length), request.length].sort((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    wire.write(request.subarray(from, end));
    from = end;
    // Lets the piece go out on its own.
    await new Promise(setImmediate);
  }
  // Import, descriptor, two IN reports, two OUT, one SET, two unlink replies.
  const reply = await wire.read(320 + 48 + 18 + 2 * (48 + 64) + 3 * 48 + 2 * 48);
  const detached = next(bench.device(), 'detached');
  wire.close();
  await detached;
  return reply.toString('hex');
}

describe('the byte stream', () => {
  test('answers do not depend on how the requests were cut', () =>
    withBench(
      { devices: [{ eeproms: [{ address: 0x50, chip: '24c02', image: pattern(256) }] }] },
      async (bench) => {
        const whole = await session(bench, []);
        await fc.assert(
          fc.asyncProperty(fc.array(fc.nat(1000), { maxLength: 40 }), async (cuts) => {
            expect(await session(bench, cuts)).toBe(whole);
          }),
          { numRuns: 25 },
        );
        const everywhere = Array.from({ length: 700 }, (_, index) => index);
        expect(await session(bench, everywhere)).toBe(whole);
      },
    ));

  test('the packets field comes back as the client writes it; OUT replies carry no payload', () =>
    withDevice({}, async (client) => {
      const zero = await client.submit({
        endpoint: 1,
        isIn: false,
        length: 2,
        data: Uint8Array.of(0x15, 1),
        packets: 0,
      }).reply;
      const ones = await client.submit({ endpoint: 1, isIn: false, length: 2, data: Uint8Array.of(0x15, 1) })
        .reply;
      expect([zero.packets, zero.actual, ones.packets, ones.actual]).toEqual([0, 2, 0xffffffff, 2]);
      expect((await client.report())[0]).toBe(0x16);
    }));

  test('a short answer is fine unless the host said it is not', () =>
    withDevice({}, async (client) => {
      const setup = setupPacket(0x80, 6, 0x0100, 0, 64);
      const fine = await client.submit({ endpoint: 0, isIn: true, length: 64, setup }).reply;
      const strict = await client.submit({ endpoint: 0, isIn: true, length: 64, setup, flags: 1 }).reply;
      expect([fine.status, fine.actual, strict.status, strict.actual]).toEqual([0, 18, -121, 18]);
    }));

  test('an endpoint that does not exist is a STALL', () =>
    withDevice({}, async (client) => {
      expect((await client.submit({ endpoint: 2, isIn: true, length: 64 }).reply).status).toBe(-32);
    }));
});

describe('unlink', () => {
  test('a pending URB is taken back: one RET_UNLINK with -104 and never a RET_SUBMIT', () =>
    withDevice({}, async (client) => {
      const pending = client.in();
      expect(await client.unlink(pending.seqnum)).toBe(-104);
      await client.out(0x15, 1);
      // The report goes to the URB that is left.
      const second = await client.report();
      expect(second[0]).toBe(0x16);
      let answered = false;
      pending.reply.then(
        () => (answered = true),
        () => undefined,
      );
      await client.getFeature(5);
      expect(answered).toBe(false);
      expect(client.strays).toEqual([]);
    }));

  test('an answered or unknown URB: RET_UNLINK with 0', () =>
    withDevice({}, async (client) => {
      const done = client.in();
      await client.out(0x15, 1);
      await done.reply;
      expect(await client.unlink(done.seqnum)).toBe(0);
      expect(await client.unlink(4711)).toBe(0);
    }));

  test('however submits, answers and unlinks meet, each URB has exactly one end', () =>
    withDevice({}, async (client, device) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom('in', 'ask', 'unlink'), { maxLength: 60 }),
          async (steps) => {
            const reads: { seqnum: number; ended: string[] }[] = [];
            const unlinks: Promise<unknown>[] = [];
            const asks: Promise<unknown>[] = [];
            for (const step of steps) {
              if (step === 'in') {
                const { seqnum, reply } = client.in();
                const read = { seqnum, ended: [] as string[] };
                reply.then(
                  () => read.ended.push('submit'),
                  () => undefined,
                );
                reads.push(read);
              } else if (step === 'ask') {
                asks.push(client.out(0x15, 1));
              } else {
                const read = reads[Math.floor(reads.length / 2)];
                if (read && !read.ended.includes('asked')) {
                  read.ended.push('asked');
                  unlinks.push(
                    client.unlink(read.seqnum).then((status) => {
                      if (status === -104) read.ended.push('unlink');
                    }),
                  );
                }
              }
            }
            await Promise.all([...asks, ...unlinks]);
            // What is still pending is taken back now.
            for (const read of reads) {
              if ((await client.unlink(read.seqnum)) === -104) read.ended.push('unlink');
            }
            for (const read of reads) {
              expect(read.ended.filter((end) => end !== 'asked')).toHaveLength(1);
            }
            expect(client.strays).toEqual([]);
            // Nothing is left over for the next round.
            await client.control(0x00, 9, 1, 0, new Uint8Array());
          },
        ),
        { numRuns: 40 },
      );
      expect(device.attached).toBe(true);
    }));
});

describe('the cable', () => {
  test('an unplug ends the connection with URBs pending, answered ones arrive before', () =>
    withDevice({}, async (client, device) => {
      const pending = client.in();
      const answered = client.out(0x15, 0);
      await answered;
      device.unplug();
      await client.gone;
      await expect(pending.reply).rejects.toThrow('closed');
      expect(device.stats.unplugs).toBe(1);
      device.unplug();
      expect(device.stats.unplugs).toBe(1);
    }));

  test('an unplug may also be a reset of the connection', () =>
    withDevice({}, async (client, device) => {
      const code = new Promise((resolve) =>
        client.wire.socket.once('error', (error: NodeJS.ErrnoException) => {
          resolve(error.code);
        }),
      );
      device.unplug('rst');
      expect(await code).toBe('ECONNRESET');
    }));

  test('a closed bench has no connection and no port left', async () => {
    let port = 0;
    await withBench({}, async (bench, attach) => {
      port = bench.port;
      const client = await attach();
      await bench.close();
      await client.gone;
    });
    await expect(Wire.open(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('a port in use is the socket’s own error', () =>
    withBench({}, async (bench) => {
      await expect(VirtualBench.start({ port: bench.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    }));

  test.each([
    ['two devices with one bus id', [{}, {}]],
    ['an unknown chip', [{ eeproms: [{ address: 0x50, chip: '24c3' }] }]],
    [
      'two chips at one address',
      [
        {
          eeproms: [
            { address: 0x50, chip: '24c04' },
            { address: 0x51, chip: '24c02' },
          ],
        },
      ],
    ],
    ['an image that is too big', [{ eeproms: [{ address: 0x50, chip: '24c02', image: pattern(257) }] }]],
    ['a WP pin that does not exist', [{ eeproms: [{ address: 0x50, chip: '24c02', wp: 8 }] }]],
    ['a page size that is no power of two', [{ eeproms: [{ address: 0x50, chip: '24c02', pageSize: 12 }] }]],
  ])('%s is refused', async (_name, devices) => {
    await expect(VirtualBench.start({ devices })).rejects.toBeInstanceOf(RangeError);
  });

  test('the raw client refuses as the server does', () =>
    withBench({}, async (bench) => {
      await expect(Client.attach(bench.port, '7-7')).rejects.toThrow('import status 4');
    }));
});
