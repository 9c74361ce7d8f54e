import { featureLength } from './descriptors.js';
import type { Gpio } from './gpio.js';
import type { Otp, OtpString } from './otp.js';
import {
  applySmbusConfig,
  DEFAULT_SMBUS_CONFIG,
  encodeSmbusConfig,
  type SmbusConfig,
} from './smbus_config.js';
import type { SiliconVersion } from './setup.js';
import { Reason, Transfer, type Outcome, type TransferRequest, type Wire } from './transfer.js';

/** What the chip needs of the device around it. Instants are µs. */
export interface ChipPorts extends Omit<Wire, 'received'> {
  /** Queues an interrupt IN report (ID first, the meaningful bytes only) that was ready at that instant. */
  send(report: Uint8Array, at: number): void;
  /** Throws away 0x13 reports that are queued and not yet collected (Cancel). */
  dropReadResponses(): void;
  /** A force send found nothing; true: answer it with an empty 0x13 all the same. */
  answerEmpty(): boolean;
  /** The next force send is to be answered without data. */
  emptyFault(): boolean;
  /** A read's answer is to have the bytes of the read before it. */
  staleData(): boolean;
  /** Of pins (bit n = GPIO n) that a report makes rise or fall, those that do not follow it. */
  heldPins(rising: number, falling: number): number;
  gpioChanged(): void;
  /** Reset report: the device leaves the bus and comes back. */
  reset(): void;
}

/** Status 0 of reports 0x13 and 0x16. */
const Status = { idle: 0, busy: 1, complete: 2, error: 3 } as const;

const OTP_STRINGS: Readonly<Record<number, OtpString>> = {
  0x22: 'manufacturer',
  0x23: 'product',
  0x24: 'serial',
};

/** Data bytes of one 0x13. */
const RESPONSE_DATA = 61;

/** The bridge's engine: feature reports, transfer reports, the SMBus side (AN495). It knows reports, not USB. */
export class Cp2112 {
  config: SmbusConfig = DEFAULT_SMBUS_CONFIG;
  readonly gpio: Gpio;
  readonly otp: Otp;
  readonly version: SiliconVersion;

  readonly #ports: ChipPorts;
  /** The running transfer, or the last one, whose data wait to be collected. */
  #transfer: Transfer | undefined;
  #collected = 0;
  /** What the last read has brought. */
  #lastRead: Uint8Array = new Uint8Array();
  /** What the host has not been told yet: the codes 2 and 3 are told once, by 0x16 and by 0x13 each. */
  #statusCode: number = Status.idle;
  #readCode: number = Status.idle;
  /** Fields 2 to 6 of the last status; an idle chip repeats them, they mean nothing then. */
  #lastStatus: readonly [reason: number, retries: number, received: number] = [0, 0, 0];

  constructor(version: SiliconVersion, otp: Otp, gpio: Gpio, ports: ChipPorts) {
    this.version = version;
    this.otp = otp;
    this.gpio = gpio;
    this.#ports = ports;
  }

  /** Power-on state. What a target had half received is forgotten with the wire. */
  reset(): void {
    this.config = DEFAULT_SMBUS_CONFIG;
    this.gpio.reset();
    this.#transfer?.abandon();
    this.#transfer = undefined;
    this.#lastRead = new Uint8Array();
    this.#collected = 0;
    this.#statusCode = Status.idle;
    this.#readCode = Status.idle;
    this.#lastStatus = [0, 0, 0];
  }

  /** The running transfer, if one runs. */
  get active(): Transfer | undefined {
    return this.#transfer && !this.#transfer.over ? this.#transfer : undefined;
  }

  /** Lets the wire run up to that instant. */
  advance(until: number): void {
    const transfer = this.active;
    if (!transfer) return;
    transfer.advance(until);
    this.#settle(transfer);
  }

  /** Interrupt OUT report, ID first; short or padded. Anything out of range is ignored without a word. */
  output(report: Uint8Array, at: number, wireTime: number): void {
    this.advance(wireTime);
    const word = (offset: number): number => ((report[offset] ?? 0) << 8) | (report[offset + 1] ?? 0);
    const lengthInRange = (length: number): boolean => length >= 1 && length <= 512;
    switch (report[0] ?? 0) {
      case 0x10: {
        const length = word(2);
        if (report.length < 4 || !lengthInRange(length)) return;
        this.#begin('read', report[1], new Uint8Array(), length, at, wireTime);
        return;
      }
      case 0x11: {
        const length = word(2);
        const count = report[4] ?? 0;
        if (!lengthInRange(length) || count < 1 || count > 16 || report.length < 5 + count) return;
        this.#begin('read', report[1], report.slice(5, 5 + count), length, at, wireTime);
        return;
      }
      case 0x12: {
        const length = word(1);
        if (report.length >= 3 && lengthInRange(length) && !this.config.autoSend) this.#forceSend(length, at);
        return;
      }
      case 0x14: {
        const count = report[2] ?? 0;
        if (count < 1 || count > RESPONSE_DATA || report.length < 3 + count) return;
        this.#begin('write', report[1], report.slice(3, 3 + count), 0, at, wireTime);
        return;
      }
      case 0x15:
        if (report[1] === 1) this.#sendStatus(at);
        return;
      case 0x17:
        if (report[1] === 1) this.#cancel(wireTime);
        return;
      default:
    }
  }

  /** GET_REPORT of a feature report, ID first, or undefined (STALL). */
  getFeature(id: number, toggle: number): Uint8Array | undefined {
    const body = this.#feature(id, toggle);
    return body && Uint8Array.of(id, ...body);
  }

  /** SET_REPORT of a feature report, ID first. False: there is no such report to set (STALL). */
  setFeature(report: Uint8Array): boolean {
    const id = report[0] ?? 0;
    const length = featureLength(id);
    if (length === undefined || id === 0x03 || id === 0x05) return false;
    const body = report.subarray(1);
    if (body.length < length && id < 0x22) return true;
    switch (id) {
      case 0x01:
        if (body[0] === 0x01) this.#ports.reset();
        break;
      case 0x02:
        this.#changePins(() => {
          this.gpio.configure(body);
        });
        break;
      case 0x04:
        this.#changePins(() => {
          this.gpio.set(body[0] ?? 0, body[1] ?? 0);
        });
        break;
      case 0x06:
        this.config = applySmbusConfig(this.config, body);
        break;
      case 0x20:
        this.otp.setLock(body[0] ?? 0xff);
        break;
      case 0x21:
        this.otp.usbConfig = body;
        break;
      default: {
        const which = OTP_STRINGS[id];
        if (which) this.otp.setString(which, body);
      }
    }
    return true;
  }

  #feature(id: number, toggle: number): Uint8Array | undefined {
    switch (id) {
      case 0x02:
        return this.gpio.configuration;
      case 0x03:
        return Uint8Array.of(this.gpio.levels(toggle));
      case 0x05:
        return Uint8Array.of(0x0c, this.version);
      case 0x06:
        return encodeSmbusConfig(this.config);
      case 0x20:
        return Uint8Array.of(this.otp.lock);
      case 0x21:
        return this.otp.usbConfig;
      default: {
        const which = OTP_STRINGS[id];
        return which && this.otp.string(which);
      }
    }
  }

  #changePins(change: () => void): void {
    const before = this.gpio.state;
    const levels = this.gpio.levels();
    change();
    const now = this.gpio.levels();
    const held = this.#ports.heldPins(now & ~levels, levels & ~now);
    if (held !== 0) this.gpio.hold(held, before);
    this.#ports.gpioChanged();
  }

  #begin(
    kind: 'read' | 'write',
    addressByte: number | undefined,
    out: Uint8Array,
    length: number,
    at: number,
    wireTime: number,
  ): void {
    if (addressByte === undefined || addressByte & 1 || addressByte < 0x02 || addressByte > 0xf7) return;
    // One transfer at a time: a request that comes while one runs is lost.
    if (this.active) return;
    const request: TransferRequest = {
      kind,
      address: addressByte >> 1,
      out,
      length,
      repeatedStart: this.version > 1,
    };
    const ports = this.#ports;
    const wire: Wire = {
      target: (address) => ports.target(address),
      startTrouble: () => ports.startTrouble(),
      nakAddress: (address) => ports.nakAddress(address),
      nakData: (address, index) => ports.nakData(address, index),
      contentByte: (moment) => ports.contentByte(moment),
      received: (instant) => {
        if (this.config.autoSend) this.#autoSend(transfer, instant, false);
      },
    };
    const stale =
      kind === 'read' && this.#lastRead.length > 0 && ports.staleData() ? this.#lastRead : undefined;
    const transfer = new Transfer(request, this.config, wire, at, stale);
    this.#transfer = transfer;
    this.#collected = 0;
    this.#statusCode = Status.idle;
    this.#readCode = Status.idle;
    this.#lastStatus = [0, 0, 0];
    transfer.advance(wireTime);
    this.#settle(transfer);
  }

  /** Notes the end of a transfer, once. */
  #settle(transfer: Transfer): void {
    if (!transfer.over || transfer !== this.#transfer) return;
    if (transfer.cancelled || !transfer.outcome) {
      this.#transfer = undefined;
      return;
    }
    const outcome: Outcome = transfer.outcome;
    const code = outcome.error ? Status.error : Status.complete;
    this.#statusCode = code;
    if (transfer.count > 0) this.#lastRead = transfer.data.slice(0, transfer.count);
    this.#readCode = transfer.request.kind === 'read' ? code : Status.idle;
    this.#lastStatus = [outcome.reason, transfer.retries, transfer.count];
    if (this.config.autoSend && transfer.request.kind === 'read') this.#autoSend(transfer, transfer.at, true);
  }

  #sendStatus(at: number): void {
    const transfer = this.active;
    const status = transfer ? Status.busy : this.#statusCode;
    if (transfer) this.#lastStatus = [transfer.activity, transfer.retries, transfer.count];
    const [reason, retries, received] = this.#lastStatus;
    if (!transfer) this.#statusCode = Status.idle;
    // Code 2 or 3 is said once: whoever loses this report has lost the result.
    this.#ports.send(
      Uint8Array.of(0x16, status, reason, retries >> 8, retries & 0xff, received >> 8, received & 0xff),
      at,
    );
  }

  #forceSend(length: number, at: number): void {
    if (this.#ports.emptyFault()) {
      this.#ports.send(Uint8Array.of(0x13, this.active ? Status.busy : this.#readCode, 0), at);
      return;
    }
    const valid = (this.#transfer?.count ?? 0) - this.#collected;
    let wanted = Math.min(length, valid);
    if (wanted === 0 && this.#ports.answerEmpty()) this.#respond(new Uint8Array(), at);
    while (wanted > 0) {
      const chunk = Math.min(wanted, RESPONSE_DATA);
      wanted -= chunk;
      this.#respond(this.#take(chunk), at);
    }
  }

  #autoSend(transfer: Transfer, at: number, ended: boolean): void {
    // Erratum CP2112_E101, before version 3: in the gap before the repeated START the buffer still holds the target
    // address, and the chip takes it for the first bytes of the answer.
    const { out } = transfer.request;
    if (this.version < 3 && out.length > 0 && this.#collected === 0 && transfer.count > 0) {
      const early = out.subarray(0, transfer.request.length);
      if (transfer.count < early.length && !ended) return;
      this.#take(early.length);
      this.#respond(early, at);
    }
    while (transfer.count - this.#collected >= RESPONSE_DATA) this.#respond(this.#take(RESPONSE_DATA), at);
    if (ended && transfer.count > this.#collected) {
      this.#respond(this.#take(transfer.count - this.#collected), at);
    }
  }

  #take(length: number): Uint8Array {
    const data = this.#transfer?.data.slice(this.#collected, this.#collected + length) ?? new Uint8Array();
    this.#collected += length;
    return data;
  }

  #respond(data: Uint8Array, at: number): void {
    const transfer = this.active;
    const status = transfer ? Status.busy : this.#readCode;
    this.#ports.send(Uint8Array.of(0x13, status, data.length, ...data), at);
    // Complete and error are said until the buffer is empty, then the chip is idle for force sends too.
    if (!transfer && this.#collected >= (this.#transfer?.count ?? 0)) this.#readCode = Status.idle;
  }

  #cancel(wireTime: number): void {
    const transfer = this.#transfer;
    if (transfer?.hard && !transfer.over) return;
    transfer?.cancel(wireTime);
    this.#ports.dropReadResponses();
    if (transfer && !transfer.over) {
      // The byte on the wire and the STOP still take their time; the host is told idle after that.
      this.#collected = transfer.request.length;
      return;
    }
    this.#transfer = undefined;
    this.#collected = 0;
    this.#statusCode = Status.idle;
    this.#readCode = Status.idle;
  }
}

export { Reason };
