import { promises } from 'node:fs';

import { codeOf, errnoOf, NvmemError } from '../base/errors.js';
import { ACCESS_HINT, adaptersOf } from '../machine/adapters.js';
import { clientName, driverAt } from '../machine/kernel_clients.js';
import { splitDeviceNumber, thisMachine } from '../machine/machine.js';
import { native } from '../native/index.js';
import type { I2cUri } from '../uri/bus_uri.js';
import type { Part } from '../uri/part.js';
import { wireOfNode } from './wire.js';
import type { BusAccess } from './access.js';

/** An I2C adapter of the kernel. */
export async function i2cAccess({ path, force }: I2cUri, uri: string): Promise<BusAccess> {
  // A link to a node is the same adapter; a node that is not there is for check() to say.
  const node = await promises.realpath(path).catch(() => path);
  return {
    key: `i2c ${node} ${String(force)}`,
    what: `the adapter ${path}`,
    wire: () => wireOfNode(node),
    setsClock: false,
    check: async () => {
      await adapterNumber(path, uri);
    },
    checkPart: (part, partUri) => (force ? Promise.resolve() : checkPart(path, part, partUri)),
    open: (_clockHz, openTimeoutMs) => native().openI2c({ path, force, openTimeoutMs }),
    sentences: {
      EACCES: 'permission denied',
      ENOENT: 'there is no such node',
      ENODEV: 'it went away while it was being opened',
    },
    hint: (code) =>
      code === 'EACCES'
        ? ACCESS_HINT
        : code === 'ENODEV' || code === 'ENOENT'
          ? 'nvmem list shows the adapters of this machine.'
          : undefined,
    partHint: (code) => PART_HINTS[code],
    // As the kernel names its I2C devices: 1-0050.
    name: () => node.replace(/^.*\/(i2c-)?/, ''),
  };
}

const PART_HINTS: Readonly<Partial<Record<string, string>>> = {
  // The adapter's driver knows no plain I2C (native/i2c/linux_i2c.h says why that is refused and not worked around).
  EOPNOTSUPP:
    'The adapter carries SMBus commands only, and parts with two address bytes need plain I2C: use another adapter. ' +
    'nvmem list shows what each can do.',
  // A driver's client behind a multiplexer, or one that came just now.
  EBUSY:
    'Let the driver of the kernel go (unbind), or add force=1; a bus that is held low needs its parts power-cycled.',
};

/** Does no driver of the kernel have one of the part's addresses? */
async function checkPart(path: string, part: Part, uri: string): Promise<void> {
  const number = await adapterNumber(path, uri);
  if (number === undefined) return;
  for (const address of addressesOf(part)) {
    const driver = await driverAt(thisMachine, number, address);
    if (driver !== undefined) throw takenError({ path, uri }, number, address, driver);
  }
}

/** Documentation/admin-guide/devices.txt. */
const I2C_MAJOR = 89;

/** The minor number of i2c-dev's nodes is the number of the adapter. Undefined: it is no such node. */
async function adapterNumber(path: string, uri: string): Promise<number | undefined> {
  try {
    const { rdev } = await promises.stat(path);
    const { major, minor } = splitDeviceNumber(rdev);
    return major === I2C_MAJOR ? minor : undefined;
  } catch (cause) {
    const errno = errnoOf(cause);
    const code = codeOf(errno);
    if (code !== 'ENOENT') {
      throw new NvmemError(code, `cannot look at ${path}`, {
        errno,
        syscall: 'open',
        device: uri,
        cause,
      });
    }
    const all = await adaptersOf(thisMachine);
    const nodes = all.flatMap(({ node, name }) => (node === undefined ? [] : [`${node} (${name})`]));
    const hint =
      nodes.length > 0
        ? `There are ${nodes.join(', ')}.`
        : all.length > 0
          ? 'The kernel has adapters but no nodes for them: modprobe i2c-dev.'
          : 'The kernel has no I2C adapter: load its driver, or plug the bridge in; then modprobe i2c-dev.';
    throw new NvmemError('ENOENT', `cannot open the adapter ${path}: there is no such node`, {
      errno,
      syscall: 'open',
      device: uri,
      cause,
      hint,
    });
  }
}

/** Every device address at which a part of several blocks answers. */
function addressesOf({ address, addressBytes, size, chip }: Part): number[] {
  const block = addressBytes === 2 ? 65_536 : 256;
  const first = Math.floor(chip.offsetAdd / block);
  const last = Math.floor((chip.offsetAdd + size - 1) / block);
  return Array.from({ length: last - first + 1 }, (_, i) => address + ((first + i) << chip.blockShift));
}

function takenError(
  { path, uri }: { readonly path: string; readonly uri: string },
  number: number,
  address: number,
  driver: string,
): NvmemError {
  const client = clientName(number, address);
  const at = `0x${address.toString(16)}`;
  const other = driver === 'at24' ? `use sysfs:// (ls /sys/bus/i2c/devices/${client}), ` : '';
  return new NvmemError(
    'EBUSY',
    `cannot use ${at} on the adapter ${path}: the kernel's driver ${driver} has it`,
    {
      syscall: 'open',
      device: uri,
      hint:
        `Either ${other}or let the driver go (echo ${client} > /sys/bus/i2c/drivers/${driver}/unbind), ` +
        'or add force=1 where you know that both will not meet.',
    },
  );
}
