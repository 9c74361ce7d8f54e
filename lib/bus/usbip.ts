import { native } from '../native/index.js';
import type { UsbipUri } from '../uri/bus_uri.js';
import type { BusAccess } from './access.js';

const HINTS: Readonly<Partial<Record<string, string>>> = {
  ECONNREFUSED: 'Start the USB/IP server (for a try: nvmem rig --port 3240), or correct the host and port.',
  EHOSTUNREACH: 'Check the host name and the network.',
  ENETUNREACH: 'Check the host name and the network.',
  ECONNRESET: 'Look at the log of the server, then repeat.',
  ENOENT: 'The server lists its bus ids: nvmem list --usbip HOST, or usbip list -r HOST.',
  EOPNOTSUPP:
    'nvmem list --usbip HOST shows what the server exports. A CP2112 with ids of its own, whose HID report descriptor cannot be read, is named by them: add id=VVVV:PPPP.',
  EPROTO: 'Check that the port is that of a USB/IP server (3240 is the usual one).',
  ETIMEDOUT:
    'Look whether the server is alive; a bridge that stays silent needs to be plugged in again there. nvmem doctor with this URI says how far it gets.',
  EBUSY: 'Let the other client detach it (usbip port lists, usbip detach lets go), then repeat.',
  ENODEV: 'Look whether the server still runs and exports it, then repeat.',
  EPIPE: 'Plug the bridge in again; when it persists it is no CP2112.',
};

/** What to do where a server does not give what it was asked for. */
export function usbipHint(code: string, host: string): string | undefined {
  return Object.hasOwn(HINTS, code) ? HINTS[code]?.replaceAll('HOST', () => host) : undefined;
}

/** A CP2112 that another machine, or the virtual bench, exports. */
export function usbipAccess({ host, port, busid, ids }: UsbipUri): BusAccess {
  return {
    key: `usbip ${host.toLowerCase()} ${String(port)} ${busid}`,
    what: `the bridge ${busid} at ${host.includes(':') ? `[${host}]` : host}:${String(port)}`,
    setsClock: true,
    open: (clockHz, openTimeoutMs) => native().openUsbip({ host, port, busid, clockHz, openTimeoutMs, ids }),
    sentences: {
      ECONNREFUSED: 'nobody listens there',
      ENOENT: 'the server exports no such device',
      EOPNOTSUPP: 'the device is no CP2112',
      EPROTO: 'what answers is no USB/IP server',
      ETIMEDOUT: 'the server or the bridge did not answer',
      EBUSY: 'the bridge is in use by someone else',
      ENODEV: 'the server hung up, or the bridge went away, while it was being opened',
    },
    hint: (code) => usbipHint(code, host),
    name: () => busid,
  };
}
