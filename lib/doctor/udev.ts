/** The udev rule that this package ships, and whether one like it is installed. */
import { basename } from 'node:path';

import { UDEV_RULES_FILE, udevRules } from '../machine/udev.js';
import type { Machine } from '../machine/machine.js';
import { ok, warning, type Finding } from './finding.js';

const FILE = basename(UDEV_RULES_FILE);
/** udev(7), in order of precedence. */
const DIRECTORIES = [
  '/etc/udev/rules.d',
  '/run/udev/rules.d',
  '/usr/local/lib/udev/rules.d',
  '/usr/lib/udev/rules.d',
  '/lib/udev/rules.d',
];

export const INSTALL_RULE =
  `nvmem doctor --print-udev | sudo tee /etc/udev/rules.d/${FILE} && ` +
  'sudo udevadm control --reload && sudo udevadm trigger';

export async function checkUdevRule(machine: Machine): Promise<Finding> {
  const name = 'udev rule';
  const installed = await findRule(machine);
  if (installed?.isOurs) return ok(name, `installed as ${installed.path}`);
  if (installed) return ok(name, `${installed.path} speaks of the CP2112 (another rule than ours)`);
  if (!(await machine.exists('/run/udev'))) {
    return ok(name, 'no udev runs here: whoever makes the nodes in /dev decides who may open them');
  }
  if (machine.user.uid === 0) return ok(name, 'not installed; root needs none');
  return warning(name, `not installed: a bridge will belong to root alone`, INSTALL_RULE);
}

/** A rule for the CP2112's ids, ours or not. */
async function findRule(machine: Machine): Promise<{ path: string; isOurs: boolean } | undefined> {
  for (const directory of DIRECTORIES) {
    for (const file of await machine.list(directory)) {
      if (!file.endsWith('.rules')) continue;
      const path = `${directory}/${file}`;
      const text = await machine.read(path);
      if (text === undefined || !/^[^#\n]*10c4.*ea90/im.test(text)) continue;
      return { path, isOurs: text === udevRules().trim() };
    }
  }
  return undefined;
}
