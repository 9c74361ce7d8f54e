/** The udev rule that lets users open a bridge, as shipped in the package. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** In the package, two levels above both lib/usb and dist/usb. */
export const UDEV_RULES_FILE = join(__dirname, '..', '..', 'udev', '60-nvmem-cp2112.rules');

/** The rules, with their comments. */
export function udevRules(): string {
  return readFileSync(UDEV_RULES_FILE, 'utf8');
}

/**
 * What to do about a node that may not be opened, with the rules themselves.
 *
 * @param ids Four hexadecimal digits each, where the bridge has others than a CP2112.
 */
export function udevHint(
  ids: { readonly vid: string; readonly pid: string } = { vid: '10c4', pid: 'ea90' },
): string {
  const rules = udevRules()
    .replaceAll('"10c4"', `"${ids.vid}"`)
    .replaceAll('"ea90"', `"${ids.pid}"`)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return [
    `Put these lines into /etc/udev/rules.d/${basename(UDEV_RULES_FILE)} (nvmem doctor --print-udev prints them),`,
    'run "udevadm control --reload && udevadm trigger" as root and plug the bridge in again:',
    `\n${rules.join('\n')}`,
  ].join(' ');
}
