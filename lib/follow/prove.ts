/** Whether a memory that came back is the one that was there before. */
import { settledWithin } from '../base/deadline.js';
import { NvmemError } from '../base/errors.js';
import { refuse } from '../uri/refuse.js';
import { serialPartOf } from '../chips/chips.js';
import type { NvmemDevice } from '../core/device.js';
import type { NvmemUri } from '../uri/uri.js';
import type { Part } from '../uri/part.js';
import type { Attachment } from './attach.js';
import { samplesOf, type Evidence } from './evidence.js';

/**
 * What proves, beside what the URI names and the part's geometry, that it is the same memory. `bridge`: nothing more. `content`:
 * bytes that operations under way have delivered or stored are there. `unique`: the part's serial number is the same. A
 * function: what it says.
 */
export type FollowIdentity =
  'bridge' | 'content' | 'unique' | ((device: NvmemDevice) => boolean | Promise<boolean>);

/** Where a part keeps a number that no other has. */
export interface UniquePlace {
  /** Undefined: in the memory itself. */
  readonly uri: string | undefined;
  readonly offset: number;
  readonly length: number;
}

/** Maker, place, date and serial number of a module (JEDEC 21-C annex L, JESD400-5). */
const SPD: Readonly<Record<string, UniquePlace>> = {
  ee1004: { uri: undefined, offset: 320, length: 9 },
  spd5118: { uri: undefined, offset: 512, length: 9 },
};
/** Of a serial number's window. A page that a user writes may be longer. */
const LONGEST_NUMBER = 64;
const LET_GO_MS = 1000;

/** @throws NvmemError EINVAL: the part has no number of its own. */
export function uniquePlaceOf(uri: string, parsed: NvmemUri): UniquePlace {
  const part = 'part' in parsed ? parsed.part : undefined;
  const spd = part && SPD[part.chip.paging === 'none' ? '' : part.chip.name];
  if (spd) return spd;
  const serial = part && serialPartOf(part.chip, part.address);
  if (part === undefined || serial === undefined) {
    return refuse(
      uri,
      "identity: 'unique' asks for a serial number, and the part has none",
      "Name the part as it is printed on it (AT24CS02, AT24MAC402, M24C32-D), or use identity: 'content' or a function.",
    );
  }
  return {
    uri: besideOf(uri, part, serial.address),
    offset: 0,
    length: Math.min(serial.chip.size, LONGEST_NUMBER),
  };
}

/** The same part at its other address; what else the URI says is about the array. */
function besideOf(uri: string, part: Part, address: number): string {
  const [front = '', query = ''] = uri.split('?');
  const path = front.replace(/0x[0-9a-f]+\/?$/i, `0x${address.toString(16)}`);
  const kept = query.split('&').filter((pair) => !/^(wp|size|page|addressWidth|twr)=/.test(pair));
  const chip = part.chip.part ?? part.chip.name;
  return `${path}?${kept.map((pair) => (pair.startsWith('chip=') ? `chip=${chip}` : pair)).join('&')}`;
}

/** What is remembered of the memory that was there first, or was accepted. */
export interface Remembered {
  readonly size: number;
  readonly unique: Buffer | undefined;
}

export class Prover {
  constructor(
    private readonly identity: FollowIdentity,
    private readonly unique: UniquePlace | undefined,
    private readonly attach: Attachment,
    private readonly evidence: Iterable<Evidence>,
    private readonly random: () => number,
  ) {}

  /** Rejects as the reads go. */
  async remember(device: NvmemDevice, signal: AbortSignal): Promise<Remembered> {
    return { size: device.size, unique: await this.#numberOf(device, signal) };
  }

  /** Why it is another memory, as a sentence; undefined: it is the same. Rejects as the reads, or the function, go. */
  async differs(device: NvmemDevice, before: Remembered, signal: AbortSignal): Promise<string | undefined> {
    const { size } = device;
    if (size !== before.size) {
      return `that one had ${String(before.size)} bytes, this one has ${String(size)}`;
    }
    if (typeof this.identity === 'function') {
      const isSame: unknown = await this.identity(device);
      if (typeof isSame !== 'boolean') {
        throw new NvmemError('EINVAL', 'the function given as identity answered neither true nor false', {
          syscall: 'follow',
          device: device.name,
          hint: 'Let it return true where it is the same memory, else false.',
        });
      }
      return isSame ? undefined : 'the function given as identity says so';
    }
    if (this.identity === 'unique') {
      const number = await this.#numberOf(device, signal);
      if (before.unique === undefined || number?.equals(before.unique)) return undefined;
      return `its serial number is ${number?.toString('hex') ?? ''}, and was ${before.unique.toString('hex')}`;
    }
    return this.identity === 'content' ? differsIn(device, this.evidence, this.random, signal) : undefined;
  }

  async #numberOf(device: NvmemDevice, signal: AbortSignal): Promise<Buffer | undefined> {
    if (this.unique === undefined) return undefined;
    const { uri, offset, length } = this.unique;
    let number: Buffer;
    if (uri === undefined) {
      number = await device.read(offset, length, { signal });
    } else {
      const beside = await this.attach.openBeside(uri, { readOnly: true, signal });
      try {
        number = await beside.read(offset, length, { signal });
      } finally {
        await settledWithin(beside.close(), LET_GO_MS);
      }
    }
    if (number.some((byte) => byte !== number[0])) return number;
    throw new NvmemError('ENOTSUP', `the serial number of ${device.uri} is blank`, {
      syscall: 'follow',
      device: device.name,
      hint: "Use identity: 'content', or a function that knows the memory by what it holds.",
    });
  }
}

/** Why the contents are those of another memory. */
export async function differsIn(
  device: NvmemDevice,
  evidence: Iterable<Evidence>,
  random: () => number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  for (const { offset, data } of samplesOf(evidence, random)) {
    const found = await device.read(offset, data.length, { signal });
    const at = data.findIndex((byte, i) => byte !== found[i]);
    if (at < 0) continue;
    return `it holds ${shown(found[at])} at 0x${(offset + at).toString(16)}, where ${shown(data[at])} was`;
  }
  return undefined;
}

function shown(byte: number | undefined): string {
  return `0x${(byte ?? 0).toString(16).padStart(2, '0')}`;
}
