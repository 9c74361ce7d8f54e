/** `nvmem scan`: who answers on an I2C bus, and how to open it. */
import { visible } from '../base/visible.js';
import { leaseBus } from '../bus/pool.js';
import { scanBus, scannedAddresses, type ScannedPart } from '../bus/scan/scan.js';
import { parseBusUri } from '../uri/uri.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { bytes } from './format.js';
import { Progress } from './progress.js';
import type { Session } from './session.js';
import { columns, wrap } from './table.js';
import { checkIsUri } from './uri_argument.js';

export interface ScanCommandOptions {
  readonly all?: boolean;
}

const OPEN_TIMEOUT_MS = 5000;

export async function scanCommand(session: Session, uri: string, options: ScanCommandOptions): Promise<void> {
  checkIsUri(uri, '');
  const bus = parseBusUri(uri);
  const all = options.all === true;
  const asked = scannedAddresses(all);
  const openTimeoutMs = session.options.timeout ?? OPEN_TIMEOUT_MS;
  const { signal, timeoutMs } = session.limits;
  const lease = await leaseBus(bus, { uri, openTimeoutMs, signal }).catch((error: unknown) => {
    throw new CommandFailure(error, { uri });
  });
  const progress = new Progress(session, 'asking');
  try {
    const parts = await scanBus(session.machine, { lease, bus, uri }, all, {
      signal,
      timeoutMs,
      onProgress: (done, of) => {
        progress.update(done, of);
      },
    });
    progress.end();
    const found = parts.filter(({ held }) => held === undefined);
    session.answer({
      uri,
      bus: Object.fromEntries(lease.bus.identity),
      asked,
      kernel: parts.flatMap(({ address, held }) => (held ? [withoutUndefined({ address, ...held })] : [])),
      found: found.map(foundFacts),
    });
    if (session.json) return;
    await session.tell(`${lease.access.what}:`);
    await session.say();
    for (const line of map(session, asked, parts)) await session.say(line);
    for (const line of [...foundLines(session, found), ...heldLines(session, parts)]) await session.say(line);
    if (parts.length === 0) {
      await session.say();
      await session.tell(nobody(all));
    }
  } catch (error) {
    throw error instanceof CommandFailure ? error : new CommandFailure(error, { uri });
  } finally {
    progress.end();
    await lease.release();
  }
}

function foundFacts({ address, reason, guesses }: ScannedPart): Record<string, unknown> {
  return withoutUndefined({
    address,
    note: guesses.length === 0 ? reason : undefined,
    proposals: guesses.map(({ reason: why, ...guess }) => ({ ...guess, why })),
  });
}

/** As i2cdetect prints it: rows of sixteen, UU where the kernel has a driver, -- where nobody answers. */
function map({ colors }: Session, asked: readonly number[], parts: readonly ScannedPart[]): string[] {
  const heading = Array.from({ length: 16 }, (_, i) => i.toString(16).padStart(2)).join(' ');
  const rows = [...new Set(asked.map((address) => address >> 4))];
  const at = new Map(parts.flatMap((part) => part.addresses.map((address) => [address, part])));
  return [
    colors.dim(`    ${heading}`),
    ...rows.map((row) => {
      const cells = Array.from({ length: 16 }, (_, i) => (row << 4) + i).map((address) => {
        const part = at.get(address);
        if (part) return part.held ? colors.yellow('UU') : colors.green(hex(address));
        return asked.includes(address) ? colors.dim('--') : '  ';
      });
      return `${colors.dim(`${row.toString(16)}0:`)} ${cells.join(' ')}`.trimEnd();
    }),
  ];
}

function foundLines(session: Session, found: readonly ScannedPart[]): string[] {
  const { colors } = session;
  const lines: string[] = [];
  for (const { address, reason: note, guesses } of found) {
    lines.push('');
    const label = colors.bold(`0x${hex(address)}`);
    if (guesses.length === 0) lines.push(...hanging(session, label, note));
    guesses.forEach(({ chip, uri, size, addressWidth, addresses, parts, reason }, i) => {
      const or = i === 0 ? label : '  or';
      const last = `0x${hex(addresses.at(-1) ?? address)}`;
      lines.push(
        parts === 1 ? `${or}  ${uri}` : `${or}  ${String(parts)} × ${chip}, up to ${last}: ${uri} …`,
      );
      const each = parts === 1 ? '' : ' each';
      const what = `${bytes(size)}${each}, ${String(addressWidth)} address bits: a guess, because ${reason}`;
      lines.push(...hanging(session, '    ', what));
    });
  }
  return lines;
}

function heldLines(session: Session, parts: readonly ScannedPart[]): string[] {
  const held = parts.filter((part) => part.held?.device !== undefined);
  if (held.length === 0) return [];
  const rows = held.map(({ address, reason }) => [`0x${hex(address)}`, visible(reason)]);
  const hint = held.some((part) => part.held?.driver === 'at24')
    ? [
        '',
        ...wrap(
          "The kernel's own EEPROMs can be used as they are: nvmem list shows them as sysfs://.",
          session.width,
        ),
      ]
    : [];
  return ['', ...columns(rows), ...hint];
}

/** A label of four columns, and text beside it. */
function hanging({ width }: Session, label: string, text: string): string[] {
  return wrap(visible(text), width - 6).map((line, i) => `${i === 0 ? label : '    '}  ${line}`);
}

function nobody(all: boolean): string {
  const more = all ? '' : ' Other addresses: --all.';
  return `Nobody answers. Check that the parts have power, SDA and SCL, and their pull-ups.${more}`;
}

function hex(address: number): string {
  return address.toString(16).padStart(2, '0');
}
