/** The udev rule that lets users open a bridge, as shipped in the package. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { inPackage } from '../base/package.js';
import { CP2112_IDS, hex4, sameUsbIds, usbIdText } from '../base/usb_ids.js';

export const UDEV_RULES_FILE = inPackage('udev', '60-nvmem-cp2112.rules');

/** The rules, with their comments, for bridges with these ids. */
export function udevRules(ids = CP2112_IDS): string {
  return readFileSync(UDEV_RULES_FILE, 'utf8')
    .replaceAll('"10c4"', `"${hex4(ids.vid)}"`)
    .replaceAll('"ea90"', `"${hex4(ids.pid)}"`);
}

/** The command that prints them. */
export function printUdevRules(ids = CP2112_IDS): string {
  const id = sameUsbIds(ids, CP2112_IDS) ? '' : ` --id ${usbIdText(ids)}`;
  return `nvmem doctor --print-udev${id}`;
}

/** Where they go: rules for other ids stand beside those of the package. */
export function udevRulesPath(ids = CP2112_IDS): string {
  const own = `60-nvmem-${hex4(ids.vid)}-${hex4(ids.pid)}.rules`;
  return `/etc/udev/rules.d/${sameUsbIds(ids, CP2112_IDS) ? basename(UDEV_RULES_FILE) : own}`;
}

/** What to do about a node that may not be opened, with the rules themselves. */
export function udevHint(ids = CP2112_IDS): string {
  const rules = udevRules(ids)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return [
    `Put these lines into ${udevRulesPath(ids)} (${printUdevRules(ids)} prints them),`,
    'run "udevadm control --reload && udevadm trigger" as root and plug the bridge in again:',
    `\n${rules.join('\n')}`,
  ].join(' ');
}
