/** Commands as JSON objects. */
import type { Answer, Command } from './commands.js';
import { FAULT_KINDS, parseFault } from './fault_text.js';

export type Request = Readonly<Record<string, unknown>>;

/** Names of the commands, in the order in which they are told. */
const NAMES = [
  ...[
    'list',
    'unplug',
    'sag',
    'plug',
    'fault',
    'faults',
    'release',
    'image',
    'gpio',
    'stats',
    'silent',
    'events',
  ],
  ...['help', 'quit'],
];

/**
 * The command that a JSON object asks for.
 * @throws Error or SpecError, with a sentence
 */
export function commandOf(request: Request): Command {
  const { cmd, device: busid, how } = request;
  const device = typeof busid === 'string' ? { device: busid } : {};
  switch (cmd) {
    case 'list':
    case 'help':
    case 'quit':
      return { cmd };
    case 'events':
    case 'silent':
      return { cmd, on: request['on'] !== false };
    case 'plug':
    case 'stats':
      return { cmd, ...device };
    case 'unplug':
    case 'sag':
      return { cmd, ...device, how: how === 'rst' ? 'rst' : 'fin' };
    case 'fault': {
      const { add } = request;
      return {
        cmd,
        ...device,
        ...(typeof add === 'string' ? { add: parseFault(add) } : {}),
        ...releaseOf(request['release']),
      };
    }
    case 'faults':
      return { cmd: 'fault', ...device };
    case 'release': {
      const release = releaseOf(request['fault']);
      if (!('release' in release)) throw new Error('fault is the number of one, a kind of fault, or "all"');
      return { cmd: 'fault', ...device, ...release };
    }
    case 'image':
      return { cmd, ...device, address: Number(request['address']), ...contentOf(request) };
    case 'gpio':
      return { cmd, ...device, ...pinOf(request) };
    default:
      throw new Error(`unknown command ${JSON.stringify(cmd)}; known are ${NAMES.join(', ')}`);
  }
}

function releaseOf(value: unknown): Pick<Extract<Command, { cmd: 'fault' }>, 'release'> {
  if (typeof value === 'number' || value === 'all') return { release: value };
  const kind = FAULT_KINDS.find((one) => one === value);
  return kind === undefined ? {} : { release: kind };
}

function contentOf({ load, save, set, at }: Request): Partial<Extract<Command, { cmd: 'image' }>> {
  if (load !== undefined) return { load: nameOf(load) };
  if (typeof set !== 'string') return save === undefined ? {} : { save: nameOf(save) };
  const bytes = Uint8Array.from(Buffer.from(set, 'base64'));
  return at === undefined ? { set: bytes } : { set: bytes, at: wholeNumber(at) };
}

/** A file's name; what is no text names none of the files there are. */
function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function wholeNumber(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new Error('at is an offset in the array, a whole number');
}

function pinOf({ pin, level }: Request): Pick<Extract<Command, { cmd: 'gpio' }>, 'pin' | 'level'> {
  if (pin === undefined) return {};
  if (level !== 0 && level !== 1 && level !== null) throw new Error('level is 0, 1 or null');
  return { pin: Number(pin), level };
}

/** An answer as the line that goes back. An undefined id is left out by JSON. */
export function answerJson(id: unknown, answer: Answer): string {
  return JSON.stringify({ id, ok: true, ...answer });
}
