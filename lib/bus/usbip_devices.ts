/** Asks a USB/IP server what it exports (Documentation/usb/usbip_protocol.rst, OP_REQ_DEVLIST). */
import { connect } from 'node:net';

import { entryOf, NvmemError } from '../base/errors.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { USBIP_PORT } from '../uri/bus_uri.js';
import { usbipHint } from './usbip.js';

/** A USB device that a server exports. */
export interface ExportedDevice {
  readonly busid: string;
  readonly vendorId: number;
  readonly productId: number;
  /** Binary-coded decimal, as in the device descriptor. */
  readonly bcdDevice: number;
  /** The numbers that its machine gave it: others after every plug. */
  readonly busnum: number;
  readonly devnum: number;
}

export interface DevlistOptions {
  readonly host: string;
  /** Default 3240. */
  readonly port?: number | undefined;
  /** For connection and answer together, milliseconds. Default 5000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Let the process end while the answer is waited for. Default false. */
  readonly unref?: boolean | undefined;
}

const VERSION = 0x0111;
const REQUEST = 0x8005;
const REPLY = 0x0005;
const HEAD_BYTES = 8;
const BLOCK_BYTES = 312;
const INTERFACE_BYTES = 4;
/** A server says how many devices follow: more than this is no list of devices. */
const MAX_DEVICES = 1024;
const DEFAULT_TIMEOUT_MS = 5000;

/**
 * The devices that can be imported from a server now: those in use are not among them.
 *
 * @throws NvmemError ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ECONNRESET, ETIMEDOUT; EPROTO: what answers is no USB/IP
 * server; ABORT_ERR
 */
export function exportedDevices(options: DevlistOptions): Promise<ExportedDevice[]> {
  const { host, port = USBIP_PORT, timeoutMs = DEFAULT_TIMEOUT_MS, signal, unref = false } = options;
  const where = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const received: Buffer[] = [];
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.destroy();
      settle();
    };
    const fail = (code: string, sentence: string, cause?: unknown): void => {
      end(() => {
        reject(
          new NvmemError(code, `cannot list the devices of ${where}: ${sentence}`, {
            syscall: 'list',
            cause,
            hint: usbipHint(code, host),
          }),
        );
      });
    };
    const abort = (): void => {
      fail('ABORT_ERR', 'the operation was aborted', signal?.reason);
    };
    const timer = setTimeout(() => {
      fail('ETIMEDOUT', `the server did not answer within ${String(timeoutMs)} ms`);
    }, timeoutMs);
    if (unref) {
      socket.unref();
      timer.unref();
    }
    if (signal?.aborted) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    socket.on('connect', () => {
      const request = Buffer.alloc(HEAD_BYTES);
      request.writeUInt16BE(VERSION, 0);
      request.writeUInt16BE(REQUEST, 2);
      socket.write(request);
    });
    socket.on('data', (chunk) => {
      received.push(chunk);
      const answer = decodeDevlist(Buffer.concat(received));
      if (typeof answer === 'string') fail('EPROTO', answer);
      else if (answer !== undefined) {
        end(() => {
          resolve(answer);
        });
      }
    });
    socket.on('end', () => {
      fail('ECONNRESET', 'the server hung up before its answer was complete');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const code = errorCode(error);
      const isName = code === 'EHOSTUNREACH' && code !== error.code;
      const says = isName ? `its name cannot be resolved (${error.message})` : undefined;
      fail(code, says ?? entryOf(code)?.says ?? error.message, error);
    });
  });
}

/** A name that cannot be resolved is, for who asks, a host that cannot be reached. */
function errorCode({ code = 'EIO' }: NodeJS.ErrnoException): string {
  return code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 'EHOSTUNREACH' : code;
}

/** Undefined while more has to come; a string says why this is no list. */
export function decodeDevlist(bytes: Buffer): ExportedDevice[] | string | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const version = bytes.readUInt16BE(0);
  if (version !== VERSION || bytes.readUInt16BE(2) !== REPLY) return 'what answers is no USB/IP server';
  const status = bytes.readUInt32BE(4);
  if (status !== 0) return `the server refuses, with status ${String(status)}`;
  if (bytes.length < HEAD_BYTES + 4) return undefined;
  const count = bytes.readUInt32BE(HEAD_BYTES);
  if (count > MAX_DEVICES) return `the server speaks of ${String(count)} devices`;
  const devices: ExportedDevice[] = [];
  let at = HEAD_BYTES + 4;
  for (let i = 0; i < count; i++) {
    if (bytes.length < at + BLOCK_BYTES) return undefined;
    const block = bytes.subarray(at, at + BLOCK_BYTES);
    devices.push({
      busid: text(block.subarray(0x100, 0x120)),
      vendorId: block.readUInt16BE(0x12c),
      productId: block.readUInt16BE(0x12e),
      bcdDevice: block.readUInt16BE(0x130),
      busnum: block.readUInt32BE(0x120),
      devnum: block.readUInt32BE(0x124),
    });
    at += BLOCK_BYTES + block.readUInt8(0x137) * INTERFACE_BYTES;
  }
  return bytes.length < at ? undefined : devices;
}

/** As far as the NUL; what is not printable does not get to a terminal. */
function text(field: Buffer): string {
  const nul = field.indexOf(0);
  return field.toString('latin1', 0, nul < 0 ? field.length : nul).replace(/[^\x21-\x7e]/g, '?');
}
