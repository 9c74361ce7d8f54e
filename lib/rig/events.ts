import type { EepromEvent } from './eeprom.js';
import type { FaultSpec } from './fault_kinds.js';

/** A report or control request that took effect (host to device) or was delivered (device to host). */
export interface ReportEvent {
  readonly direction: 'in' | 'out' | 'get' | 'set';
  /** Report ID first. */
  readonly data: Uint8Array;
  /** Microseconds on the bench's clock. */
  readonly at: number;
}

/** What a virtual device tells. */
export interface DeviceEvents {
  attached: [remote: string];
  detached: [reason: string];
  plugged: [];
  unplugged: [reason: string];
  /** A Reset report (0x01); `unplugged` and `plugged` follow. */
  reset: [];
  report: [event: ReportEvent];
  /** A GPIO pin changed: levels of all pins, bit n = GPIO n. */
  gpio: [levels: number];
  /** The WP line of the EEPROM at that address changed. */
  wp: [address: number, high: boolean];
  eeprom: [event: EepromEvent];
  /** Something has gone over USB or the wire, and `stats` has counted it. While it is listened to, the wire is looked at in every frame. */
  progress: [];
  /** A fault acted. */
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

export function newStats(): DeviceStats {
  return {
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
}
