/** The udev rule that this package ships, and whether one like it is installed. */
import { CP2112_IDS, hex4, sameUsbIds, usbIdText, type UsbIds } from '../base/usb_ids.js';
import { printUdevRules, udevRules, udevRulesPath } from '../machine/udev.js';
import type { Machine } from '../machine/machine.js';
import { ok, warning, type Finding } from './finding.js';

/** udev(7), in order of precedence. */
const DIRECTORIES = [
  '/etc/udev/rules.d',
  '/run/udev/rules.d',
  '/usr/local/lib/udev/rules.d',
  '/usr/lib/udev/rules.d',
  '/lib/udev/rules.d',
];

export function installRule(ids: UsbIds): string {
  return (
    `${printUdevRules(ids)} | sudo tee ${udevRulesPath(ids)} && ` +
    'sudo udevadm control --reload && sudo udevadm trigger'
  );
}

/** @param ids Of the bridge that it is for. */
export async function checkUdevRule(machine: Machine, ids = CP2112_IDS): Promise<Finding> {
  const isOwn = !sameUsbIds(ids, CP2112_IDS);
  const name = isOwn ? `udev rule ${usbIdText(ids)}` : 'udev rule';
  const installed = await findRule(machine, ids);
  if (installed?.isOurs) return ok(name, `installed as ${installed.path}`);
  if (installed)
    return ok(
      name,
      `${installed.path} speaks of ${isOwn ? usbIdText(ids) : 'the CP2112'} (another rule than ours)`,
    );
  if (!(await machine.exists('/run/udev'))) {
    return ok(name, 'no udev runs here: whoever makes the nodes in /dev decides who may open them');
  }
  if (machine.user.uid === 0) return ok(name, 'not installed; root needs none');
  return warning(name, `not installed: a bridge will belong to root alone`, installRule(ids));
}

/** A rule for these ids, ours or not. */
async function findRule(
  machine: Machine,
  ids: UsbIds,
): Promise<{ path: string; isOurs: boolean } | undefined> {
  const speaks = new RegExp(`^[^#\\n]*\\b${hex4(ids.vid)}\\b.*\\b${hex4(ids.pid)}\\b`, 'im');
  for (const directory of DIRECTORIES) {
    for (const file of await machine.list(directory)) {
      if (!file.endsWith('.rules')) continue;
      const path = `${directory}/${file}`;
      const text = await machine.read(path);
      if (text === undefined || !speaks.test(text)) continue;
      return { path, isOurs: text === udevRules(ids).trim() };
    }
  }
  return undefined;
}
