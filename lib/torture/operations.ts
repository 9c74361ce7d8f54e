/** The operations of a run: given out, followed to their end, and held against the rules. */
import type { TortureEvent } from './events.js';
import { clockMs, type Order, type Request, type Settled } from './engine/protocol.js';
import { begin, judge, type Pending, type Place } from './judge.js';
import type { MemoryModel } from './model.js';
import { Random } from './random.js';
import type { PlannedOperation } from './schedule.js';
import type { Breach, SubjectState } from './state.js';

/** What the run knows, and what it wants to hear. */
export interface OperationsHost {
  readonly cycle: number;
  /** clockMs() at the start of the run. */
  readonly started: number;
  placeOf(state: SubjectState): Place;
  /** Of some plugs the subject knows first that they are pulled. */
  mayBePulled(state: SubjectState): boolean;
  send(request: Request): void;
  emit(event: TortureEvent): void;
  breach(state: SubjectState | undefined, breach: Breach): void;
}

interface Given {
  readonly pending: Pending;
  readonly state: SubjectState;
  readonly progress: ((done: number) => void) | undefined;
  readonly done: (settled: Settled) => void;
  readonly again: boolean;
}

/** Answers of operations that came when the plug was out. */
export interface LateAnswer {
  readonly subject: number;
  readonly at: number;
}

/** So many that have settled are remembered, for what comes again. */
const REMEMBERED = 100_000;

export class Operations {
  count = 0;
  failed = 0;
  readonly #host: OperationsHost;
  readonly #given = new Map<number, Given>();
  readonly #settled = new Set<number>();
  #nextId = 0;
  #late: LateAnswer[] = [];

  constructor(host: OperationsHost) {
    this.#host = host;
  }

  /** Resolves when it has settled, however, and has been judged. */
  give(state: SubjectState, planned: PlannedOperation, progress?: (done: number) => void): Promise<Settled> {
    return this.#give(state, planned, progress, false);
  }

  /** @param again it is only to show whether a reading before it was so by chance: nothing is held against it */
  #give(
    state: SubjectState,
    planned: PlannedOperation,
    progress: ((done: number) => void) | undefined,
    again: boolean,
  ): Promise<Settled> {
    const id = ++this.#nextId;
    const place = this.#host.placeOf(state);
    const { order, differs } = orderOf(id, planned, place.model, progress !== undefined);
    const pending: Pending = {
      order,
      givenAt: clockMs(),
      onDead: !state.isOpen,
      unplugged: !state.isOn,
      amongWrites: this.#of(state).some(({ pending: other }) => other.order.action === 'write'),
      differs,
    };
    if (order.action === 'write') for (const other of this.#of(state)) other.pending.amongWrites = true;
    begin(order, place);
    return new Promise((done) => {
      this.#given.set(id, { pending, state, progress, done, again });
      this.#host.send({ type: 'order', order });
    });
  }

  hasProgress(id: number, done: number): void {
    this.#given.get(id)?.progress?.(done);
  }

  hasSettled(settled: Settled): void {
    const { id } = settled;
    const given = this.#given.get(id);
    if (!given) {
      if (this.#settled.has(id))
        this.#host.breach(undefined, {
          kind: 'settled-twice',
          message: `operation ${String(id)} has settled twice`,
        });
      return;
    }
    this.#given.delete(id);
    this.#settled.add(id);
    this.#settled.delete(id - REMEMBERED);
    const { pending, state } = given;
    if (settled.code !== 'ok' && this.#host.mayBePulled(state)) pending.unplugged = true;
    this.count++;
    if (settled.code !== 'ok') this.failed++;
    if (pending.unplugged && !pending.onDead) this.#late.push({ subject: state.index, at: settled.at });
    this.#tell(pending, settled);
    const breaches = judge(pending, settled, this.#host.placeOf(state));
    if (given.again) given.done(settled);
    else void this.#hold(given, settled, breaches);
  }

  /** Tells what is wrong with it. Another content is one only where it is read once more. */
  async #hold({ pending, state, done }: Given, settled: Settled, breaches: readonly Breach[]): Promise<void> {
    for (const breach of breaches) {
      const isOther =
        breach.kind !== 'other-content' || (await this.#readAgain(state, pending.order, settled.data));
      this.#host.breach(state, isOther ? breach : { ...breach, kind: 'wrong-byte' });
    }
    done(settled);
  }

  async #readAgain(
    state: SubjectState,
    { worker, subject, offset }: Order,
    data: Uint8Array | undefined,
  ): Promise<boolean> {
    const planned = { ...readOf(state, offset, data?.length ?? 0), worker, subject };
    const second = await this.#give(state, planned, undefined, true);
    return data !== undefined && second.data !== undefined && Buffer.compare(data, second.data) === 0;
  }

  /** The plug of that subject is pulled: what is under way may fail now. */
  unplugged({ index }: SubjectState): void {
    for (const { pending } of this.#given.values())
      if (pending.order.subject === index) pending.unplugged = true;
  }

  /** Those of that subject that have not settled. */
  underWay(state: SubjectState): Order[] {
    return this.#of(state).map(({ pending }) => pending.order);
  }

  /** Answers after an unplug, since the last call. */
  takeLate(): LateAnswer[] {
    const late = this.#late;
    this.#late = [];
    return late;
  }

  #of(state: SubjectState): Given[] {
    return [...this.#given.values()].filter((given) => given.state === state);
  }

  #tell({ order, unplugged }: Pending, settled: Settled): void {
    const { started, cycle } = this.#host;
    const { id, worker, subject, kind, action, offset, length } = order;
    this.#host.emit({
      type: 'operation',
      t: settled.at - started,
      began: settled.began - started,
      ...{ cycle, id, worker, subject, kind, action, offset, length },
      code: settled.code,
      bytes: settled.transferred,
      uncertain: settled.uncertain?.reduce((sum, range) => sum + range.length, 0),
      unplugged,
    });
  }
}

/** With its bytes; `differs`: the byte that verify() has to find wrong. */
function orderOf(
  id: number,
  planned: PlannedOperation,
  model: MemoryModel,
  progress: boolean,
): { readonly order: Order; readonly differs: number | undefined } {
  const { worker, subject, kind, action, offset, length, bits } = planned;
  const order: Order = { id, worker, subject, kind, action, offset, length, bits, progress };
  const random = new Random(planned.data, 'data');
  if (kind === 'verify') {
    const certain = model.certain(offset, length);
    // What cannot be said for certain is read instead.
    if (!certain) return { order: { ...order, kind: 'read', action: 'read' }, differs: undefined };
    const at = random.integer(0, 2 * length - 1);
    const differs = at < length ? offset + at : undefined;
    if (differs !== undefined) certain.writeUInt8(certain.readUInt8(at) ^ random.integer(1, 255), at);
    return { order: { ...order, data: certain }, differs };
  }
  if (kind === 'wp') {
    // Of each byte another one: what is there is there only where WP has kept it out.
    const other = length > 0 ? model.certain(offset, length)?.map((byte) => byte ^ 0xff) : undefined;
    return { order: { ...order, data: other && Buffer.from(other) }, differs: undefined };
  }
  if (action !== 'write') return { order, differs: undefined };
  const data = bits ? Buffer.from([random.integer(0, (1 << bits.count) - 1)]) : random.bytes(length);
  return { order: { ...order, data }, differs: undefined };
}

/** A read that is in no plan: to learn what is there, or to check it. */
export function readOf({ index }: SubjectState, offset: number, length: number): PlannedOperation {
  return { worker: 0, subject: index, kind: 'read', action: 'read', offset, length, data: 0 };
}
