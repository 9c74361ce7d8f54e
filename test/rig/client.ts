import { connect, type Socket } from 'node:net';

/** A raw USB/IP client for the tests, written from the protocol description and sharing nothing with either end. */

export interface Reply {
  readonly seqnum: number;
  readonly command: number;
  readonly status: number;
  readonly actual: number;
  readonly packets: number;
  readonly data: Buffer;
}

export interface Imported {
  readonly busid: string;
  readonly busnum: number;
  readonly devnum: number;
  readonly speed: number;
  readonly vendorId: number;
  readonly productId: number;
  readonly bcdDevice: number;
  readonly block: Buffer;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  /** A RET_SUBMIT of an IN URB carries data. */
  readonly isIn: boolean;
}

export class Gone extends Error {}

/** A TCP connection that can be read by byte counts. */
export class Wire {
  readonly socket: Socket;
  #input = Buffer.alloc(0);
  #wanted: { count: number; resolve: (bytes: Buffer) => void; reject: (error: Error) => void } | undefined;
  #closedWith: Error | undefined;
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      const over = (): void => {
        this.#closedWith ??= new Gone('connection closed');
        this.#wanted?.reject(this.#closedWith);
        this.#wanted = undefined;
        socket.destroy();
        resolve();
      };
      socket.on('end', over);
      socket.on('close', over);
      socket.on('error', () => undefined);
    });
    socket.on('data', (chunk: Buffer) => {
      this.#input = Buffer.concat([this.#input, chunk]);
      this.#serve();
    });
  }

  static open(port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        resolve(new Wire(socket));
      });
    });
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  read(count: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#wanted = { count, resolve, reject };
      this.#serve();
    });
  }

  /** Everything until the peer closes. */
  async rest(): Promise<Buffer> {
    await this.closed;
    return this.#input;
  }

  close(): void {
    this.socket.destroy();
  }

  #serve(): void {
    const wanted = this.#wanted;
    if (!wanted) return;
    if (this.#input.length >= wanted.count) {
      this.#wanted = undefined;
      const bytes = this.#input.subarray(0, wanted.count);
      this.#input = this.#input.subarray(wanted.count);
      wanted.resolve(bytes);
    } else if (this.#closedWith) {
      this.#wanted = undefined;
      wanted.reject(this.#closedWith);
    }
  }
}

export function importRequest(busid: string): Buffer {
  const request = Buffer.alloc(40);
  request.writeUInt16BE(0x0111, 0);
  request.writeUInt16BE(0x8003, 2);
  request.write(busid, 8, 'latin1');
  return request;
}

export function decodeBlock(block: Buffer): Imported {
  const text = (from: number, length: number): string => {
    const field = block.subarray(from, from + length);
    return field.toString('latin1', 0, field.indexOf(0));
  };
  return {
    busid: text(256, 32),
    busnum: block.readUInt32BE(288),
    devnum: block.readUInt32BE(292),
    speed: block.readUInt32BE(296),
    vendorId: block.readUInt16BE(300),
    productId: block.readUInt16BE(302),
    bcdDevice: block.readUInt16BE(304),
    block,
  };
}

export interface Submit {
  readonly seqnum: number;
  readonly devid: number;
  readonly endpoint: number;
  readonly isIn: boolean;
  readonly length: number;
  readonly setup?: Uint8Array;
  readonly data?: Uint8Array;
  readonly flags?: number;
  readonly packets?: number;
}

export function encodeSubmit(submit: Submit): Buffer {
  const data = submit.data ?? new Uint8Array();
  const bytes = Buffer.alloc(48 + data.length);
  bytes.writeUInt32BE(1, 0);
  bytes.writeUInt32BE(submit.seqnum, 4);
  bytes.writeUInt32BE(submit.devid, 8);
  bytes.writeUInt32BE(submit.isIn ? 1 : 0, 12);
  bytes.writeUInt32BE(submit.endpoint, 16);
  bytes.writeUInt32BE(submit.flags ?? 0, 20);
  bytes.writeUInt32BE(submit.length, 24);
  bytes.writeUInt32BE(submit.packets ?? 0xffffffff, 32);
  if (submit.setup) bytes.set(submit.setup, 40);
  bytes.set(data, 48);
  return bytes;
}

export function encodeUnlink(seqnum: number, devid: number, target: number): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt32BE(2, 0);
  bytes.writeUInt32BE(seqnum, 4);
  bytes.writeUInt32BE(devid, 8);
  bytes.writeUInt32BE(target, 20);
  return bytes;
}

export function setupPacket(
  type: number,
  request: number,
  value: number,
  index: number,
  length: number,
): Buffer {
  const setup = Buffer.alloc(8);
  setup.writeUInt8(type, 0);
  setup.writeUInt8(request, 1);
  setup.writeUInt16LE(value, 2);
  setup.writeUInt16LE(index, 4);
  setup.writeUInt16LE(length, 6);
  return setup;
}

/** An imported device: URBs out, replies matched by sequence number. */
export class Client {
  readonly wire: Wire;
  readonly device: Imported;
  readonly devid: number;
  /** Replies whose sequence number nobody waited for. */
  readonly strays: Reply[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #sequence = 0;
  readonly gone: Promise<void>;

  private constructor(wire: Wire, device: Imported) {
    this.wire = wire;
    this.device = device;
    this.devid = device.busnum * 65536 + device.devnum;
    this.gone = this.#receive();
  }

  /** Imports a device; a refusal rejects with the status in the message. */
  static async attach(port: number, busid = '1-1'): Promise<Client> {
    const wire = await Wire.open(port);
    wire.write(importRequest(busid));
    const head = await wire.read(8);
    const status = head.readUInt32BE(4);
    if (status !== 0) {
      wire.close();
      throw new Error(`import status ${String(status)}`);
    }
    return new Client(wire, decodeBlock(await wire.read(312)));
  }

  close(): void {
    this.wire.close();
  }

  /** Submits a URB; the reply comes when the server answers. */
  submit(submit: Omit<Submit, 'seqnum' | 'devid'>): { seqnum: number; reply: Promise<Reply> } {
    const seqnum = ++this.#sequence;
    const reply = this.#expect(seqnum, submit.isIn);
    this.wire.write(encodeSubmit({ ...submit, seqnum, devid: this.devid }));
    return { seqnum, reply };
  }

  /** The status of RET_UNLINK. */
  async unlink(target: number): Promise<number> {
    const seqnum = ++this.#sequence;
    const reply = this.#expect(seqnum, false);
    this.wire.write(encodeUnlink(seqnum, this.devid, target));
    return (await reply).status;
  }

  control(
    type: number,
    request: number,
    value: number,
    index: number,
    body: number | Uint8Array,
  ): Promise<Reply> {
    const isIn = (type & 0x80) !== 0;
    const length = typeof body === 'number' ? body : body.length;
    const setup = setupPacket(type, request, value, index, length);
    const data = typeof body === 'number' ? {} : { data: body };
    return this.submit({ endpoint: 0, isIn, length, setup, ...data }).reply;
  }

  async getFeature(id: number, length = 64): Promise<Buffer> {
    const reply = await this.control(0xa1, 0x01, 0x0300 + id, 0, length);
    if (reply.status !== 0) throw new Error(`GET_REPORT status ${String(reply.status)}`);
    return reply.data;
  }

  async setFeature(...report: number[]): Promise<void> {
    const reply = await this.control(0x21, 0x09, 0x0300 + (report[0] ?? 0), 0, Uint8Array.from(report));
    if (reply.status !== 0) throw new Error(`SET_REPORT status ${String(reply.status)}`);
  }

  async out(...report: number[]): Promise<Reply> {
    return this.submit({ endpoint: 1, isIn: false, length: report.length, data: Uint8Array.from(report) })
      .reply;
  }

  in(length = 64): { seqnum: number; reply: Promise<Reply> } {
    return this.submit({ endpoint: 1, isIn: true, length });
  }

  /** The next interrupt IN report. */
  async report(): Promise<Buffer> {
    const reply = await this.in().reply;
    if (reply.status !== 0) throw new Error(`interrupt IN status ${String(reply.status)}`);
    return reply.data;
  }

  /** Status request and its answer. */
  async status(): Promise<Status> {
    await this.out(0x15, 1);
    return decodeStatus(await this.report());
  }

  /** Polls until the transfer is over. */
  async finish(): Promise<Status> {
    for (let poll = 0; poll < 10_000; poll++) {
      const status = await this.status();
      if (status.code !== 1) return status;
    }
    throw new Error('busy for ever');
  }

  /** Collects `length` bytes of a finished read with force sends. */
  async collect(length: number): Promise<Buffer> {
    await this.out(0x12, length >> 8, length & 0xff);
    const parts: Buffer[] = [];
    for (let got = 0; got < length;) {
      const report = await this.report();
      if (report[0] !== 0x13) throw new Error(`report ${String(report[0])} instead of 0x13`);
      const count = report[2] ?? 0;
      if (count === 0) throw new Error('an empty 0x13');
      parts.push(report.subarray(3, 3 + count));
      got += count;
    }
    return Buffer.concat(parts);
  }

  /** Addressed read: word address bytes, then data. */
  async readAt(address: number, word: readonly number[], length: number): Promise<Buffer> {
    await this.out(0x11, address << 1, length >> 8, length & 0xff, word.length, ...word);
    const status = await this.finish();
    if (status.code !== 2) throw new Error(`read ended with ${String(status.code)}/${String(status.reason)}`);
    return this.collect(length);
  }

  /** A write report and its end. */
  async writeBytes(address: number, ...bytes: number[]): Promise<Status> {
    await this.out(0x14, address << 1, bytes.length, ...bytes);
    return this.finish();
  }

  #expect(seqnum: number, isIn: boolean): Promise<Reply> {
    const reply = new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(seqnum, { resolve, reject, isIn });
    });
    // An unplug rejects whatever is pending; who cares awaits it.
    reply.catch(() => undefined);
    return reply;
  }

  async #receive(): Promise<void> {
    try {
      for (;;) {
        const head = await this.wire.read(48);
        const seqnum = head.readUInt32BE(4);
        const command = head.readUInt32BE(0);
        const waiting = this.#waiting.get(seqnum);
        this.#waiting.delete(seqnum);
        const actual = head.readUInt32BE(24);
        const data = command === 3 && waiting?.isIn ? await this.wire.read(actual) : Buffer.alloc(0);
        const reply: Reply = {
          seqnum,
          command,
          status: head.readInt32BE(20),
          actual: command === 3 ? actual : 0,
          packets: head.readUInt32BE(32),
          data,
        };
        if (waiting) waiting.resolve(reply);
        else this.strays.push(reply);
      }
    } catch (error) {
      const reason = error instanceof Error ? error : new Gone(String(error));
      for (const waiting of this.#waiting.values()) waiting.reject(reason);
      this.#waiting.clear();
    }
  }
}

export interface Status {
  readonly code: number;
  readonly reason: number;
  readonly retries: number;
  readonly received: number;
}

export function decodeStatus(report: Buffer): Status {
  if (report[0] !== 0x16) throw new Error(`report ${String(report[0])} instead of 0x16`);
  return {
    code: report.readUInt8(1),
    reason: report.readUInt8(2),
    retries: report.readUInt16BE(3),
    received: report.readUInt16BE(5),
  };
}
