/**
 * Every error the library raises, in one table, and the one class that carries them.
 *
 * Programs test `code`, not `instanceof`: errors cross realms and copies of a package.
 */
import { getSystemErrorMap } from 'node:util';
import type { NvmemDiagnosis } from './diagnosis.js';

import { isA, propertyOf } from './foreign.js';
import { visible } from './visible.js';

/**
 * What several codes have in common, for those who decide by it: `gone` (it was there), `absent` (it is not), `denied`,
 * `damaged` (what it holds is not what was written), `other` (another part or memory than the one meant), `busy` (later it may
 * work), `timeout`, `aborted`, `usage` (an argument), `unsupported`, `exhausted` (memory, disk, descriptors), `failed`.
 */
export type NvmemErrorKind =
  | 'gone'
  | 'absent'
  | 'denied'
  | 'damaged'
  | 'other'
  | 'busy'
  | 'timeout'
  | 'aborted'
  | 'usage'
  | 'unsupported'
  | 'exhausted'
  | 'failed';

export interface ErrorEntry {
  /** The positive number; `NvmemError.errno` is its negative, as in Node. */
  readonly errno: number;
  readonly kind: NvmemErrorKind;
  /** What happened, as the middle of a sentence. */
  readonly says: string;
  /** When it is raised. */
  readonly when: string;
  /**
   * What to do next, one sentence that is true whatever raised the code. Where more is known the error says it instead (see
   * part_words.ts, and `hint` of NvmemErrorDetails).
   */
  readonly hint: string;
}

const table = {
  ENODEV: {
    errno: 19,
    kind: 'gone',
    says: 'the device is gone',
    when: 'The bridge was unplugged, its server hung up, or the provider was unregistered, before or during the operation.',
    hint: 'Open or register it again once it is back.',
  },
  ENXIO: {
    errno: 6,
    kind: 'absent',
    says: 'there is no such device or address',
    when: 'No part on the I2C bus acknowledged the device address, or a provider says so.',
    hint: 'Check the address, and that the device has power.',
  },
  EMEDIUMTYPE: {
    errno: 124,
    kind: 'other',
    says: 'it is another part',
    when: 'What answers at the address is not the part that chip= names: an SPD5118 tells its type, an EE1004 takes page selects, and others show by what they hold that they take another number of address bytes, or are smaller.',
    hint: 'Compare what is there with what it was opened as.',
  },
  EREMOTEIO: {
    errno: 121,
    kind: 'failed',
    says: 'the other end refused',
    when: 'A byte after the device address was not acknowledged. ST parts do this to data while write control (WC) is high.',
    hint: 'Repeat; when it persists compare what is there with what it was opened as.',
  },
  EIO: {
    errno: 5,
    kind: 'failed',
    says: 'the transfer failed',
    when: 'An incomplete transfer, an answer that makes no sense, the gpiochip of the line on WP has gone, or a provider that failed without saying how.',
    hint: 'Repeat; when it persists look at what the message gives as the reason.',
  },
  EPERM: {
    errno: 1,
    kind: 'denied',
    says: 'it is read-only or write-protected',
    when: 'A write to a read-only device (a read-only part, readOnly, forceRo), or a part that refuses data while its write control is high.',
    hint: 'Open it for writing, or set forceRo to false.',
  },
  EACCES: {
    errno: 13,
    kind: 'denied',
    says: 'permission denied',
    when: 'The operating system refused to open the file or device.',
    hint: 'Check who may use the file or device: ls -l shows it.',
  },
  EROFS: {
    errno: 30,
    kind: 'denied',
    says: 'the file system is read-only',
    when: 'A file image, an output file or a journal lies on a read-only file system.',
    hint: 'Use another directory.',
  },
  EBADF: {
    errno: 9,
    kind: 'failed',
    says: 'the file is not open for that',
    when: 'A file of the user boundary is closed, or was not opened for reading or for writing.',
    hint: 'Open it with the flags that the call needs.',
  },
  EBADMSG: {
    errno: 74,
    kind: 'damaged',
    says: 'what was read back differs from what was written',
    when: 'Verification found other bytes than those written (Microchip parts acknowledge and drop writes while WP is high), or both copies of an atomic cell are damaged.',
    hint: 'Read it again and compare: something else may write there, or it takes no writes.',
  },
  EBUSY: {
    errno: 16,
    kind: 'busy',
    says: 'busy',
    when: 'The I2C bus is held low, the bridge, the line on WP or a name is in use by someone else, or the bridge is open with another clock.',
    hint: 'Let the other user finish, then repeat.',
  },
  EAGAIN: {
    errno: 11,
    kind: 'busy',
    says: 'it is not ready',
    when: 'Another I2C master won the bus.',
    hint: 'Repeat the operation.',
  },
  EDEADLK: {
    errno: 35,
    kind: 'failed',
    says: 'it would wait for itself',
    when: 'A write to a device from inside its own provider, or a call on a file or i2c-bus object from inside of one.',
    hint: 'Do it after the call of the provider has ended.',
  },
  ETIMEDOUT: {
    errno: 110,
    kind: 'timeout',
    says: 'it took too long',
    when: 'The time limit passed (timeoutMs), the bridge or its server stopped answering, or a part stayed busy beyond its write cycle.',
    hint: 'Repeat, with a longer limit where it may take that long.',
  },
  ABORT_ERR: {
    errno: 125,
    kind: 'aborted',
    says: 'the operation was aborted',
    when: 'The AbortSignal given to the operation was aborted. `name` is AbortError and `cause` the reason of the signal, as in Node.',
    hint: 'Repeat it when you are ready.',
  },
  ECONNREFUSED: {
    errno: 111,
    kind: 'absent',
    says: 'nobody listens there',
    when: 'Nothing listens at the host and port of a usbip:// URI.',
    hint: 'Start the server, or correct the host and port.',
  },
  ECONNRESET: {
    errno: 104,
    kind: 'gone',
    says: 'the server hung up',
    when: 'The USB/IP server closed the connection while the bridge was being opened.',
    hint: 'Look at the log of the server, then repeat.',
  },
  EHOSTUNREACH: {
    errno: 113,
    kind: 'absent',
    says: 'the host cannot be reached',
    when: 'There is no way to the host of a usbip:// URI, or its name is unknown.',
    hint: 'Check the host name and the network.',
  },
  ENETUNREACH: {
    errno: 101,
    kind: 'absent',
    says: 'the network cannot be reached',
    when: 'There is no way to the network of the host of a usbip:// URI.',
    hint: 'Check the host name and the network.',
  },
  EPROTO: {
    errno: 71,
    kind: 'failed',
    says: 'the peer does not speak the protocol',
    when: 'The server is no USB/IP server, or it or the bridge broke the protocol.',
    hint: 'Check that what answers is what was meant.',
  },
  ENOENT: {
    errno: 2,
    kind: 'absent',
    says: 'there is no such thing',
    when: 'The server exports no device with that bus id, a file image or a line of a gpiochip does not exist, or a device has no cell of that name.',
    hint: 'Check the name.',
  },
  EOPNOTSUPP: {
    errno: 95,
    kind: 'unsupported',
    says: 'this is not supported',
    when: 'The provider has no read, or no write; it cannot be read synchronously, or not be shared with other threads; or what a URI names is no CP2112, or has no HID interface that could be one.',
    hint: 'Use another device, or another way to it.',
  },
  ENOSYS: {
    errno: 38,
    kind: 'unsupported',
    says: 'the system cannot do this',
    when: 'The line on WP is one of a gpiochip, and the kernel is older than Linux 5.10.',
    hint: 'Use a newer system, or another way.',
  },
  EINVAL: {
    errno: 22,
    kind: 'usage',
    says: 'an argument is invalid',
    when: 'A URI, configuration, cell or range breaks a rule that the message names.',
    hint: 'Correct what the message names.',
  },
  ERANGE: {
    errno: 34,
    kind: 'usage',
    says: 'a value is out of range',
    when: 'Keepouts overlap, are out of order, or leave less than a word between them.',
    hint: 'Correct what the message names.',
  },
  EFBIG: {
    errno: 27,
    kind: 'failed',
    says: 'it does not fit',
    when: 'More bytes were given than the device holds from that offset on.',
    hint: 'Give fewer bytes, or another offset.',
  },
  EEXIST: {
    errno: 17,
    kind: 'failed',
    says: 'that name is taken',
    when: 'A device of that name is registered, or the file of a journal is there already.',
    hint: "Use another name, or id: 'auto'.",
  },
  EISDIR: {
    errno: 21,
    kind: 'failed',
    says: 'it is a directory',
    when: 'A file image, an output file or a journal is a directory.',
    hint: 'Name a file.',
  },
  ENOSPC: {
    errno: 28,
    kind: 'exhausted',
    says: 'the disk is full',
    when: 'An output file, a file image or a journal could not grow.',
    hint: 'Make room and repeat.',
  },
  EMFILE: {
    errno: 24,
    kind: 'exhausted',
    says: 'too many files are open in this process',
    when: 'A file, device or connection could not be opened because the process has as many as it may have.',
    hint: 'Close some, or raise the limit: ulimit -n shows it.',
  },
  ENFILE: {
    errno: 23,
    kind: 'exhausted',
    says: 'too many files are open on this machine',
    when: 'A file, device or connection could not be opened because the system has as many as it may have.',
    hint: 'End programs that hold many, or raise the limit: sysctl fs.file-max shows it.',
  },
  ENOMEM: {
    errno: 12,
    kind: 'exhausted',
    says: 'out of memory',
    when: 'A buffer could not be had.',
    hint: 'Read or write in smaller parts.',
  },
  ENOBUFS: {
    errno: 105,
    kind: 'busy',
    says: 'too many operations wait',
    when: 'More operations of one device are pending than its queue takes (32768, or writes of 64 MiB in all).',
    hint: 'Await what was started before starting more.',
  },
  EPIPE: {
    errno: 32,
    kind: 'failed',
    says: 'the other end refused the request',
    when: 'The bridge refused a USB request.',
    hint: 'Open it again.',
  },
  ESTALE: {
    errno: 116,
    kind: 'other',
    says: 'it is not the same memory any more',
    when: 'A journal is that of another memory, the memory holds neither what it held before the write nor what was to be written, or a followed memory came back as another one.',
    hint: 'Open the memory that is meant, and read it before anything is written.',
  },
  EPROBE_DEFER: {
    errno: 517,
    kind: 'absent',
    says: 'the provider is not there (yet)',
    when: 'A device was looked up by a name that nobody has registered so far (or any more).',
    hint: "Register it first, or wait for the registry's add event.",
  },
} as const satisfies Record<string, ErrorEntry>;

/** The codes the library itself raises. A provider's own code (a string like 'ENOTTY') is passed through as well. */
export type NvmemErrorCode = keyof typeof table;

/** When each code is raised, of what kind it is, and what to do about it. */
export const errorTable: Readonly<Record<NvmemErrorCode, ErrorEntry>> = table;

/** A stretch of the device, bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface NvmemErrorDetails {
  /** Negative. Default: that of the code. */
  errno?: number;
  syscall?: string | undefined;
  device?: string | undefined;
  offset?: number | undefined;
  bytesTransferred?: number | undefined;
  cause?: unknown;
  hint?: string | undefined;
  partial?: Buffer | undefined;
  committed?: readonly ByteRange[] | undefined;
  uncertain?: readonly ByteRange[] | undefined;
  untouched?: readonly ByteRange[] | undefined;
  protectError?: NvmemError | undefined;
  mismatchOffset?: number | undefined;
  mismatchCount?: number | undefined;
  diagnosis?: NvmemDiagnosis | undefined;
}

/** What every failed operation rejects with. `code` is for programs, `message` for people. */
export class NvmemError extends Error {
  /** 'ENODEV' and so on; see `errorTable`. */
  readonly code: NvmemErrorCode | (string & Record<never, never>);
  /** Negative, as in Node: -19 is ENODEV. */
  readonly errno: number;
  /** What it has in common with others; 'failed' for a code that only a provider knows. */
  readonly kind: NvmemErrorKind;
  /** 'read', 'write', 'open', 'register' … */
  readonly syscall: string | undefined;
  /** Name of the device. */
  readonly device: string | undefined;
  /** Device offset at which the operation began, bytes. */
  readonly offset: number | undefined;
  /** Read: good bytes from the start. Write: committed bytes. */
  readonly bytesTransferred: number | undefined;
  /** One sentence on what to do next. */
  readonly hint: string;
  /** Read: the good bytes themselves, `bytesTransferred` of them. */
  readonly partial: Buffer | undefined;
  /** Write: ranges that hold the new data. */
  readonly committed: readonly ByteRange[] | undefined;
  /** Write: ranges that may hold old data, new data or a mixture. */
  readonly uncertain: readonly ByteRange[] | undefined;
  /** Write: ranges that still hold what they held before. */
  readonly untouched: readonly ByteRange[] | undefined;
  /** Write: putting write protect back up failed as well. It never replaces the result of the write itself. */
  readonly protectError: NvmemError | undefined;
  /** EBADMSG: device offset of the first byte that reads back differently. */
  readonly mismatchOffset: number | undefined;
  /** EBADMSG: how many bytes differ. */
  readonly mismatchCount: number | undefined;
  /** What the bytes of the part tell about why; undefined: nothing. */
  readonly diagnosis: NvmemDiagnosis | undefined;

  /** The code is put in front of `message`, as Node does; what a terminal would act on in it is an escape. */
  constructor(code: NvmemError['code'], message: string, details: NvmemErrorDetails = {}) {
    super(`${code}: ${visible(message)}`, details.cause === undefined ? undefined : { cause: details.cause });
    const entry = entryOf(code);
    this.name = code === 'ABORT_ERR' ? 'AbortError' : 'NvmemError';
    this.code = code;
    this.errno = details.errno ?? -(entry?.errno ?? table.EIO.errno);
    this.kind = entry?.kind ?? 'failed';
    this.syscall = details.syscall;
    this.device = details.device;
    this.offset = details.offset;
    this.bytesTransferred = details.bytesTransferred;
    this.hint = details.hint ?? entry?.hint ?? table.EIO.hint;
    this.partial = details.partial;
    this.committed = details.committed;
    this.uncertain = details.uncertain;
    this.untouched = details.untouched;
    this.protectError = details.protectError;
    this.mismatchOffset = details.mismatchOffset;
    this.mismatchCount = details.mismatchCount;
    this.diagnosis = details.diagnosis;
  }
}

/** EINVAL for what lies beyond the end of a device, as at24 says (nvmem-core: no check there). */
export function boundsError(device: string, size: number, offset: number, length: number): NvmemError {
  const message =
    `offset + length must be at most ${String(size)}, the size of ${visible(device)} in bytes, ` +
    `got ${String(offset)} + ${String(length)}`;
  return new NvmemError('EINVAL', message, { device, offset });
}

/** The row of a code, or undefined for a code that only a provider knows. */
export function entryOf(code: string): ErrorEntry | undefined {
  return Object.hasOwn(table, code) ? table[code as NvmemErrorCode] : undefined;
}

const byErrno = new Map<number, NvmemErrorCode>();
for (const [code, entry] of Object.entries(table)) byErrno.set(entry.errno, code as NvmemErrorCode);

/** The code of a negative errno: the table's, else the operating system's, else 'E' and the number. */
export function codeOf(status: number): NvmemError['code'] {
  return byErrno.get(-status) ?? getSystemErrorMap().get(status)?.[0] ?? `E${String(-status)}`;
}

/** What a code means, as the middle of a sentence. */
export function saysOf(code: string): string {
  return entryOf(code)?.says ?? `it failed with ${code}`;
}

/**
 * V8's answer where a buffer cannot be had, and Node's to a length that V8 never gives. Providers in JavaScript pass it on as
 * it is.
 */
export function isOutOfMemory(error: unknown): boolean {
  if (!isA(error, RangeError)) return false;
  const [message, code] = [propertyOf(error, 'message'), propertyOf(error, 'code')];
  if (typeof message !== 'string') return false;
  if (code === undefined) return /^(Array buffer allocation failed|Invalid typed array length)/.test(message);
  return code === 'ERR_OUT_OF_RANGE' && message.startsWith('The value of "size" is out of range');
}

/** As the kernel has it; what lies beyond is no errno. */
const MAX_ERRNO = 4095;

/** The negative errno of an error that a provider or the operating system threw; -EIO where it says none. */
export function errnoOf(error: unknown): number {
  if (isOutOfMemory(error)) return -table.ENOMEM.errno;
  const errno = propertyOf(error, 'errno');
  if (typeof errno === 'number' && Number.isInteger(errno) && errno < 0 && errno >= -MAX_ERRNO) return errno;
  const code = propertyOf(error, 'code');
  if (typeof code === 'string') {
    const entry = entryOf(code);
    if (entry) return -entry.errno;
    for (const [number, [name]] of getSystemErrorMap()) if (name === code) return number;
  }
  return -table.EIO.errno;
}

/** Remembers where an operation was called, so that the error it may end with points there and not into the library. */
export class CallSite {
  declare readonly stack?: string;
  /** `below`: the library's public function; frames from it upwards are left out. */
  constructor(below: (...args: never[]) => unknown) {
    Error.captureStackTrace(this, below);
  }

  /** Makes `error` point at the call. */
  adopt<E extends Error>(error: E): E {
    const frames = this.stack?.indexOf('\n    at ') ?? -1;
    if (frames >= 0) error.stack = `${error.name}: ${error.message}${this.stack?.slice(frames) ?? ''}`;
    return error;
  }
}
