import { EventEmitter } from 'node:events';
import { EPIPE } from './errno.js';
import { Board } from './board.js';
import type { Clock, Timer } from './clock.js';
import { Comeback } from './comeback.js';
import type { Cp2112 } from './cp2112.js';
import type { Eeprom } from './eeprom.js';
import { newStats, type DeviceEvents, type DeviceStats } from './events.js';
import type { FaultSpec, UnplugFault } from './fault_kinds.js';
import { FaultBox } from './faults.js';
import { Housekeeper } from './housekeeper.js';
import { ResponseQueue } from './responses.js';
import type { DeviceSetup, SiliconVersion, TimeMode } from './setup.js';
import type { Attachment, Urb, UrbPort } from './urb.js';
import { isStall, NOTHING, Transactions } from './transactions.js';
import { FRAME_US, frameAfter, UrbQueues } from './urb_queues.js';
import { ControlEndpoint } from './usb_control.js';

/** One CP2112 with its EEPROMs: the USB side, its timing, its cable and its faults. */
export class VirtualDevice extends EventEmitter<DeviceEvents> {
  readonly busid: string;
  readonly serial: string;
  readonly version: SiliconVersion;
  readonly faults: FaultBox;
  /** Counters since the device was made. */
  readonly stats: DeviceStats = newStats();

  readonly #setup: DeviceSetup;
  readonly #clock: Clock;
  readonly #timed: boolean;
  readonly #board: Board;
  readonly #chip: Cp2112;
  readonly #control: ControlEndpoint;

  #plugged: boolean;
  #devnum: number;
  #port: UrbPort | undefined;
  readonly #queues = new UrbQueues();
  readonly #responses: ResponseQueue;
  readonly #transactions: Transactions;
  #advancedTo = 0;
  #timer: Timer | undefined;
  readonly #housekeeper: Housekeeper;
  readonly #comeback: Comeback;
  #resetting = false;
  /** The parts were without supply. */
  #powerLost = false;
  #disposed = false;

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
    if ((setup.product ?? '').length > 30) throw new RangeError('a product string has at most 30 characters');
    for (const id of [setup.vid ?? 1, setup.pid ?? 1]) {
      if (!Number.isInteger(id) || id < 0 || id > 0xffff) throw new RangeError(`${String(id)} is no USB id`);
    }
    this.#plugged = setup.plugged ?? true;
    this.#devnum = devnum;
    this.faults = new FaultBox({
      added: (spec) => {
        this.#faultAdded(spec);
      },
      fired: (spec) => {
        this.emit('fault', spec);
      },
      silent: (fault) => {
        // Longer than a plug cycle, if need be: it ends by time and by nothing else.
        const { ms } = fault.spec;
        if (ms === undefined) return;
        clock.at(clock.now() + ms * 1000, () => {
          fault.release();
        });
      },
      released: (spec) => {
        if (spec.kind === 'silent') this.#flush();
      },
    });
    this.#housekeeper = new Housekeeper(clock, () => {
      this.#catchUp();
      for (const eeprom of this.eeproms) eeprom.busy(this.#advancedTo);
      this.#arm();
    });
    this.#comeback = new Comeback(this.faults, clock, () => {
      this.#appear();
    });
    this.#responses = new ResponseQueue(
      this.faults,
      this.stats,
      clock,
      () => this.#now(),
      () => {
        this.#flush();
      },
    );
    this.#board = new Board(setup, this.version, this.serial, this.#timed, this.faults, this.stats, {
      send: (report, at) => {
        this.#responses.send(report, at);
      },
      dropReadResponses: () => {
        this.#responses.dropReadResponses();
      },
      reset: () => {
        this.#resetting = true;
      },
      gpio: (levels) => {
        this.emit('gpio', levels);
      },
      wp: (address, high) => {
        this.emit('wp', address, high);
      },
      eeprom: (event) => {
        this.emit('eeprom', event);
      },
    });
    this.#chip = this.#board.chip;
    this.#control = new ControlEndpoint({
      otp: this.#board.otp.fields,
      getFeature: (id) => this.#chip.getFeature(id, this.#board.toggle(this.#now())),
      setFeature: (report) => this.#chip.setFeature(report),
      output: (report) => {
        this.#output(report, this.#advancedTo);
      },
      configured: () => {
        this.#responses.flush();
      },
    });
    this.#transactions = new Transactions(
      {
        complete: (urb, status, data) => {
          this.#complete(urb, status, data);
        },
        output: (report, at) => {
          this.#output(report, at);
        },
        report: (event) => {
          this.emit('report', event);
        },
        strike: (fault) => this.#strike(fault),
        resetIfAsked: () => {
          const isAsked = this.#resetting;
          if (isAsked) this.#reenumerate();
          return isAsked;
        },
      },
      {
        queues: this.#queues,
        responses: this.#responses,
        endpoint: this.#control,
        board: this.#board,
        faults: this.faults,
        stats: this.stats,
      },
    );
  }

  get eeproms(): readonly Eeprom[] {
    return this.#board.eeproms;
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
    return this.#board.otp.fields.vendorId;
  }

  get productId(): number {
    return this.#board.otp.fields.productId;
  }

  get bcdDevice(): number {
    return (this.#board.otp.fields.releaseMajor << 8) | this.#board.otp.fields.releaseMinor;
  }

  get configurationValue(): number {
    return this.#control.configuration;
  }

  /** Levels of the eight GPIO pins, bit n = GPIO n. */
  get gpioLevels(): number {
    return this.#board.levels(this.#now());
  }

  /** Ties a GPIO pin to a level from outside the chip, or lets it float (null). */
  driveGpio(pin: number, level: 0 | 1 | null): void {
    this.#catchUp();
    this.#board.drive(pin, level);
  }

  /**
   * The EEPROM that answers on a 7-bit address.
   * @throws RangeError when none does
   */
  eeprom(address: number): Eeprom {
    const found = this.#board.find(address);
    if (!found) throw new RangeError(`there is no EEPROM at 0x${address.toString(16)} on ${this.busid}`);
    return found;
  }

  /** Puts the cable in. Power-on state; the next device number. A `slow-return` fault makes it show later. */
  plug(): void {
    if (!this.#plugged && !this.#disposed) this.#comeback.begin();
  }

  #appear(): void {
    if (this.#powerLost) this.#board.swapParts();
    this.#powerLost = false;
    this.#plugged = true;
    this.#devnum = (this.#devnum % 126) + 1;
    this.#advancedTo = Math.max(this.#advancedTo, this.#clock.now());
    this.#control.reset();
    this.#board.noteLevels();
    this.emit('plugged');
  }

  /** Pulls the cable: the connection ends, EEPROMs lose their supply. `rst` ends the TCP connection with a reset. */
  unplug(how: 'fin' | 'rst' = 'fin', reason = 'unplugged'): void {
    this.#comeback.cancel();
    // Out while it is away, as after a sag, takes the parts their supply too.
    if (this.#plugged) this.#catchUp();
    else this.#responses.clear();
    for (const eeprom of this.eeproms) eeprom.powerOff(this.#advancedTo);
    this.#powerLost = true;
    this.#leaveBus(how, reason);
  }

  /**
   * The supply dips below what the bridge needs and not below what the parts need: it is gone as with `unplug()` and begins anew
   * with the next `plug()`, and EEPROMs go on with what they were doing.
   */
  sag(how: 'fin' | 'rst' = 'fin', reason = 'sag'): void {
    this.#comeback.cancel();
    if (!this.#plugged) return;
    this.#catchUp();
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
    this.#disposed = true;
    this.#comeback.cancel();
    this.#housekeeper.cancel();
    this.#responses.clear();
  }

  #faultAdded(spec: FaultSpec): void {
    if (spec.kind === 'unplug' && spec.on === 'now') this.#strike(this.faults.unplugAt('now', 0));
    else if (spec.kind === 'unsolicited' && spec.when !== 'next') this.#responses.inject('now');
    else if (spec.kind === 'flip' && spec.on === 'now') this.#flipNow();
    this.#flush();
  }

  #flipNow(): void {
    const flip = this.faults.take('flip', ({ on }) => on === 'now');
    if (flip) this.#board.flipNow(flip);
  }

  #submit(urb: Urb): void {
    this.stats.urbs++;
    const now = this.#now();
    if (urb.endpoint > 1) {
      this.#complete(urb, EPIPE, NOTHING);
      return;
    }
    this.#queues.add(urb.endpoint === 0 ? 'control' : urb.isIn ? 'in' : 'out', urb, now);
    this.#flush();
  }

  #unlink(id: number): boolean {
    if (!this.#queues.unlink(id)) return false;
    this.stats.unlinked++;
    this.#arm();
    return true;
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
      this.emit('progress');
    }
    this.#arm();
  }

  /** The next instant at which something is seen from outside. */
  #nextDue(): number | undefined {
    let due = Infinity;
    const consider = (at: number | undefined): void => {
      if (at !== undefined && at < due) due = at;
    };
    const { silence } = this.faults;
    if (silence !== 'all') {
      consider(this.#queues.first('control')?.at);
      consider(this.#queues.first('out')?.at);
    }
    consider(this.#inDue());
    if (this.#timed && this.#chip.active && this.#watchesWire()) consider(frameAfter(this.#advancedTo));
    if (due === Infinity) return undefined;
    return this.#timed ? due : 0;
  }

  #inDue(): number | undefined {
    if (this.faults.silence !== undefined) return undefined;
    const urb = this.#queues.first('in');
    const halted = this.#control.halted.has(0x81) || this.#control.configuration === 0;
    if (urb && (halted || this.faults.armed('stall', (spec) => isStall(spec, 'in', undefined)))) {
      return frameAfter(urb.at);
    }
    const report = this.#responses.first;
    if (!urb || !report) return undefined;
    return Math.max(frameAfter(urb.at), frameAfter(report.readyAt), this.#queues.inFree);
  }

  /** Whether the running transfer may do something on its own that the host sees. */
  #watchesWire(): boolean {
    return (
      this.#chip.config.autoSend ||
      this.listenerCount('progress') > 0 ||
      this.faults.armed('unplug', (spec) => spec.kind === 'unplug' && spec.on === 'wire')
    );
  }

  #step(due: number): void {
    this.#advance(due);
    if (this.#strike(this.#board.striking)) return;
    const isDue = (at: number | undefined): boolean => at !== undefined && (!this.#timed || at <= due);
    const mute = this.faults.silence === 'all';
    const control = mute ? undefined : this.#queues.first('control');
    const out = mute ? undefined : this.#queues.first('out');
    if (control && isDue(control.at)) {
      this.#queues.shift('control');
      this.#transactions.control(control.urb, due);
    } else if (out && isDue(out.at)) {
      this.#queues.shift('out');
      this.#transactions.out(out.urb, due);
    } else if (isDue(this.#inDue())) {
      this.#transactions.in(due);
    }
  }

  #advance(to: number): void {
    this.#advancedTo = Math.max(this.#advancedTo, to);
    this.#chip.advance(this.#wireTime(to));
  }

  #output(report: Uint8Array, at: number): void {
    this.#chip.output(report, at, this.#wireTime(at));
  }

  #complete(urb: Urb, status: number, data: Uint8Array): void {
    if (status === EPIPE) this.stats.stalls++;
    this.#port?.complete(urb, status, data);
  }

  /** Carries out an unplug fault. True: the device is gone, whoever asks has nothing more to do. */
  #strike(fault: UnplugFault | undefined): boolean {
    this.#board.striking = undefined;
    if (!fault) return !this.#plugged;
    this.unplug(fault.how ?? 'fin', `fault: unplug on ${fault.on}`);
    // Whoever listens may have plugged it in again: for what was under way it is gone all the same.
    return true;
  }

  #catchUp(): void {
    if (!this.#timed) return;
    this.#flush();
    this.#advance(this.#now());
    this.#strike(this.#board.striking);
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
    this.#responses.later(ms, () => {
      this.plug();
    });
  }

  #leaveBus(how: 'fin' | 'rst', reason: string): void {
    if (!this.#plugged) return;
    this.#plugged = false;
    this.#board.striking = undefined;
    this.#responses.clear();
    this.#chip.reset();
    this.stats.unplugs++;
    const port = this.#port;
    this.#release(reason);
    port?.gone(how);
    this.#board.noteLevels();
    this.emit('unplugged', reason);
  }

  #release(reason: string): void {
    const had = this.#port !== undefined;
    this.#port = undefined;
    this.#queues.clear();
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
    let due = Infinity;
    const transfer = this.#chip.active;
    if (transfer && !transfer.hard) due = Math.max(transfer.at, this.#advancedTo) + transfer.remaining;
    due = Math.min(due, this.#board.busyUntil);
    this.#housekeeper.arm(due === Infinity ? due : Math.max(due, this.#now() + FRAME_US));
  }
}
