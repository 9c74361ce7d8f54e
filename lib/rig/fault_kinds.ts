import { random } from './random.js';

/**
 * Faults: what goes wrong on the bench, when, and how often. All of them are positional or seeded, so a run can be repeated.
 * Every fault lets `skip` opportunities pass, then acts on the next `count` of them (1 unless told) and is gone.
 */

export interface FaultCount {
  /** How often it acts; Infinity: until removed. Default 1. */
  readonly count?: number;
  /** Opportunities let through first. Default 0. */
  readonly skip?: number;
}

/**
 * Where an unplug strikes, counted from the moment the fault was added:
 * - `now`;
 * - `wire`: when `n` bytes of EEPROM content have crossed the I2C wire (0: as the first one would begin);
 * - `host`: when `n` bytes of read data have been delivered in 0x13 reports (0: as the first one would be delivered);
 * - `in`, `out`, `any`, `control`: at the `n`-th (from 1) interrupt report in or out, either of them, or control transfer,
 *   `before` or `after` it takes effect and is answered.
 */
export interface UnplugFault extends FaultCount {
  readonly kind: 'unplug';
  readonly on: 'now' | 'wire' | 'host' | 'in' | 'out' | 'any' | 'control';
  readonly n?: number;
  /** Takes `n` from a seeded generator instead: at least 0 (`wire`, `host`) or 1, and below this. */
  readonly below?: number;
  readonly seed?: number;
  readonly phase?: 'before' | 'after';
  /** The TCP connection ends with FIN (default) or with RST. */
  readonly how?: 'fin' | 'rst';
}

/**
 * The bridge takes nothing and answers nothing any more, `on: 'in'`: it takes what it is sent and answers nothing. Only
 * control requests are still answered then. It is on the bus all the while (it NAKs), and what it owes comes afterwards.
 */
export interface SilentFault {
  readonly kind: 'silent';
  readonly on?: 'all' | 'in';
  /** How long, milliseconds; else until the fault is released. */
  readonly ms?: number;
  /** Interrupt reports, in and out, let through first. Default 0. */
  readonly skip?: number;
}

/** A fault of a part: where in the array it strikes. Without `address` any part of the bridge will do. */
interface PartFaultPlace extends FaultCount {
  readonly address?: number;
  /** Only a byte at that offset of the array, or a page write that holds it. */
  readonly at?: number;
  /** Takes `skip` from a seeded generator instead: below this. */
  readonly below?: number;
  readonly seed?: number;
}

/**
 * One bit of a byte is wrong; each byte of the array that is read (`stored`: programmed) is an opportunity.
 * - `read` (default): on its way to the host; the array is right;
 * - `stored`: as it is programmed;
 * - `now`: in the array, as soon as the fault is added, at offset `at` (default 0).
 */
export interface FlipFault extends PartFaultPlace {
  readonly kind: 'flip';
  readonly on?: 'read' | 'stored' | 'now';
  /** 0 to 7. Default: from the seed, without one 0. */
  readonly bit?: number;
}

/** What is wrong with a part of the kind that a driver cannot see: every byte is acknowledged and every answer looks as it should. */
export type PartFault =
  | FlipFault
  /** A page write is acknowledged and only its first `keep` bytes (default 0) are stored; `no-cycle`: without a write cycle. */
  | (PartFaultPlace & { readonly kind: 'drop-page'; readonly keep?: number; readonly cycle?: 'no-cycle' })
  /** What belongs to one page is stored in (`read`: read from) another, `by` pages further on, round the end of the array. Default 1. */
  | (PartFaultPlace & { readonly kind: 'wrong-page'; readonly on?: 'write' | 'read'; readonly by?: number })
  /** A page write that reads back as it should is gone after the next unplug: the old bytes are there again. */
  | (PartFaultPlace & { readonly kind: 'forget' })
  /** A write that WP forbids is stored. */
  | (PartFaultPlace & { readonly kind: 'wp-ignored' })
  /** The host lets WP go up and it stays low: the bridge does not carry this out for the pin the part's WP is wired to. */
  | (FaultCount & { readonly kind: 'wp-stuck'; readonly address?: number })
  /**
   * After an unplug another content is there: seeded bytes in the whole array, in `bytes` places of it, or what the part at
   * address `with` holds; `part`: another serial number or EUI as well. Each return after an unplug is an opportunity.
   */
  | (FaultCount & {
      readonly kind: 'swap';
      readonly address?: number;
      readonly seed?: number;
      readonly bytes?: number;
      readonly with?: number;
      readonly what?: 'content' | 'part';
    })
  /** A plug shows only `ms` later, or when the fault is released. */
  | (FaultCount & { readonly kind: 'slow-return'; readonly ms?: number })
  /**
   * A request is answered by what the last one was answered by: the same report once more (0x13 or 0x16; either when not
   * given), or `data`: a read's answer looks right and has the bytes of the read before it.
   */
  | (FaultCount & { readonly kind: 'stale'; readonly report?: number; readonly what?: 'data' });

export type FaultSpec =
  | UnplugFault
  /** The address is not acknowledged. */
  | (FaultCount & { readonly kind: 'nak'; readonly address?: number })
  /** Byte `byte` (from 0, word address included) of a write is not acknowledged. */
  | (FaultCount & { readonly kind: 'nak-data'; readonly byte: number; readonly address?: number })
  /** A response (0x13 or 0x16; either when not given) never arrives. */
  | (FaultCount & { readonly kind: 'lose'; readonly report?: number })
  /** A response arrives `ms` later, or when the fault is released; others overtake it. */
  | (FaultCount & { readonly kind: 'delay'; readonly report?: number; readonly ms?: number })
  /** A force send is answered by a 0x13 without data; the data stay in the chip. */
  | (FaultCount & { readonly kind: 'empty' })
  /** A response nobody asked for: now, or before the next response. Default: 0x16, idle. */
  | (FaultCount & { readonly kind: 'unsolicited'; readonly report?: number; readonly when?: 'now' | 'next' })
  /** A request is answered by a STALL; `report`: only control requests for, or reports with, this ID. */
  | (FaultCount & {
      readonly kind: 'stall';
      readonly on?: 'control' | 'in' | 'out';
      readonly report?: number;
    })
  /** The next transfer never ends; `hard`: not even by Cancel, only by a reset or unplug. */
  | (FaultCount & { readonly kind: 'stuck'; readonly hard?: boolean })
  /** SCL is low at the start of the next transfer, for `ms` or for ever. */
  | (FaultCount & { readonly kind: 'scl-low'; readonly ms?: number })
  | (FaultCount & { readonly kind: 'arbitration' })
  /** 64 seeded random bytes arrive before the next response; `report` fixes the first one. */
  | (FaultCount & { readonly kind: 'garbage'; readonly seed?: number; readonly report?: number })
  /** A write cycle of `ms` instead of the part's own (without time: `polls` refused addresses, default 64). */
  | (FaultCount & { readonly kind: 'slow-write'; readonly ms: number; readonly polls?: number })
  | SilentFault
  | PartFault;

export type FaultKind = FaultSpec['kind'];
export type FaultOf<K extends FaultKind> = Extract<FaultSpec, { kind: K }>;

/** @throws RangeError for counts and positions that make no sense */
export function checkFault(spec: FaultSpec): void {
  const whole = (name: string, value: number | undefined, least: number): void => {
    if (value === undefined || (name === 'count' && value === Infinity)) return;
    if (!Number.isInteger(value) || value < least) {
      throw new RangeError(
        `${name} of a fault is a whole number from ${String(least)}, not ${String(value)}`,
      );
    }
  };
  whole('skip', spec.skip, 0);
  if (spec.kind === 'silent') {
    whole('ms', spec.ms, 1);
    return;
  }
  whole('count', spec.count, 1);
  if (spec.kind === 'nak-data') whole('byte', spec.byte, 0);
  checkPartFault(spec, whole);
  if (spec.kind !== 'unplug' || spec.on === 'now') return;
  whole('below', spec.below, 1);
  const first = spec.on === 'wire' || spec.on === 'host' ? 0 : 1;
  if (spec.n === undefined && spec.below === undefined) {
    throw new RangeError(`an unplug on ${spec.on} needs a position: n, or below with a seed`);
  }
  whole('n', spec.n, first);
}

function checkPartFault(
  spec: FaultSpec,
  whole: (name: string, value: number | undefined, least: number) => void,
): void {
  if ('at' in spec) whole('at', spec.at, 0);
  if ('below' in spec) whole('below', spec.below, 1);
  if ('seed' in spec) whole('seed', spec.seed, 0);
  if (spec.kind === 'drop-page') whole('keep', spec.keep, 0);
  if (spec.kind === 'swap') whole('bytes', spec.bytes, 1);
  if (spec.kind === 'slow-return') whole('ms', spec.ms, 1);
  if (spec.kind === 'flip') {
    whole('bit', spec.bit, 0);
    if ((spec.bit ?? 0) > 7) throw new RangeError(`a byte has bits 0 to 7, not ${String(spec.bit)}`);
  }
  if (spec.kind === 'wrong-page' && spec.by !== undefined && (!Number.isInteger(spec.by) || spec.by === 0)) {
    throw new RangeError(`by of a fault is a whole number of pages, forth or back, not ${String(spec.by)}`);
  }
}

/** How many opportunities a fault lets pass. */
export function firstSkip(spec: FaultSpec): number {
  // The position of an unplug is not a number of opportunities.
  const below = 'below' in spec && spec.kind !== 'unplug' ? spec.below : undefined;
  if (below !== undefined) return Math.floor(random('seed' in spec ? spec.seed : 0)() * below);
  return spec.skip ?? 0;
}

/** Where an unplug strikes. */
export function unplugPosition(spec: UnplugFault): number {
  if (spec.below === undefined) return spec.n ?? 0;
  const first = spec.on === 'wire' || spec.on === 'host' ? 0 : 1;
  const span = Math.max(1, spec.below - first);
  return first + Math.floor(random(spec.seed ?? 0)() * span);
}
