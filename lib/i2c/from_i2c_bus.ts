/** An EEPROM behind an i2c-bus object that a program has open already. */
import { NvmemError } from '../base/errors.js';
import { findChip, WRITE_TIMEOUT_MS, type At24Chip } from '../chips/chips.js';
import { chipAtAddress, FIRST_ADDRESS, isCommandAddress, LAST_ADDRESS } from '../chips/place.js';
import { otherFamily, similarChips } from '../chips/similar.js';
import { type Geometry } from '../chips/uses.js';
import { claimWhenRegistered, type NvmemProvider } from '../core/provider.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  checkString,
  rangeError,
} from '../base/validate.js';
import { BusCalls, type I2cBusObject } from './bus_calls.js';
import { claimOn } from './claims.js';
import { EepromCalls } from './eeprom_calls.js';
import type { EepromGeometry } from './wire.js';

export interface FromI2cBusOptions {
  /** Seven-bit device address; of a part of several blocks the first. */
  readonly address: number;
  /** As printed on the part, or the kernel's name. Without it `size` and `addressWidth` are needed. */
  readonly chip?: string | undefined;
  /** Bytes. Default: the chip's. */
  readonly size?: number | undefined;
  /** Bits of a word address, 8 or 16. Default: the chip's. */
  readonly addressWidth?: 8 | 16 | undefined;
  /** Write page, bytes, a power of two. Default: the chip's; without a chip 1, which is always right and slow. */
  readonly page?: number | undefined;
  /** How long a write cycle may take, milliseconds. Default: as at24, at least 25. */
  readonly writeCycleMs?: number | undefined;
  /** Take the part for what the options say, without a look at it. Default false. */
  readonly forceGeometry?: boolean | undefined;
}

const KEYS = ['address', 'chip', 'size', 'addressWidth', 'page', 'writeCycleMs', 'forceGeometry'];

/**
 * A provider over an i2c-bus object, promisified or with callbacks, or any object with its i2cRead and i2cWrite: to be
 * given to register(). The object stays the caller's, who closes it after unregister().
 *
 * A read sets the part's address and reads in a second transfer, for i2c-bus has no combined one; everything that goes
 * through one object is kept in order, but other programs on the adapter may come in between. On adapters without
 * plain I2C its SMBus block commands serve parts with one address byte.
 *
 * While it is registered its device addresses are taken on that object: registering another geometry there is EBUSY, and
 * writers of one part take turns.
 *
 * An address of two bytes is a write of one byte to a part that takes one. So the first read of a part with two asks it with one
 * byte before, and the first write of any part looks whether its width and size can be right. What contradicts the options is
 * EMEDIUMTYPE, before anything is sent that could change the part; what a blank part does not tell is found out after the first
 * page, before the second. `forceGeometry: true` leaves the looks out.
 *
 * i2c-bus holds /dev/i2c-N open until it is closed: pulling the plug of a USB adapter then keeps the kernel's hub worker
 * waiting. Devices opened with i2c:// do not have that fault.
 *
 * Errors of its operations, besides those of the object: ENXIO (nothing answers), EPERM (the part refuses
 * data), ETIMEDOUT (it does not come back from its write cycle), EBUSY (a driver of the kernel has the
 * address), EMEDIUMTYPE (another part is there), EOPNOTSUPP (two address bytes, and the adapter carries SMBus only), EIO and
 * EPROTO (the object says that it moved another number of bytes). A write that fails says with `bytesTransferred` how much is
 * stored.
 *
 * @throws TypeError, RangeError: a wrong option, by name; NvmemError EINVAL: no such part is at that address.
 *
 * @example
 * const bus = await i2c.openPromisified(1);
 * const device = await nvmem.register({ provider: fromI2cBus(bus, { address: 0x50, chip: '24c256' }), name: 'board' });
 */
export function fromI2cBus(
  bus: I2cBusObject,
  options: FromI2cBusOptions,
): NvmemProvider & { readonly size: number } {
  const given: { readonly i2cRead?: unknown; readonly i2cWrite?: unknown } = checkObject('bus', bus);
  checkFunction('bus.i2cRead', given.i2cRead);
  checkFunction('bus.i2cWrite', given.i2cWrite);
  const geometry = geometryOf(options);
  const isForced = checkBoolean('options.forceGeometry', options.forceGeometry ?? false);
  const calls = new EepromCalls(new BusCalls(bus), geometry, isForced);
  const provider: NvmemProvider & { readonly size: number } = {
    size: geometry.size,
    read: (offset, length, { signal }) => calls.read(offset, length, signal),
    ...(!geometry.readOnly && {
      write: (offset: number, data: Uint8Array, { signal }: { signal: AbortSignal }) =>
        calls.write(offset, data, signal),
    }),
  };
  // From register() to unregister(), as of a device that open() opens.
  claimWhenRegistered(provider, (holder) => claimOn(bus, geometry, holder));
  return provider;
}

/** A part of which only the size is known. */
const UNNAMED: Geometry['chip'] = {
  name: 'EEPROM',
  part: undefined,
  paging: 'none',
  blockShift: 0,
  offsetAdd: 0,
  addresses: 1,
  address: 0x50,
};

function geometryOf(options: FromI2cBusOptions): EepromGeometry & Geometry {
  checkKeys('options', checkObject('options', options), KEYS);
  const address = checkInteger('options.address', options.address, FIRST_ADDRESS, LAST_ADDRESS);
  const chip = chipOf(options.chip, address, options.size);
  const width = checkInteger(
    'options.addressWidth',
    options.addressWidth ?? (chip && chip.addressBytes * 8),
    8,
    16,
  );
  if (width !== 8 && width !== 16) throw rangeError('options.addressWidth', '8 or 16', width);
  const addressBytes = width === 16 ? 2 : 1;
  const block = addressBytes === 2 ? 65_536 : 256;
  const size = checkInteger('options.size', options.size ?? chip?.size, 1, 8 * block);
  const pageSize = checkInteger('options.page', options.page ?? chip?.pageSize ?? 1, 1, 256);
  if ((pageSize & (pageSize - 1)) !== 0) throw rangeError('options.page', 'a power of two', pageSize);
  const blockShift = chip?.blockShift ?? 0;
  const offsetAdd = chip?.offsetAdd ?? 0;
  const last = address + (Math.floor((offsetAdd + size - 1) / block) << blockShift);
  if (last > 0x77) throw rangeError('options.address', 'low enough for all blocks of the part', address);
  for (let device = address; device <= last; device += 1 << blockShift) {
    if (isCommandAddress(device))
      throw rangeError('options.address', 'a part of no block at 0x30 to 0x37', address);
  }
  return {
    chip: chip ?? UNNAMED,
    address,
    size,
    addressBytes,
    pageSize,
    blockShift,
    offsetAdd,
    readOnly: chip?.readOnly ?? false,
    writeCycleMs: checkInteger(
      'options.writeCycleMs',
      options.writeCycleMs ?? Math.max(WRITE_TIMEOUT_MS, chip?.writeCycleMs ?? 0),
      1,
      1000,
    ),
  };
}

function chipOf(name: string | undefined, address: number, size: number | undefined): At24Chip | undefined {
  if (name === undefined) {
    if (isCommandAddress(address)) throw rangeError('options.address', 'none of 0x30 to 0x37', address);
    return undefined;
  }
  checkString('options.chip', name);
  const chip = findChip(name);
  if (!chip) {
    const other = otherFamily(name);
    const rule =
      other === undefined ? `a chip such as ${similarChips(name).join(', ')}` : `a 24Cxx; a ${name} ${other}`;
    throw rangeError('options.chip', rule, name);
  }
  const found = chipAtAddress(chip, address, size);
  if (!('problem' in found)) return found;
  throw new NvmemError('EINVAL', found.problem, { syscall: 'fromI2cBus', hint: found.hint });
}
