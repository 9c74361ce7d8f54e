import { readFileSync } from 'node:fs';
import { must } from '../harness/process.mjs';
import { until } from './wait.mjs';

/** Port states in vhci_hcd's "status" file that mean nothing is there (VDEV_ST_NULL) or all is well (VDEV_ST_USED). */
const FREE = 4;
const USED = 6;
const STATUS = '/sys/devices/platform/vhci_hcd.0/status';

/** The virtual host controller's ports: "hub port sta spd dev sockfd local_busid". */
function ports() {
  return readFileSync(STATUS, 'utf8')
    .split('\n')
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row.length >= 6)
    .map(([, port, state]) => ({ port: Number(port), state: Number(state) }));
}

export async function attach(tcpPort, busid = '1-1') {
  await must('usbip', ['--tcp-port', String(tcpPort), 'attach', '-r', '127.0.0.1', '-b', busid], {
    timeoutMs: 20_000,
  });
}

/** Lets go of the device, and waits until the kernel has. */
export async function detach() {
  for (const { port, state } of ports())
    if (state !== FREE) await must('usbip', ['detach', '-p', String(port)]);
  await allFree();
}

/** After an unplug every port is free again; a port that stays in use is a device the kernel still believes in. */
export async function allFree(limitMs = 15_000) {
  await until('free vhci port', limitMs, () => ports().every(({ state }) => state === FREE));
}

export function used() {
  return ports().filter(({ state }) => state === USED).length;
}
