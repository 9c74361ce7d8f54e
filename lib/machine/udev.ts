/** The udev rule that lets users open a bridge, as shipped in the package. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { inPackage } from '../base/package.js';

export const UDEV_RULES_FILE = inPackage('udev', '60-nvmem-cp2112.rules');

/** The rules, with their comments. */
export function udevRules(): string {
  return readFileSync(UDEV_RULES_FILE, 'utf8');
}

/** What to do about a node that may not be opened, with the rules themselves. */
export function udevHint(): string {
  const rules = udevRules()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return [
    `Put these lines into /etc/udev/rules.d/${basename(UDEV_RULES_FILE)} (nvmem doctor --print-udev prints them),`,
    'run "udevadm control --reload && udevadm trigger" as root and plug the bridge in again:',
    `\n${rules.join('\n')}`,
  ].join(' ');
}
