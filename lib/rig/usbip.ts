/** USB/IP 1.1.1 on the wire, server side (Documentation/usb/usbip_protocol.rst). Header numbers are big-endian. */

export const USBIP_VERSION = 0x0111;

export const Op = {
  requestDevlist: 0x8005,
  replyDevlist: 0x0005,
  requestImport: 0x8003,
  replyImport: 0x0003,
} as const;

/** Status of an operation reply (tools/usb/usbip). */
export const OpStatus = { ok: 0, notAvailable: 1, busy: 2, error: 3, noDevice: 4 } as const;

export const Command = { submit: 1, unlink: 2, replySubmit: 3, replyUnlink: 4 } as const;

export const OP_HEADER_BYTES = 8;
export const BUSID_BYTES = 32;
export const URB_HEADER_BYTES = 48;

const SPEED_FULL = 2;

/** What the device block of a list or import reply says. */
export interface DeviceBlock {
  readonly busid: string;
  readonly busnum: number;
  readonly devnum: number;
  readonly vendorId: number;
  readonly productId: number;
  readonly bcdDevice: number;
  readonly configurationValue: number;
}

export interface SubmitHeader {
  readonly command: typeof Command.submit;
  readonly seqnum: number;
  readonly devid: number;
  readonly isIn: boolean;
  readonly endpoint: number;
  readonly flags: number;
  readonly length: number;
  readonly packets: number;
  readonly setup: Uint8Array;
}

export interface UnlinkHeader {
  readonly command: typeof Command.unlink;
  readonly seqnum: number;
  readonly devid: number;
  readonly target: number;
}

/** Reads a 48-byte header, or says undefined when it is none a client may send. */
export function decodeUrbHeader(bytes: Buffer): SubmitHeader | UnlinkHeader | undefined {
  const command = bytes.readUInt32BE(0);
  const seqnum = bytes.readUInt32BE(4);
  const devid = bytes.readUInt32BE(8);
  const direction = bytes.readUInt32BE(12);
  const endpoint = bytes.readUInt32BE(16);
  if (command === Command.unlink) return { command, seqnum, devid, target: bytes.readUInt32BE(20) };
  if (command !== Command.submit || direction > 1 || endpoint > 15) return undefined;
  return {
    command,
    seqnum,
    devid,
    isIn: direction === 1,
    endpoint,
    flags: bytes.readUInt32BE(20),
    length: bytes.readUInt32BE(24),
    packets: bytes.readUInt32BE(32),
    setup: Uint8Array.from(bytes.subarray(40, 48)),
  };
}

/** RET_SUBMIT. `data` goes along for IN; for OUT `actual` is the number of bytes taken. */
export function encodeSubmitReply(
  header: SubmitHeader,
  status: number,
  actual: number,
  data: Uint8Array,
): Buffer {
  const reply = Buffer.alloc(URB_HEADER_BYTES + data.length);
  reply.writeUInt32BE(Command.replySubmit, 0);
  reply.writeUInt32BE(header.seqnum, 4);
  reply.writeInt32BE(status, 20);
  reply.writeUInt32BE(actual, 24);
  // Number of packets of a transfer that is not isochronous: 0 or all ones, as the client writes it.
  reply.writeUInt32BE(header.packets, 32);
  reply.set(data, URB_HEADER_BYTES);
  return reply;
}

export function encodeUnlinkReply(seqnum: number, status: number): Buffer {
  const reply = Buffer.alloc(URB_HEADER_BYTES);
  reply.writeUInt32BE(Command.replyUnlink, 0);
  reply.writeUInt32BE(seqnum, 4);
  reply.writeInt32BE(status, 20);
  return reply;
}

function opHeader(code: number, status: number): Buffer {
  const header = Buffer.alloc(OP_HEADER_BYTES);
  header.writeUInt16BE(USBIP_VERSION, 0);
  header.writeUInt16BE(code, 2);
  header.writeUInt32BE(status, 4);
  return header;
}

function deviceBlock(device: DeviceBlock): Buffer {
  const block = Buffer.alloc(312);
  block.write(`/sys/devices/virtual/nvmem-rig/usb${String(device.busnum)}/${device.busid}`, 0, 255, 'latin1');
  block.write(device.busid, 256, BUSID_BYTES - 1, 'latin1');
  block.writeUInt32BE(device.busnum, 0x120);
  block.writeUInt32BE(device.devnum, 0x124);
  block.writeUInt32BE(SPEED_FULL, 0x128);
  block.writeUInt16BE(device.vendorId, 0x12c);
  block.writeUInt16BE(device.productId, 0x12e);
  block.writeUInt16BE(device.bcdDevice, 0x130);
  // Class, subclass, protocol 0; then the configuration in use, one configuration, one interface.
  block.set([0, 0, 0, device.configurationValue, 1, 1], 0x132);
  return block;
}

export function encodeDevlist(devices: readonly DeviceBlock[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(devices.length);
  const hidInterface = Buffer.from([3, 0, 0, 0]);
  const blocks = devices.flatMap((device) => [deviceBlock(device), hidInterface]);
  return Buffer.concat([opHeader(Op.replyDevlist, OpStatus.ok), count, ...blocks]);
}

/** A refusal ends after the eight bytes of the head. */
export function encodeImport(status: number, device?: DeviceBlock): Buffer {
  const header = opHeader(Op.replyImport, status);
  return device ? Buffer.concat([header, deviceBlock(device)]) : header;
}

/** A byte stream cut into the pieces the parser asks for, however the network cut it. */
export class ByteQueue {
  #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next `count` bytes without taking them, or undefined while they are not all there. */
  peek(count: number): Buffer | undefined {
    if (this.#length < count) return undefined;
    const [first] = this.#chunks;
    if (first && first.length >= count) return first.subarray(0, count);
    const all = Buffer.concat(this.#chunks, this.#length);
    this.#chunks = [all];
    return all.subarray(0, count);
  }

  take(count: number): Buffer | undefined {
    const bytes = this.peek(count);
    if (!bytes) return undefined;
    this.#length -= count;
    const [first] = this.#chunks;
    if (first) {
      if (first.length === count) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(count);
    }
    return bytes;
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
  }
}
