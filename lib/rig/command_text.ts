/** Commands as lines of text: read, written, and answered. */
import {
  COMMAND_FORMS,
  type Answer,
  type BridgeSummary,
  type Command,
  type FaultSummary,
} from './commands.js';
import type { FaultKind } from './fault_kinds.js';
import { FAULT_KINDS, formatFault, parseFault } from './fault_text.js';
import { nearest, number, SpecError } from './text.js';

const BUSID = /^\d+-\d+(\.\d+)*$/;

const WORDS = COMMAND_FORMS.map((form) => form.split(' ')[0] ?? '');

const LEVELS = { low: 0, high: 1, float: null } as const;

const WAYS = ['fin', 'rst'] as const;

/** Whether a line begins like a command: a person typed it, not a browser. */
export function looksLikeCommand(line: string): boolean {
  return WORDS.includes(line.trim().split(/\s+/)[0] ?? '');
}

/**
 * Reads a command as it is typed: `unplug 1-1 rst`, `gpio 3 low`.
 * @throws SpecError
 */
export function parseCommand(line: string): Command {
  const [word = '', ...rest] = line.trim().split(/\s+/);
  const form = COMMAND_FORMS.find((one) => one.split(' ')[0] === word);
  if (form === undefined) {
    const meant = nearest(word, WORDS);
    throw new SpecError(
      `there is no command "${word}"${meant === undefined ? '' : ` (${meant}?)`}; known are ${WORDS.join(', ')}`,
    );
  }
  const takesBusid = form.includes('[BUSID]');
  const device = takesBusid && rest[0] !== undefined && BUSID.test(rest[0]) ? rest.shift() : undefined;
  const wrong = (what: string): never => {
    throw new SpecError(`${line.trim()}: ${what}; the form is ${form}`);
  };
  return read(word, rest, device === undefined ? {} : { device }, wrong);
}

type Wrong = (what: string) => never;

function read(
  word: string,
  args: readonly string[],
  device: { readonly device?: string },
  wrong: Wrong,
): Command {
  const [first, second] = args;
  const atMost = (count: number): void => {
    const extra = args[count];
    if (extra !== undefined) wrong(`"${extra}" is too much`);
  };
  switch (word) {
    case 'unplug':
    case 'sag': {
      atMost(1);
      const how = WAYS.find((one) => one === first);
      if (first !== undefined && how === undefined)
        wrong(`"${first}" is neither a bus id such as 1-1 nor fin or rst`);
      return { cmd: word, ...device, ...(how ? { how } : {}) };
    }
    case 'plug':
    case 'stats':
      if (first !== undefined) wrong(`"${first}" is no bus id such as 1-1`);
      return { cmd: word, ...device };
    case 'fault':
      if (first === undefined) return wrong('it names no fault');
      atMost(1);
      return { cmd: 'fault', ...device, add: parseFault(first) };
    case 'faults':
      atMost(0);
      return { cmd: 'fault', ...device };
    case 'release':
      if (first === undefined) return wrong('it does not say which fault');
      atMost(1);
      return { cmd: 'fault', ...device, release: released(first, wrong) };
    case 'image':
      return {
        cmd: 'image',
        ...device,
        address: wholeNumber(first, 'address', wrong),
        ...content(args, wrong),
      };
    case 'gpio':
      if (first === undefined) return { cmd: 'gpio', ...device };
      atMost(2);
      return { cmd: 'gpio', ...device, pin: wholeNumber(first, 'pin', wrong), level: level(second, wrong) };
    case 'silent':
    case 'events':
      atMost(1);
      if (first !== undefined && first !== 'on' && first !== 'off') wrong(`"${first}" is neither on nor off`);
      return { cmd: word, on: first !== 'off' };
    default:
      atMost(0);
      return { cmd: word as 'list' | 'help' | 'quit' };
  }
}

function level(text: string | undefined, wrong: Wrong): 0 | 1 | null {
  const found = Object.entries(LEVELS).find(([name]) => name === text);
  return found
    ? found[1]
    : wrong(`a pin is low, high or float${text === undefined ? '' : `, not "${text}"`}`);
}

function released(text: string, wrong: Wrong): number | 'all' | FaultKind {
  if (text === 'all') return text;
  const kind = FAULT_KINDS.find((one) => one === text);
  return number(text) ?? kind ?? wrong(`"${text}" is neither the number of a fault, nor a kind, nor all`);
}

function wholeNumber(text: string | undefined, name: string, wrong: Wrong): number {
  if (text === undefined) return wrong(`it has no ${name}`);
  return number(text) ?? wrong(`"${text}" is no ${name}`);
}

/** What is done with an image, behind its address. */
function content(
  args: readonly string[],
  wrong: Wrong,
): Omit<Extract<Command, { cmd: 'image' }>, 'cmd' | 'address'> {
  const [, action, ...rest] = args;
  switch (action) {
    case undefined:
      return {};
    case 'load':
    case 'save':
      if (rest.length === 0) return wrong(`${action} needs a file`);
      // A file name may have a space in it.
      return { [action]: rest.join(' ') };
    case 'set':
      return { set: hex(rest, wrong) };
    case 'at':
      return { at: wholeNumber(rest[0], 'offset', wrong), set: hex(rest.slice(1), wrong) };
    default:
      return wrong(`"${action}" is none of load, save, set, at`);
  }
}

function hex(words: readonly string[], wrong: Wrong): Uint8Array {
  const digits = words.join('');
  if (!/^([0-9a-f]{2})+$/i.test(digits)) wrong('the bytes are pairs of hexadecimal digits');
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** The line that {@link parseCommand} reads as this command. */
export function formatCommand(command: Command): string {
  const busid = 'device' in command ? command.device : undefined;
  const device = busid === undefined ? [] : [busid];
  const words = (...rest: readonly (string | number)[]): string =>
    [...device, ...rest].map((word) => ` ${String(word)}`).join('');
  switch (command.cmd) {
    case 'unplug':
    case 'sag':
      return command.cmd + words(...(command.how === undefined ? [] : [command.how]));
    case 'fault':
      if (command.add) return `fault${words(formatFault(command.add))}`;
      return command.release === undefined ? `faults${words()}` : `release${words(command.release)}`;
    case 'image': {
      const address = `0x${command.address.toString(16)}`;
      const { load, save, set, at } = command;
      if (load !== undefined) return `image${words(address, 'load', load)}`;
      if (save !== undefined) return `image${words(address, 'save', save)}`;
      if (set === undefined) return `image${words(address)}`;
      const bytes = Buffer.from(set).toString('hex');
      return `image${at === undefined ? words(address, 'set', bytes) : words(address, 'at', at, bytes)}`;
    }
    case 'gpio': {
      const { pin, level = null } = command;
      const name = level === null ? 'float' : level === 0 ? 'low' : 'high';
      return `gpio${pin === undefined ? words() : words(pin, name)}`;
    }
    case 'silent':
    case 'events':
      return `${command.cmd} ${command.on ? 'on' : 'off'}`;
    default:
      return command.cmd + words();
  }
}

/** An answer as lines for a person. The line behind them, `ok`, is not among them. */
export function answerLines(command: Command, answer: Answer): string[] {
  const { devices, plugged, faults, fault, size, data, levels, stats, silent, commands } = answer;
  if (devices) return devices.flatMap(bridgeLines);
  if (commands) return [...commands];
  if (plugged !== undefined) return [plugged ? 'plugged in' : 'unplugged'];
  if (faults) {
    const shown = fault === undefined ? faults : faults.filter(({ id }) => id === fault);
    return shown.length > 0
      ? shown.map(faultLine)
      : fault === undefined
        ? ['no faults']
        : ['it has acted already'];
  }
  if (data !== undefined) return dumpLines(Buffer.from(data, 'base64'));
  if (size !== undefined)
    return command.cmd === 'image' && command.save !== undefined ? ['saved'] : ['changed'];
  if (levels !== undefined) return [pinLine(levels)];
  if (stats) return Object.entries(stats).map(([name, value]) => `${name} ${String(value)}`);
  if (silent !== undefined) return [silent ? 'the server says nothing any more' : 'the server answers'];
  return [];
}

function bridgeLines({ busid, serial, version, plugged, attached, eeproms }: BridgeSummary): string[] {
  const state = `${plugged ? 'plugged in' : 'unplugged'}${attached ? ', attached' : ''}`;
  return [
    `${busid} ${serial}, silicon version ${String(version)}, ${state}`,
    ...eeproms.map(
      ({ address, chip, size, page, maker }) =>
        `  0x${address.toString(16)} ${chip}, ${String(size)} bytes in pages of ${String(page)}, ${maker}`,
    ),
  ];
}

function faultLine({ id, text, remaining, fired }: FaultSummary): string {
  return `${String(id)} ${text}: acted ${String(fired)} times, remaining ${String(remaining)}`;
}

function pinLine(levels: number): string {
  return Array.from({ length: 8 }, (_, pin) => `${String(pin)} ${levels & (1 << pin) ? 'high' : 'low'}`).join(
    ', ',
  );
}

const ROW = 16;

/** Sixteen bytes a line; a `*` for lines that are as the one before. */
function dumpLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  let before = '';
  for (let offset = 0; offset < bytes.length; offset += ROW) {
    const row = Array.from(bytes.subarray(offset, offset + ROW), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join(' ');
    const isLast = offset + ROW >= bytes.length;
    if (row !== before || isLast) lines.push(`${offset.toString(16).padStart(5, '0')}: ${row}`);
    else if (lines.at(-1) !== '*') lines.push('*');
    before = row;
  }
  return lines;
}
