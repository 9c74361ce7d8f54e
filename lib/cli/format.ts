/** Numbers and bytes for people. */
import { bytes } from '../base/text.js';

export { bytes };

/** As `xxd` prints it, with `base` the offset of the first byte. */
export function hexdump(data: Uint8Array, base: number): string {
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = data.subarray(at, at + 16);
    const offset = (base + at).toString(16).padStart(8, '0');
    lines.push(`${offset}: ${hexColumns(row).padEnd(39)}  ${printable(row)}\n`);
  }
  return lines.join('');
}

function hexColumns(row: Uint8Array): string {
  return Buffer.from(row)
    .toString('hex')
    .replace(/(.{4})(?=.)/g, '$1 ');
}

function printable(row: Uint8Array): string {
  return Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
}

/** '812 ms', '2.95 s'. */
export function duration(ms: number): string {
  return ms < 1000 ? `${String(Math.round(ms))} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** '0x1f40', and how long: '64 bytes at 0x1f40'. */
export function range({ offset, length }: { offset: number; length: number }): string {
  return `${bytes(length)} at 0x${offset.toString(16)}`;
}

/** One line of a progress bar, `width` characters at most. */
export function progressBar(label: string, done: number, total: number, ms: number, width: number): string {
  const share = total === 0 ? 1 : Math.min(done / total, 1);
  const rate = ms > 0 ? `${(done / ms).toFixed(1)} kB/s` : '';
  const left = share > 0 && share < 1 ? `${duration((ms * (1 - share)) / share)} left` : '';
  const tail = ` ${String(Math.floor(share * 100)).padStart(3)} %  ${String(done)}/${String(total)} bytes  ${rate}  ${left}`;
  const room = Math.max(width - label.length - tail.length - 4, 0);
  const cells = Math.min(room, 40);
  const full = Math.round(cells * share);
  const bar = cells >= 5 ? ` [${'#'.repeat(full)}${'.'.repeat(cells - full)}]` : '';
  return `${label}${bar}${tail}`.slice(0, width);
}

/** The line while it is unplugged, `width` characters at most. */
export function waitingBar(label: string, done: number, total: number, width: number): string {
  const share = total === 0 ? 1 : Math.min(done / total, 1);
  const text = `${label} ${String(Math.floor(share * 100))} %  unplugged: waiting for it to come back  ${String(done)}/${String(total)} bytes`;
  return text.slice(0, width);
}
