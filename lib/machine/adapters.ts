/** The kernel's I2C adapters, as sysfs shows them, and what answers behind them. */
import { promises } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { NvmemError } from '../base/errors.js';
import { checkBoolean, checkInteger, checkKeys, checkObject, checkString } from '../base/validate.js';
import { loadI2cBus } from '../i2c/i2c_bus.js';

/** The USB device that an adapter hangs off. */
export interface UsbParent {
  /** Bus and ports as in sysfs: '1-1.4'. */
  readonly path: string;
  /** Four hexadecimal digits. */
  readonly vendorId: string;
  readonly productId: string;
  readonly serial: string | undefined;
}

export interface I2cAdapter {
  /** N of /dev/i2c-N. */
  readonly number: number;
  /** As its driver calls it: 'CP2112 SMBus Bridge on hidraw0'. */
  readonly name: string;
  /** Its device node, where i2c-dev is loaded. */
  readonly node: string | undefined;
  readonly usb: UsbParent | undefined;
  /**
   * What it can do, by i2c-bus's names ('i2c', 'smbusReadByte' …), where that was asked for and the node may be opened:
   * parts with two address bytes need 'i2c'.
   */
  readonly functions: readonly string[] | undefined;
}

export interface ListAdaptersOptions {
  /** Also ask what each adapter can do (main thread only). Opens every node for a moment. Default false. */
  readonly functions?: boolean | undefined;
  /** Where sysfs is mounted. Default '/sys'. */
  readonly sysfs?: string | undefined;
}

const DEVICES = 'bus/i2c/devices';

/**
 * All I2C adapters, by number; none where the kernel has no I2C.
 *
 * @throws NvmemError ENOTSUP: `functions` in a worker.
 */
export async function listAdapters(options: ListAdaptersOptions = {}): Promise<I2cAdapter[]> {
  checkKeys('options', checkObject('options', options), ['functions', 'sysfs']);
  const { functions = false, sysfs = '/sys' } = options;
  checkBoolean('options.functions', functions);
  checkString('options.sysfs', sysfs);
  if (functions) loadI2cBus('asking adapters what they can do');
  const folder = join(sysfs, DEVICES);
  const names = await promises.readdir(folder).catch(() => []);
  const numbers = names.flatMap((name) => (/^i2c-\d+$/.test(name) ? [Number(name.slice(4))] : []));
  const all = await Promise.all(
    numbers.sort((a, b) => a - b).map((number) => describe(sysfs, number, functions)),
  );
  return all.filter((adapter) => adapter !== undefined);
}

/** Undefined: it went while it was being looked at. */
async function describe(sysfs: string, number: number, functions: boolean): Promise<I2cAdapter | undefined> {
  const folder = join(sysfs, DEVICES, `i2c-${String(number)}`);
  const name = await text(join(folder, 'name'));
  if (name === undefined) return undefined;
  const hasNode = (await text(join(folder, 'i2c-dev', `i2c-${String(number)}`, 'dev'))) !== undefined;
  return {
    number,
    name,
    node: hasNode ? `/dev/i2c-${String(number)}` : undefined,
    usb: await usbParent(folder),
    functions: functions && hasNode ? await functionsOf(number) : undefined,
  };
}

async function usbParent(folder: string): Promise<UsbParent | undefined> {
  let at = await promises.realpath(folder).catch(() => '/');
  for (; at !== dirname(at); at = dirname(at)) {
    const vendorId = await text(join(at, 'idVendor'));
    const productId = await text(join(at, 'idProduct'));
    if (vendorId === undefined || productId === undefined) continue;
    return { path: basename(at), vendorId, productId, serial: await text(join(at, 'serial')) };
  }
  return undefined;
}

async function functionsOf(number: number): Promise<string[] | undefined> {
  try {
    const bus = await loadI2cBus('asking an adapter what it can do').openPromisified(number);
    try {
      const functions = await bus.i2cFuncs();
      return Object.entries(functions).flatMap(([name, can]) => (can === true ? [name] : []));
    } finally {
      await bus.close();
    }
  } catch {
    return undefined; // no permission, or it has gone
  }
}

/** The kernel driver that is bound to an address of an adapter. */
export async function driverAt(number: number, address: number, sysfs = '/sys'): Promise<string | undefined> {
  const client = clientName(number, address);
  return await promises.readlink(join(sysfs, DEVICES, client, 'driver')).then(basename, () => undefined);
}

/** As the kernel names what is at an address: '1-0050'. */
export function clientName(number: number, address: number): string {
  return `${String(number)}-${address.toString(16).padStart(4, '0')}`;
}

async function text(file: string): Promise<string | undefined> {
  return await promises.readFile(file, 'utf8').then(
    (content) => content.trim(),
    () => undefined,
  );
}

export interface ScannedAddress {
  readonly address: number;
  /** 'driver': a driver of the kernel has the address, so it was not asked. */
  readonly state: 'answers' | 'silent' | 'driver';
  readonly driver: string | undefined;
}

export interface ScanOptions {
  /** First and last address, 0x08 to 0x77. Default: 0x50 to 0x5f, where EEPROMs and their serial numbers are. */
  readonly first?: number | undefined;
  readonly last?: number | undefined;
  /** Where sysfs is mounted. Default '/sys'. */
  readonly sysfs?: string | undefined;
}

/** Where i2cdetect reads a byte instead of writing: a write of no data there makes some EEPROMs store what comes next. */
const READABLE: readonly (readonly [first: number, last: number])[] = [
  [0x30, 0x37],
  [0x50, 0x5f],
];

/**
 * Asks each address for one byte (SMBus receive byte), as `i2cdetect -r` does: that moves a memory's address latch and
 * nothing else. Never the SMBus quick command: its write locks up some EEPROMs. Other kinds of parts may mind
 * being read, so only 0x30 to 0x37 and 0x50 to 0x5f are asked.
 *
 * Main thread only. Rejects with NvmemError: ENOTSUP (a worker), ENOENT (no such adapter), EACCES, ENODEV (it went);
 * RangeError for other addresses.
 */
export async function scanAddresses(number: number, options: ScanOptions = {}): Promise<ScannedAddress[]> {
  checkInteger('number', number, 0);
  checkKeys('options', checkObject('options', options), ['first', 'last', 'sysfs']);
  const { first = 0x50, last = 0x5f, sysfs = '/sys' } = options;
  checkInteger('options.first', first, 0x08, 0x77);
  checkInteger('options.last', last, first, 0x77);
  checkString('options.sysfs', sysfs);
  const i2cBus = loadI2cBus('a scan');
  const found: ScannedAddress[] = [];
  const bus = await i2cBus.openPromisified(number);
  try {
    for (const [low, high] of READABLE) {
      for (let address = Math.max(low, first); address <= Math.min(high, last); address++) {
        const driver = await driverAt(number, address, sysfs);
        if (driver !== undefined) {
          found.push({ address, state: 'driver', driver });
          continue;
        }
        const state = await bus.receiveByte(address).then(
          () => 'answers' as const,
          (cause: unknown) => silentOr(cause, number),
        );
        found.push({ address, state, driver: undefined });
      }
    }
  } finally {
    await bus.close();
  }
  return found;
}

/** What drivers say of an address that is not acknowledged: hid-cp2112 ETIMEDOUT, i2c-stub ENODEV. */
const SILENT = new Set<unknown>(['ENXIO', 'EREMOTEIO', 'EIO', 'ETIMEDOUT', 'ENODEV']);

/** A driver behind a multiplexer is not in the adapter's own folder, and shows as EBUSY. */
function silentOr(cause: unknown, number: number): 'silent' | 'driver' {
  const { code } = cause as { code?: unknown };
  if (code === 'EBUSY') return 'driver';
  // i2c-bus opens the node at the first transfer, so this is also where it is not there.
  if (!SILENT.has(code)) throw scanError(cause, number);
  return 'silent';
}

function scanError(cause: unknown, number: number): NvmemError {
  const { code } = cause as { code?: unknown };
  const known = typeof code === 'string' ? code : 'EIO';
  const says = known === 'ENOENT' ? 'there is no such adapter' : 'it cannot be asked';
  return new NvmemError(known, `cannot scan /dev/i2c-${String(number)}: ${says}`, {
    syscall: 'scan',
    cause,
    hint: known === 'EACCES' ? ACCESS_HINT : undefined,
  });
}

/** What gives a user access to adapters: the group that Debian's i2c-tools makes, or the rule it comes with. */
export const ACCESS_HINT =
  'Add the user to the group i2c (usermod -aG i2c USER), or install the udev rule ' +
  'KERNEL=="i2c-[0-9]*", GROUP="i2c", MODE="0660" in /etc/udev/rules.d, and plug it in again.';
