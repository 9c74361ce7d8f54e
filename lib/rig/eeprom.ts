import { addressProblem, chipAddresses, type ChipModel } from './chips.js';
import type { I2cTarget } from './i2c.js';
import type { PartFaults } from './part_faults.js';

/** How a part treats a write while its WP (WC) pin is high. */
export type Maker = 'microchip' | 'st';

/**
 * What the array holds when the power goes during a write cycle: the old bytes (`keep`), the new ones (`commit`), or the
 * first half of the loaded bytes new and the rest erased to 0xff (`tear`). Real parts promise none of them.
 */
export type PowerLoss = 'keep' | 'commit' | 'tear';

export interface EepromOptions {
  /** 7-bit address of the array; for a part with a window, 0x58 to 0x5f may be given and means array address + 8. */
  readonly address: number;
  readonly model: ChipModel;
  readonly maker?: Maker;
  /** Content from the start of the array (the rest is 0xff). */
  readonly image?: Uint8Array;
  /** Content of the serial, EUI or page window. */
  readonly window?: Uint8Array;
  readonly pageSize?: number;
  readonly writeCycleMs?: number;
  readonly powerLoss?: PowerLoss;
}

/**
 * What happened to a write: `start` of the cycle, its end (`commit`), `lock` of a page for ever, or why nothing was stored.
 * `stray`: it went to that offset instead; `forget`: the bytes there are the old ones again. Both are faults.
 */
export interface EepromEvent {
  readonly type: 'start' | 'commit' | 'drop' | 'abort' | 'lock' | 'power-loss' | 'stray' | 'forget';
  readonly address: number;
  readonly offset: number;
  readonly length: number;
  /** `wp`: WP was high; `read-only`: a window or upper half that cannot be written; `no-stop`: START or power loss before STOP; `fault`: the part is broken. */
  readonly reason?: 'wp' | 'read-only' | 'locked' | 'no-stop' | 'fault' | PowerLoss;
}

/** How the chip learns the level of its WP pin, how long it is busy, and whom it tells. */
export interface EepromWiring {
  wpHigh(at: number): boolean;
  /** The next write cycle: a time (µs), or that many refused addresses when the bench runs without time. */
  writeCycle(nominalMs: number): { readonly us: number } | { readonly polls: number };
  emit(event: EepromEvent): void;
  /** Left out: a part with nothing wrong. */
  readonly faults?: PartFaults;
}

interface Cycle {
  readonly offset: number;
  readonly window: boolean;
  /** Old bytes by position, in loading order. */
  readonly undo: Map<number, number>;
  until: number;
  polls: number;
}

type Phase = 'idle' | 'address' | 'data' | 'read';

/** A 24Cxx part: address latch, page buffer, write cycle, WP pin. */
export class Eeprom implements I2cTarget {
  readonly model: ChipModel;
  /** First address of the array. */
  readonly address: number;
  /** Every address the chip answers on. */
  readonly addresses: readonly number[];
  readonly pageSize: number;
  readonly maker: Maker;
  readonly powerLoss: PowerLoss;
  readonly writeCycleMs: number;
  /** Write cycles begun. */
  writeCycles = 0;
  /** Writes refused by WP or a read-only range. */
  drops = 0;
  /** Addresses not acknowledged because of a write cycle. */
  busyNaks = 0;
  /** The identification page is read-only for ever. */
  locked = false;

  readonly #wiring: EepromWiring;
  readonly #array: Uint8Array;
  readonly #window: Uint8Array;
  readonly #arrayAddresses: readonly number[];
  #phase: Phase = 'idle';
  #inWindow = false;
  #addressBytes = 0;
  #word = 0;
  #block = 0;
  /** The one address counter; the array and the window share it. */
  #pointer = 0;
  #loaded = new Map<number, number>();
  #firstLoaded = 0;
  #wpAtAddress = false;
  #cycle: Cycle | undefined;
  /** What comes back when the power does, by offset (fault `forget`). */
  readonly #forgotten = new Map<number, number>();

  constructor(options: EepromOptions, wiring: EepromWiring) {
    const { model } = options;
    const base = model.window && options.address >= 0x58 ? options.address - 8 : options.address;
    const problem = addressProblem(model, base);
    if (problem !== undefined) throw new RangeError(problem);
    this.model = model;
    this.maker = options.maker ?? 'microchip';
    this.pageSize = options.pageSize ?? (this.maker === 'st' ? (model.stPage ?? model.page) : model.page);
    if (!Number.isInteger(Math.log2(this.pageSize)) || this.pageSize > model.size) {
      throw new RangeError(
        `page size ${String(this.pageSize)} is not a power of two up to the size of the part`,
      );
    }
    this.writeCycleMs = options.writeCycleMs ?? model.writeCycleMs;
    this.powerLoss = options.powerLoss ?? 'keep';
    this.address = base;
    const { array, window } = chipAddresses(model, base);
    this.#arrayAddresses = array;
    this.addresses = [...array, ...window];
    this.#wiring = wiring;
    this.#array = new Uint8Array(model.size).fill(0xff);
    this.#window = defaultWindow(model, base);
    if (options.window) this.windowImage = options.window;
    if (options.image) {
      const forWindow = options.address >= 0x58 && options.image.length === this.#window.length;
      if (forWindow) this.windowImage = options.image;
      else this.image = options.image;
    }
  }

  /** A copy of the array; the page being programmed counts as written (a power loss may still take it back). */
  get image(): Uint8Array {
    return this.#array.slice();
  }

  /** Replaces the array's content from its start; bytes beyond the given ones become 0xff. */
  set image(bytes: Uint8Array) {
    if (bytes.length > this.#array.length) {
      throw new RangeError(
        `the image has ${String(bytes.length)} bytes and a ${this.model.name} only ${String(this.#array.length)}`,
      );
    }
    this.#array.fill(0xff).set(bytes);
    this.#forgotten.clear();
  }

  /** Replaces bytes of the array from an offset on; the others stay. */
  patch(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.#array.length) {
      throw new RangeError(
        `${String(bytes.length)} bytes from ${String(offset)} on do not fit into the ${String(this.#array.length)} of a ${this.model.name}`,
      );
    }
    this.#array.set(bytes, offset);
    bytes.forEach((_, index) => this.#forgotten.delete(offset + index));
  }

  /** Changes bits of one byte of the array, where it lies. */
  flip(offset: number, mask: number): void {
    if (offset >= this.#array.length) {
      throw new RangeError(
        `a ${this.model.name} has bytes 0 to ${String(this.#array.length - 1)}, not ${String(offset)}`,
      );
    }
    this.#array[offset] = (this.#array[offset] ?? 0) ^ mask;
  }

  /** A copy of the window at device code 1011 (serial number, EUI, page); empty where the part has none. */
  get windowImage(): Uint8Array {
    return this.#window.slice();
  }

  set windowImage(bytes: Uint8Array) {
    if (bytes.length !== this.#window.length) {
      throw new RangeError(
        `the window of a ${this.model.name} has ${String(this.#window.length)} bytes, not ${String(bytes.length)}`,
      );
    }
    this.#window.set(bytes);
  }

  /** Whether a write cycle is running at that instant. Ends it, with its event, when its time is over. */
  busy(at: number): boolean {
    const cycle = this.#cycle;
    if (!cycle) return false;
    if (cycle.polls > 0 || at < cycle.until) return true;
    this.#cycle = undefined;
    this.#tell('commit', cycle.offset, cycle.undo.size);
    return false;
  }

  /** The instant (µs) at which the running write cycle ends, if one runs and time is modelled. */
  get busyUntil(): number | undefined {
    return this.#cycle && this.#cycle.polls === 0 ? this.#cycle.until : undefined;
  }

  start(address: number, read: boolean, at: number): boolean {
    // A START where a STOP was due: the loaded page is forgotten.
    this.#dropLoaded();
    if (this.busy(at)) {
      this.busyNaks++;
      const cycle = this.#cycle;
      if (cycle && cycle.polls > 0) cycle.polls--;
      this.#phase = 'idle';
      return false;
    }
    const block = this.#arrayAddresses.indexOf(address);
    this.#inWindow = block < 0;
    this.#wpAtAddress = this.#wiring.wpHigh(at);
    if (read) {
      this.#phase = 'read';
      const pages = this.#inWindow ? 0 : (this.#wiring.faults?.misread(this.#pointer) ?? 0);
      if (pages !== 0) this.#pointer = this.#around(this.#pointer + pages * this.pageSize);
      return true;
    }
    this.#phase = 'address';
    this.#block = this.#inWindow || this.model.aliases ? 0 : block;
    this.#addressBytes = 0;
    this.#word = 0;
    return true;
  }

  expectsData(): boolean {
    return this.#phase === 'data';
  }

  write(byte: number, at: number): boolean {
    if (this.#phase === 'address') {
      this.#word = (this.#word << 8) | byte;
      this.#addressBytes++;
      if (this.#addressBytes === this.model.addressBytes) {
        this.#phase = 'data';
        this.#pointer = this.#locate();
        // ST looks at the pin up to the end of the address bytes, and no more.
        this.#wpAtAddress ||= this.#wiring.wpHigh(at);
      }
      return true;
    }
    if (this.#phase !== 'data') return false;
    if (this.maker === 'st' && this.#wpAtAddress && this.#ignoresWp(this.#pointer)) this.#wpAtAddress = false;
    if (this.maker === 'st' && this.#wpAtAddress) {
      this.drops++;
      this.#tell('drop', this.#pointer, 1, 'wp');
      return false;
    }
    if (this.locked && this.#inWindow) {
      this.drops++;
      this.#tell('drop', this.#pointer, 1, 'locked');
      return false;
    }
    if (this.#loaded.size === 0) this.#firstLoaded = this.#pointer;
    this.#loaded.delete(this.#pointer);
    this.#loaded.set(this.#pointer, byte);
    const page = this.#pointer - (this.#pointer % this.pageSize);
    this.#pointer = page + ((this.#pointer + 1) % this.pageSize);
    return true;
  }

  read(): number {
    if (this.#inWindow) {
      const { offset, size } = this.model.window ?? { offset: 0, size: 0 };
      const byte = this.#window[this.#pointer - offset];
      const span = Math.max(this.#pageSpan(), offset + size);
      this.#pointer = (this.#pointer + 1) % span;
      return byte ?? 0xff;
    }
    const pointer = this.#pointer % this.#array.length;
    const byte = this.outgoing(pointer, this.#array[pointer] ?? 0xff);
    const block =
      this.model.blockRollover || this.model.spd ? 2 ** (8 * this.model.addressBytes) : this.#array.length;
    this.#pointer = pointer - (pointer % block) + ((pointer + 1) % block);
    return byte;
  }

  stop(at: number): void {
    const loaded = this.#loaded;
    this.#phase = 'idle';
    if (loaded.size === 0) return;
    this.#loaded = new Map();
    const readOnly = this.#inWindow
      ? this.model.window?.content !== 'page'
      : this.#firstLoaded >= (this.model.protectedFrom ?? Infinity);
    // Microchip looks at the pin at the STOP; everything before it was acknowledged all the same.
    const wp = this.maker === 'microchip' && this.#wiring.wpHigh(at) && !this.#ignoresWp(this.#firstLoaded);
    if (readOnly || wp) {
      this.drops++;
      this.#tell('drop', this.#firstLoaded, loaded.size, wp ? 'wp' : 'read-only');
      return;
    }
    const command = this.#inWindow ? this.#commandAt(this.#firstLoaded) : 'none';
    if (command === 'none') this.#program(loaded, at);
    else if (command === 'lock' && ((loaded.get(this.#firstLoaded) ?? 0) & 0x02) !== 0) this.#lock(at);
  }

  /** What a word address of the window stands for. */
  #commandAt(word: number): 'none' | 'lock' | 'other' {
    const { command } = this.model.window ?? {};
    if (!command || (word & command.bits) === 0) return 'none';
    return (word & command.bits) === command.lock ? 'lock' : 'other';
  }

  /** Lock ID: a write cycle like any other, and nothing undoes it. */
  #lock(at: number): void {
    this.locked = true;
    this.#program(new Map(), at);
    this.#tell('lock', this.#firstLoaded, 1);
  }

  /** The supply goes away. */
  powerOff(at: number): void {
    this.#dropLoaded();
    const cycle = this.busy(at) ? this.#cycle : undefined;
    if (cycle) {
      const memory = cycle.window ? this.#window : this.#array;
      let index = 0;
      for (const [position, old] of cycle.undo) {
        if (this.powerLoss === 'keep') memory[position] = old;
        else if (this.powerLoss === 'tear' && index >= cycle.undo.size / 2) memory[position] = 0xff;
        index++;
      }
      this.#cycle = undefined;
      this.#tell('power-loss', cycle.offset, cycle.undo.size, this.powerLoss);
    }
    this.#forget();
    this.#phase = 'idle';
    this.#pointer = 0;
  }

  #forget(): void {
    const [first] = this.#forgotten.keys();
    if (first === undefined) return;
    for (const [position, old] of this.#forgotten) this.#array[position] = old;
    this.#tell('forget', first, this.#forgotten.size, 'fault');
    this.#forgotten.clear();
  }

  /** A byte of the array on its way to the host. */
  protected outgoing(offset: number, byte: number): number {
    return this.#wiring.faults?.reading(offset, byte) ?? byte;
  }

  #ignoresWp(offset: number): boolean {
    return !this.#inWindow && this.#wiring.faults?.ignoresWp(offset) === true;
  }

  /** An offset of the array, counted on past its end and before its beginning. */
  #around(offset: number): number {
    const size = this.#array.length;
    return ((offset % size) + size) % size;
  }

  #program(loaded: Map<number, number>, at: number): void {
    const memory = this.#inWindow ? this.#window : this.#array;
    const base = this.#inWindow ? (this.model.window?.offset ?? 0) : 0;
    const undo = new Map<number, number>();
    const { faults } = this.#inWindow ? {} : this.#wiring;
    const mishap = faults?.programming([...loaded.keys()]);
    const keep = mishap?.keep ?? Infinity;
    const shift = (mishap?.pages ?? 0) * this.pageSize;
    let index = 0;
    for (const [address, byte] of loaded) {
      if (index++ >= keep) break;
      const position = shift === 0 ? address - base : this.#around(address + shift);
      if (position < 0 || position >= memory.length) continue;
      const old = memory[position] ?? 0xff;
      undo.set(position, old);
      if (mishap?.forget && !this.#forgotten.has(position)) this.#forgotten.set(position, old);
      else if (!this.#inWindow && !mishap?.forget) this.#forgotten.delete(position);
      memory[position] = faults?.storing(position, byte) ?? byte;
    }
    if (keep < loaded.size) this.#tell('drop', this.#firstLoaded, loaded.size - keep, 'fault');
    if (shift !== 0) this.#tell('stray', this.#around(this.#firstLoaded + shift), loaded.size, 'fault');
    if (mishap?.cycle === false) return;
    const length = this.#wiring.writeCycle(this.writeCycleMs);
    this.#cycle = {
      offset: this.#firstLoaded,
      window: this.#inWindow,
      undo,
      until: 'us' in length ? at + length.us : 0,
      polls: 'polls' in length ? length.polls : 0,
    };
    this.writeCycles++;
    this.#tell('start', this.#firstLoaded, loaded.size);
  }

  /** What the device address and the word address leave open. */
  protected pageOffset(): number {
    return 0;
  }

  #locate(): number {
    if (this.#inWindow) {
      // The other address bits of a page are don't care.
      const { content, size = 1 } = this.model.window ?? {};
      return content === 'page' && this.#commandAt(this.#word) === 'none' ? this.#word % size : this.#word;
    }
    const offset = this.pageOffset() + this.#block * 2 ** (8 * this.model.addressBytes) + this.#word;
    return offset % this.#array.length;
  }

  /** How far the address counter runs in the window before it starts again. */
  #pageSpan(): number {
    return this.model.window?.content === 'page'
      ? this.model.window.size
      : 2 ** (8 * this.model.addressBytes);
  }

  #dropLoaded(): void {
    if (this.#loaded.size === 0) return;
    const length = this.#loaded.size;
    this.#loaded = new Map();
    this.#tell('abort', this.#firstLoaded, length, 'no-stop');
  }

  #tell(
    type: EepromEvent['type'],
    offset: number,
    length: number,
    reason?: NonNullable<EepromEvent['reason']>,
  ): void {
    const event = { type, address: this.address, offset, length };
    this.#wiring.emit(reason === undefined ? event : { ...event, reason });
  }
}

/** A serial number or EUI that is the same on every run and different for every chip and address. */
function defaultWindow(model: ChipModel, base: number): Uint8Array {
  const size = model.window?.size ?? 0;
  const bytes = new Uint8Array(size).fill(0xff);
  if (!model.window || model.window.content === 'page') return bytes;
  let state = 0x811c9dc5;
  for (const char of `${model.name}@${String(base)}`)
    state = Math.imul(state ^ char.charCodeAt(0), 0x01000193);
  for (let index = 0; index < size; index++) {
    state = Math.imul(state ^ index, 0x01000193);
    bytes[index] = (state >>> 16) & 0xff;
  }
  // Locally administered, not multicast: no maker's block is claimed.
  if (model.window.content === 'eui') bytes[0] = 0x02;
  return bytes;
}
