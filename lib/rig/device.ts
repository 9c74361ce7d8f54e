import { EventEmitter } from 'node:events';
import { findChip, chipNames } from './chips.js';
import type { Clock, Timer } from './clock.js';
import { Cp2112, type SiliconVersion } from './cp2112.js';
import { Eeprom, type EepromEvent, type Maker, type PowerLoss } from './eeprom.js';
import { FaultBox, random, type FaultSpec, type UnplugFault } from './faults.js';
import { Gpio } from './gpio.js';
import { Otp } from './otp.js';
import { ControlEndpoint, decodeSetup } from './usb_control.js';

/** `real`: wire and USB frames take their time. `off`: everything is over at once and in a fixed order. */
export type TimeMode = 'real' | 'off';

export interface EepromSetup {
  /** 7-bit address of the array (or, for a part with a window at device code 1011, that window's). */
  readonly address: number;
  /** A name of the Linux at24 driver: "24c02", "24c256", … */
  readonly chip: string;
  /** The bridge's GPIO (0 to 7) its WP pin is wired to, or true: tied high. Left out: tied low. */
  readonly wp?: number | true;
  /** Content from the start of the array; the rest is 0xff. */
  readonly image?: Uint8Array;
  /** Content of the serial number, EUI or page window. */
  readonly window?: Uint8Array;
  /** Whose part it is: Microchip acknowledges a protected write and drops it, ST refuses the data bytes. Default microchip. */
  readonly maker?: Maker;
  readonly pageSize?: number;
  /** Milliseconds of a write cycle. Default: the part's maximum. */
  readonly writeCycleMs?: number;
  /** What an unplug in a write cycle leaves behind. Default `keep`: the old bytes. */
  readonly powerLoss?: PowerLoss;
}

export interface DeviceSetup {
  /** USB/IP bus id. Default "1-1". */
  readonly busid?: string;
  /** Serial number string, up to 30 characters. */
  readonly serial?: string;
  /** Silicon version 1, 2 or 3 (F01 to F03). Default 2. */
  readonly version?: SiliconVersion;
  /** Release number of the device descriptor. Default 0x0000, as a real unit says (the data sheet: 0x0100). */
  readonly bcdDevice?: number;
  readonly eeproms?: readonly EepromSetup[];
  /** A force send that finds no data is answered by an empty 0x13 instead of by nothing. Default false. */
  readonly answerEmpty?: boolean;
  /** How long the device is away after a Reset report, milliseconds. Default 0. */
  readonly reenumerateMs?: number;
  /** Without time: how many addresses an EEPROM refuses after a write. Default 3. */
  readonly busyPolls?: number;
  /** False: the device begins unplugged. */
  readonly plugged?: boolean;
}

/** One URB as the host submitted it. */
export interface Urb {
  readonly id: number;
  readonly endpoint: number;
  readonly isIn: boolean;
  /** 8 bytes, for endpoint 0. */
  readonly setup: Uint8Array;
  /** OUT data. */
  readonly data: Uint8Array;
  /** Size of the host's buffer. */
  readonly length: number;
}

/** The importer's side of an attachment. */
export interface UrbPort {
  /** Linux status: 0, -32 (STALL), -75 (babble). Called once for each URB that was neither unlinked nor lost by an unplug. */
  complete(urb: Urb, status: number, data: Uint8Array): void;
  /** The device has left the bus. Nothing is completed after this. */
  gone(how: 'fin' | 'rst'): void;
  /** A `silent` fault began or ended. */
  silence(on: boolean): void;
}

/** An importer's hold on a device. */
export interface Attachment {
  submit(urb: Urb): void;
  /** Takes back a URB that is not completed yet. False: there is none with this id any more. */
  unlink(id: number): boolean;
  detach(reason: string): void;
}

/** A report or control request that took effect (host to device) or was delivered (device to host). */
export interface ReportEvent {
  readonly direction: 'in' | 'out' | 'get' | 'set';
  /** Report ID first. */
  readonly data: Uint8Array;
  /** Microseconds on the bench's clock. */
  readonly at: number;
}

export interface DeviceEvents {
  attached: [remote: string];
  detached: [reason: string];
  plugged: [];
  unplugged: [reason: string];
  reset: [];
  report: [event: ReportEvent];
  gpio: [levels: number];
  wp: [address: number, high: boolean];
  eeprom: [event: EepromEvent];
  fault: [spec: FaultSpec];
}

export interface DeviceStats {
  attaches: number;
  unplugs: number;
  urbs: number;
  unlinked: number;
  controls: number;
  stalls: number;
  reportsIn: number;
  reportsOut: number;
  /** Bytes of EEPROM content that crossed the I2C wire. */
  wireBytes: number;
  /** Bytes of read data delivered in 0x13 reports. */
  hostBytes: number;
  /** Reports thrown away because the host did not collect them. */
  overruns: number;
}

interface Queued {
  readonly urb: Urb;
  /** µs: the frame in which it goes over the bus; for IN, the submission. */
  readonly at: number;
}

interface InReport {
  readonly data: Uint8Array;
  readonly readyAt: number;
}

const FRAME_US = 1000;
const REPORT_BYTES = 64;
const FIFO_REPORTS = 64;
const EPIPE = -32;
const EOVERFLOW = -75;
const NOTHING = new Uint8Array();

/** The first USB frame that begins after an instant. */
function frameAfter(at: number): number {
  return (Math.floor(at / FRAME_US) + 1) * FRAME_US;
}

/** One CP2112 with its EEPROMs: the USB side, its timing, its cable and its faults. */
export class VirtualDevice extends EventEmitter<DeviceEvents> {
  readonly busid: string;
  readonly serial: string;
  readonly version: SiliconVersion;
  readonly eeproms: readonly Eeprom[];
  readonly faults: FaultBox;
  readonly stats: DeviceStats = {
    attaches: 0,
    unplugs: 0,
    urbs: 0,
    unlinked: 0,
    controls: 0,
    stalls: 0,
    reportsIn: 0,
    reportsOut: 0,
    wireBytes: 0,
    hostBytes: 0,
    overruns: 0,
  };

  readonly #setup: DeviceSetup;
  readonly #clock: Clock;
  readonly #timed: boolean;
  readonly #gpio = new Gpio();
  readonly #otp: Otp;
  readonly #chip: Cp2112;
  readonly #control: ControlEndpoint;
  /** 7-bit address to chip. */
  readonly #bus = new Map<number, Eeprom>();
  readonly #wpWiring = new Map<Eeprom, number | true>();

  #plugged: boolean;
  #devnum: number;
  #port: UrbPort | undefined;
  #controls: Queued[] = [];
  #outs: Queued[] = [];
  #ins: Queued[] = [];
  #fifo: InReport[] = [];
  #frameFree = { control: 0, out: 0, in: 0 };
  /** The chip's IN buffer: what a shorter report leaves in it goes over the bus as well. */
  readonly #inBuffer = new Uint8Array(REPORT_BYTES);
  #advancedTo = 0;
  #timer: Timer | undefined;
  #housekeeper: Timer | undefined;
  readonly #delays = new Set<Timer>();
  #levels: number;
  /** An unplug fault struck in the middle of something; it is carried out when that is left. */
  #striking: UnplugFault | undefined;
  #resetting = false;

  /**
   * @param devnum the USB device number it begins with; every plug takes the next one
   * @throws RangeError for unknown chips, addresses that collide, images that do not fit
   */
  constructor(setup: DeviceSetup, clock: Clock, time: TimeMode, devnum = 2) {
    super();
    this.#setup = setup;
    this.#clock = clock;
    this.#timed = time === 'real';
    this.busid = setup.busid ?? '1-1';
    this.serial = setup.serial ?? '0043FFF3';
    this.version = setup.version ?? 2;
    if (this.serial.length > 30) throw new RangeError('a serial number has at most 30 characters');
    this.#otp = new Otp(this.serial, setup.bcdDevice ?? 0x0000);
    this.#plugged = setup.plugged ?? true;
    this.#devnum = devnum;
    this.eeproms = (setup.eeproms ?? []).map((eeprom) => this.#solder(eeprom));
    this.faults = new FaultBox({
      added: (spec) => {
        this.#faultAdded(spec);
      },
      fired: (spec) => {
        this.emit('fault', spec);
      },
      released: (spec) => {
        if (spec.kind === 'silent' && !this.faults.armed('silent')) this.#port?.silence(false);
      },
    });
    this.#chip = new Cp2112(this.version, this.#otp, this.#gpio, {
      target: (address) => this.#bus.get(address),
      startTrouble: () => this.#startTrouble(),
      nakAddress: (address) =>
        this.faults.take('nak', (spec) => this.#sameChip(spec.address, address)) !== undefined,
      nakData: (address, index) =>
        this.faults.take(
          'nak-data',
          (spec) => spec.byte === index && this.#sameChip(spec.address, address),
        ) !== undefined,
      contentByte: (moment) => this.#contentByte(moment),
      send: (report, at) => {
        this.#send(report, at);
      },
      dropReadResponses: () => {
        this.#fifo = this.#fifo.filter(({ data }) => data[0] !== 0x13);
      },
      answerEmpty: () => setup.answerEmpty ?? false,
      emptyFault: () => this.faults.take('empty') !== undefined,
      gpioChanged: () => {
        this.#noteLevels();
      },
      reset: () => {
        this.#resetting = true;
      },
    });
    this.#control = new ControlEndpoint({
      otp: this.#otp.fields,
      getFeature: (id) => this.#chip.getFeature(id, this.#toggle()),
      setFeature: (report) => this.#chip.setFeature(report),
      output: (report) => {
        this.#output(report, this.#advancedTo);
      },
      configured: () => {
        this.#fifo = [];
      },
    });
    this.#levels = this.#gpio.levels();
  }

  /** Whether the cable is in. */
  get plugged(): boolean {
    return this.#plugged;
  }

  get attached(): boolean {
    return this.#port !== undefined;
  }

  /** USB bus and device number of this plug; `devid` in USB/IP headers. */
  get busnum(): number {
    return Number.parseInt(this.busid, 10) || 1;
  }

  get devnum(): number {
    return this.#devnum;
  }

  get devid(): number {
    return this.busnum * 0x10000 + this.#devnum;
  }

  get vendorId(): number {
    return this.#otp.fields.vendorId;
  }

  get productId(): number {
    return this.#otp.fields.productId;
  }

  get bcdDevice(): number {
    return (this.#otp.fields.releaseMajor << 8) | this.#otp.fields.releaseMinor;
  }

  get configurationValue(): number {
    return this.#control.configuration;
  }

  /** Levels of the eight GPIO pins, bit n = GPIO n. */
  get gpioLevels(): number {
    return this.#gpio.levels(this.#toggle());
  }

  /** Ties a GPIO pin to a level from outside the chip, or lets it float (null). */
  driveGpio(pin: number, level: 0 | 1 | null): void {
    this.#catchUp();
    this.#gpio.drive(pin, level);
    this.#noteLevels();
  }

  /**
   * The EEPROM that answers on a 7-bit address.
   * @throws RangeError when none does
   */
  eeprom(address: number): Eeprom {
    const found = this.#bus.get(address);
    if (!found) throw new RangeError(`there is no EEPROM at 0x${address.toString(16)} on ${this.busid}`);
    return found;
  }

  /** Puts the cable in. Power-on state; the next device number. */
  plug(): void {
    if (this.#plugged) return;
    this.#plugged = true;
    this.#devnum = (this.#devnum % 126) + 1;
    this.#advancedTo = Math.max(this.#advancedTo, this.#clock.now());
    this.#control.reset();
    this.#noteLevels();
    this.emit('plugged');
  }

  /** Pulls the cable: the connection ends, EEPROMs lose their supply. `rst` ends the TCP connection with a reset. */
  unplug(how: 'fin' | 'rst' = 'fin', reason = 'unplugged'): void {
    if (!this.#plugged) return;
    this.#catchUp();
    // An unplug fault may have struck while catching up.
    if (!this.#plugged) return;
    for (const eeprom of this.eeproms) eeprom.powerOff(this.#advancedTo);
    this.#leaveBus(how, reason);
  }

  /**
   * Gives an importer the device.
   * @returns the attachment, or why there is none
   */
  attach(port: UrbPort, remote = 'local'): Attachment | 'busy' | 'gone' {
    if (!this.#plugged) return 'gone';
    if (this.#port) return 'busy';
    this.#port = port;
    this.stats.attaches++;
    this.emit('attached', remote);
    if (this.faults.armed('silent')) port.silence(true);
    return {
      submit: (urb) => {
        if (this.#port === port) this.#submit(urb);
      },
      unlink: (id) => this.#port === port && this.#unlink(id),
      detach: (reason) => {
        if (this.#port !== port) return;
        // The chip keeps its power and its state: a report nobody collected is still there for the next importer.
        this.#catchUp();
        if (this.#port === port) this.#release(reason);
      },
    };
  }

  /** Stops all timers; the device is of no use after this. */
  dispose(): void {
    this.#release('closed');
    this.#plugged = false;
    this.#housekeeper?.cancel();
    for (const timer of this.#delays) timer.cancel();
  }

  #solder(setup: EepromSetup): Eeprom {
    const model = findChip(setup.chip);
    if (!model) {
      throw new RangeError(`unknown chip "${setup.chip}"; known: ${chipNames().join(' ')}`);
    }
    const { wp } = setup;
    if (typeof wp === 'number' && (!Number.isInteger(wp) || wp < 0 || wp > 7)) {
      throw new RangeError(`WP can be wired to GPIO 0 to 7, not ${String(wp)}`);
    }
    const eeprom = new Eeprom(
      { ...setup, model },
      {
        wpHigh: (): boolean => this.#wpHigh(eeprom),
        writeCycle: (ms) => this.#writeCycle(ms),
        emit: (event) => {
          this.emit('eeprom', event);
        },
      },
    );
    if (wp !== undefined) this.#wpWiring.set(eeprom, wp);
    for (const address of eeprom.addresses) {
      if (this.#bus.has(address)) {
        throw new RangeError(`two chips answer on address 0x${address.toString(16)}`);
      }
      this.#bus.set(address, eeprom);
    }
    return eeprom;
  }

  #wpHigh(eeprom: Eeprom): boolean {
    const wp = this.#wpWiring.get(eeprom);
    if (wp === undefined) return false;
    return wp === true || (this.#gpio.levels() & (1 << wp)) !== 0;
  }

  #writeCycle(nominalMs: number): { us: number } | { polls: number } {
    const slow = this.faults.take('slow-write');
    if (this.#timed) return { us: (slow?.ms ?? nominalMs) * 1000 };
    return { polls: slow ? (slow.polls ?? 64) : nominalMs > 0 ? (this.#setup.busyPolls ?? 3) : 0 };
  }

  /** A fault for one of a chip's addresses is a fault for all of them. */
  #sameChip(wanted: number | undefined, address: number): boolean {
    if (wanted === undefined || wanted === address) return true;
    const chip = this.#bus.get(address);
    return chip !== undefined && chip === this.#bus.get(wanted);
  }

  #startTrouble():
    { kind: 'stuck'; hard: boolean } | { kind: 'scl-low'; us: number } | { kind: 'arbitration' } | undefined {
    const stuck = this.faults.take('stuck');
    if (stuck) return { kind: 'stuck', hard: stuck.hard ?? false };
    const held = this.faults.take('scl-low');
    if (held) return { kind: 'scl-low', us: (held.ms ?? Infinity) * 1000 };
    return this.faults.take('arbitration') ? { kind: 'arbitration' } : undefined;
  }

  #contentByte(moment: 'before' | 'after'): boolean {
    if (this.#striking) return false;
    if (moment === 'after') this.stats.wireBytes++;
    this.#striking = this.faults.unplugAt('wire', moment === 'after' ? 1 : 0);
    return this.#striking === undefined;
  }

  #faultAdded(spec: FaultSpec): void {
    if (spec.kind === 'silent') this.#port?.silence(true);
    else if (spec.kind === 'unplug' && spec.on === 'now') this.#strike(this.faults.unplugAt('now', 0));
    else if (spec.kind === 'unsolicited' && spec.when !== 'next') this.#injectUnsolicited('now');
    this.#arm();
  }

  #injectUnsolicited(when: 'now' | 'next'): void {
    for (;;) {
      const spec = this.faults.take('unsolicited', (fault) => (fault.when ?? 'now') === when);
      if (!spec) break;
      this.#enqueue(Uint8Array.of(spec.report ?? 0x16, 0, 0, 0, 0, 0, 0), this.#now());
    }
    if (when === 'now') this.#flush();
  }

  /** The chip has a report for the host: faults first, then the queue of endpoint 0x81. */
  #send(report: Uint8Array, at: number): void {
    this.#injectUnsolicited('next');
    const garbage = this.faults.take('garbage');
    if (garbage) this.#enqueue(garbageReport(garbage.seed ?? 1, garbage.report), at);
    const matches = (spec: { readonly report?: number }): boolean =>
      spec.report === undefined || spec.report === report[0];
    if (this.faults.take('lose', matches)) return;
    const delay = this.faults.takeHolding('delay', matches);
    if (!delay) {
      this.#enqueue(report, at);
      return;
    }
    const late = (): void => {
      if (!this.#plugged) return;
      this.#enqueue(report, this.#now());
      this.#flush();
    };
    if (delay.spec.ms === undefined) {
      delay.hold(late);
      return;
    }
    const timer = this.#clock.at(this.#clock.now() + delay.spec.ms * 1000, () => {
      this.#delays.delete(timer);
      late();
    });
    this.#delays.add(timer);
  }

  #enqueue(data: Uint8Array, readyAt: number): void {
    if (this.#fifo.length >= FIFO_REPORTS) this.stats.overruns++;
    else this.#fifo.push({ data, readyAt });
  }

  #submit(urb: Urb): void {
    this.stats.urbs++;
    const now = this.#now();
    if (urb.endpoint > 1) {
      this.#complete(urb, EPIPE, NOTHING);
      return;
    }
    if (urb.endpoint === 1 && urb.isIn) {
      this.#ins.push({ urb, at: now });
    } else {
      const lane = urb.endpoint === 0 ? 'control' : 'out';
      const at = Math.max(frameAfter(now), this.#frameFree[lane]);
      this.#frameFree[lane] = at + FRAME_US;
      (lane === 'control' ? this.#controls : this.#outs).push({ urb, at });
    }
    this.#flush();
  }

  #unlink(id: number): boolean {
    for (const queue of [this.#ins, this.#outs, this.#controls]) {
      const index = queue.findIndex(({ urb }) => urb.id === id);
      if (index < 0) continue;
      queue.splice(index, 1);
      this.stats.unlinked++;
      this.#arm();
      return true;
    }
    return false;
  }

  /** The bench's instant: without time there is only one. */
  #now(): number {
    return this.#timed ? this.#clock.now() : 0;
  }

  /** Up to where the wire may run. */
  #wireTime(at: number): number {
    return this.#timed ? at : Infinity;
  }

  /** Does what is due by now and sets the timer for the rest. */
  #flush(): void {
    for (let due = this.#nextDue(); due !== undefined && due <= this.#now(); due = this.#nextDue()) {
      this.#step(due);
    }
    this.#arm();
  }

  /** The next instant at which something is seen from outside. */
  #nextDue(): number | undefined {
    let due = Infinity;
    const consider = (at: number | undefined): void => {
      if (at !== undefined && at < due) due = at;
    };
    consider(this.#controls[0]?.at);
    consider(this.#outs[0]?.at);
    consider(this.#inDue());
    if (this.#timed && this.#chip.active && this.#watchesWire()) consider(frameAfter(this.#advancedTo));
    if (due === Infinity) return undefined;
    return this.#timed ? due : 0;
  }

  #inDue(): number | undefined {
    const urb = this.#ins[0];
    const halted = this.#control.halted.has(0x81) || this.#control.configuration === 0;
    if (urb && (halted || this.faults.armed('stall', (spec) => isStall(spec, 'in', undefined)))) {
      return frameAfter(urb.at);
    }
    const report = this.#fifo[0];
    if (!urb || !report) return undefined;
    return Math.max(frameAfter(urb.at), frameAfter(report.readyAt), this.#frameFree.in);
  }

  /** Whether the running transfer may do something on its own that the host sees. */
  #watchesWire(): boolean {
    return (
      this.#chip.config.autoSend ||
      this.faults.armed('unplug', (spec) => spec.kind === 'unplug' && spec.on === 'wire')
    );
  }

  #step(due: number): void {
    this.#advance(due);
    if (this.#strike(this.#striking)) return;
    const isDue = (at: number | undefined): boolean => at !== undefined && (!this.#timed || at <= due);
    const control = this.#controls[0];
    const out = this.#outs[0];
    if (control && isDue(control.at)) {
      this.#controls.shift();
      this.#runControl(control.urb, due);
    } else if (out && isDue(out.at)) {
      this.#outs.shift();
      this.#runOut(out.urb, due);
    } else if (isDue(this.#inDue())) {
      this.#runIn(due);
    }
  }

  #advance(to: number): void {
    this.#advancedTo = Math.max(this.#advancedTo, to);
    this.#chip.advance(this.#wireTime(to));
  }

  #runControl(urb: Urb, at: number): void {
    const setup = decodeSetup(urb.setup);
    const isReport =
      (setup.requestType & 0x60) === 0x20 && (setup.request === 0x01 || setup.request === 0x09);
    const report = isReport ? setup.value & 0xff : undefined;
    this.stats.controls++;
    if (this.#strikeAt('control', 'before')) return;
    const stalled = this.faults.take('stall', (spec) => isStall(spec, 'control', report)) !== undefined;
    const answer =
      stalled || (setup.requestType & 0x80) >> 7 !== Number(urb.isIn)
        ? undefined
        : this.#control.handle(setup, urb.data);
    if (this.#strike(this.#striking)) return;
    if (answer && report !== undefined) {
      const isGet = setup.request === 0x01;
      this.emit('report', { direction: isGet ? 'get' : 'set', data: isGet ? answer.slice() : urb.data, at });
    }
    if (answer === undefined) this.#complete(urb, EPIPE, NOTHING);
    else if (urb.isIn)
      this.#complete(urb, answer.length > urb.length ? EOVERFLOW : 0, answer.subarray(0, urb.length));
    else this.#complete(urb, 0, urb.data);
    if (this.#resetting) this.#reenumerate();
    else this.#strikeAt('control', 'after');
  }

  #runOut(urb: Urb, at: number): void {
    if (this.#control.halted.has(0x01) || this.#control.configuration === 0) {
      this.#complete(urb, EPIPE, NOTHING);
      return;
    }
    if (this.#strikeAt('out', 'before') || this.#strikeAt('any', 'before')) return;
    if (this.faults.take('stall', (spec) => isStall(spec, 'out', urb.data[0]))) {
      this.#complete(urb, EPIPE, NOTHING);
      return;
    }
    this.stats.reportsOut++;
    this.#output(urb.data.subarray(0, REPORT_BYTES), at);
    this.emit('report', { direction: 'out', data: urb.data, at });
    if (this.#strike(this.#striking)) return;
    this.#complete(urb, 0, urb.data);
    if (this.#strikeAt('out', 'after')) return;
    this.#strikeAt('any', 'after');
  }

  #output(report: Uint8Array, at: number): void {
    this.#chip.output(report, at, this.#wireTime(at));
  }

  #runIn(at: number): void {
    const head = this.#ins[0];
    if (!head) return;
    const report = this.#fifo[0];
    const halted = this.#control.halted.has(0x81) || this.#control.configuration === 0;
    const stalled = this.faults.take('stall', (spec) => isStall(spec, 'in', report?.data[0]));
    if (halted || stalled) {
      this.#ins.shift();
      this.#complete(head.urb, EPIPE, NOTHING);
      return;
    }
    if (!report) return;
    const bytes = report.data[0] === 0x13 ? (report.data[2] ?? 0) : 0;
    if (bytes > 0 && this.#strike(this.faults.unplugAt('host', 0))) return;
    if (this.#strikeAt('in', 'before') || this.#strikeAt('any', 'before')) return;
    this.#ins.shift();
    this.#fifo.shift();
    this.#frameFree.in = at + FRAME_US;
    this.stats.reportsIn++;
    this.stats.hostBytes += bytes;
    this.#inBuffer.set(report.data);
    this.emit('report', { direction: 'in', data: report.data, at });
    const fits = head.urb.length >= REPORT_BYTES;
    this.#complete(
      head.urb,
      fits ? 0 : EOVERFLOW,
      this.#inBuffer.slice(0, Math.min(head.urb.length, REPORT_BYTES)),
    );
    if (bytes > 0 && this.#strike(this.faults.unplugAt('host', bytes))) return;
    if (this.#strikeAt('in', 'after')) return;
    this.#strikeAt('any', 'after');
  }

  #complete(urb: Urb, status: number, data: Uint8Array): void {
    if (status === EPIPE) this.stats.stalls++;
    this.#port?.complete(urb, status, data);
  }

  #strikeAt(on: 'in' | 'out' | 'any' | 'control', phase: 'before' | 'after'): boolean {
    return this.#strike(this.faults.unplugAt(on, 1, phase));
  }

  /** Carries out an unplug fault. True: the device is gone, whoever asks has nothing more to do. */
  #strike(fault: UnplugFault | undefined): boolean {
    this.#striking = undefined;
    if (fault) this.unplug(fault.how ?? 'fin', `fault: unplug on ${fault.on}`);
    return !this.#plugged;
  }

  #catchUp(): void {
    if (!this.#timed) return;
    this.#flush();
    this.#advance(this.#now());
    this.#strike(this.#striking);
  }

  /** Reset report: EEPROMs keep their supply, everything inside the bridge begins anew, the host sees unplug and plug. */
  #reenumerate(): void {
    this.#resetting = false;
    this.emit('reset');
    this.#leaveBus('fin', 'reset report');
    const ms = this.#setup.reenumerateMs ?? 0;
    if (ms === 0) {
      this.plug();
      return;
    }
    const timer = this.#clock.at(this.#clock.now() + ms * 1000, () => {
      this.#delays.delete(timer);
      this.plug();
    });
    this.#delays.add(timer);
  }

  #leaveBus(how: 'fin' | 'rst', reason: string): void {
    if (!this.#plugged) return;
    this.#plugged = false;
    this.#striking = undefined;
    this.#fifo = [];
    this.#chip.reset();
    for (const timer of this.#delays) timer.cancel();
    this.#delays.clear();
    this.stats.unplugs++;
    const port = this.#port;
    this.#release(reason);
    port?.gone(how);
    this.#noteLevels();
    this.emit('unplugged', reason);
  }

  #release(reason: string): void {
    const had = this.#port !== undefined;
    this.#port = undefined;
    this.#controls = [];
    this.#outs = [];
    this.#ins = [];
    this.#frameFree = { control: 0, out: 0, in: 0 };
    this.#timer?.cancel();
    this.#timer = undefined;
    if (had) this.emit('detached', reason);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#timed || !this.#plugged) return;
    const due = this.#nextDue();
    if (due !== undefined) {
      this.#timer = this.#clock.at(due, () => {
        this.#timer = undefined;
        this.#flush();
      });
    }
    this.#keepHouse();
  }

  /** So that the end of a transfer or of a write cycle is noticed, and told, although nobody asks. */
  #keepHouse(): void {
    this.#housekeeper?.cancel();
    this.#housekeeper = undefined;
    let due = Infinity;
    const transfer = this.#chip.active;
    if (transfer && !transfer.hard) due = Math.max(transfer.at, this.#advancedTo) + transfer.remaining;
    for (const eeprom of this.eeproms) due = Math.min(due, eeprom.busyUntil ?? Infinity);
    if (due === Infinity) return;
    this.#housekeeper = this.#clock.at(
      Math.max(due, this.#now() + FRAME_US),
      () => {
        this.#housekeeper = undefined;
        this.#catchUp();
        for (const eeprom of this.eeproms) eeprom.busy(this.#advancedTo);
        this.#arm();
      },
      true,
    );
  }

  /** Transfer toggles (GPIO 0 while writing, GPIO 1 while reading) at about 10 Hz, idle high: the pins low at the moment. */
  #toggle(): number {
    const transfer = this.#chip.active;
    if (!transfer || !this.#timed || Math.floor(this.#now() / 50_000) % 2 === 0) return 0;
    return transfer.request.kind === 'write' ? 0x01 : 0x02;
  }

  #noteLevels(): void {
    const levels = this.#gpio.levels();
    const changed = levels ^ this.#levels;
    this.#levels = levels;
    if (changed === 0) return;
    this.emit('gpio', levels);
    for (const [eeprom, wp] of this.#wpWiring) {
      if (typeof wp === 'number' && changed & (1 << wp)) {
        this.emit('wp', eeprom.address, (levels & (1 << wp)) !== 0);
      }
    }
  }
}

function isStall(spec: FaultSpec, on: 'control' | 'in' | 'out', report: number | undefined): boolean {
  if (spec.kind !== 'stall' || (spec.on ?? 'control') !== on) return false;
  return spec.report === undefined || spec.report === report;
}

function garbageReport(seed: number, id: number | undefined): Uint8Array {
  const next = random(seed);
  const report = Uint8Array.from({ length: REPORT_BYTES }, () => Math.floor(next() * 256));
  if (id !== undefined) report[0] = id;
  return report;
}
