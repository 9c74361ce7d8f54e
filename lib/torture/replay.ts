/** The file that repeats what has failed: the setup, and every cycle of it, without the seed's help. */
import { readFile, writeFile } from 'node:fs/promises';

import { NvmemError } from '../base/errors.js';
import type { DeviceSetup } from '../rig/index.js';
import type { ViolationKind } from './events.js';
import type { Decided, TortureBench, TortureOptions } from './options.js';
import type { PlannedCycle } from './schedule.js';

const FORMAT = 'nvmem torture replay 1';

type Kept = Pick<
  Decided,
  | 'subjects'
  | 'power'
  | 'seed'
  | 'workers'
  | 'mix'
  | 'region'
  | 'when'
  | 'settleMs'
  | 'maxRecoveryMs'
  | 'maxRejectionMs'
  | 'hangMs'
>;

export interface Replay {
  readonly format: typeof FORMAT;
  readonly options: Kept & { readonly allowWrites: boolean; readonly bench?: TortureBench | undefined };
  /** What it ended with. */
  readonly violation?: { readonly kind: ViolationKind; readonly message: string } | undefined;
  readonly cycles: readonly PlannedCycle[];
}

export function replayOf(
  decided: Decided,
  cycles: readonly PlannedCycle[],
  violation: Replay['violation'],
): Replay {
  const { subjects, power, seed, workers, mix, region, when, bench, writes } = decided;
  const { settleMs, maxRecoveryMs, maxRejectionMs, hangMs } = decided;
  const kept: Kept = {
    subjects,
    power,
    seed,
    workers,
    mix,
    region,
    when,
    settleMs,
    maxRecoveryMs,
    maxRejectionMs,
    hangMs,
  };
  return { format: FORMAT, options: { ...kept, allowWrites: writes, bench }, violation, cycles };
}

/** Rejects with the file system's own error. */
export async function saveReplay(file: string, replay: Replay): Promise<void> {
  await writeFile(file, `${JSON.stringify(replay, binaryAsText, 1)}\n`);
}

/** Rejects with NvmemError EINVAL: it is no such file; or with the file system's own error. */
export async function loadReplay(file: string): Promise<Replay> {
  const text = await readFile(file, 'utf8');
  const wrong = (what: string): never => {
    throw new NvmemError('EINVAL', `${file} ${what}`, {
      hint: 'It is a file that nvmem torture has written after a violation.',
    });
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return wrong(`is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const replay = parsed as Partial<Replay>;
  if (typeof parsed !== 'object' || parsed === null || replay.format !== FORMAT)
    return wrong(`is not of the format "${FORMAT}"`);
  if (typeof replay.options !== 'object' || !Array.isArray(replay.cycles))
    return wrong('has no options, or no cycles');
  const { options, cycles, violation } = replay as Replay;
  cycles.forEach((cycle, i) => {
    const problem = cycleProblem(cycle, options.workers, options.subjects.length);
    if (problem !== undefined) wrong(`has a cycle ${String(i)} ${problem}`);
  });
  const { devices } = options.bench ?? {};
  const bench = devices ? { ...options.bench, devices: devices.map(withImages) } : options.bench;
  return { format: FORMAT, options: { ...options, bench }, violation, cycles };
}

/** How the run is started again. */
export function optionsOf({ options }: Replay): TortureOptions {
  const { allowWrites, bench, ...kept } = options;
  return { ...kept, bench: bench ?? false, allowWrites };
}

function cycleProblem(cycle: unknown, workers: number, subjects: number): string | undefined {
  const { pull, offMs, onMs, operations, plug, when } = (cycle ?? {}) as Partial<PlannedCycle>;
  if (typeof pull !== 'object' || typeof when !== 'string' || typeof plug !== 'number')
    return 'without plug, pull or when';
  if (!Array.isArray(offMs) || !Array.isArray(onMs) || offMs.length !== onMs.length + 1)
    return 'whose times off and on do not fit';
  if (!Array.isArray(operations)) return 'without operations';
  for (const { worker, subject, offset, length } of operations as PlannedCycle['operations']) {
    const whole = [worker, subject, offset, length].every(
      (value) => Number.isSafeInteger(value) && value >= 0,
    );
    if (!whole || worker >= workers || (subjects > 0 && subject >= subjects))
      return 'with an operation that cannot be';
  }
  return undefined;
}

interface BinaryText {
  readonly base64: string;
}

function binaryAsText(this: unknown, _key: string, value: unknown): unknown {
  // A Buffer has become an object of its toJSON() by now.
  const { type, data } = (typeof value === 'object' && value !== null ? value : {}) as {
    type?: unknown;
    data?: unknown;
  };
  if (type === 'Buffer' && Array.isArray(data))
    return { base64: Buffer.from(data as number[]).toString('base64') };
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value;
}

function withImages(device: DeviceSetup): DeviceSetup {
  const eeproms = (device.eeproms ?? []).map((eeprom) => {
    const { base64 } = (eeprom.image ?? {}) as Partial<BinaryText>;
    return typeof base64 === 'string' ? { ...eeprom, image: Buffer.from(base64, 'base64') } : eeprom;
  });
  return { ...device, eeproms };
}
