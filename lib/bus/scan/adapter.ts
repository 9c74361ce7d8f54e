/** Who answers on an adapter of the kernel, asked through the package i2c-bus. */
import { NvmemError } from '../../base/errors.js';
import { checkInteger, checkKeys, checkObject } from '../../base/validate.js';
import { ACCESS_HINT } from '../../machine/adapters.js';
import { loadI2cBus } from '../../machine/i2c_bus.js';
import { driverAt } from '../../machine/kernel_clients.js';
import { thisMachine } from '../../machine/machine.js';

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
 * Main thread only. Rejects with NvmemError: EOPNOTSUPP (a worker), ENOENT (no such adapter), EACCES, ENODEV (it went);
 * RangeError for other addresses.
 */
export async function scanAddresses(number: number, options: ScanOptions = {}): Promise<ScannedAddress[]> {
  checkInteger('number', number, 0);
  checkKeys('options', checkObject('options', options), ['first', 'last']);
  const { first = 0x50, last = 0x5f } = options;
  checkInteger('options.first', first, 0x08, 0x77);
  checkInteger('options.last', last, first, 0x77);
  const i2cBus = loadI2cBus('a scan');
  const found: ScannedAddress[] = [];
  const bus = await i2cBus.openPromisified(number);
  try {
    for (const [low, high] of READABLE) {
      for (let address = Math.max(low, first); address <= Math.min(high, last); address++) {
        const driver = await driverAt(thisMachine, number, address);
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
