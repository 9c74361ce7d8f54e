/** What sysfs tells of bridges, adapters and nvmem devices, with their URIs. Nothing is opened. */
import { adaptersOf, type I2cAdapter } from './adapters.js';
import { bridgesOf, usbIdsOf, type UsbBridge } from './bridges.js';
import { usbIdText } from '../base/usb_ids.js';
import { checkBoolean, checkKeys, checkObject } from '../base/validate.js';
import { thisMachine, type Access, type Machine } from './machine.js';

/** A CP2112 on this machine. */
export interface LocalBridge extends UsbBridge {
  /** Of its bus, by the serial number where that is enough. */
  readonly uri: string;
  /** May this user open its device node? */
  readonly access: Access;
}

/** An I2C adapter of the kernel. */
export interface LocalAdapter extends I2cAdapter {
  /** Where its node is, or would be with i2c-dev: '/dev/i2c-1'. */
  readonly path: string;
  /** Of its bus. */
  readonly uri: string;
  /** May this user open its node? */
  readonly access: Access;
}

/** A device of the kernel's nvmem subsystem. */
export interface KernelMemory {
  readonly name: string;
  /** 'EEPROM', 'OTP' …; kernels before 4.19 do not say. */
  readonly type: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
  /** 'mac@fa,0' */
  readonly cells: readonly string[];
  /** Its bytes. */
  readonly file: string;
  readonly uri: string;
  /** May this user read it? */
  readonly access: Access;
}

const MEMORIES = '/sys/bus/nvmem/devices';

export async function localBridges(machine: Machine): Promise<LocalBridge[]> {
  const bridges = await bridgesOf(machine);
  return Promise.all(bridges.map((bridge) => withUri(machine, bridge, bridges)));
}

/** A bridge that was found by its ids, which need not be among those that show what they are. */
export async function localBridge(machine: Machine, bridge: UsbBridge): Promise<LocalBridge> {
  const bridges = await bridgesOf(machine);
  if (bridges.some(({ path }) => path === bridge.path)) return withUri(machine, bridge, bridges);
  const uri = `cp2112://${bridge.path}?id=${usbIdText(usbIdsOf(bridge))}`;
  return { ...bridge, uri, access: await machine.access(bridge.node) };
}

async function withUri(
  machine: Machine,
  bridge: UsbBridge,
  bridges: readonly UsbBridge[],
): Promise<LocalBridge> {
  const { serial, path, node } = bridge;
  const isUnique = bridges.filter((other) => other.serial === serial).length === 1;
  const uri = `cp2112://${isUnique && /^[\w.-]+$/.test(serial) ? serial : path}`;
  return { ...bridge, uri, access: await machine.access(node) };
}

/** @param functions Also ask what each can do; see adaptersOf(). */
export async function localAdapters(machine: Machine, functions = false): Promise<LocalAdapter[]> {
  const adapters = await adaptersOf(machine, functions);
  return Promise.all(
    adapters.map(async (adapter) => {
      const path = `/dev/i2c-${String(adapter.number)}`;
      return { ...adapter, path, uri: `i2c://${path}`, access: await machine.access(path) };
    }),
  );
}

export async function kernelMemories(machine: Machine): Promise<KernelMemory[]> {
  const names = await machine.list(MEMORIES);
  return Promise.all(
    names.map(async (name) => {
      const folder = `${MEMORIES}/${name}`;
      const file = `${folder}/nvmem`;
      return {
        name,
        type: await machine.read(`${folder}/type`),
        size: (await machine.status(file))?.size,
        cells: await machine.list(`${folder}/cells`),
        file,
        uri: `sysfs://${encodeURIComponent(name)}`,
        access: await machine.access(file, 'read'),
      };
    }),
  );
}

export interface ListOptions {
  /** Also ask what each adapter can do (main thread only). Opens every node for a moment. Default false. */
  readonly functions?: boolean | undefined;
}

/** What this machine has to open, by kind. */
export interface MachineList {
  readonly bridges: readonly LocalBridge[];
  readonly adapters: readonly LocalAdapter[];
  /** Devices of the kernel's own nvmem subsystem. */
  readonly nvmem: readonly KernelMemory[];
}

/**
 * The CP2112 bridges, I2C adapters and nvmem devices of the kernel on this machine, each with its URI and whether this user
 * may open it. It reads sysfs: no USB traffic, no I2C, no permissions needed, no udevd.
 *
 * @throws TypeError: a wrong option; NvmemError EOPNOTSUPP: `functions` in a worker.
 *
 * @example
 * const { bridges } = await list();
 * console.log(bridges.map(({ uri, serial }) => `${uri} ${serial}`));
 */
export async function list(options: ListOptions = {}): Promise<MachineList> {
  checkKeys('options', checkObject('options', options), ['functions']);
  const { functions = false } = options;
  checkBoolean('options.functions', functions);
  return listOf(thisMachine, functions);
}

export async function listOf(machine: Machine, functions = false): Promise<MachineList> {
  const [bridges, adapters, nvmem] = await Promise.all([
    localBridges(machine),
    localAdapters(machine, functions),
    kernelMemories(machine),
  ]);
  return { bridges, adapters, nvmem };
}
