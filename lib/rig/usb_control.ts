import { findDescriptor } from './descriptors.js';
import type { OtpFields } from './otp.js';

/** A setup packet (USB 2.0 §9.3), decoded. */
export interface Setup {
  readonly requestType: number;
  readonly request: number;
  readonly value: number;
  readonly index: number;
  readonly length: number;
}

export function decodeSetup(bytes: Uint8Array): Setup {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return {
    requestType: view.getUint8(0),
    request: view.getUint8(1),
    value: view.getUint16(2, true),
    index: view.getUint16(4, true),
    length: view.getUint16(6, true),
  };
}

/** HID report types, high byte of wValue (HID 1.11 §7.2.1). */
const ReportType = { input: 1, output: 2, feature: 3 } as const;

/** The functions behind endpoint 0. */
export interface ControlTarget {
  readonly otp: OtpFields;
  getFeature(id: number): Uint8Array | undefined;
  setFeature(report: Uint8Array): boolean;
  /** An output report that came by the control pipe. */
  output(report: Uint8Array): void;
  /** SET_CONFIGURATION: endpoints start anew. */
  configured(): void;
}

const INTERRUPT_ENDPOINTS: readonly number[] = [0x81, 0x01];
const NOTHING = new Uint8Array();

/** Endpoint 0: standard requests of USB 2.0 chapter 9 and the HID class requests. */
export class ControlEndpoint {
  /** The exporting host has configured the device already. */
  configuration = 1;
  readonly halted = new Set<number>();
  #idleRate = 0;

  readonly #target: ControlTarget;

  constructor(target: ControlTarget) {
    this.#target = target;
  }

  reset(): void {
    this.configuration = 1;
    this.halted.clear();
    this.#idleRate = 0;
  }

  /**
   * Carries out one control transfer.
   * @param data the OUT stage
   * @returns the IN stage (empty for OUT requests), or undefined for a STALL
   */
  handle(setup: Setup, data: Uint8Array): Uint8Array | undefined {
    const answer = this.#dispatch(setup, data.subarray(0, setup.length));
    return answer?.subarray(0, setup.length);
  }

  #dispatch(setup: Setup, data: Uint8Array): Uint8Array | undefined {
    const { requestType, request, value, index } = setup;
    switch ((requestType << 8) | request) {
      case 0x8000: // GET_STATUS, device: bus powered, no remote wake-up
      case 0x8100: // GET_STATUS, interface
        return (requestType & 0x1f) === 1 && index !== 0 ? undefined : Uint8Array.of(0, 0);
      case 0x8200:
        return this.#isEndpoint(index) ? Uint8Array.of(this.halted.has(index) ? 1 : 0, 0) : undefined;
      case 0x0201: // CLEAR_FEATURE(ENDPOINT_HALT)
        return this.#halt(value, index, false);
      case 0x0203: // SET_FEATURE(ENDPOINT_HALT)
        return this.#halt(value, index, true);
      case 0x8006:
      case 0x8106:
        return findDescriptor(this.#target.otp, value >> 8, value & 0xff);
      case 0x8008:
        return Uint8Array.of(this.configuration);
      case 0x0009:
        return this.#configure(value);
      case 0x810a: // GET_INTERFACE
        return index === 0 ? Uint8Array.of(0) : undefined;
      case 0x010b: // SET_INTERFACE
        return index === 0 && value === 0 ? NOTHING : undefined;
      case 0xa101: // GET_REPORT
        return value >> 8 === ReportType.feature ? this.#target.getFeature(value & 0xff) : undefined;
      case 0x2109: // SET_REPORT
        return this.#setReport(value, data);
      case 0xa102: // GET_IDLE
        return Uint8Array.of(this.#idleRate);
      case 0x210a: // SET_IDLE
        this.#idleRate = value >> 8;
        return NOTHING;
      default:
        return undefined;
    }
  }

  #isEndpoint(index: number): boolean {
    return index === 0 || index === 0x80 || INTERRUPT_ENDPOINTS.includes(index);
  }

  #halt(feature: number, endpoint: number, on: boolean): Uint8Array | undefined {
    if (feature !== 0 || !this.#isEndpoint(endpoint)) return undefined;
    if (on && INTERRUPT_ENDPOINTS.includes(endpoint)) this.halted.add(endpoint);
    else this.halted.delete(endpoint);
    return NOTHING;
  }

  #configure(value: number): Uint8Array | undefined {
    if (value > 1) return undefined;
    this.configuration = value;
    this.halted.clear();
    this.#target.configured();
    return NOTHING;
  }

  #setReport(value: number, data: Uint8Array): Uint8Array | undefined {
    if (data.length === 0) return undefined;
    if (value >> 8 === ReportType.output) {
      this.#target.output(data);
      return NOTHING;
    }
    if (value >> 8 !== ReportType.feature) return undefined;
    // The ID stands in wValue and in byte 0; what disagrees is ignored like any other wrong value.
    if ((value & 0xff) !== data[0]) return NOTHING;
    return this.#target.setFeature(data) ? NOTHING : undefined;
  }
}
