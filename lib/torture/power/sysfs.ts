/** Power by the kernel's own files: `authorized` of the USB device, and bind/unbind of drivers. */
import { basename, dirname } from 'node:path';

import { NvmemError } from '../../base/errors.js';
import { ok, problem, type Finding } from '../../doctor/finding.js';
import { findBridge } from '../../machine/bridges.js';
import { thisMachine, type Machine } from '../../machine/machine.js';
import { parseUri, type NvmemUri } from '../../uri/uri.js';
import { clockMs } from '../engine/protocol.js';
import { type Plug, type Power, type Switched } from './power.js';
import { writeKernelFile } from './run_command.js';

export type SysfsKind = 'usb-authorized' | 'usb-unbind' | 'driver-unbind';

/** hub_wq takes a few seconds for a device that does not answer; a write that takes longer than this waits for somebody for ever. */
const TIMEOUT_MS = 20_000;
const USB = '/sys/bus/usb';

interface Writes {
  readonly file: string;
  readonly value: string;
}

/** @throws NvmemError EOPNOTSUPP: a subject that no such file is about; ENOENT: it is not there */
export async function sysfsPower(
  kind: SysfsKind,
  uris: readonly string[],
  machine: Machine = thisMachine,
): Promise<Power> {
  const found = await Promise.all(uris.map((uri) => filesOf(kind, parseUri(uri), machine)));
  const byFile = new Map<string, number[]>();
  found.forEach(({ name }, index) => {
    byFile.set(name, [...(byFile.get(name) ?? []), index]);
  });
  const plugs: Plug[] = [...byFile].map(([name, subjects]) => {
    const files = found[subjects[0] ?? 0];
    const write = async (writes: Writes | undefined): Promise<Switched> => {
      const began = clockMs();
      const { file = '', value = '' } = writes ?? {};
      await writeKernelFile(machine.path(file), value, { timeoutMs: TIMEOUT_MS, hint: hintOf(file) });
      return { began, at: clockMs(), where: `${value} > ${file}` };
    };
    return { name, subjects, off: () => write(files?.off), on: () => write(files?.on) };
  });
  return {
    kind,
    plugs,
    cutsSupply: false,
    needs: () =>
      Promise.all(found.flatMap(({ off, on }) => [off, on]).map(({ file }) => mayWrite(machine, file))),
    close: () => Promise.resolve(),
  };
}

interface Files {
  readonly name: string;
  readonly off: Writes;
  readonly on: Writes;
}

async function filesOf(kind: SysfsKind, uri: NvmemUri, machine: Machine): Promise<Files> {
  if (kind === 'driver-unbind') return driverFiles(uri, machine);
  const device = basename(await usbDeviceOf(uri, machine));
  if (kind === 'usb-authorized') {
    const file = `${USB}/devices/${device}/authorized`;
    return { name: `bridge ${device}`, off: { file, value: '0' }, on: { file, value: '1' } };
  }
  const folder = `${USB}/drivers/usb`;
  return {
    name: `bridge ${device}`,
    off: { file: `${folder}/unbind`, value: device },
    on: { file: `${folder}/bind`, value: device },
  };
}

/**
 * The driver that provides the memory: at24 for the kernel's own nvmem devices; hid-cp2112 for its adapters and hidraw nodes; for
 * a bridge that we have ourselves, whoever has its interface (usbfs on our behalf), and usbhid takes it afterwards.
 */
async function driverFiles(uri: NvmemUri, machine: Machine): Promise<Files> {
  const from = await placeOf(uri, machine);
  if (from === undefined) return refuse(uri, 'driver-unbind');
  if ('bus' in uri && uri.bus.scheme === 'cp2112') {
    const name = `${basename(from)}:1.0`;
    return {
      name: `interface ${name}`,
      off: { file: `${USB}/devices/${name}/driver/unbind`, value: name },
      on: { file: `${USB}/drivers/usbhid/bind`, value: name },
    };
  }
  const wanted = uri.scheme === 'sysfs' ? /./ : /^cp2112$/;
  for (let at = from; at !== dirname(at); at = dirname(at)) {
    const driver = await machine.realPath(`${at}/driver`);
    if (driver === undefined || !wanted.test(basename(driver))) continue;
    const value = basename(at);
    return {
      name: `${basename(driver)} of ${value}`,
      off: { file: `${driver}/unbind`, value },
      on: { file: `${driver}/bind`, value },
    };
  }
  return refuse(uri, 'driver-unbind');
}

/** The USB device's folder. */
async function usbDeviceOf(uri: NvmemUri, machine: Machine): Promise<string> {
  const from = await placeOf(uri, machine);
  for (let at = from ?? '/'; at !== dirname(at); at = dirname(at)) {
    if ((await machine.read(`${at}/idVendor`)) !== undefined && (await machine.exists(`${at}/authorized`)))
      return at;
  }
  return refuse(uri, 'usb-authorized');
}

/** Where its device is in /sys; undefined: nowhere. */
async function placeOf(uri: NvmemUri, machine: Machine): Promise<string | undefined> {
  if (uri.scheme === 'sysfs') return machine.realPath(`/sys/bus/nvmem/devices/${uri.name}`);
  if (!('bus' in uri)) return undefined;
  const { bus } = uri;
  switch (bus.scheme) {
    case 'cp2112':
      return machine.realPath(
        `${USB}/devices/${(await findBridge(bus.bridge, bus.uri, machine, bus.ids)).path}`,
      );
    case 'hidraw':
      return machine.realPath(`/sys/class/hidraw/${basename(bus.path)}/device`);
    case 'i2c':
      return machine.realPath(`/sys/bus/i2c/devices/${basename(bus.path)}`);
    case 'usbip':
      return undefined;
  }
}

function refuse(uri: NvmemUri, kind: SysfsKind): never {
  throw new NvmemError(
    'EOPNOTSUPP',
    `--power ${kind}: there is no such file for ${uri.uri} on this machine`,
    {
      syscall: 'power',
      hint:
        uri.scheme === 'usbip'
          ? "A usbip:// bridge is plugged into another machine: use --power bench:PORT of its bench, or command:'…'."
          : 'Plug it in first, and look with nvmem list; or use another --power.',
    },
  );
}

async function mayWrite(machine: Machine, file: string): Promise<Finding> {
  // What is unbound has no folder of its own; the bus's does not go away.
  const access = await machine.access(file, 'read');
  const writable =
    access === 'missing' ? 'missing' : await machine.access(file, 'read and write').catch(() => 'denied');
  const isOurs = writable === 'ok' || machine.user.uid === 0;
  return isOurs
    ? ok('power', `${file} may be written`)
    : problem(
        'power',
        `${file} ${access === 'missing' ? 'is not there' : 'may not be written by this user'}`,
        hintOf(file),
        'EACCES',
      );
}

function hintOf(file: string): string {
  return `Run it as root, or let the user write it: sudo chgrp plugdev ${file} && sudo chmod g+w ${file}`;
}
