/** What goes over USB: one control request, one report out or one report in at a time, with the faults that strike there. */
import { EOVERFLOW, EPIPE } from './errno.js';
import type { Board } from './board.js';
import type { DeviceStats, ReportEvent } from './events.js';
import type { FaultSpec, UnplugFault } from './fault_kinds.js';
import type { FaultBox } from './faults.js';
import type { ResponseQueue } from './responses.js';
import type { Urb } from './urb.js';
import type { UrbQueues } from './urb_queues.js';
import { decodeSetup, type ControlEndpoint } from './usb_control.js';

const REPORT_BYTES = 64;
export const NOTHING = new Uint8Array();

/** What the transactions need of the device they belong to. */
export interface TransactionHost {
  complete(urb: Urb, status: number, data: Uint8Array): void;
  /** Gives the chip a report. */
  output(report: Uint8Array, at: number): void;
  /** Tells who listens. */
  report(event: ReportEvent): void;
  /** Carries out an unplug fault. True: the device is gone, there is nothing more to do. */
  strike(fault: UnplugFault | undefined): boolean;
  /** Leaves the bus and comes back where the last report asked for it. True: it did. */
  resetIfAsked(): boolean;
}

export class Transactions {
  readonly #host: TransactionHost;
  readonly #queues: UrbQueues;
  readonly #responses: ResponseQueue;
  readonly #endpoint: ControlEndpoint;
  readonly #board: Board;
  readonly #faults: FaultBox;
  readonly #stats: DeviceStats;
  /** The chip's IN buffer: what a shorter report leaves in it goes over the bus as well. */
  readonly #inBuffer = new Uint8Array(REPORT_BYTES);

  constructor(
    host: TransactionHost,
    parts: {
      readonly queues: UrbQueues;
      readonly responses: ResponseQueue;
      readonly endpoint: ControlEndpoint;
      readonly board: Board;
      readonly faults: FaultBox;
      readonly stats: DeviceStats;
    },
  ) {
    this.#host = host;
    this.#queues = parts.queues;
    this.#responses = parts.responses;
    this.#endpoint = parts.endpoint;
    this.#board = parts.board;
    this.#faults = parts.faults;
    this.#stats = parts.stats;
  }

  /** Endpoint 0. */
  control(urb: Urb, at: number): void {
    const setup = decodeSetup(urb.setup);
    const isReport =
      (setup.requestType & 0x60) === 0x20 && (setup.request === 0x01 || setup.request === 0x09);
    const report = isReport ? setup.value & 0xff : undefined;
    this.#stats.controls++;
    if (this.#strikeAt('control', 'before')) return;
    const stalled = this.#faults.take('stall', (spec) => isStall(spec, 'control', report)) !== undefined;
    const answer =
      stalled || (setup.requestType & 0x80) >> 7 !== Number(urb.isIn)
        ? undefined
        : this.#endpoint.handle(setup, urb.data);
    if (this.#host.strike(this.#board.striking)) return;
    if (answer && report !== undefined) {
      const isGet = setup.request === 0x01;
      this.#host.report({ direction: isGet ? 'get' : 'set', data: isGet ? answer.slice() : urb.data, at });
    }
    if (answer === undefined) this.#host.complete(urb, EPIPE, NOTHING);
    else if (urb.isIn)
      this.#host.complete(urb, answer.length > urb.length ? EOVERFLOW : 0, answer.subarray(0, urb.length));
    else this.#host.complete(urb, 0, urb.data);
    if (!this.#host.resetIfAsked()) this.#strikeAt('control', 'after');
  }

  /** A report of the host. */
  out(urb: Urb, at: number): void {
    if (this.#endpoint.halted.has(0x01) || this.#endpoint.configuration === 0) {
      this.#host.complete(urb, EPIPE, NOTHING);
      return;
    }
    if (this.#strikeAt('out', 'before') || this.#strikeAt('any', 'before')) return;
    if (this.#faults.take('stall', (spec) => isStall(spec, 'out', urb.data[0]))) {
      this.#host.complete(urb, EPIPE, NOTHING);
      return;
    }
    this.#stats.reportsOut++;
    this.#faults.reportPassed();
    this.#host.output(urb.data.subarray(0, REPORT_BYTES), at);
    this.#host.report({ direction: 'out', data: urb.data, at });
    if (this.#host.strike(this.#board.striking)) return;
    this.#host.complete(urb, 0, urb.data);
    if (this.#strikeAt('out', 'after')) return;
    this.#strikeAt('any', 'after');
  }

  /** A report of the chip, where the host waits for one and there is one. */
  in(at: number): void {
    const head = this.#queues.first('in');
    if (!head) return;
    const report = this.#responses.first;
    const halted = this.#endpoint.halted.has(0x81) || this.#endpoint.configuration === 0;
    const stalled = this.#faults.take('stall', (spec) => isStall(spec, 'in', report?.data[0]));
    if (halted || stalled) {
      this.#queues.shift('in');
      this.#host.complete(head.urb, EPIPE, NOTHING);
      return;
    }
    if (!report) return;
    const bytes = report.data[0] === 0x13 ? (report.data[2] ?? 0) : 0;
    if (bytes > 0 && this.#host.strike(this.#faults.unplugAt('host', 0))) return;
    if (this.#strikeAt('in', 'before') || this.#strikeAt('any', 'before')) return;
    this.#queues.shift('in');
    this.#responses.shift();
    this.#queues.usedIn(at);
    this.#stats.reportsIn++;
    this.#faults.reportPassed();
    this.#stats.hostBytes += bytes;
    this.#inBuffer.set(report.data);
    this.#host.report({ direction: 'in', data: report.data, at });
    const fits = head.urb.length >= REPORT_BYTES;
    this.#host.complete(
      head.urb,
      fits ? 0 : EOVERFLOW,
      this.#inBuffer.slice(0, Math.min(head.urb.length, REPORT_BYTES)),
    );
    if (bytes > 0 && this.#host.strike(this.#faults.unplugAt('host', bytes))) return;
    if (this.#strikeAt('in', 'after')) return;
    this.#strikeAt('any', 'after');
  }

  #strikeAt(on: 'in' | 'out' | 'any' | 'control', phase: 'before' | 'after'): boolean {
    return this.#host.strike(this.#faults.unplugAt(on, 1, phase));
  }
}

export function isStall(spec: FaultSpec, on: 'control' | 'in' | 'out', report: number | undefined): boolean {
  if (spec.kind !== 'stall' || (spec.on ?? 'control') !== on) return false;
  return spec.report === undefined || spec.report === report;
}
