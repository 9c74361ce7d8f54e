import { readFileSync, writeFileSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import type { VirtualDevice } from './device.js';
import type { DeviceStats } from './events.js';
import type { FaultKind, FaultSpec } from './fault_kinds.js';
import { formatFault } from './fault_text.js';
import type { FaultHandle } from './faults.js';

/** What can be asked of a running bench: by a line of text, by a JSON object, or by a step of a scenario. */
export type Command =
  | { readonly cmd: 'list' | 'help' | 'quit' }
  | { readonly cmd: 'events' | 'silent'; readonly on: boolean }
  | { readonly cmd: 'plug'; readonly device?: string }
  | { readonly cmd: 'stats'; readonly device?: string }
  /** `sag`: the supply dips so far that the bridge is gone, and not so far that the parts notice. */
  | { readonly cmd: 'unplug' | 'sag'; readonly device?: string; readonly how?: 'fin' | 'rst' }
  | {
      readonly cmd: 'fault';
      readonly device?: string;
      readonly add?: FaultSpec;
      readonly release?: number | 'all' | FaultKind;
    }
  /** With `at` the bytes of `set` replace those from there on; without it the rest of the array becomes 0xff. */
  | {
      readonly cmd: 'image';
      readonly device?: string;
      readonly address: number;
      readonly load?: string;
      readonly save?: string;
      readonly set?: Uint8Array;
      readonly at?: number;
    }
  | {
      readonly cmd: 'gpio';
      readonly device?: string;
      readonly pin?: number;
      readonly level?: 0 | 1 | null;
    };

export type CommandName = Command['cmd'];

/** What commands act on. */
export interface CommandBench {
  readonly devices: readonly VirtualDevice[];
  silent: boolean;
  /** @throws RangeError when there is none with that bus id */
  device(busid?: string): VirtualDevice;
}

/** What whoever gives the commands may do, besides moving the bench. */
export interface CommandRules {
  /** Absolute paths: the only files that are loaded and saved. */
  readonly files: ReadonlySet<string>;
  /** Whether events are told from now on. */
  readonly events: (on: boolean) => void;
  readonly quit: () => void;
  /** The reason that an unplug is given. */
  readonly origin: string;
}

/** An EEPROM in a `list`. */
export interface PartSummary {
  readonly address: number;
  readonly chip: string;
  /** Bytes. */
  readonly size: number;
  readonly page: number;
  readonly maker: string;
}

/** A bridge in a `list`. */
export interface BridgeSummary {
  readonly busid: string;
  readonly serial: string;
  readonly version: number;
  readonly plugged: boolean;
  readonly attached: boolean;
  readonly eeproms: readonly PartSummary[];
}

/** A fault in an answer: its number, its fields, its text, and how often it has acted and will. JSON has no Infinity. */
export interface FaultSummary {
  readonly id: number;
  readonly text: string;
  readonly remaining: number | 'forever';
  readonly fired: number;
}

export interface Answer {
  readonly devices?: readonly BridgeSummary[];
  readonly plugged?: boolean;
  readonly fault?: number;
  readonly faults?: readonly FaultSummary[];
  /** Bytes of the array. */
  readonly size?: number;
  /** Base64. */
  readonly data?: string;
  readonly levels?: number;
  readonly stats?: DeviceStats;
  readonly silent?: boolean;
  readonly commands?: readonly string[];
}

/** The forms of the commands as text; what `help` answers. */
export const COMMAND_FORMS: readonly string[] = [
  'list',
  'unplug [BUSID] [fin|rst]',
  'sag [BUSID] [fin|rst]',
  'plug [BUSID]',
  'fault [BUSID] FAULT',
  'faults [BUSID]',
  'release [BUSID] NUMBER|KIND|all',
  'image [BUSID] ADDRESS [load FILE | save FILE | set HEX | at OFFSET HEX]',
  'gpio [BUSID] [PIN low|high|float]',
  'stats [BUSID]',
  'silent [on|off]',
  'events [on|off]',
  'help',
  'quit',
];

/**
 * Carries out one command.
 * @throws RangeError, SpecError or Error, with a sentence that says what would do
 */
export function runCommand(bench: CommandBench, command: Command, rules: CommandRules): Answer {
  switch (command.cmd) {
    case 'list':
      return { devices: bench.devices.map(summary) };
    case 'help':
      return { commands: COMMAND_FORMS };
    case 'quit':
      rules.quit();
      return {};
    case 'events':
      rules.events(command.on);
      return {};
    case 'silent':
      bench.silent = command.on;
      return { silent: bench.silent };
    case 'unplug':
    case 'sag':
    case 'plug':
      return cable(deviceOf(bench, command), command, rules.origin);
    case 'fault':
      return fault(deviceOf(bench, command), command);
    case 'image':
      return image(deviceOf(bench, command), command, rules.files);
    case 'gpio':
      return gpio(deviceOf(bench, command), command);
    case 'stats':
      return { stats: deviceOf(bench, command).stats };
  }
}

function deviceOf(bench: CommandBench, { device }: { readonly device?: string }): VirtualDevice {
  return bench.device(device ?? bench.devices[0]?.busid);
}

function cable(
  device: VirtualDevice,
  command: Extract<Command, { cmd: 'unplug' | 'sag' | 'plug' }>,
  origin: string,
): Answer {
  if (command.cmd === 'plug') device.plug();
  else if (command.cmd === 'sag') device.sag(command.how, origin);
  else device.unplug(command.how, origin);
  return { plugged: device.plugged };
}

function fault(device: VirtualDevice, command: Extract<Command, { cmd: 'fault' }>): Answer {
  const { add, release } = command;
  const added = add && device.faults.add(add);
  if (release === 'all') device.faults.clear();
  else if (release !== undefined) {
    const meant = device.faults.list().filter(({ id, spec }) => id === release || spec.kind === release);
    if (meant.length === 0) {
      throw new Error(
        typeof release === 'number' ? `there is no fault ${String(release)}` : `no ${release} is armed`,
      );
    }
    for (const one of meant) one.release();
  }
  return { ...(added ? { fault: added.id } : {}), faults: device.faults.list().map(faultSummary) };
}

function faultSummary({ id, spec, remaining, fired }: FaultHandle): FaultSummary {
  return {
    id,
    ...spec,
    ...('count' in spec ? { count: finite(spec.count ?? 1) } : {}),
    text: formatFault(spec),
    remaining: finite(remaining),
    fired,
  };
}

function finite(value: number): number | 'forever' {
  return Number.isFinite(value) ? value : 'forever';
}

function image(
  device: VirtualDevice,
  command: Extract<Command, { cmd: 'image' }>,
  files: ReadonlySet<string>,
): Answer {
  const { load, save, set, at } = command;
  const eeprom = device.eeprom(command.address);
  const { size } = eeprom.model;
  if (load !== undefined) eeprom.image = readFileSync(named(load, files));
  else if (set !== undefined && at !== undefined) eeprom.patch(at, set);
  else if (set !== undefined) eeprom.image = set;
  else if (save !== undefined) writeFileSync(named(save, files), eeprom.image);
  else return { size, data: Buffer.from(eeprom.image).toString('base64') };
  return { size };
}

/** @throws for a file that whoever started the bench has not named */
function named(name: string, files: ReadonlySet<string>): string {
  const path = resolvePath(name);
  if (files.has(path)) return path;
  throw new Error(
    `${JSON.stringify(name)} is none of the files that this bench was started with (image=FILE, save=FILE)`,
  );
}

function gpio(device: VirtualDevice, command: Extract<Command, { cmd: 'gpio' }>): Answer {
  const { pin, level } = command;
  if (pin !== undefined) device.driveGpio(pin, level ?? null);
  return { levels: device.gpioLevels };
}

/** What a bridge is and what is behind it. */
export function summary(device: VirtualDevice): BridgeSummary {
  return {
    busid: device.busid,
    serial: device.serial,
    version: device.version,
    plugged: device.plugged,
    attached: device.attached,
    eeproms: device.eeproms.map((eeprom) => ({
      address: eeprom.address,
      chip: eeprom.model.name,
      size: eeprom.model.size,
      page: eeprom.pageSize,
      maker: eeprom.maker,
    })),
  };
}
