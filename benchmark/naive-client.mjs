// The peer of the read benchmark: the sequence that AN495 describes and most libraries use. One addressed read,
// poll the status until it is complete, then force-send what has been received; USB and the wire take turns.
import net from 'node:net';
import { once } from 'node:events';

const CHUNK = 512;

/** A byte stream that can be awaited for exact amounts. */
class Reader {
  #chunks = Buffer.alloc(0);
  #wake = () => {};
  #ended = false;

  constructor(socket) {
    socket.on('data', (data) => {
      this.#chunks = Buffer.concat([this.#chunks, data]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  async take(length) {
    while (this.#chunks.length < length) {
      if (this.#ended) throw new Error('the server closed the connection');
      await new Promise((resolve) => (this.#wake = resolve));
    }
    const taken = this.#chunks.subarray(0, length);
    this.#chunks = this.#chunks.subarray(length);
    return taken;
  }
}

class Bridge {
  #sequence = 1;
  #replies = new Map();
  #reports = [];
  #reportWaiter;

  static async connect(port, busid) {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.setNoDelay(true);
    const bridge = new Bridge(socket);
    const request = Buffer.alloc(40);
    request.writeUInt16BE(0x0111, 0);
    request.writeUInt16BE(0x8003, 2);
    request.write(busid, 8, 'latin1');
    socket.write(request);
    const head = await bridge.reader.take(8);
    if (head.readUInt32BE(4) !== 0) throw new Error(`import refused: status ${head.readUInt32BE(4)}`);
    const block = await bridge.reader.take(312);
    bridge.devid = block.readUInt32BE(0x120) * 65536 + block.readUInt32BE(0x124);
    bridge.pump().catch((error) => socket.destroy(error));
    await bridge.control([0x00, 0x09, 1, 0, 0, 0, 0, 0], Buffer.alloc(0));
    bridge.listen();
    return bridge;
  }

  constructor(socket) {
    this.socket = socket;
    this.reader = new Reader(socket);
  }

  submit(direction, endpoint, setup, length, data = Buffer.alloc(0)) {
    const header = Buffer.alloc(48);
    const sequence = this.#sequence++;
    [1, sequence, this.devid, direction, endpoint, 0, length, 0, 0xffffffff, endpoint === 0 ? 0 : 1].forEach(
      (v, i) => header.writeUInt32BE(v, i * 4),
    );
    Buffer.from(setup ?? Buffer.alloc(8)).copy(header, 40);
    this.socket.write(Buffer.concat([header, data]));
    return new Promise((resolve) => this.#replies.set(sequence, { resolve, direction }));
  }

  async pump() {
    for (;;) {
      const header = await this.reader.take(48);
      const reply = this.#replies.get(header.readUInt32BE(4));
      const actual = header.readUInt32BE(24);
      const data = reply.direction === 1 ? Buffer.from(await this.reader.take(actual)) : Buffer.alloc(0);
      this.#replies.delete(header.readUInt32BE(4));
      reply.resolve({ status: header.readInt32BE(20), data });
    }
  }

  control(setup, data) {
    return this.submit(0, 0, setup, data.length, data);
  }

  setFeature(report) {
    const setup = [0x21, 0x09, report[0], 3, 0, 0, report.length & 0xff, report.length >> 8];
    return this.control(setup, Buffer.from(report));
  }

  listen() {
    this.submit(1, 1, undefined, 64).then(({ status, data }) => {
      if (status !== 0) return;
      this.#reports.push(data);
      this.#reportWaiter?.();
      this.listen();
    });
  }

  out(report) {
    return this.submit(0, 1, undefined, report.length, Buffer.from(report));
  }

  async report(id) {
    for (;;) {
      while (this.#reports.length > 0) {
        const report = this.#reports.shift();
        if (report[0] === id) return report;
      }
      await new Promise((resolve) => (this.#reportWaiter = resolve));
    }
  }
}

/** Reads `size` bytes of a part with two address bytes at `address`; resolves with the bytes and the milliseconds. */
export async function naiveRead({ port, busid, address, size, clockHz }) {
  const bridge = await Bridge.connect(port, busid);
  const config = Buffer.alloc(14);
  config[0] = 0x06;
  config.writeUInt32BE(clockHz, 1);
  config[5] = 0x02;
  config.writeUInt16BE(1000, 7);
  config.writeUInt16BE(1000, 9);
  config[11] = 1;
  config.writeUInt16BE(1, 12);
  await bridge.setFeature(config);

  const image = Buffer.alloc(size);
  const begin = performance.now();
  for (let offset = 0; offset < size; offset += CHUNK) {
    const length = Math.min(CHUNK, size - offset);
    await bridge.out([0x11, address << 1, length >> 8, length & 0xff, 2, offset >> 8, offset & 0xff]);
    for (;;) {
      await bridge.out([0x15, 1]);
      const status = await bridge.report(0x16);
      if (status[1] === 2) break;
      if (status[1] !== 1) throw new Error(`transfer failed: status ${status[1]}/${status[2]}`);
    }
    for (let done = 0; done < length;) {
      await bridge.out([0x12, (length - done) >> 8, (length - done) & 0xff]);
      while (done < length) {
        const data = await bridge.report(0x13);
        data.copy(image, offset + done, 3, 3 + data[2]);
        done += data[2];
      }
    }
  }
  const milliseconds = performance.now() - begin;
  bridge.socket.destroy();
  return { image, milliseconds };
}
