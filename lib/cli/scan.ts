/** `nvmem scan`: who answers on an I2C bus, and how to open it. */
import { basename } from 'node:path';

import { visible } from '../base/visible.js';
import { scanAddresses, type ScannedAddress } from '../bus/scan/adapter.js';
import { leaseBus } from '../bus/pool.js';
import { partUriOn, type BusUri } from '../uri/bus_uri.js';
import { parseBusUri } from '../uri/uri.js';
import { adaptersOfHidraw, kernelClients, type KernelClient } from '../machine/kernel_clients.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { bytes } from './format.js';
import { Progress } from './progress.js';
import type { Session } from './session.js';
import { columns, wrap } from './table.js';
import { checkIsUri } from './uri_argument.js';
import { answersAt, type Asking } from '../bus/scan/ask.js';
import { guessesFor, type Guess, type SeenParts } from '../bus/scan/guess.js';

export interface ScanCommandOptions {
  readonly all?: boolean;
}

const OPEN_TIMEOUT_MS = 5000;
/** Device codes 1010 (arrays) and 1011 (serial numbers, lockable pages). */
const EEPROMS = addresses(0x50, 0x5f);
/**
 * Without those at which SPD memories take commands that protect them for ever (0x30 to 0x37, JEDEC EE1002 and EE1004):
 * i2cdetect is careful there for the same reason.
 */
const ALL = [...addresses(0x08, 0x2f), ...addresses(0x38, 0x77)];

interface Found {
  readonly address: number;
  readonly guesses: readonly Guess[];
  /** What there is to say where there is no guess. */
  readonly note: string | undefined;
}

export async function scanCommand(session: Session, uri: string, options: ScanCommandOptions): Promise<void> {
  checkIsUri(uri, '');
  const bus = parseBusUri(uri);
  const all = options.all === true;
  const asked = all ? ALL : EEPROMS;
  const held = await heldParts(session, bus);
  const free = asked.filter((address) => !held.some((client) => client.address === address));
  const timeoutMs = session.options.timeout ?? OPEN_TIMEOUT_MS;
  const { signal } = session.limits;
  const lease = await leaseBus(bus, { uri, openTimeoutMs: timeoutMs, signal }).catch((error: unknown) => {
    throw new CommandFailure(error, { uri });
  });
  try {
    const asking: Asking = { lease, uri, limits: session.limits };
    const presence = await whoAnswers(session, asking, bus, free);
    const answering = free.filter((address) => presence.get(address) === 'answers');
    const found = await describeAll(asking, new Set(answering));
    session.answer({
      uri,
      bus: Object.fromEntries(lease.bus.identity),
      asked,
      kernel: held,
      found: found.map((part) => foundFacts(bus, part)),
    });
    if (session.json) return;
    await session.tell(`${lease.source.what}:`);
    await session.say();
    for (const line of map(session, asked, presence, held)) await session.say(line);
    for (const line of [...foundLines(session, bus, found), ...heldLines(session, held)]) {
      await session.say(line);
    }
    if (found.length === 0 && held.length === 0) {
      await session.say();
      await session.tell(nobody(all));
    }
  } catch (error) {
    throw error instanceof CommandFailure ? error : new CommandFailure(error, { uri });
  } finally {
    await lease.release();
  }
}

/** Who was found at an address: somebody, or a driver of the kernel. */
type Presence = ReadonlyMap<number, 'answers' | 'driver'>;

async function whoAnswers(
  session: Session,
  asking: Asking,
  bus: BusUri,
  asked: readonly number[],
): Promise<Presence> {
  const presence = new Map<number, 'answers' | 'driver'>();
  const byKernel = await askAdapter(bus);
  for (const [address, state] of byKernel) if (state !== 'silent') presence.set(address, state);
  const rest = asked.filter((address) => !byKernel.has(address));
  const progress = new Progress(session, 'asking');
  try {
    for (const [done, address] of rest.entries()) {
      if (await answersAt(asking, address)) presence.set(address, 'answers');
      progress.update(done + 1, rest.length);
    }
  } finally {
    progress.end();
  }
  return presence;
}

/** An adapter of the kernel can read a byte without sending a word address first. Of other buses nothing comes. */
async function askAdapter(bus: BusUri): Promise<Map<number, ScannedAddress['state']>> {
  const number = bus.scheme === 'i2c' ? /^\/dev\/i2c-([0-9]+)$/.exec(bus.path)?.[1] : undefined;
  if (bus.scheme !== 'i2c' || number === undefined) return new Map();
  const scanned = await scanAddresses(Number(number));
  const isAsked = ({ state }: ScannedAddress): boolean => state !== 'driver' || !bus.force;
  return new Map(scanned.filter(isAsked).map(({ address, state }) => [address, state]));
}

async function describeAll(asking: Asking, present: ReadonlySet<number>): Promise<Found[]> {
  const found: Found[] = [];
  const taken = new Set<number>();
  const seen: SeenParts = new Map();
  for (const address of [...present].sort((a, b) => a - b)) {
    if (taken.has(address)) continue;
    if (address >= 0x50 && address <= 0x57) {
      const guesses = await guessesFor(asking, address, present, seen);
      for (const guess of guesses) for (const one of guess.addresses) taken.add(one);
      found.push({ address, guesses, note: undefined });
    } else if (address >= 0x58 && address <= 0x5f && present.has(address - 8)) {
      const owner = found.find(({ guesses }) => guesses[0]?.addresses.includes(address - 8));
      const array = owner?.address ?? address - 8;
      // The window of a part of several blocks answers at as many addresses, and is one.
      if (array !== address - 8 && present.has(array + 8)) continue;
      found.push({
        address,
        guesses: [],
        note:
          `second memory of the part at 0x${array.toString(16)}: a serial number, an EUI or a lockable page; chip= with the ` +
          'name on the part opens it (AT24CS…, AT24MAC…, M24…-D)',
      });
    } else if (address >= 0x18 && address <= 0x1f && present.has(address + 0x38)) {
      const note = `perhaps the temperature sensor of the memory module at 0x${(address + 0x38).toString(16)}`;
      found.push({ address, guesses: [], note });
    } else found.push({ address, guesses: [], note: 'answers, and is not at an address of EEPROMs' });
  }
  return found;
}

/** Parts that drivers of the kernel have, as far as this machine's kernel has the bus. */
async function heldParts({ machine }: Session, bus: BusUri): Promise<KernelClient[]> {
  if ((bus.scheme !== 'i2c' && bus.scheme !== 'hidraw') || bus.force) return [];
  const adapters = bus.scheme === 'i2c' ? [basename(bus.path)] : await adaptersOfHidraw(machine, bus.path);
  const clients = (await Promise.all(adapters.map((adapter) => kernelClients(machine, adapter)))).flat();
  return clients.filter(({ driver }) => driver !== undefined);
}

function foundFacts(bus: BusUri, { address, guesses, note }: Found): Record<string, unknown> {
  return withoutUndefined({
    address,
    note,
    proposals: guesses.map(({ chip, addressBytes, addresses: all, parts, why }) => ({
      uri: partUriOn(bus, address, `chip=${chip.name}`),
      chip: chip.name,
      size: chip.size,
      addressWidth: addressBytes * 8,
      addresses: all,
      parts,
      why,
    })),
  });
}

/** As i2cdetect prints it: rows of sixteen, UU where the kernel has a driver, -- where nobody answers. */
function map(
  { colors }: Session,
  asked: readonly number[],
  presence: Presence,
  held: readonly KernelClient[],
): string[] {
  const heading = Array.from({ length: 16 }, (_, i) => i.toString(16).padStart(2)).join(' ');
  const rows = [...new Set(asked.map((address) => address >> 4))];
  return [
    colors.dim(`    ${heading}`),
    ...rows.map((row) => {
      const cells = addresses(row << 4, (row << 4) + 15).map((address) => {
        if (presence.get(address) === 'answers') return colors.green(hex(address));
        const isHeld = held.some((client) => client.address === address);
        if (isHeld || presence.has(address)) return colors.yellow('UU');
        return asked.includes(address) ? colors.dim('--') : '  ';
      });
      return `${colors.dim(`${row.toString(16)}0:`)} ${cells.join(' ')}`.trimEnd();
    }),
  ];
}

function foundLines(session: Session, bus: BusUri, found: readonly Found[]): string[] {
  const { colors } = session;
  const lines: string[] = [];
  for (const { address, guesses, note } of found) {
    lines.push('');
    const label = colors.bold(`0x${hex(address)}`);
    if (note !== undefined) lines.push(...hanging(session, label, note));
    guesses.forEach(({ chip, addressBytes, addresses: all, parts, why }, i) => {
      const or = i === 0 ? label : '  or';
      const first = partUriOn(bus, address, `chip=${chip.name}`);
      const last = `0x${hex(all.at(-1) ?? address)}`;
      lines.push(
        parts === 1 ? `${or}  ${first}` : `${or}  ${String(parts)} × ${chip.name}, up to ${last}: ${first} …`,
      );
      const each = parts === 1 ? '' : ' each';
      const what = `${bytes(chip.size)}${each}, ${String(addressBytes * 8)} address bits: a guess, because ${why}`;
      lines.push(...hanging(session, '    ', what));
    });
  }
  return lines;
}

function heldLines(session: Session, held: readonly KernelClient[]): string[] {
  if (held.length === 0) return [];
  const rows = held.map(({ address, device, name, driver }) => [
    `0x${hex(address)}`,
    visible(`${name} (${device}), held by the kernel's driver ${driver ?? ''}`),
  ]);
  const hint = held.some(({ driver }) => driver === 'at24')
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

function addresses(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function hex(address: number): string {
  return address.toString(16).padStart(2, '0');
}
