import { native } from '../native/index.js';
import type { UsbipUri } from '../uri/bus_uri.js';
import type { BusSource } from './source.js';

/** A CP2112 that another machine, or the virtual bench, exports. */
export function usbipSource({ host, port, busid }: UsbipUri): BusSource {
  return {
    key: `usbip ${host.toLowerCase()} ${String(port)} ${busid}`,
    what: `the bridge ${busid} at ${host.includes(':') ? `[${host}]` : host}:${String(port)}`,
    setsClock: true,
    open: (clockHz, openTimeoutMs) => native().openUsbip({ host, port, busid, clockHz, openTimeoutMs }),
    sentences: {
      ECONNREFUSED: 'nobody listens there',
      ENOENT: 'the server exports no such device',
      ENOTSUP: 'the device is no CP2112',
      EPROTO: 'what answers is no USB/IP server',
      ETIMEDOUT: 'the server or the bridge did not answer',
      EBUSY: 'the bridge is in use by someone else',
      ENODEV: 'the server hung up, or the bridge went away, while it was being opened',
    },
    name: () => busid,
  };
}
