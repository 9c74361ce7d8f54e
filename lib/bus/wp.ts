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

/** The same about a GPIO of the bridge. */
const BRIDGE_HINTS: Readonly<Record<string, string | undefined>> = {
  EBUSY:
    'Another part may use it the other way round (wp=N and wp=!N), or the pin has a special function: use another GPIO.',
};

/** The line for the addon: its number, or -1 for none. */
export function wpLineOf(
  bus: NativeBus,
  wp: WpUri | undefined,
): { readonly wpLine: number; readonly wpInverted?: true } {
  if (wp === undefined) return { wpLine: -1 };
  const { chip, line, inverted } = wp;
  const wpLine = chip === undefined ? Number(line) : bus.gpioLine(chip, line);
  return inverted ? { wpLine, wpInverted: true } : { wpLine };
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
    hint: chip === undefined ? (BRIDGE_HINTS[code] ?? partWords(code)?.hint) : HINTS[code],
  });
}
