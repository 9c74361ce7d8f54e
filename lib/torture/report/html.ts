/** HTML that is put together so that text stays text: what is no `Html` is escaped. */
import { jsonLine, visible } from '../../base/visible.js';

/** A piece of markup. */
export class Html {
  constructor(readonly text: string) {}
}

export type Content = Html | string | number | undefined | false | readonly Content[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for an element or a quoted attribute. What would hide or reorder something on a screen is an escape; lines stay lines. */
export function escape(text: string): string {
  return text
    .split('\n')
    .map((line) => visible(line.replaceAll('\t', '    ')).replace(/[&<>"']/g, (c) => ESCAPES[c] ?? c))
    .join('\n');
}

function render(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Html) return content.text;
  if (typeof content === 'object') return content.map(render).join('');
  return escape(String(content));
}

/**
 * Every value is escaped, unless it is Html; arrays are joined, undefined and false are nothing. Lines of the template itself are
 * not indented in what comes of it.
 */
export function markup(literals: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(
    String.raw({ raw: literals.map((part) => part.replace(/\n +/g, '\n')) }, ...values.map(render)),
  );
}

/** JSON that may stand in a script element: it cannot end it. */
export function jsonData(value: unknown): Html {
  return new Html(
    jsonLine(value).replace(/[<>&]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

/** '12,345'; '0.25'; at most two digits after the point. */
export function number(value: number): string {
  const [whole = '', fraction] = String(Number(value.toFixed(2))).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Three digits that count, with their unit: '0.412 ms', '12.3 ms', '1.23 s'. */
export function milliseconds(ms: number): string {
  if (ms === 0) return '0 ms';
  if (Math.abs(ms) < 0.0005) return `${(ms * 1000).toPrecision(2)} µs`;
  if (Math.abs(ms) >= 999.5) return `${plain(ms / 1000)} s`;
  return `${plain(ms)} ms`;
}

/** Never with an exponent. */
function plain(value: number): string {
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(Math.max(digits, 0), 6));
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** '512 B', '1.5 MiB'. */
export function size(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(Math.abs(bytes), 1)) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  const text = Number.isInteger(value) ? number(value) : number(Number(value.toPrecision(3)));
  return `${text} ${UNITS[power] ?? 'B'}`;
}

/** '90 s', '12 min 5 s', '8 h 0 min'. */
export function span(ms: number): string {
  const s = Math.round(ms / 1000);
  if (ms < 10_000) return milliseconds(ms);
  if (s < 120) return `${String(s)} s`;
  if (s < 7200) return `${String(Math.floor(s / 60))} min ${String(s % 60)} s`;
  return `${String(Math.floor(s / 3600))} h ${String(Math.floor((s % 3600) / 60))} min`;
}

/** A number that a program can read as well: the element has the value itself, and `key` to find it by. */
export function datum(key: string, value: number, shown: string = number(value)): Html {
  return markup`<data value="${String(value)}" data-key="${key}">${shown}</data>`;
}
