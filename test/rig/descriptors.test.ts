import type { Client } from './client';
import { withDevice } from './helpers';

const DEVICE = '12 01 10 01 00 00 00 40 c4 10 90 ea 00 00 01 02 03 01';
const CONFIGURATION =
  '09 02 29 00 01 01 00 80 32' +
  ' 09 04 00 00 02 03 00 00 00' +
  ' 09 21 01 01 00 01 22 02 01' +
  ' 07 05 81 03 40 00 01' +
  ' 07 05 01 03 40 00 01';

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

async function descriptor(
  client: Client,
  type: number,
  index: number,
  length: number,
  recipient = 0x80,
): Promise<Buffer> {
  const reply = await client.control(recipient, 6, (type << 8) | index, 0, length);
  expect(reply.status).toBe(0);
  expect(reply.actual).toBe(reply.data.length);
  return reply.data;
}

describe('descriptors', () => {
  test('device and configuration, whole and cut to any length', () =>
    withDevice({}, async (client) => {
      const device = bytes(DEVICE);
      const configuration = bytes(CONFIGURATION);
      expect(configuration).toHaveLength(41);
      for (const length of [1, 8, 9, 17, 18, 41, 64, 255]) {
        expect(await descriptor(client, 1, 0, length)).toEqual(device.subarray(0, length));
        expect(await descriptor(client, 2, 0, length)).toEqual(configuration.subarray(0, length));
      }
      expect(await descriptor(client, 0x21, 0, 64, 0x81)).toEqual(configuration.subarray(18, 27));
    }));

  test('bcdDevice can be the data sheet’s, and the import reply says the same', () =>
    withDevice({ bcdDevice: 0x0100 }, async (client) => {
      expect((await descriptor(client, 1, 0, 18)).readUInt16LE(12)).toBe(0x0100);
      expect(client.device).toMatchObject({
        vendorId: 0x10c4,
        productId: 0xea90,
        bcdDevice: 0x0100,
        speed: 2,
      });
    }));

  test('strings: language, manufacturer, product, serial', () =>
    withDevice({ serial: '00417D26' }, async (client) => {
      expect(await descriptor(client, 3, 0, 255)).toEqual(bytes('04 03 09 04'));
      const texts = ['Silicon Laboratories', 'CP2112 HID USB-to-SMBus Bridge', '00417D26'];
      for (const [index, text] of texts.entries()) {
        const string = await descriptor(client, 3, index + 1, 255);
        expect([string[0], string[1]]).toEqual([2 + 2 * text.length, 3]);
        expect(string.toString('utf16le', 2)).toBe(text);
      }
    }));

  test('the HID report descriptor: 258 bytes that declare every report with its kind and size', () =>
    withDevice({}, async (client) => {
      const report = await descriptor(client, 0x22, 0, 4096, 0x81);
      expect(report).toHaveLength(258);
      expect(report.subarray(0, 7)).toEqual(bytes('06 00 ff 09 01 a1 01'));
      expect(report.subarray(7, 22)).toEqual(bytes('85 01 95 01 75 08 26 ff 00 15 00 09 01 b1 02'));
      expect(report.at(-1)).toBe(0xc0);
      // Walk the items as a host does: globals persist, a main item ends a field.
      const declared = new Map<number, string>();
      let id = 0;
      let count = 0;
      let size = 0;
      for (let at = 7; at < 257;) {
        const prefix = report.readUInt8(at);
        const length = prefix & 3;
        const value = length === 0 ? 0 : report.readUIntLE(at + 1, length);
        const item = prefix & 0xfc;
        if (item === 0x84) id = value;
        else if (item === 0x94) count = value;
        else if (item === 0x74) size = value;
        else if (item === 0xb0) declared.set(id, `feature ${String((count * size) / 8)}`);
        else if (item === 0x90) declared.set(id, `output ${String((count * size) / 8)}`);
        else if (item === 0x80) declared.set(id, `input ${String((count * size) / 8)}`);
        at += 1 + length;
      }
      expect(
        Object.fromEntries([...declared].map(([key, value]) => [key.toString(16).padStart(2, '0'), value])),
      ).toEqual({
        ...{ '01': 'feature 1', '02': 'feature 4', '03': 'feature 1', '04': 'feature 2', '05': 'feature 2' },
        ...{ '06': 'feature 13', '10': 'output 63', '11': 'output 63', '12': 'output 63', '13': 'input 63' },
        ...{ '14': 'output 63', '15': 'output 63', '16': 'input 63', '17': 'output 63', '20': 'feature 1' },
        ...{ '21': 'feature 9', '22': 'feature 62', '23': 'feature 62', '24': 'feature 62' },
      });
    }));
});

describe('control requests', () => {
  const cases: [
    name: string,
    type: number,
    request: number,
    value: number,
    index: number,
    body: number | number[],
    expected: number[] | 'stall',
  ][] = [
    ['GET_STATUS device: bus powered', 0x80, 0, 0, 0, 2, [0, 0]],
    ['GET_STATUS interface 0', 0x81, 0, 0, 0, 2, [0, 0]],
    ['GET_STATUS interface 1', 0x81, 0, 0, 1, 2, 'stall'],
    ['GET_STATUS endpoint 0x81', 0x82, 0, 0, 0x81, 2, [0, 0]],
    ['GET_STATUS endpoint 0x82', 0x82, 0, 0, 0x82, 2, 'stall'],
    ['GET_CONFIGURATION', 0x80, 8, 0, 0, 1, [1]],
    ['SET_CONFIGURATION 1', 0x00, 9, 1, 0, [], []],
    ['SET_CONFIGURATION 2', 0x00, 9, 2, 0, [], 'stall'],
    ['GET_INTERFACE', 0x81, 10, 0, 0, 1, [0]],
    ['SET_INTERFACE 0 0', 0x01, 11, 0, 0, [], []],
    ['SET_INTERFACE alt 1', 0x01, 11, 1, 0, [], 'stall'],
    ['CLEAR_FEATURE halt of 0x01', 0x02, 1, 0, 0x01, [], []],
    ['CLEAR_FEATURE on endpoint 5', 0x02, 1, 0, 5, [], 'stall'],
    ['SET_IDLE', 0x21, 10, 0, 0, [], []],
    ['GET_IDLE', 0xa1, 2, 0, 0, 1, [0]],
    ['GET_PROTOCOL', 0xa1, 3, 0, 0, 1, 'stall'],
    ['device qualifier', 0x80, 6, 0x0600, 0, 10, 'stall'],
    ['string 4', 0x80, 6, 0x0304, 0x0409, 255, 'stall'],
    ['configuration 1', 0x80, 6, 0x0201, 0, 255, 'stall'],
    ['vendor request', 0xc0, 0x42, 0, 0, 8, 'stall'],
    ['GET_REPORT of an unknown feature', 0xa1, 1, 0x0307, 0, 64, 'stall'],
    ['GET_REPORT of the write-only Reset', 0xa1, 1, 0x0301, 0, 64, 'stall'],
    ['GET_REPORT of an input report', 0xa1, 1, 0x0116, 0, 64, 'stall'],
    ['SET_REPORT of an unknown feature', 0x21, 9, 0x0307, 0, [7, 1], 'stall'],
    ['SET_REPORT of the read-only version', 0x21, 9, 0x0305, 0, [5, 1, 1], 'stall'],
  ];
  test.each(cases)('%s', (_name, type, request, value, index, body, expected) =>
    withDevice({}, async (client) => {
      const reply = await client.control(
        type,
        request,
        value,
        index,
        typeof body === 'number' ? body : Uint8Array.from(body),
      );
      if (expected === 'stall') expect(reply.status).toBe(-32);
      else expect({ status: reply.status, data: [...reply.data] }).toEqual({ status: 0, data: expected });
      // A STALL on endpoint 0 is over with the next SETUP.
      expect(await client.getFeature(5)).toEqual(Buffer.from([5, 0x0c, 2]));
    }),
  );

  test('a halted endpoint stalls until the halt is cleared', () =>
    withDevice({}, async (client) => {
      await client.control(0x02, 3, 0, 0x01, new Uint8Array());
      expect((await client.control(0x82, 0, 0, 0x01, 2)).data).toEqual(Buffer.from([1, 0]));
      expect((await client.out(0x15, 1)).status).toBe(-32);
      await client.control(0x02, 1, 0, 0x01, new Uint8Array());
      expect((await client.out(0x15, 1)).status).toBe(0);
    }));

  test('an IN URB held when its endpoint is halted is stalled', () =>
    withDevice({}, async (client) => {
      const pending = client.in();
      await client.control(0x02, 3, 0, 0x81, new Uint8Array());
      expect((await pending.reply).status).toBe(-32);
    }));
});
