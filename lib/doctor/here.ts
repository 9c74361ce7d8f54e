/** What has to hold whatever is plugged in: Node.js, the addon, a place where USB devices could appear. */
import { messageOf, propertyOf } from '../base/foreign.js';
import { native } from '../native/index.js';
import type { Machine } from '../machine/machine.js';
import { ok, problem, warning, type Finding } from './finding.js';

/** @param needs `engines.node` of package.json: '>=20.17' */
export function checkNode(version: string, needs: string): Finding {
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

export function checkAddon(): Finding {
  try {
    native();
    return ok('addon', 'loads');
  } catch (error) {
    const message = messageOf(error);
    const hint = propertyOf(error, 'hint');
    const remedy = typeof hint === 'string' ? hint : 'npm rebuild nvmem';
    // The file, and then the reason; what to do stands beside it.
    const why = message.replace(/^.*?nvmem\.node: /s, '').replace(`. ${remedy}`, '');
    return problem('addon', `does not load: ${why}`, remedy, 'ERR_NVMEM_ADDON');
  }
}

/** Where the nodes of USB devices are, or why there are none. */
export async function checkUsb(machine: Machine): Promise<Finding> {
  const name = 'USB';
  if (await machine.exists('/dev/bus/usb')) return ok(name, '/dev/bus/usb is there');
  if (!(await machine.exists('/sys/bus/usb'))) {
    return warning(
      name,
      'this machine has no USB: no /sys/bus/usb and no /dev/bus/usb',
      'Reach a bridge of another machine: nvmem list --usbip HOST. For a try without one: nvmem rig.',
    );
  }
  const container = await containerOf(machine);
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
async function containerOf(machine: Machine): Promise<string | undefined> {
  if (await machine.exists('/.dockerenv')) return 'docker';
  if (await machine.exists('/run/.containerenv')) return 'podman';
  return machine.read('/run/systemd/container');
}
