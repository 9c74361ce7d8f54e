import { chipNames, findChip } from './chips.js';
import { Cp2112 } from './cp2112.js';
import { Eeprom, type EepromEvent } from './eeprom.js';
import type { DeviceStats } from './events.js';
import type { FlipFault, UnplugFault } from './fault_kinds.js';
import type { FaultBox } from './faults.js';
import { Gpio } from './gpio.js';
import { flippedBit, otherContent, PartFaults } from './part_faults.js';
import { Ee1004, PAGE_SELECT, PageSelect, Spd5118 } from './spd.js';
import { Otp } from './otp.js';
import type { DeviceSetup, EepromSetup, SiliconVersion } from './setup.js';
import type { I2cTarget } from './i2c.js';
import type { StartTrouble } from './transfer.js';

const TOGGLE_US = 50_000;

/** What the board needs of the USB side, and whom it tells. */
export interface BoardPorts {
  /** An interrupt IN report of the chip, ready at that instant (µs). */
  send(report: Uint8Array, at: number): void;
  dropReadResponses(): void;
  reset(): void;
  gpio(levels: number): void;
  wp(address: number, high: boolean): void;
  eeprom(event: EepromEvent): void;
}

/** What is soldered together: the bridge, its GPIO wiring, the EEPROMs on its bus. Faults of the wire strike here. */
export class Board {
  readonly eeproms: readonly Eeprom[];
  readonly chip: Cp2112;
  readonly otp: Otp;
  /** An unplug fault struck in the middle of a transfer; the device carries it out when it is back from the wire. */
  striking: UnplugFault | undefined;

  readonly #setup: DeviceSetup;
  readonly #faults: FaultBox;
  readonly #stats: DeviceStats;
  readonly #ports: BoardPorts;
  readonly #timed: boolean;
  readonly #gpio = new Gpio();
  /** 7-bit address to chip. */
  readonly #bus = new Map<number, Eeprom>();
  /** Where commands for several parts at once go. */
  readonly #common = new Map<number, I2cTarget>();
  readonly #wpWiring = new Map<Eeprom, { readonly wp: number | true; readonly inverted: boolean }>();
  #levels: number;

  constructor(
    setup: DeviceSetup,
    version: SiliconVersion,
    serial: string,
    timed: boolean,
    faults: FaultBox,
    stats: DeviceStats,
    ports: BoardPorts,
  ) {
    this.#setup = setup;
    this.#faults = faults;
    this.#stats = stats;
    this.#ports = ports;
    this.#timed = timed;
    this.otp = new Otp(serial, setup.bcdDevice ?? 0x0000, setup);
    this.eeproms = (setup.eeproms ?? []).map((eeprom) => this.#solder(eeprom));
    const paged = this.eeproms.filter((eeprom) => eeprom instanceof Ee1004);
    if (paged.length > 0)
      PAGE_SELECT.forEach((address, page) => this.#common.set(address, new PageSelect(page, paged)));
    this.#levels = this.#gpio.levels();
    this.chip = new Cp2112(version, this.otp, this.#gpio, {
      target: (address) => this.#bus.get(address) ?? this.#common.get(address),
      startTrouble: () => this.#startTrouble(),
      nakAddress: (address) =>
        faults.take('nak', (spec) => this.#sameChip(spec.address, address)) !== undefined,
      nakData: (address, index) =>
        faults.take('nak-data', (spec) => spec.byte === index && this.#sameChip(spec.address, address)) !==
        undefined,
      contentByte: (moment) => this.#contentByte(moment),
      send: (report, at) => {
        ports.send(report, at);
      },
      dropReadResponses: () => {
        ports.dropReadResponses();
      },
      answerEmpty: () => setup.answerEmpty ?? false,
      emptyFault: () => faults.take('empty') !== undefined,
      staleData: () => faults.take('stale', (spec) => spec.what === 'data') !== undefined,
      heldPins: (rising, falling) => this.#heldPins(rising, falling),
      gpioChanged: () => {
        this.noteLevels();
      },
      reset: () => {
        ports.reset();
      },
    });
  }

  find(address: number): Eeprom | undefined {
    return this.#bus.get(address);
  }

  levels(at: number): number {
    return this.#gpio.levels(this.toggle(at));
  }

  drive(pin: number, level: 0 | 1 | null): void {
    this.#gpio.drive(pin, level);
    this.noteLevels();
  }

  /** Transfer toggles (GPIO 0 while writing, GPIO 1 while reading) at about 10 Hz, idle high: the pins low at the moment. */
  toggle(at: number): number {
    const transfer = this.chip.active;
    if (!transfer || !this.#timed || Math.floor(at / TOGGLE_US) % 2 === 0) return 0;
    return transfer.request.kind === 'write' ? 0x01 : 0x02;
  }

  /** Tells of pins that have changed since the last look, WP lines among them. */
  noteLevels(): void {
    const levels = this.#gpio.levels();
    const changed = levels ^ this.#levels;
    this.#levels = levels;
    if (changed === 0) return;
    this.#ports.gpio(levels);
    for (const [eeprom, { wp }] of this.#wpWiring) {
      if (typeof wp === 'number' && changed & (1 << wp)) {
        this.#ports.wp(eeprom.address, this.#wpHigh(eeprom));
      }
    }
  }

  /** Content that changes by itself, now. */
  flipNow(fault: FlipFault): void {
    const part = fault.address === undefined ? this.eeproms[0] : this.find(fault.address);
    if (!part) throw new RangeError('there is no EEPROM whose content could change');
    part.flip(fault.at ?? 0, flippedBit(fault));
  }

  /** The parts have their supply again after an unplug: whether it is the same ones, with the same content, is up to the faults. */
  swapParts(): void {
    const fault = this.#faults.take(
      'swap',
      ({ address }) => address === undefined || this.find(address) !== undefined,
    );
    if (!fault) return;
    const giver = fault.with === undefined ? undefined : this.find(fault.with)?.image;
    this.eeproms.forEach((part, index) => {
      if (!this.#sameChip(fault.address, part.address)) return;
      const { image, windowImage } = part;
      const seed = (fault.seed ?? 1) + index;
      part.image = giver?.subarray(0, image.length) ?? otherContent(image, seed, fault.bytes);
      if (fault.what === 'part') part.windowImage = otherContent(windowImage, ~seed);
    });
  }

  /** When the next write cycle ends, or Infinity. */
  get busyUntil(): number {
    return Math.min(Infinity, ...this.eeproms.map((eeprom) => eeprom.busyUntil ?? Infinity));
  }

  #solder(setup: EepromSetup): Eeprom {
    const model = findChip(setup.chip);
    if (!model) throw new RangeError(`unknown chip "${setup.chip}"; known are ${chipNames().join(', ')}`);
    const { wp } = setup;
    if (typeof wp === 'number' && (!Number.isInteger(wp) || wp < 0 || wp > 7)) {
      throw new RangeError(`WP can be wired to GPIO 0 to 7, not ${String(wp)}`);
    }
    const Part = model.spd === 'ee1004' ? Ee1004 : model.spd === 'spd5118' ? Spd5118 : Eeprom;
    const eeprom: Eeprom = new Part(
      { ...setup, model },
      {
        wpHigh: () => this.#wpHigh(eeprom),
        writeCycle: (ms) => this.#writeCycle(ms),
        emit: (event) => {
          this.#ports.eeprom(event);
        },
        faults: new PartFaults(this.#faults, (wanted) => this.#sameChip(wanted, eeprom.address)),
      },
    );
    if (wp !== undefined) this.#wpWiring.set(eeprom, { wp, inverted: setup.wpInverted === true });
    for (const address of eeprom.addresses) {
      if (this.#bus.has(address))
        throw new RangeError(`two chips answer on address 0x${address.toString(16)}`);
      this.#bus.set(address, eeprom);
    }
    return eeprom;
  }

  #wpHigh(eeprom: Eeprom): boolean {
    const wiring = this.#wpWiring.get(eeprom);
    if (wiring === undefined) return false;
    const { wp, inverted } = wiring;
    return wp === true || ((this.#gpio.levels() & (1 << wp)) !== 0) !== inverted;
  }

  /** Of pins that the host lets rise or fall: those that stay as they are, because a part's WP would go high. */
  #heldPins(rising: number, falling: number): number {
    let held = 0;
    for (const [eeprom, { wp, inverted }] of this.#wpWiring) {
      if (typeof wp !== 'number' || !((inverted ? falling : rising) & (1 << wp))) continue;
      if (this.#faults.take('wp-stuck', ({ address }) => this.#sameChip(address, eeprom.address)))
        held |= 1 << wp;
    }
    return held;
  }

  #writeCycle(nominalMs: number): { us: number } | { polls: number } {
    const slow = this.#faults.take('slow-write');
    if (this.#timed) return { us: (slow?.ms ?? nominalMs) * 1000 };
    if (slow) return { polls: slow.polls ?? 64 };
    return { polls: nominalMs > 0 ? (this.#setup.busyPolls ?? 3) : 0 };
  }

  /** A fault for one of a chip's addresses is a fault for all of them. */
  #sameChip(wanted: number | undefined, address: number): boolean {
    if (wanted === undefined || wanted === address) return true;
    const chip = this.#bus.get(address);
    return chip !== undefined && chip === this.#bus.get(wanted);
  }

  #startTrouble(): StartTrouble | undefined {
    const stuck = this.#faults.take('stuck');
    if (stuck) return { kind: 'stuck', hard: stuck.hard ?? false };
    const held = this.#faults.take('scl-low');
    if (held) return { kind: 'scl-low', us: (held.ms ?? Infinity) * 1000 };
    return this.#faults.take('arbitration') ? { kind: 'arbitration' } : undefined;
  }

  #contentByte(moment: 'before' | 'after'): boolean {
    if (this.striking) return false;
    if (moment === 'after') this.#stats.wireBytes++;
    this.striking = this.#faults.unplugAt('wire', moment === 'after' ? 1 : 0);
    return this.striking === undefined;
  }
}
