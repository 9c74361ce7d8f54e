/** A folder that looks like /sys/bus/usb and /dev/bus/usb, with bridges plugged in and pulled out. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Machine } from '../../lib/machine/machine.js';

export interface Plug {
  readonly serial?: string;
  readonly product?: string;
  readonly ids?: readonly [vid: string, pid: string];
  readonly devnum: number;
  /** What hid-cp2112 made; without it the interface has no driver. */
  readonly kernel?: { readonly hidraw: number; readonly i2c: number };
  /** The HID report descriptor, which the kernel has read: hid-generic has the interface. */
  readonly reports?: Uint8Array;
}

export class UsbTree {
  readonly root = mkdtempSync(join(tmpdir(), 'nvmem-usb-'));
  readonly sysfs = join(this.root, 'sys');
  readonly dev = join(this.root, 'dev');
  readonly machine = new Machine(this.root);

  constructor() {
    mkdirSync(join(this.sysfs, 'bus/usb/devices'), { recursive: true });
    mkdirSync(join(this.dev, 'bus/usb/001'), { recursive: true });
  }

  plug(path: string, plug: Plug): void {
    const [vid, pid] = plug.ids ?? ['10c4', 'ea90'];
    const device = this.#device(path);
    const part = join(device, `${path}:1.0`);
    mkdirSync(part, { recursive: true });
    if (plug.kernel) {
      const hid = join(part, '0003:10C4:EA90.0007');
      mkdirSync(join(hid, `hidraw/hidraw${String(plug.kernel.hidraw)}`), { recursive: true });
      mkdirSync(join(hid, `i2c-${String(plug.kernel.i2c)}/i2c-dev`), { recursive: true });
      symlinkSync('../../../../drivers/usbhid', join(part, 'driver'));
      symlinkSync('../../../../../drivers/cp2112', join(hid, 'driver'));
    }
    if (plug.reports) {
      const hid = join(part, `0003:${vid.toUpperCase()}:${pid.toUpperCase()}.0009`);
      mkdirSync(join(hid, 'hidraw/hidraw5'), { recursive: true });
      writeFileSync(join(hid, 'report_descriptor'), plug.reports);
      symlinkSync('../../../../drivers/usbhid', join(part, 'driver'));
      symlinkSync('../../../../../drivers/hid-generic', join(hid, 'driver'));
    }
    const attributes = { idVendor: vid, idProduct: pid, serial: plug.serial, product: plug.product };
    for (const [name, text] of Object.entries({ ...attributes, busnum: '1', devnum: String(plug.devnum) })) {
      if (text !== undefined) writeFileSync(join(device, name), `${text}\n`);
    }
    writeFileSync(this.#node(plug.devnum), '');
  }

  /** A program claims the interface: what the kernel's HID driver had made is gone. */
  claim(path: string): void {
    const part = join(this.#device(path), `${path}:1.0`);
    rmSync(part, { recursive: true });
    mkdirSync(part);
    symlinkSync('../../../../drivers/usbfs', join(part, 'driver'));
  }

  pull(path: string, devnum: number): void {
    rmSync(this.#device(path), { recursive: true });
    rmSync(this.#node(devnum));
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }

  #device(path: string): string {
    return join(this.sysfs, 'bus/usb/devices', path);
  }

  #node(devnum: number): string {
    return join(this.dev, 'bus/usb/001', String(devnum).padStart(3, '0'));
  }
}
