/** What a run may be told, checked and completed. */
import { NvmemError } from '../base/errors.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  checkSignal,
  checkString,
  rangeError,
  typeError,
} from '../base/validate.js';
import type { DeviceSetup } from '../rig/index.js';
import type { OperationKind, Region, When } from './events.js';

/** The bench that a run makes for itself. */
export interface TortureBench {
  /** Default: one bridge with a 24c02 whose WP pin is on GPIO 0, and a 24c32. */
  readonly devices?: readonly DeviceSetup[] | undefined;
  /** What is broken on it, as parseFault() of `nvmem/rig` takes it; BUSID/ in front: of that bridge. */
  readonly faults?: readonly string[] | undefined;
  /** Whether wire and USB take their time. Default 'off': they do not, and a run is many times as fast. */
  readonly time?: 'real' | 'off' | undefined;
}

export interface TortureOptions {
  /** URIs of devices; with a bench also `bench:BUSID/0xADDR?chip=NAME`. Default with a bench: every part of it. */
  readonly subjects?: readonly string[] | undefined;
  /** A virtual bench of its own. Default false. */
  readonly bench?: boolean | TortureBench | undefined;
  /** Who pulls the plug; as --power. Default with a bench: 'bench'. */
  readonly power?: string | undefined;
  /** How often. Default 200, or as often as there is time. */
  readonly cycles?: number | undefined;
  /** How long, milliseconds. */
  readonly durationMs?: number | undefined;
  /** An integer from 0 to 2^32 - 1. Default: a random one. */
  readonly seed?: number | undefined;
  /** Threads that share the subjects, 1 to 64. Default 4. */
  readonly workers?: number | undefined;
  /** How often each kind of operation, against each other. */
  readonly mix?: Partial<Readonly<Record<OperationKind, number>>> | undefined;
  /** The bytes that may be overwritten. A bench of its own: all of it. */
  readonly region?: Region | undefined;
  /** Without it nothing is written to a part that is not of a bench of its own. Default false. */
  readonly allowWrites?: boolean | undefined;
  /** Default: each in turn, by the seed. */
  readonly when?: readonly When[] | undefined;
  /** How long the power is off, milliseconds. Default 0 with a bench, else 500. */
  readonly settleMs?: number | undefined;
  /** A return that takes longer is a violation, milliseconds. Default 2000 with a bench, else 10000. */
  readonly maxRecoveryMs?: number | undefined;
  /** An answer that comes later than this after the unplug is late, milliseconds. Default 1000. */
  readonly maxRejectionMs?: number | undefined;
  /** One that is not there after this never comes, milliseconds. Default 10000. */
  readonly hangMs?: number | undefined;
  /** Go on after a violation. Default false. */
  readonly keepGoing?: boolean | undefined;
  /** Done after each power on, before the subjects are opened: what binds a driver, for example. */
  readonly prepare?: (() => Promise<void>) | undefined;
  /** Shows a person what to do; for power 'manual'. */
  readonly tell?: ((what: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const MIX: Readonly<Record<OperationKind, number>> = {
  read: 4,
  write: 2,
  cell: 1,
  wp: 1,
  verify: 1,
  scan: 0,
};
const KINDS = Object.keys(MIX) as OperationKind[];

/** Without a word all but the sweep, which has its own order, and the storm, which takes its time. */
const DEFAULT_WHEN: readonly When[] = [
  'random',
  'random',
  'idle',
  'mid-read',
  'mid-write',
  'mid-cell',
  'storm',
];
const ALL_WHEN: readonly When[] = [...new Set(DEFAULT_WHEN), 'every-byte'];

const KEYS = [
  ...[
    'subjects',
    'bench',
    'power',
    'cycles',
    'durationMs',
    'seed',
    'workers',
    'mix',
    'region',
    'allowWrites',
    'when',
  ],
  ...['settleMs', 'maxRecoveryMs', 'maxRejectionMs', 'hangMs', 'keepGoing', 'prepare', 'tell', 'signal'],
];

/** Everything decided. */
export interface Decided {
  readonly subjects: readonly string[];
  readonly bench: TortureBench | undefined;
  readonly power: string;
  readonly cycles: number | undefined;
  readonly durationMs: number | undefined;
  readonly seed: number;
  readonly workers: number;
  readonly mix: Readonly<Record<OperationKind, number>>;
  readonly region: Region | undefined;
  readonly writes: boolean;
  readonly when: readonly When[];
  readonly settleMs: number;
  readonly maxRecoveryMs: number;
  readonly maxRejectionMs: number;
  readonly hangMs: number;
  readonly keepGoing: boolean;
  readonly prepare: (() => Promise<void>) | undefined;
  readonly tell: ((what: string) => void) | undefined;
  readonly signal: AbortSignal;
}

/** @throws TypeError, RangeError: an option; NvmemError EINVAL: they do not fit each other */
export function decide(options: TortureOptions): Decided {
  checkKeys('options', checkObject('options', options), KEYS);
  const { subjects = [], power, durationMs, region, signal, prepare, tell, keepGoing = false } = options;
  const { bench: asked = false, allowWrites = false } = options;
  if (!Array.isArray(subjects)) throw typeError('options.subjects', 'an array of URIs', subjects);
  subjects.forEach((uri, i) => checkString(`options.subjects[${String(i)}]`, uri));
  if (power !== undefined) checkString('options.power', power);
  for (const [name, value] of Object.entries({ allowWrites, keepGoing }))
    checkBoolean(`options.${name}`, value);
  if (signal !== undefined) checkSignal('options.signal', signal);
  if (prepare !== undefined) checkFunction('options.prepare', prepare);
  if (tell !== undefined) checkFunction('options.tell', tell);
  const bench =
    asked === true ? {} : asked === false ? undefined : (checkObject('options.bench', asked) as TortureBench);
  const number = <T>(
    name: 'cycles' | 'seed' | 'workers' | 'settleMs' | 'maxRecoveryMs' | 'maxRejectionMs' | 'hangMs',
    low: number,
    high: number,
    otherwise: T,
  ): number | T =>
    options[name] === undefined ? otherwise : checkInteger(`options.${name}`, options[name], low, high);
  if (durationMs !== undefined) checkInteger('options.durationMs', durationMs, 1);
  if (subjects.length === 0 && !bench)
    throw new NvmemError('EINVAL', 'there is nothing to torture', {
      hint: 'Name a device, or add --bench for a virtual one.',
    });
  if (!bench && power === undefined)
    throw new NvmemError('EINVAL', 'nobody is named who pulls the plug', {
      hint: 'Say it with --power: usb-authorized needs nothing but root; nvmem torture --help shows the others.',
    });
  const isBench = bench !== undefined && (power === undefined || power === 'bench');
  return {
    subjects,
    bench,
    power: power ?? 'bench',
    cycles: number('cycles', 1, 1e9, durationMs === undefined ? 200 : undefined),
    durationMs,
    seed: number('seed', 0, 0xffffffff, Math.floor(Math.random() * 0x100000000)),
    workers: number('workers', 1, 64, 4),
    mix: mixOf(options.mix),
    region: region === undefined ? undefined : checkRegion(region),
    // The bytes of a bench of its own are nobody's; others need both words.
    writes: bench !== undefined ? true : allowWrites && region !== undefined,
    when: whenOf(options.when),
    settleMs: number('settleMs', 0, 3_600_000, isBench ? 0 : 500),
    maxRecoveryMs: number('maxRecoveryMs', 1, 3_600_000, isBench ? 2000 : 10_000),
    maxRejectionMs: number('maxRejectionMs', 1, 3_600_000, 1000),
    hangMs: number('hangMs', 100, 3_600_000, 10_000),
    keepGoing,
    prepare,
    tell,
    signal: signal ?? new AbortController().signal,
  };
}

function mixOf(given: TortureOptions['mix'] = {}): Record<OperationKind, number> {
  checkKeys('options.mix', checkObject('options.mix', given), KINDS);
  const mix = { ...MIX, ...given };
  for (const kind of KINDS) {
    const weight = mix[kind];
    if (typeof weight !== 'number') throw typeError(`options.mix.${kind}`, 'a number', weight);
    if (!(weight >= 0 && weight <= 1e6))
      throw rangeError(`options.mix.${kind}`, 'a number from 0 to 1000000', weight);
  }
  if (KINDS.every((kind) => mix[kind] === 0))
    throw rangeError('options.mix', 'at least one weight above 0', given);
  return mix;
}

function checkRegion(region: Region): Region {
  checkKeys('options.region', checkObject('options.region', region), ['first', 'last']);
  checkInteger('options.region.first', region.first, 0);
  checkInteger('options.region.last', region.last, region.first);
  return region;
}

function whenOf(when: readonly When[] | undefined): readonly When[] {
  if (when === undefined) return DEFAULT_WHEN;
  if (!Array.isArray(when)) throw typeError('options.when', 'an array', when);
  if (when.length === 0) throw rangeError('options.when', 'not empty', when);
  for (const one of when as readonly unknown[]) {
    if (!ALL_WHEN.includes(one as When))
      throw rangeError('options.when', `one of ${ALL_WHEN.join(', ')}`, one);
  }
  return when as readonly When[];
}

/** `A-B`, both included, decimal or 0x. @throws NvmemError EINVAL */
export function parseRegion(text: string): Region {
  const [, a, b] = /^(0x[0-9a-f]+|\d+)-(0x[0-9a-f]+|\d+)$/i.exec(text) ?? [];
  const region = { first: Number(a), last: Number(b) };
  if (region.last >= region.first) return region;
  throw new NvmemError('EINVAL', `--region ${text} is no stretch of bytes`, {
    hint: 'Write the first and the last byte, both of them included: 0x100-0x1ff.',
  });
}

/** `read=4,write=2`. @throws NvmemError EINVAL */
export function parseMix(text: string): Partial<Record<OperationKind, number>> {
  const mix: Partial<Record<OperationKind, number>> = {};
  for (const part of text.split(',')) {
    const [, name = '', weight] = /^([a-z]+)=(\d+(?:\.\d+)?)$/.exec(part.trim()) ?? [];
    const kind = KINDS.find((one) => one === name);
    if (kind === undefined || weight === undefined) {
      throw new NvmemError('EINVAL', `--mix ${text}: "${part}" is no KIND=WEIGHT`, {
        hint: `Write for example read=4,write=2; kinds are ${KINDS.join(', ')}.`,
      });
    }
    mix[kind] = Number(weight);
  }
  return mix;
}

/** `random,mid-read`. @throws NvmemError EINVAL */
export function parseWhen(text: string): When[] {
  return text.split(',').map((name) => {
    const found = ALL_WHEN.find((one) => one === name.trim());
    if (found !== undefined) return found;
    throw new NvmemError('EINVAL', `--when ${text}: "${name}" is none of its words`, {
      hint: `They are ${ALL_WHEN.join(', ')}.`,
    });
  });
}

/** `90s`, `8h`, `500ms`, `15m`. Milliseconds. @throws NvmemError EINVAL */
export function parseDuration(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit];
  const ms = Math.round(Number(number) * (factor ?? NaN));
  if (ms >= 1) return ms;
  throw new NvmemError('EINVAL', `--duration ${text} is no time`, {
    hint: 'Write it with its unit: 90s, 15m, 8h.',
  });
}
