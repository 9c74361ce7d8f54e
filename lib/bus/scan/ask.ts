/** Asks an I2C bus who is there, and reads from a part before anybody has said what it is. Nothing is ever written. */
import { codeOf, NvmemError, saysOf } from '../../base/errors.js';
import { partWords } from '../../base/part_words.js';
import type { NativeSlot } from '../../native/index.js';
import type { BusLease } from '../pool.js';

/** How to read from a part of which only a guess is known. */
export interface Geometry {
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly addressBytes: 1 | 2;
  /** One transfer may run over the end of a block of 256 bytes: so it shows whether the part goes on there. */
  readonly readRollover?: boolean;
}

export interface Asking {
  readonly lease: BusLease;
  readonly uri: string;
  readonly limits: { readonly signal: AbortSignal; readonly timeoutMs?: number };
}

/** Write cycle of the slowest parts, milliseconds: who does not answer may be busy with one, and is asked again after it. */
const WRITE_CYCLE_MS = 10;

/**
 * Does anybody acknowledge that address? A word address of one byte is sent and one byte is read: to an EEPROM of either
 * width this sets the address counter at the most, because a write begins with a data byte.
 *
 * @throws NvmemError where the bus itself fails (EBUSY: held low, ENODEV, ETIMEDOUT …)
 */
export async function answersAt(asking: Asking, address: number): Promise<boolean> {
  const { status, reason } = await withSlot(asking, { address, size: 1, addressBytes: 1 }, (slot) =>
    slot.probe(asking.limits),
  );
  if (status === 0) return true;
  const code = codeOf(status);
  if (code === 'ENXIO') return false;
  // It was there to refuse the word address.
  if (code === 'EREMOTEIO') return true;
  throw failed(asking, status, `asking 0x${address.toString(16)}`, reason);
}

/** @throws NvmemError */
export async function readFrom(
  asking: Asking,
  geometry: Geometry,
  offset: number,
  length: number,
): Promise<Buffer> {
  const { status, reason, data } = await withSlot(asking, geometry, (slot) =>
    slot.read(offset, length, asking.limits),
  );
  if (status === 0) return data;
  throw failed(asking, status, `reading from 0x${geometry.address.toString(16)}`, reason);
}

export async function withSlot<T>(
  { lease }: Asking,
  { address, size, addressBytes, readRollover = false }: Geometry,
  body: (slot: NativeSlot) => Promise<T>,
): Promise<T> {
  const slot = lease.bus.at24({
    address,
    size,
    addressBytes,
    pageSize: 1,
    writeCycleMs: WRITE_CYCLE_MS,
    blockShift: 0,
    offsetAdd: 0,
    readRollover,
    wpLine: -1,
    paging: 'none',
  });
  try {
    return await body(slot);
  } finally {
    await slot.unregister();
  }
}

function failed({ lease, uri, limits }: Asking, status: number, doing: string, reason: string): NvmemError {
  if (limits.signal.aborted) {
    return new NvmemError('ABORT_ERR', 'the operation was aborted', {
      syscall: 'scan',
      device: uri,
      cause: limits.signal.reason,
    });
  }
  const code = codeOf(status);
  const why = reason === '' ? saysOf(code) : reason;
  return new NvmemError(code, `the scan of ${lease.access.what} ended while ${doing}: ${why}`, {
    errno: status,
    syscall: 'scan',
    device: uri,
    hint: partWords(code)?.hint,
  });
}
