/** A scripted bench: what is on it, and what happens to it when. Plain data; YAML is one way to write it down. */
import type { BenchOptions } from './bench.js';
import type { Command } from './commands.js';
import type { FaultSpec } from './fault_kinds.js';
import { buildImage, type ImagePiece } from './image_pieces.js';
import type { DeviceSetup, EepromSetup, TimeMode } from './setup.js';
import { followingSerial } from './spec.js';

export interface Scenario {
  /** What it shows, in a line. */
  readonly title?: string;
  readonly time?: TimeMode;
  /** What is random (jitter without a seed of its own) comes from it. Default 1. */
  readonly seed?: number;
  readonly bridges: readonly ScenarioBridge[];
  /** In any order; each says itself when its time has come. */
  readonly steps?: readonly ScenarioStep[];
}

export interface ScenarioBridge extends Omit<DeviceSetup, 'eeproms'> {
  readonly parts?: readonly ScenarioPart[];
  /** Armed at the start. */
  readonly faults?: readonly FaultSpec[];
  readonly power?: PowerCurve;
}

export interface ScenarioPart extends Omit<EepromSetup, 'image' | 'window'> {
  /** Laid over each other in this order, on 0xff. */
  readonly image?: readonly ImagePiece[];
  readonly window?: readonly ImagePiece[];
  /** A file that takes the content when the bench ends. */
  readonly save?: string;
}

export interface ScenarioStep {
  /** Milliseconds since the start of the scenario. */
  readonly at?: number;
  /** What it waits for. With neither `at` nor `when` it waits for the step before it. */
  readonly when?: StepTrigger;
  /** Milliseconds to wait then. Default 0. */
  readonly after?: number;
  /** Carried out in this order, at the same instant. */
  readonly do: readonly Command[];
}

/** What a step can wait for. */
export const TRIGGERS = [
  ...(['plug', 'unplug', 'open'] as const),
  ...(['wire', 'host', 'in', 'out', 'any', 'control'] as const),
] as const;

export interface StepTrigger {
  /**
   * - `plug`, `unplug`, `open`: the bridge is plugged in (a bridge that begins so counts as the first time), goes, is attached to;
   * - `wire`, `host`: bytes of content that have crossed the wire, bytes of read data delivered;
   * - `in`, `out`, `any`, `control`: reports and control transfers. All counted since the start.
   */
  readonly on: (typeof TRIGGERS)[number];
  /** The n-th time or the n-th byte; of `plug`, `unplug` and `open` left out: every time. */
  readonly n?: number;
  /** Bus id. Default: the first bridge. */
  readonly device?: string;
}

/**
 * The supply over time, from the start on. `sag`: too little for the bridge and enough for the parts. Behind the last phase, and in the
 * end, the plug is in.
 */
export interface PowerCurve {
  readonly curve: readonly PowerPhase[];
  /** How often the phases are gone through; Infinity: until stopped. Default 1. */
  readonly repeat?: number;
  /** Every phase is up to so many milliseconds longer or shorter. */
  readonly jitter?: number;
  /** Default: the scenario's. */
  readonly seed?: number;
  /** How the connection ends. Default fin. */
  readonly how?: 'fin' | 'rst';
}

export interface PowerPhase {
  readonly state: 'on' | 'off' | 'sag';
  readonly ms: number;
}

/**
 * What `VirtualBench.start()` needs for a scenario.
 * @throws SpecError for an image file that cannot be read or does not fit
 */
export function scenarioBench(scenario: Scenario): BenchOptions {
  return {
    ...(scenario.time === undefined ? {} : { time: scenario.time }),
    devices: scenario.bridges.map(bridgeSetup),
  };
}

/**
 * @param index its place among the bridges: those behind the first have a bus id and a serial number that follow, unless they are given
 * @throws SpecError for an image file that cannot be read or does not fit
 */
export function bridgeSetup(bridge: ScenarioBridge, index: number): DeviceSetup {
  const { parts } = bridge;
  return {
    ...(index > 0 ? { serial: followingSerial(undefined, index) } : {}),
    ...without(bridge, ['parts', 'faults', 'power']),
    busid: bridge.busid ?? `1-${String(index + 1)}`,
    eeproms: (parts ?? []).map(partSetup),
  };
}

function partSetup(part: ScenarioPart): EepromSetup {
  const { image, window } = part;
  return {
    ...without(part, ['image', 'window', 'save']),
    ...(image ? { image: buildImage(image, part.chip, 'array') } : {}),
    ...(window ? { window: buildImage(window, part.chip, 'window') } : {}),
  };
}

function without<T extends object, K extends keyof T>(object: T, keys: readonly K[]): Omit<T, K> {
  const entries = Object.entries(object).filter(([key]) => !(keys as readonly PropertyKey[]).includes(key));
  return Object.fromEntries(entries) as Omit<T, K>;
}
