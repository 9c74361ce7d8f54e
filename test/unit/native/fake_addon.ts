/**
 * A stand-in for the addon's binary, underneath the real lib/native. It keeps what native/binding and native/bus promise about
 * messages: what the bus thread posts, its order, and that a bus leaves the books with `closed`. When they are delivered, and
 * how many at once, is for the test: a busy event loop gets them all in one batch.
 */
import { Kind, Operation, type Addon, type Dispatch } from '../../../lib/native/addon.js';
import type { At24Config, NativeCounts } from '../../../lib/native/index.js';

const ENODEV = -19;
const EBADF = -9;
const EWOULDBLOCK = -11;

interface Message {
  readonly kind: Kind;
  readonly id: number;
  readonly status: number;
  readonly text: string;
  readonly data?: Buffer;
  readonly done?: number;
}

const NOTHING = { gracePeriods: 0, longestGracePeriodMs: 0 };

type BusState = 'opening' | 'open' | 'closed';

export class FakeAddon implements Addon {
  /** What has been posted and not been delivered. */
  readonly mail: Message[] = [];
  /** Every call with a number that is no handle. */
  readonly wrong: string[] = [];
  #dispatch: Dispatch = () => undefined;
  #nextId = 1;
  /** As the bus threads see it. */
  readonly #threads = new Map<number, BusState>();
  /** As the environment sees it: they leave with the delivery of `closed`. */
  readonly #buses = new Set<number>();
  readonly #slots = new Map<number, number | undefined>();
  readonly #requests = new Map<number, { bus: number; length: number; operation: Operation }>();

  start(dispatch: Dispatch): void {
    this.#dispatch = dispatch;
  }

  busStats(): undefined {
    return undefined;
  }

  processStats(): typeof NOTHING {
    return NOTHING;
  }

  // The bus threads, driven by the test.

  /** Every bus that is being opened is open. */
  open(status = 0): void {
    for (const [bus, state] of this.#threads) {
      if (state !== 'opening') continue;
      this.#threads.set(bus, status === 0 ? 'open' : 'closed');
      this.#post({ kind: Kind.BusOpened, id: bus, status, text: status === 0 ? 'part=0x0c' : 'not today' });
      if (status !== 0) this.#post({ kind: Kind.BusClosed, id: bus, status: 0, text: '' });
    }
  }

  /** Every open bus carries out what it has been asked for. */
  work(): void {
    for (const [id, { bus, length, operation }] of this.#requests) {
      if (this.#threads.get(bus) !== 'open') continue;
      this.#requests.delete(id);
      const data = operation === Operation.Read ? { data: Buffer.alloc(length) } : {};
      this.#post({ kind: Kind.Completed, id, status: 0, text: '', done: length, ...data });
    }
  }

  /** The bridge of every open bus is unplugged: its requests end, `gone`, and it closes by itself. */
  unplug(): void {
    for (const [bus, state] of this.#threads) if (state === 'open') this.#end(bus, 'unplugged');
  }

  #end(bus: number, gone: string | undefined): void {
    for (const [id, request] of this.#requests) {
      if (request.bus !== bus) continue;
      this.#requests.delete(id);
      this.#post({ kind: Kind.Completed, id, status: ENODEV, text: gone ?? 'closed' });
    }
    if (gone !== undefined) this.#post({ kind: Kind.BusGone, id: bus, status: ENODEV, text: gone });
    this.#threads.set(bus, 'closed');
    this.#post({ kind: Kind.BusClosed, id: bus, status: 0, text: '' });
  }

  /** Delivers up to `most` messages in one batch: nothing of JavaScript runs in between. */
  deliver(most = Infinity): void {
    for (const { kind, id, status, text, done = 0, data } of this.mail.splice(0, most)) {
      if (kind === Kind.BusClosed || (kind === Kind.BusOpened && status !== 0)) this.#buses.delete(id);
      this.#dispatch(
        kind,
        id,
        status,
        text,
        kind === Kind.Completed ? { transferred: done, ...(data && { data }) } : undefined,
      );
      if (kind === Kind.Unregistered) this.#slots.delete(id);
    }
  }

  #post(message: Message): void {
    this.mail.push(message);
  }

  // The addon's functions.

  #bus(): number {
    const id = this.#nextId++;
    this.#threads.set(id, 'opening');
    this.#buses.add(id);
    return id;
  }

  openUsbip = (): number => this.#bus();
  openUsb = (): number => this.#bus();
  openHidraw = (): number => this.#bus();
  openI2c = (): number => this.#bus();
  openSysfs = (): number => this.#bus();

  closeBus(bus: number): undefined {
    this.#check('closeBus', bus);
    if (!this.#buses.has(bus)) this.#post({ kind: Kind.BusClosed, id: bus, status: 0, text: '' });
    else if (this.#threads.get(bus) !== 'closed') this.#end(bus, undefined);
  }

  gpioLine(bus: number): number {
    this.#check('gpioLine', bus);
    return this.#buses.has(bus) ? 0x1000 : EBADF;
  }

  #slotOn(bus: number): number {
    if (!this.#buses.has(bus)) return EBADF;
    const id = this.#nextId++;
    this.#slots.set(id, bus);
    return id;
  }

  at24 = (bus: number, { wpLine }: At24Config): number => {
    this.#check('at24', bus);
    // As native/binding: the line on WP.
    if (wpLine < -1) this.wrong.push('at24 wpLine');
    return this.#slotOn(bus);
  };

  claim(bus: number): number {
    this.#check('claim', bus);
    return this.#buses.has(bus) ? this.#nextId++ : EBADF;
  }

  nameClaim(claim: number): void {
    if (claim < 1) this.wrong.push('nameClaim');
  }

  kernelFile(bus: number): number {
    this.#check('kernelFile', bus);
    return this.#slotOn(bus);
  }

  pins(bus: number): number {
    this.#check('pins', bus);
    return this.#slotOn(bus);
  }

  memory(): number {
    return this.javascriptProvider();
  }

  javascriptProvider(): number {
    const id = this.#nextId++;
    this.#slots.set(id, undefined);
    return id;
  }

  readNow(slot: number): number {
    this.#check('readNow', slot);
    return this.#slots.has(slot) ? EWOULDBLOCK : ENODEV;
  }

  writeNow(slot: number): number {
    return this.readNow(slot);
  }

  submit(slot: number, operation: Operation, _offset: number, what: number | Uint8Array): number {
    this.#check('submit', slot);
    const bus = this.#slots.get(slot);
    if (bus === undefined) return ENODEV;
    const id = this.#nextId++;
    const length = typeof what === 'number' ? what : what.length;
    if (this.#threads.get(bus) === 'closed')
      this.#post({ kind: Kind.Completed, id, status: ENODEV, text: '' });
    else this.#requests.set(id, { bus, length, operation });
    return id;
  }

  cancel(id: number, status: number): void {
    this.#check('cancel', id);
    if (this.#requests.delete(id)) this.#post({ kind: Kind.Completed, id, status, text: 'cancelled' });
  }

  hold(slot: number): number {
    this.#check('hold', slot);
    return this.#slots.has(slot) ? this.#nextId++ : ENODEV;
  }

  releaseHold(hold: number): void {
    this.#check('releaseHold', hold);
  }

  unregister(slot: number): undefined {
    this.#check('unregister', slot);
    this.#post({ kind: Kind.Unregistered, id: slot, status: 0, text: '' });
  }

  share(slot: number): number {
    this.#check('share', slot);
    return ENODEV;
  }

  attach = (): number => ENODEV;

  takeTurn(slot: number): number {
    this.#check('takeTurn', slot);
    return ENODEV;
  }

  giveTurn(turn: number): void {
    this.#check('giveTurn', turn);
  }

  bind(slot: number): number {
    this.#check('bind', slot);
    return ENODEV;
  }

  immediate = (): boolean => false;

  alive(slot: number): boolean {
    this.#check('alive', slot);
    return this.#slots.has(slot);
  }

  stats(slot: number): undefined {
    this.#check('stats', slot);
  }

  forgetSlot(slot: number): void {
    this.#check('forgetSlot', slot);
    this.#slots.delete(slot);
  }

  startLookout(): number {
    return ENODEV;
  }

  hearsKernel(): boolean {
    return false;
  }

  watchFolder(): number {
    return EBADF;
  }

  stopLookout(): void {
    // none was started
  }

  counts(): NativeCounts {
    return {
      lookouts: 0,
      requests: this.#requests.size,
      holds: 0,
      slots: this.#slots.size,
      buses: this.#buses.size,
      turns: 0,
      shares: 0,
    };
  }

  #check(what: string, handle: number): void {
    if (Number.isInteger(handle) && handle >= 0) return;
    this.wrong.push(`${what}(${String(handle)})`);
    throw new TypeError('nvmem addon: wrong arguments');
  }
}
