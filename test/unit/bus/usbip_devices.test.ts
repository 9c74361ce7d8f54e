/** A USB/IP server's list of devices, from servers that say it well, in pieces, badly, or not at all. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

import { encodeDevlist } from '../../../lib/rig/usbip.js';
import { decodeDevlist, exportedDevices } from '../../../lib/bus/usbip_devices.js';

const LIST = encodeDevlist([
  {
    busid: '1-1',
    busnum: 1,
    devnum: 2,
    vendorId: 0x10c4,
    productId: 0xea90,
    bcdDevice: 0x0100,
    configurationValue: 1,
  },
  {
    busid: '3-4.1',
    busnum: 3,
    devnum: 9,
    vendorId: 0x1d6b,
    productId: 2,
    bcdDevice: 0,
    configurationValue: 1,
  },
]);
const DEVICES = [
  { busid: '1-1', vendorId: 0x10c4, productId: 0xea90, bcdDevice: 0x0100, busnum: 1, devnum: 2 },
  { busid: '3-4.1', vendorId: 0x1d6b, productId: 2, bcdDevice: 0, busnum: 3, devnum: 9 },
];

function patched(at: number, bytes: readonly number[]): Buffer {
  const copy = Buffer.from(LIST);
  copy.set(bytes, at);
  return copy;
}

describe('decoding', () => {
  test('every beginning of a list waits for more, and the whole is the list', () => {
    for (let length = 0; length < LIST.length; length++) {
      expect(decodeDevlist(LIST.subarray(0, length))).toBeUndefined();
    }
    expect(decodeDevlist(LIST)).toEqual(DEVICES);
  });

  test('an empty list', () => {
    expect(decodeDevlist(encodeDevlist([]))).toEqual([]);
  });

  test.each([
    ['another version', patched(0, [2, 0]), /no USB\/IP server/],
    ['another answer', patched(2, [0, 3]), /no USB\/IP server/],
    ['an HTTP server', Buffer.from('HTTP/1.1 400 Bad Request\r\n'), /no USB\/IP server/],
    ['a refusal', patched(4, [0, 0, 0, 1]), /refuses, with status 1/],
    ['a count beyond belief', patched(8, [255, 255, 255, 255]), /4294967295 devices/],
  ])('%s is no list', (_what, bytes, why) => {
    expect(decodeDevlist(bytes)).toMatch(why);
  });

  test('what a server calls its devices cannot steer a terminal', () => {
    const evil = patched(12 + 0x100, [...Buffer.from('1-1\x1b[2J')]);
    expect(decodeDevlist(evil)).toMatchObject([{ busid: '1-1?[2J' }, {}]);
  });
});

describe('asking', () => {
  let server: Server;
  let port: number;
  let serve: (socket: Socket) => void;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
      serve(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  const ask = (options = {}): ReturnType<typeof exportedDevices> =>
    exportedDevices({ host: '127.0.0.1', port, ...options });

  test('the request is eight bytes, and an answer may come byte by byte', async () => {
    let asked = Buffer.alloc(0);
    serve = (socket) => {
      socket.setNoDelay(true);
      socket.on('data', (data) => {
        asked = Buffer.concat([asked, data]);
        if (asked.length === 8) for (const byte of LIST) socket.write(Buffer.of(byte));
      });
    };
    expect(await ask()).toEqual(DEVICES);
    expect(asked).toEqual(Buffer.of(1, 0x11, 0x80, 5, 0, 0, 0, 0));
  });

  test.each<[string, (socket: Socket) => void]>([
    ['EPROTO', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
    ['ECONNRESET', (socket) => socket.end(LIST.subarray(0, 100))],
    ['ECONNRESET', (socket) => socket.resetAndDestroy()],
  ])('%s', async (code, behaviour) => {
    serve = behaviour;
    await expect(ask()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`127.0.0.1:${String(port)}`),
    });
  });

  test('a server that says nothing: ETIMEDOUT, and an abort ends the wait', async () => {
    serve = () => undefined;
    await expect(ask({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const controller = new AbortController();
    serve = () => {
      controller.abort();
    };
    await expect(ask({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORT_ERR' });
    await expect(ask({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' });
  });

  test('nobody there: ECONNREFUSED', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const free = (closed.address() as AddressInfo).port;
    closed.close();
    await once(closed, 'close');
    await expect(ask({ port: free })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
