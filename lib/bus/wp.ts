/** The line on the WP pin of a part: a GPIO of its bridge, or a line of a gpiochip of the kernel. */
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { partWords } from '../base/part_words.js';
import type { NativeBus } from '../native/index.js';
import type { WpUri } from '../uri/uri.js';

/** What to do about a line of a gpiochip, by code. */
const HINTS: Readonly<Record<string, string | undefined>> = {
  ENOENT: 'gpiodetect lists the gpiochips of this machine and their labels, gpioinfo their lines.',
  EINVAL: 'gpioinfo lists the lines of each gpiochip.',
  EACCES:
    'Run it as root, or as a member of the group that owns /dev/gpiochip* (often gpio; ls -l /dev/gpiochip* tells).',
  ENOSYS: 'Use a newer kernel (Linux 5.10), or a GPIO of the bridge (wp=N).',
  EBUSY: 'End the program, or unbind the driver, that has the line; gpioinfo names it.',
};

/** The number of the line for the addon; -1: none. */
export function wpLineOf(bus: NativeBus, wp: WpUri | undefined): number {
  if (wp === undefined) return -1;
  return wp.chip === undefined ? Number(wp.line) : bus.gpioLine(wp.chip, wp.line);
}

/** Why a part cannot be opened: it is there or not, but its WP pin would not be protected. */
export function wpError(uri: string, { chip, line }: WpUri, status: number, reason: string): NvmemError {
  const code = codeOf(status);
  const which = chip === undefined ? `GPIO ${String(line)}` : `line ${String(line)} of ${chip}`;
  const why = reason === '' ? saysOf(code) : reason;
  return new NvmemError(code, `${which} cannot drive write protect: ${why}`, {
    errno: status,
    syscall: 'open',
    device: uri,
    hint: chip === undefined ? partWords(code)?.hint : HINTS[code],
  });
}
