import { native } from '../native/index.js';
import type { Cp2112Uri } from '../uri/uri.js';
import type { BusSource } from './bus_source.js';

/** A CP2112 of this machine, through libusb. */
export function usbSource({ bridge }: Cp2112Uri): BusSource {
  return {
    key: `usb ${bridge}`,
    what: bridge === '' ? 'the bridge' : `the bridge ${bridge}`,
    setsClock: true,
    open: (clockHz, openTimeoutMs) => native().openUsb({ bridge, clockHz, openTimeoutMs }),
    sentences: {},
    name: (identity) => identity.get('path') ?? 'cp2112',
  };
}
