/** Carries out one operation, and says how it has ended: everything that the error tells, and nothing that is made of it. */
import { NvmemError, type ByteRange } from '../../base/errors.js';
import { openBus } from '../../bus/bus.js';
import { open } from '../../open/open.js';
import type { NvmemDevice } from '../../core/device.js';
import { parseUri } from '../../uri/uri.js';
import { clockMs, type Order, type Settled } from './protocol.js';

type Found = Pick<
  Settled,
  'data' | 'transferred' | 'differs' | 'level' | 'addresses' | 'protectError' | 'committed'
>;

/** @param progress called with the bytes so far, where the order asks for it */
export async function operate(
  device: NvmemDevice,
  order: Order,
  progress: (done: number) => void,
): Promise<Settled> {
  const began = clockMs();
  return settle(order.id, began, () => carryOut(device, order, progress));
}

/** What needs no device: a look at the pin, or at the bus. */
export async function look(uri: string, order: Order): Promise<Settled> {
  const began = clockMs();
  return settle(order.id, began, () => lookAt(uri, order));
}

async function settle(id: number, began: number, run: () => Promise<Found>): Promise<Settled> {
  try {
    const found = await run();
    return { id, began, at: clockMs(), code: 'ok', message: '', ...found };
  } catch (error) {
    const at = clockMs();
    if (!(error instanceof NvmemError)) {
      const { name, message } =
        error instanceof Error ? error : { name: typeof error, message: String(error) };
      return { id, began, at, code: name, message, transferred: 0 };
    }
    return {
      id,
      began,
      at,
      code: error.code,
      message: error.message,
      transferred: error.bytesTransferred ?? 0,
      data: error.partial,
      committed: error.committed,
      uncertain: error.uncertain,
      untouched: error.untouched,
      protectError: error.protectError?.message,
    };
  }
}

async function carryOut(device: NvmemDevice, order: Order, progress: (done: number) => void): Promise<Found> {
  const { offset, length, kind, action, data = new Uint8Array(0) } = order;
  const options = order.progress === true ? { onProgress: progress } : {};
  const whole: readonly ByteRange[] = [{ offset, length }];
  if (kind === 'verify') {
    const { differs } = await device.verify(data, { offset, ...options });
    return { transferred: length, differs };
  }
  if (kind === 'cell') {
    const { bits } = order;
    const place = { offset, ...(bits ? { bitOffset: bits.first, nbits: bits.count } : { bytes: length }) };
    if (action === 'read') {
      const read = await device.cellRead(place);
      return { transferred: read.length, data: read };
    }
    const { protectError } = await device.cellWrite(place, data);
    return { transferred: length, committed: whole, protectError: protectError?.message };
  }
  if (action === 'read') {
    const read = await device.read(offset, length, options);
    return { transferred: read.length, data: read };
  }
  const { bytesWritten, protectError } = await device.write(offset, data, options);
  return { transferred: bytesWritten, committed: whole, protectError: protectError?.message };
}

async function lookAt(uri: string, { kind, offset, data }: Order): Promise<Found> {
  const parsed = parseUri(uri);
  if (!('bus' in parsed)) throw new NvmemError('EOPNOTSUPP', `${uri} is on no bus that can be looked at`);
  await using bus = await openBus(parsed.bus.uri);
  if (kind === 'scan') {
    const parts = await bus.scan();
    return { transferred: 0, addresses: parts.flatMap(({ addresses }) => addresses) };
  }
  const line = parsed.part.wp?.line;
  const level = await bus.gpio.read(typeof line === 'number' ? line : NaN);
  return { transferred: data ? await writePast(uri, offset, data) : 0, level };
}

/** As somebody who knows nothing of the part's WP pin. @returns bytes that are stored */
async function writePast(uri: string, offset: number, data: Uint8Array): Promise<number> {
  const bare = uri.replace(/([?&])wp=[^&]*&?/, '$1').replace(/[?&]$/, '');
  await using device = await open(bare, { forceGeometry: true });
  try {
    return (await device.write(offset, data)).bytesWritten;
  } catch (error) {
    // A part drops what WP forbids, or refuses it.
    if (error instanceof NvmemError && (error.code === 'EBADMSG' || error.code === 'EPERM')) return 0;
    throw error;
  }
}
