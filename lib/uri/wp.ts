/** `wp=`: what the WP pin of a part is wired to. */
import { refuse } from './refuse.js';

/** What a WP pin is wired to. */
export interface WpUri {
  /** A Linux gpiochip, by name ('gpiochip0') or label; undefined: the bridge that carries the bus. */
  readonly chip: string | undefined;
  /** Number of the GPIO on its chip; of a gpiochip also the line's name. */
  readonly line: number | string;
  /** The line protects when it is low: an inverter is between it and the pin. */
  readonly inverted: boolean;
}

/**
 * `N` is GPIO N of the bridge, `CHIP:LINE` a line of a Linux gpiochip; `!` in front: it protects when it is low. The chip's
 * name may contain colons itself.
 */
export function parseWp(uri: string, text: string | undefined, hasGpio: boolean): WpUri | undefined {
  if (text === undefined) return undefined;
  const inverted = text.startsWith('!');
  const name = inverted ? text.slice(1) : text;
  const colon = name.lastIndexOf(':');
  if (colon >= 0) {
    const [chip, line] = [name.slice(0, colon), name.slice(colon + 1)];
    if (chip === '' || line === '' || !/^[\x21-\x7e ]+$/.test(chip + line)) {
      refuse(uri, `wp=${text} is no line of a gpiochip`, 'Write wp=CHIP:LINE, for example wp=gpiochip0:17.');
    }
    return { chip, line: /^[0-9]+$/.test(line) ? Number(line) : line, inverted };
  }
  if (!hasGpio) {
    refuse(
      uri,
      `wp=${text} names a GPIO of the bridge, and an adapter of the kernel has none`,
      'Write wp=CHIP:LINE, for example wp=gpiochip0:17; gpioinfo lists them.',
    );
  }
  if (!/^(0x)?[0-7]$/i.test(name)) {
    refuse(
      uri,
      `wp=${text} is not a GPIO of the bridge, 0 to 7`,
      'Give wp= a GPIO of the bridge, 0 to 7, or CHIP:LINE; ! in front where the line protects when it is low.',
    );
  }
  return { chip: undefined, line: Number(name), inverted };
}

/** As in a URI. */
export function wpText({ chip, line, inverted }: WpUri): string {
  return `${inverted ? '!' : ''}${chip === undefined ? '' : `${chip}:`}${String(line)}`;
}
