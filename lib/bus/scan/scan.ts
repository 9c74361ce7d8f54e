/** Who answers on a bus, and what that may be: from reading alone. */
import { basename } from 'node:path';

import { partUriOn, type BusUri } from '../../uri/bus_uri.js';
import { adaptersOfHidraw, heldClients } from '../../machine/kernel_clients.js';
import type { Machine } from '../../machine/machine.js';
import type { BusLease } from '../pool.js';
import { scanAddresses, type ScannedAddress } from './adapter.js';
import { answersAt, type Asking } from './ask.js';
import { guessesFor, type Guess, type SeenParts } from './guess.js';

/** What a part that answers may be. */
export interface PartGuess {
  /** For `chip=` and device(). */
  readonly chip: string;
  /** The URI that opens it so. */
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  /** Bits of the word address. */
  readonly addressWidth: 8 | 16;
  /** Addresses that it takes, the first one included. */
  readonly addresses: readonly number[];
  /** So many of them share the addresses: one at each. */
  readonly parts: number;
  /** Why, in a sentence. */
  readonly reason: string;
}

/** A part that a driver of the kernel has; it was not asked. */
export interface HeldPart {
  /** As in /dev: 'i2c-1'. */
  readonly adapter: string | undefined;
  /** As in /sys/bus/i2c/devices: '1-0050'. Undefined: nothing but that it is held is known. */
  readonly device: string | undefined;
  /** What it was declared as: '24c256'. */
  readonly name: string | undefined;
  readonly driver: string | undefined;
}

/** One of those who answer, or are held by the kernel. */
export interface ScannedPart {
  /** Seven-bit device address, the first where it has several. */
  readonly address: number;
  /** All at which it answers. */
  readonly addresses: readonly number[];
  /** The name of the likeliest chip, for device(). Undefined: it cannot be told, or it is no EEPROM, or the kernel's. */
  readonly guess: string | undefined;
  /** Why that chip, or what else is known; a sentence. */
  readonly reason: string;
  /** What it may be, the likeliest first. */
  readonly guesses: readonly PartGuess[];
  /** Undefined: no driver of the kernel has it. */
  readonly held: HeldPart | undefined;
}

export interface ScanLimits {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly onProgress?: ((asked: number, of: number) => void) | undefined;
}

/** An adapter's driver says EBUSY, and sysfs names nobody: a driver behind a multiplexer. */
const NOBODY_KNOWN: HeldPart = { adapter: undefined, device: undefined, name: undefined, driver: undefined };
/** Device codes 1010 (arrays) and 1011 (serial numbers, lockable pages). */
const EEPROMS = addresses(0x50, 0x5f);
/**
 * Without those at which SPD memories take commands that protect them for ever (0x30 to 0x37, JEDEC EE1002 and EE1004):
 * i2cdetect is careful there for the same reason.
 */
const ALL = [...addresses(0x08, 0x2f), ...addresses(0x38, 0x77)];

/** The addresses that a scan asks. */
export function scannedAddresses(all: boolean): readonly number[] {
  return all ? ALL : EEPROMS;
}

/**
 * Asks who is there and guesses what it is, by reading alone: an address is asked for one byte, and no byte goes out that a part
 * could store. `uri`: as the caller gave it, for messages.
 *
 * @throws NvmemError where the bus itself fails; ABORT_ERR, ETIMEDOUT.
 */
export async function scanBus(
  machine: Machine,
  { lease, bus, uri }: { readonly lease: BusLease; readonly bus: BusUri; readonly uri: string },
  all: boolean,
  { signal = new AbortController().signal, timeoutMs, onProgress }: ScanLimits,
): Promise<ScannedPart[]> {
  const limits = timeoutMs === undefined ? { signal } : { signal, timeoutMs };
  const asking: Asking = { lease, uri, limits };
  const held = await heldOn(machine, bus);
  const free = scannedAddresses(all).filter((address) => !held.has(address));
  const answering = new Set<number>();
  for (const [address, state] of await askAdapter(bus)) {
    if (!free.includes(address)) continue;
    if (state === 'driver') held.set(address, NOBODY_KNOWN);
    else if (state === 'answers') answering.add(address);
    free.splice(free.indexOf(address), 1);
  }
  for (const [done, address] of free.entries()) {
    if (await answersAt(asking, address)) answering.add(address);
    onProgress?.(done + 1, free.length);
  }
  const parts = [...(await describe(asking, bus, answering)), ...[...held].map(heldPart)];
  return parts.sort((a, b) => a.address - b.address);
}

/** An adapter of the kernel can read a byte without sending a word address first. Of other buses nothing comes. */
async function askAdapter(bus: BusUri): Promise<Map<number, ScannedAddress['state']>> {
  const number = bus.scheme === 'i2c' ? /^\/dev\/i2c-([0-9]+)$/.exec(bus.path)?.[1] : undefined;
  if (bus.scheme !== 'i2c' || number === undefined) return new Map();
  const scanned = await scanAddresses(Number(number));
  const isAsked = ({ state }: ScannedAddress): boolean => state !== 'driver' || !bus.force;
  return new Map(scanned.filter(isAsked).map(({ address, state }) => [address, state]));
}

async function describe(asking: Asking, bus: BusUri, present: ReadonlySet<number>): Promise<ScannedPart[]> {
  const found: ScannedPart[] = [];
  const taken = new Set<number>();
  const seen: SeenParts = new Map();
  const noted = (address: number, reason: string, others: readonly number[] = []): void => {
    const all = [address, ...others];
    found.push({ address, addresses: all, guess: undefined, reason, guesses: [], held: undefined });
  };
  for (const address of [...present].sort((a, b) => a - b)) {
    if (taken.has(address)) continue;
    if (address >= 0x50 && address <= 0x57) {
      const guesses = await guessesFor(asking, address, present, seen);
      const all = [...new Set([address, ...guesses.flatMap((guess) => guess.addresses)])];
      for (const one of all) taken.add(one);
      const [first] = guesses;
      found.push({
        address,
        addresses: all.filter((one) => present.has(one)),
        guess: first?.chip.name,
        reason: first?.why ?? 'it answers, and nothing more shows',
        guesses: guesses.map((guess) => guessOn(bus, address, guess)),
        held: undefined,
      });
    } else if (address >= 0x58 && address <= 0x5f && present.has(address - 8)) {
      const owner = found.find((part) => part.addresses.includes(address - 8));
      // The window of a part of several blocks answers at as many addresses, and is one.
      const window = (owner?.addresses ?? [address - 8]).map((one) => one + 8);
      for (const one of window) taken.add(one);
      noted(
        address,
        `second memory of the part at ${hex(owner?.address ?? address - 8)}: a serial number, an EUI or a lockable page; ` +
          'chip= with the name on the part opens it (AT24CS…, AT24MAC…, M24…-D)',
        window.filter((one) => one !== address && present.has(one)),
      );
    } else if (address >= 0x18 && address <= 0x1f && present.has(address + 0x38)) {
      noted(address, `perhaps the temperature sensor of the memory module at ${hex(address + 0x38)}`);
    } else noted(address, 'answers, and is not at an address of EEPROMs');
  }
  return found;
}

function guessOn(bus: BusUri, address: number, guess: Guess): PartGuess {
  const { chip, addressBytes, parts, why: reason } = guess;
  return {
    chip: chip.name,
    uri: partUriOn(bus, address, `chip=${chip.name}`),
    size: chip.size,
    addressWidth: addressBytes === 2 ? 16 : 8,
    addresses: guess.addresses,
    parts,
    reason,
  };
}

/** Parts that drivers of the kernel have, as far as this machine's kernel has the bus. */
async function heldOn(machine: Machine, bus: BusUri): Promise<Map<number, HeldPart>> {
  if ((bus.scheme !== 'i2c' && bus.scheme !== 'hidraw') || bus.force) return new Map();
  const adapters = bus.scheme === 'i2c' ? [basename(bus.path)] : await adaptersOfHidraw(machine, bus.path);
  const clients = await heldClients(machine, adapters);
  return new Map(clients.map(({ address, ...held }) => [address, held]));
}

function heldPart([address, held]: readonly [number, HeldPart]): ScannedPart {
  const { name, device, driver } = held;
  const who = device === undefined ? 'it is held' : `${name ?? ''} (${device}), held`;
  const reason = `${who} by ${driver === undefined ? 'a driver of the kernel' : `the kernel's driver ${driver}`}`;
  return { address, addresses: [address], guess: undefined, reason, guesses: [], held };
}

function addresses(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}
