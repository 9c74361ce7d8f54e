/** Holds what an operation says of its end against the model and the rules. It knows the contract, and nothing of the driver. */
import type { ByteRange } from '../base/errors.js';
import type { Order, Settled } from './engine/protocol.js';
import type { Region } from './events.js';
import { isIn, type MemoryModel, type WrongByte } from './model.js';
import type { Breach } from './state.js';

/** An operation that is under way. */
export interface Pending {
  readonly order: Order;
  /** clockMs() when it was given out. */
  readonly givenAt: number;
  /** The opening that it is for had ended before. */
  readonly onDead: boolean;
  /** The subject had no power, or lost it since. */
  unplugged: boolean;
  /** A write was under way on the same subject at some time meanwhile. */
  amongWrites: boolean;
  /** What verify() has to find, by offset. */
  readonly differs?: number | undefined;
}

export interface Place {
  readonly uri: string;
  readonly pageSize: number;
  readonly model: MemoryModel;
  /** What may be written; undefined: nothing. */
  readonly region: Region | undefined;
  /** Pages that may be uncertain at once. */
  readonly pieces: number;
  /** The parts lose their supply with the plug. */
  readonly cutsSupply: boolean;
  /** Seven-bit address of a part, and whether the line is inverted; undefined: no part. */
  readonly part: { readonly address: number; readonly wpInverted: boolean } | undefined;
}

/** Codes of an open that met an unplug; operations on an open device have ENODEV and nothing else. */
const WHILE_AWAY: readonly string[] = [
  'ENODEV',
  'ENOENT',
  'ENXIO',
  'EBUSY',
  'ECONNRESET',
  'ECONNREFUSED',
  'EACCES',
];

/** Before it is given out. */
export function begin(order: Order, { model }: Place): void {
  const { id, kind, action, offset, length, data, bits } = order;
  if (action === 'look') return;
  if (action === 'read') model.beginRead(id, offset, length);
  else if (kind === 'cell' && bits) {
    const mask = ((1 << bits.count) - 1) << bits.first;
    model.beginBits(id, offset, mask, (data?.[0] ?? 0) << bits.first);
  } else model.beginWrite(id, offset, data ?? new Uint8Array(0));
}

/** @returns everything that is wrong with it */
export function judge(pending: Pending, settled: Settled, place: Place): Breach[] {
  const { order } = pending;
  const breaches: Breach[] = [];
  const tell = (kind: Breach['kind'], message: string, more: Partial<Breach> = {}): void => {
    breaches.push({
      kind,
      message: `${nameOf(order)} of ${place.uri} ${message}`,
      operation: order.id,
      worker: order.worker,
      ...more,
    });
  };
  judgeCode(pending, settled, tell);
  if (order.action === 'look') judgeLook(pending, settled, place, tell);
  else if (order.action === 'read') judgeRead(pending, settled, place, tell);
  else judgeWrite(pending, settled, place, tell);
  return breaches;
}

/** So many wrong bytes, and half of what was read: it is not some bytes that are wrong. */
const MANY = 8;

type Tell = (kind: Breach['kind'], message: string, more?: Partial<Breach>) => void;

export function nameOf({ id, kind, action, offset, length }: Order): string {
  if (action === 'look') return `${kind} ${String(id)}`;
  const what = kind === action || kind === 'verify' ? kind : `${kind} ${action}`;
  return `${what} ${String(id)} (${String(length)} bytes at ${String(offset)})`;
}

function judgeCode({ order, onDead, unplugged }: Pending, { code, message }: Settled, tell: Tell): void {
  if (code === 'ok') {
    if (onDead) tell('success-after-end', "has succeeded on a handle whose end was told by 'removed'");
    return;
  }
  const excused = onDead || unplugged;
  const expected = order.action === 'look' ? WHILE_AWAY : ['ENODEV'];
  if (excused && expected.includes(code)) return;
  // Neither is what an unplug makes of an operation, whenever it comes.
  if (code === 'EBADMSG') {
    tell('verify-failed', `is not stored as it was written: ${message}`, { found: code });
    return;
  }
  if (code === 'ETIMEDOUT' && !excused) {
    tell('timed-out', `has run into a time limit while the plug was in: ${message}`, { found: code });
    return;
  }
  const why = excused ? `with ${code}, where an unplug is ${expected[0] ?? ''}` : 'while the plug was in';
  tell('unexpected-error', `has failed ${why}: ${message}`, { found: code });
}

function judgeLook(pending: Pending, settled: Settled, { part, model }: Place, tell: Tell): void {
  const { offset, length, data } = pending.order;
  if (data !== undefined && (settled.code !== 'ok' || settled.transferred > 0))
    model.forget({ offset, length });
  if (settled.code !== 'ok' || pending.amongWrites || pending.unplugged || part === undefined) return;
  if (settled.transferred > 0)
    tell('wp-not-protecting', `could write ${String(length)} bytes at ${String(offset)} past it`);
  if (settled.level !== undefined && (settled.level === 1) === part.wpInverted)
    tell('wp-not-protecting', `finds the line ${settled.level === 1 ? 'high' : 'low'} while nobody writes`);
  if (settled.addresses !== undefined && !settled.addresses.includes(part.address))
    tell('wrong-verdict', `does not find the part at 0x${part.address.toString(16)}`);
}

function judgeRead(pending: Pending, settled: Settled, { model, region }: Place, tell: Tell): void {
  const { order, differs } = pending;
  const { id, kind, bits, offset, length } = order;
  if (kind === 'verify') {
    const quiet = model.isQuiet(id);
    model.endRead(id, new Uint8Array(0));
    if (settled.code !== 'ok' || !quiet) return;
    const wanted: readonly ByteRange[] = differs === undefined ? [] : [{ offset: differs, length: 1 }];
    const found = settled.differs ?? [];
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      tell('wrong-verdict', 'has compared wrongly', { expected: inWords(wanted), found: inWords(found) });
    return;
  }
  if (bits !== undefined) {
    const mask = (1 << bits.count) - 1;
    const value = settled.data?.[0];
    if (settled.code !== 'ok' || value === undefined) {
      model.endRead(id, new Uint8Array(0));
      return;
    }
    const wrong = model.endBits(id, mask << bits.first, (value & mask) << bits.first);
    if (wrong) tellBytes([wrong], 1, region, tell);
    if ((value & ~mask) !== 0) tell('wrong-byte', 'has more bits than the cell', { offset });
    return;
  }
  const { data = new Uint8Array(0) } = settled;
  tellBytes(model.endRead(id, data), data.length, region, tell);
  const complete = settled.code === 'ok' ? length : settled.transferred;
  if (data.length !== complete)
    tell('wrong-ranges', `says ${String(complete)} bytes are good and gives ${String(data.length)}`);
}

/** Bytes that are wrong, as one violation: what most of them look like. */
function tellBytes(wrong: readonly WrongByte[], length: number, region: Place['region'], tell: Tell): void {
  const [first] = wrong;
  if (first === undefined) return;
  const kind = wrong.every(({ isEarlier }) => isEarlier)
    ? 'lost-write'
    : wrong.length >= MANY && 2 * wrong.length >= length
      ? 'other-content'
      : region && wrong.every(({ offset }) => offset < region.first || offset > region.last)
        ? 'stray-write'
        : 'wrong-byte';
  const count = wrong.length === 1 ? 'a byte' : `${String(wrong.length)} bytes`;
  tell(kind, `has ${count} that cannot be, the first at ${String(first.offset)}`, {
    offset: first.offset,
    expected: first.expected,
    found: first.found.toString(16).padStart(2, '0'),
    details: wrong
      .slice(0, 64)
      .map(
        (byte) =>
          `${String(byte.offset)}: ${byte.found.toString(16).padStart(2, '0')}, expected ${byte.expected}`,
      )
      .join('\n'),
  });
}

function judgeWrite(pending: Pending, settled: Settled, place: Place, tell: Tell): void {
  const { order, unplugged } = pending;
  const { id, offset, length } = order;
  const whole: ByteRange = { offset, length };
  const { model, pageSize, cutsSupply } = place;
  if (settled.code === 'ok') {
    model.endWrite(id, { committed: [whole], uncertain: [] });
    if (settled.transferred !== length && order.kind === 'write')
      tell('wrong-ranges', `says it has written ${String(settled.transferred)} of ${String(length)} bytes`);
    if (settled.protectError !== undefined && !unplugged)
      tell('wp-not-protecting', `could not raise the line again: ${settled.protectError}`);
    return;
  }
  const { committed, uncertain, untouched } = settled;
  if (committed === undefined || uncertain === undefined || untouched === undefined) {
    // Refused before anything was sent.
    model.endWrite(id, { committed: [], uncertain: [] });
    if (order.kind === 'write' && !pending.onDead)
      tell('wrong-ranges', `has failed with ${settled.code} and names no ranges`);
    return;
  }
  model.endWrite(id, { committed, uncertain });
  const problem = rangesProblem(whole, committed, uncertain, untouched);
  if (problem !== undefined) tell('wrong-ranges', problem);
  const [first] = uncertain;
  const last = uncertain.at(-1);
  // What reads back differently is in doubt from there on, however much it is: only an unplug has one page on the wire.
  if (first === undefined || last === undefined || !unplugged) return;
  const pages =
    Math.floor((last.offset + last.length - 1) / pageSize) - Math.floor(first.offset / pageSize) + 1;
  if (pages > place.pieces) {
    tell(
      'uncertain-too-large',
      `calls ${inWords(uncertain)} uncertain: more than ${place.pieces === 1 ? 'a page' : `${String(place.pieces)} pieces`} of ${String(pageSize)} bytes`,
      {
        offset: first.offset,
      },
    );
  }
  if (cutsSupply) {
    const start = Math.floor(first.offset / pageSize) * pageSize;
    model.forget({ offset: start, length: pages * pageSize });
  }
}

/** They have to cover it, without a byte twice and without one beside it. */
function rangesProblem(whole: ByteRange, ...lists: readonly (readonly ByteRange[])[]): string | undefined {
  const all = lists.flat();
  for (let offset = whole.offset; offset < whole.offset + whole.length; offset++) {
    const times = lists.filter((list) => isIn(list, offset)).length;
    if (times !== 1) {
      return `calls byte ${String(offset)} ${times === 0 ? 'nothing' : 'several things'}: committed ${inWords(lists[0] ?? [])}, uncertain ${inWords(lists[1] ?? [])}, untouched ${inWords(lists[2] ?? [])}`;
    }
  }
  const beside = all.find(
    (range) => range.offset < whole.offset || range.offset + range.length > whole.offset + whole.length,
  );
  return beside === undefined ? undefined : `tells of bytes beside it: ${inWords([beside])}`;
}

function inWords(ranges: readonly ByteRange[]): string {
  const words = ranges.map(({ offset, length }) => `${String(offset)}-${String(offset + length - 1)}`);
  return words.length === 0 ? 'nothing' : words.join(' ');
}
