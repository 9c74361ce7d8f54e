import { native } from '../native/index.js';
import type { UsbipUri } from '../uri/uri.js';
import type { BusSource } from './source.js';

const OTHER_IDS =
  'A CP2112 with ids of its own, whose HID report descriptor cannot be read, is named by them: add id=VVVV:PPPP.';
const SILENT =
  'Is the server reachable, and is the bridge well there? Plugging it in again resets it; nvmem doctor with this URI says how far it gets.';

/** A CP2112 that another machine, or the virtual bench, exports. */
export function usbipSource({ host, port, busid, ids }: UsbipUri): BusSource {
  return {
    key: `usbip ${host.toLowerCase()} ${String(port)} ${busid}`,
    what: `the bridge ${busid} at ${host.includes(':') ? `[${host}]` : host}:${String(port)}`,
    setsClock: true,
    open: (clockHz, openTimeoutMs) => native().openUsbip({ host, port, busid, clockHz, openTimeoutMs, ids }),
    sentences: {
      ECONNREFUSED: 'nobody listens there',
      ENOENT: 'the server exports no such device',
      ENOTSUP: 'the device is no CP2112',
      EPROTO: 'what answers is no USB/IP server',
      ETIMEDOUT: 'the server or the bridge did not answer',
      EBUSY: 'the bridge is in use by someone else',
      ENODEV: 'the server hung up, or the bridge went away, while it was being opened',
    },
    hint: (code) => (code === 'ENOTSUP' ? OTHER_IDS : code === 'ETIMEDOUT' ? SILENT : undefined),
    name: () => busid,
  };
}
