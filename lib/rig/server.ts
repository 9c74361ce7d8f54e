import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ECONNRESET, EREMOTEIO } from './errno.js';
import type { VirtualDevice } from './device.js';
import type { Attachment, Urb, UrbPort } from './urb.js';
import { clearTimeout, setTimeout } from './timers.js';
import {
  BUSID_BYTES,
  ByteQueue,
  Command,
  decodeUrbHeader,
  encodeDevlist,
  encodeImport,
  encodeSubmitReply,
  encodeUnlinkReply,
  Op,
  OP_HEADER_BYTES,
  OpStatus,
  URB_HEADER_BYTES,
  USBIP_VERSION,
  type DeviceBlock,
  type SubmitHeader,
} from './usbip.js';

/** URB_SHORT_NOT_OK of the transfer flags. */
const SHORT_NOT_OK = 0x1;
/** Nothing a HID device is asked for comes near this; a header that says more is garbage. */
const MAX_BUFFER = 1 << 20;
const MAX_PENDING = 1024;
/** A bench has a handful of clients: more than this is somebody who wants its descriptors. */
const MAX_CONNECTIONS = 256;
const NOTHING = new Uint8Array();
/** How long a peer may take to close its half after an unplug before the connection is cut. */
const LINGER_MS = 1000;

export interface ServerListeners {
  connection(remote: string): void;
  /** A connection was closed because of what it sent. */
  protocolError(remote: string, what: string): void;
}

/** The USB/IP server: lists devices, hands each to one importer at a time, carries its URBs. */
export class UsbipServer {
  readonly #devices: readonly VirtualDevice[];
  readonly #listeners: ServerListeners;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #silent = false;

  constructor(devices: readonly VirtualDevice[], listeners: ServerListeners) {
    this.#devices = devices;
    this.#listeners = listeners;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      const connection = new Connection(socket, this.#devices, this.#listeners, () => {
        this.#connections.delete(connection);
      });
      this.#connections.add(connection);
      if (this.#silent) connection.mute(true);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** The port it listens on, 0 before `listen`. */
  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    return address?.port ?? 0;
  }

  /** True: connections are taken, and nothing is read from or written to any of them until this is false again. */
  get silent(): boolean {
    return this.#silent;
  }

  set silent(on: boolean) {
    this.#silent = on;
    for (const connection of this.#connections) connection.mute(on);
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      for (const connection of [...this.#connections]) connection.destroy();
    });
  }
}

/** One client: operations first; after an import its URBs until either side closes. */
class Connection implements UrbPort {
  readonly #socket: Socket;
  readonly #remote: string;
  readonly #devices: readonly VirtualDevice[];
  readonly #listeners: ServerListeners;
  readonly #closed: () => void;
  readonly #input = new ByteQueue();
  readonly #pending = new Map<number, SubmitHeader>();
  /** Answers wait in `#withheld` while it is. */
  #muted = false;
  #withheld: Buffer[] = [];
  #device: VirtualDevice | undefined;
  #attachment: Attachment | undefined;
  #ended = false;
  #linger: NodeJS.Timeout | undefined;

  constructor(
    socket: Socket,
    devices: readonly VirtualDevice[],
    listeners: ServerListeners,
    closed: () => void,
  ) {
    this.#socket = socket;
    this.#devices = devices;
    this.#listeners = listeners;
    this.#closed = closed;
    this.#remote = `${socket.remoteAddress ?? '?'}:${String(socket.remotePort ?? 0)}`;
    listeners.connection(this.#remote);
    socket.setKeepAlive(true);
    socket.on('data', (chunk: Buffer) => {
      if (this.#ended) return;
      this.#input.push(chunk);
      // While silent the input is kept, so that a client that gives up is still noticed; within reason.
      if (this.#input.length > 2 * MAX_BUFFER) this.#refuse('more input than can be held');
      else this.#parse();
    });
    socket.on('end', () => {
      this.#detach('client closed the connection');
      socket.end();
    });
    // The close that follows says all there is to say.
    socket.on('error', () => undefined);
    socket.on('drain', () => {
      socket.resume();
    });
    socket.on('close', () => {
      this.#ended = true;
      if (this.#linger) clearTimeout(this.#linger);
      this.#detach('connection lost');
      this.#closed();
    });
  }

  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  complete(urb: Urb, status: number, data: Uint8Array): void {
    const header = this.#pending.get(urb.id);
    this.#pending.delete(urb.id);
    if (!header || this.#ended) return;
    const short = header.isIn && status === 0 && data.length < header.length;
    const result = short && header.flags & SHORT_NOT_OK ? EREMOTEIO : status;
    this.#write(encodeSubmitReply(header, result, data.length, header.isIn ? data : NOTHING));
  }

  gone(how: 'fin' | 'rst'): void {
    this.#attachment = undefined;
    this.#pending.clear();
    this.#withheld = [];
    this.#end(how);
  }

  mute(on: boolean): void {
    this.#muted = on;
    if (this.#ended || on) return;
    for (const reply of this.#withheld.splice(0)) this.#write(reply);
    this.#parse();
  }

  /** Ends the connection; what was written before still arrives unless it is to be a reset. */
  #end(how: 'fin' | 'rst'): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#input.clear();
    if (how === 'rst') {
      this.#socket.resetAndDestroy();
      return;
    }
    this.#socket.end();
    // Unread bytes at a close would turn it into a reset and take our last answers with it: read on, and drop.
    this.#socket.resume();
    this.#linger = setTimeout(() => {
      this.#socket.destroy();
    }, LINGER_MS);
  }

  #detach(reason: string): void {
    const attachment = this.#attachment;
    this.#attachment = undefined;
    this.#pending.clear();
    attachment?.detach(reason);
  }

  #write(bytes: Buffer): void {
    if (this.#muted) this.#withheld.push(bytes);
    // A client that sends without reading is not read from either, until it does.
    else if (!this.#socket.write(bytes)) this.#socket.pause();
  }

  #refuse(what: string): void {
    this.#listeners.protocolError(this.#remote, what);
    this.#detach(what);
    this.#end('fin');
  }

  #parse(): void {
    while (!this.#ended && !this.#muted) {
      if (!(this.#device ? this.#parseUrb() : this.#parseOperation())) return;
    }
  }

  /** True: something was taken from the input. */
  #parseOperation(): boolean {
    const header = this.#input.peek(OP_HEADER_BYTES);
    if (!header) return false;
    const version = header.readUInt16BE(0);
    const code = header.readUInt16BE(2);
    if (version !== USBIP_VERSION) {
      this.#refuse(`version 0x${version.toString(16)}, not 0x0111`);
      return false;
    }
    if (code === Op.requestDevlist) {
      this.#input.take(OP_HEADER_BYTES);
      this.#write(encodeDevlist(this.#devices.filter((device) => device.plugged).map(describe)));
      this.#end('fin');
      return false;
    }
    if (code !== Op.requestImport) {
      this.#refuse(`unknown operation 0x${code.toString(16)}`);
      return false;
    }
    const request = this.#input.take(OP_HEADER_BYTES + BUSID_BYTES);
    if (!request) return false;
    const text = request.subarray(OP_HEADER_BYTES);
    const end = text.indexOf(0);
    this.#import(text.toString('latin1', 0, end < 0 ? BUSID_BYTES : end));
    return true;
  }

  #import(busid: string): void {
    const device = this.#devices.find((candidate) => candidate.busid === busid);
    const attachment = device?.attach(this, this.#remote) ?? 'gone';
    if (!device || attachment === 'gone' || attachment === 'busy') {
      this.#write(encodeImport(attachment === 'busy' ? OpStatus.busy : OpStatus.noDevice));
      this.#end('fin');
      return;
    }
    this.#device = device;
    this.#attachment = attachment;
    this.#write(encodeImport(OpStatus.ok, describe(device)));
  }

  #parseUrb(): boolean {
    const bytes = this.#input.peek(URB_HEADER_BYTES);
    if (!bytes) return false;
    const header = decodeUrbHeader(bytes);
    if (!header) {
      this.#refuse('not a URB header');
      return false;
    }
    if (header.devid !== this.#device?.devid) {
      this.#refuse(`device id 0x${header.devid.toString(16)} is not the imported one`);
      return false;
    }
    if (header.command === Command.unlink) {
      this.#input.take(URB_HEADER_BYTES);
      const pending = this.#pending.has(header.target) && (this.#attachment?.unlink(header.target) ?? false);
      // Either this or the URB's own reply was written, never both: it left the table here or there.
      if (pending) this.#pending.delete(header.target);
      this.#write(encodeUnlinkReply(header.seqnum, pending ? ECONNRESET : 0));
      return true;
    }
    return this.#submit(header);
  }

  #submit(header: SubmitHeader): boolean {
    const isochronous = header.packets !== 0 && header.packets !== 0xffffffff;
    if (header.length > MAX_BUFFER || isochronous || this.#pending.has(header.seqnum)) {
      this.#refuse(
        isochronous ? 'isochronous transfer to a HID device' : 'impossible length or sequence number',
      );
      return false;
    }
    const payload = header.isIn ? 0 : header.length;
    const bytes = this.#input.take(URB_HEADER_BYTES + payload);
    if (!bytes) return false;
    if (this.#pending.size >= MAX_PENDING) {
      this.#refuse('too many URBs pending');
      return false;
    }
    this.#pending.set(header.seqnum, header);
    this.#attachment?.submit({
      id: header.seqnum,
      endpoint: header.endpoint,
      isIn: header.isIn,
      setup: header.setup,
      data: Uint8Array.from(bytes.subarray(URB_HEADER_BYTES)),
      length: header.length,
    });
    return true;
  }
}

function describe(device: VirtualDevice): DeviceBlock {
  const { busid, busnum, devnum, vendorId, productId, bcdDevice, configurationValue } = device;
  return { busid, busnum, devnum, vendorId, productId, bcdDevice, configurationValue };
}
