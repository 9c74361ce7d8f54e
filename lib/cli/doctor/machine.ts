/** What has to hold whatever is plugged in: Node.js, the addon, a place where USB devices could appear. */
import { messageOf } from '../../base/foreign.js';
import { native } from '../../native/index.js';
import type { System } from '../system.js';
import { ok, problem, warning, type Check } from './check.js';

/** @param needs `engines.node` of package.json: '>=20.17' */
export function checkNode(version: string, needs: string): Check {
  const parts = (text: string): number[] =>
    text
      .replace(/^[^0-9]*/, '')
      .split('.')
      .map(Number);
  const [has, least] = [parts(version), parts(needs)];
  const at = least.findIndex((part, i) => part !== (has[i] ?? 0));
  const isEnough = at < 0 || (has[at] ?? 0) > (least[at] ?? 0);
  const said = `version ${version}; nvmem needs ${least.join('.')} or later`;
  return isEnough ? ok('Node.js', said) : problem('Node.js', said, 'Install a later Node.js.');
}

export function checkAddon(): Check {
  try {
    native();
    return ok('addon', 'loads');
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    const why = messageOf(cause).split('\n')[0] ?? '';
    const said = messageOf(error).replace(/:.*$/s, '');
    return problem('addon', why === '' ? said : `${said} (${why})`, 'npm rebuild nvmem', 'ERR_NVMEM_ADDON');
  }
}

/** Where the nodes of USB devices are, or why there are none. */
export async function checkUsb(system: System): Promise<Check> {
  const name = 'USB';
  if (await system.exists('/dev/bus/usb')) return ok(name, '/dev/bus/usb is there');
  if (!(await system.exists('/sys/bus/usb'))) {
    return warning(
      name,
      'this machine has no USB: no /sys/bus/usb and no /dev/bus/usb',
      'Reach a bridge of another machine: nvmem list --usbip HOST. For a try without one: nvmem rig.',
    );
  }
  const container = await containerOf(system);
  const says = 'the kernel has USB, and there is no /dev/bus/usb to open devices through';
  if (container === undefined) {
    return warning(name, says, 'sudo udevadm trigger --subsystem-match=usb --action=add');
  }
  const run = container === 'podman' ? 'podman' : 'docker';
  return warning(
    name,
    `${says}: this is a container (${container})`,
    `${run} run -v /dev/bus/usb:/dev/bus/usb --device-cgroup-rule='c 189:* rmw' …`,
  );
}

/** The kind of container this runs in; undefined: none that shows. */
async function containerOf(system: System): Promise<string | undefined> {
  if (await system.exists('/.dockerenv')) return 'docker';
  if (await system.exists('/run/.containerenv')) return 'podman';
  return system.read('/run/systemd/container');
}
