/** A machine laid out in a folder: what sysfs, /dev and /proc would say. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

import { Machine, type Ownership, type User } from '../../lib/machine/machine.js';

/** A file's text, a folder, or a link to what another path of the tree is. */
export type Entry = string | { readonly folder: true } | { readonly link: string };

export const FOLDER = { folder: true } as const;

/** Changing a file's group takes a root, which not everybody is who runs the tests. */
class OwnedMachine extends Machine {
  constructor(
    root: string,
    user: User,
    askAccess: (path: string, mode: number) => Promise<void>,
    readonly owners: ReadonlyMap<string, Ownership>,
    readonly rdevs: ReadonlyMap<string, number>,
  ) {
    super(root, user, askAccess);
  }

  protected override rdev(path: string): Promise<number | undefined> {
    return Promise.resolve(this.rdevs.get(path));
  }

  protected override ownership(path: string): Promise<Ownership> {
    const owner = this.owners.get(path);
    return owner ? Promise.resolve(owner) : super.ownership(path);
  }
}

export class FakeMachine {
  readonly root = mkdtempSync(join(tmpdir(), 'nvmem-machine-'));
  /** Paths that access(2) refuses: the tests run as root, to whom nothing is refused. */
  readonly denied = new Set<string>();
  readonly owners = new Map<string, Ownership>();
  /** Numbers of device nodes: making one takes a root. */
  readonly rdevs = new Map<string, number>();

  constructor(entries: Readonly<Record<string, Entry>> = {}) {
    this.add(entries);
  }

  add(entries: Readonly<Record<string, Entry>>): void {
    for (const [path, entry] of Object.entries(entries)) {
      const file = join(this.root, path);
      if (typeof entry !== 'string' && 'folder' in entry) {
        mkdirSync(file, { recursive: true });
        continue;
      }
      mkdirSync(dirname(file), { recursive: true });
      if (typeof entry === 'string') writeFileSync(file, `${entry}\n`);
      // What /proc says of descriptors is meant as it stands; sysfs links are relative.
      else if (path.startsWith('/proc/')) symlinkSync(entry.link, file);
      else symlinkSync(relative(dirname(file), join(this.root, entry.link)), file);
    }
  }

  path(path: string): string {
    return join(this.root, path);
  }

  /** Whose a node is, and with which permissions. */
  give(path: string, gid: number, mode: number): void {
    this.owners.set(path, { gid, mode });
  }

  machine(user = { uid: 1000, name: 'alice' }): Machine {
    const askAccess = async (path: string, mode: number): Promise<void> => {
      await access(path, mode);
      if (this.denied.has(path.slice(this.root.length))) {
        throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
      }
    };
    return new OwnedMachine(this.root, user, askAccess, this.owners, this.rdevs);
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}

/** A CP2112 at a place, as Linux 6.x shows it with hid-cp2112 bound. */
export function bridgeEntries({
  place = '1-1',
  serial = '0043FFF3',
  number = 0,
  devnum = '2',
  ids: [vid, pid] = ['10c4', 'ea90'],
  product = '',
}: {
  place?: string;
  serial?: string;
  number?: number;
  devnum?: string;
  ids?: readonly [vid: string, pid: string];
  product?: string;
} = {}): Record<string, Entry> {
  const n = String(number);
  const device = `/sys/devices/usb1/${place}`;
  const face = `${device}/${place}:1.0`;
  const hid = `${face}/0003:${vid.toUpperCase()}:${pid.toUpperCase()}.000${String(number + 1)}`;
  return {
    [`/sys/bus/usb/devices/${place}`]: { link: device },
    [`${device}/idVendor`]: vid,
    [`${device}/idProduct`]: pid,
    ...(product !== '' && { [`${device}/product`]: product }),
    ...(serial !== '' && { [`${device}/serial`]: serial }),
    [`${device}/busnum`]: '1',
    [`${device}/devnum`]: devnum,
    [`${device}/power/control`]: 'on',
    [`${device}/driver`]: { link: '/sys/bus/usb/drivers/usb' },
    [`${face}/driver`]: { link: '/sys/bus/usb/drivers/usbhid' },
    [`${hid}/driver`]: { link: '/sys/bus/hid/drivers/cp2112' },
    [`${hid}/hidraw/hidraw${n}/dev`]: '246:0',
    [`${hid}/gpiochip${n}/dev`]: '254:0',
    [`${hid}/i2c-${n}/name`]: `CP2112 SMBus Bridge on hidraw${n}`,
    [`${hid}/i2c-${n}/i2c-dev/i2c-${n}/dev`]: `89:${n}`,
    [`/sys/class/hidraw/hidraw${n}/device`]: { link: hid },
    [`/sys/bus/i2c/devices/i2c-${n}`]: { link: `${hid}/i2c-${n}` },
    '/sys/bus/usb/drivers/usb': FOLDER,
    '/sys/bus/usb/drivers/usbhid': FOLDER,
    '/sys/bus/hid/drivers/cp2112': FOLDER,
    [`/dev/bus/usb/001/${devnum.padStart(3, '0')}`]: '',
    [`/dev/hidraw${n}`]: '',
    [`/dev/i2c-${n}`]: '',
  };
}

/** An EEPROM that the kernel's at24 has on adapter i2c-0. */
export function at24Entries(place = '1-1'): Record<string, Entry> {
  const adapter = `/sys/devices/usb1/${place}/${place}:1.0/0003:10C4:EA90.0001/i2c-0`;
  return {
    [`${adapter}/0-0050/name`]: '24c02',
    [`${adapter}/0-0050/driver`]: { link: '/sys/bus/i2c/drivers/at24' },
    [`${adapter}/0-0050/0-00501/nvmem`]: 'x'.repeat(255),
    [`${adapter}/0-0050/0-00501/type`]: 'EEPROM',
    [`${adapter}/0-0050/0-00501/cells/mac@fa,0`]: '',
    '/sys/bus/i2c/drivers/at24': FOLDER,
    '/sys/bus/nvmem/devices/0-00501': { link: `${adapter}/0-0050/0-00501` },
  };
}
