/**
 * What is counted of an open bus, from its opening on, whoever uses it. A transfer is one that the driver of the bus was asked for:
 * START to STOP, a read with its word address in front. What the hardware below does by itself is not seen:
 *
 * - `cp2112://`, `usbip://`, `hidraw://`: a bridge tries an address that is not acknowledged once more by itself (while it polls
 *   for the end of a write cycle: for 25 ms), and says how the last try ended. Reads that have to be repeated because an answer of
 *   the bridge is lost, or may be another's, are `retries`, and their bytes count once. `resets` are the cancels (report 0x17)
 *   after which the bridge has to come back to idle. Through `hidraw://` the kernel's own transfers are not counted.
 * - `i2c://`: the kernel's driver may try again by itself (`retries` of the adapter) and resets what it drives, without a word:
 *   `resets` is 0. Questions about what a driver's error has meant are not counted, the transfers that are made again after them
 *   are `retries`. Drivers that call a missing acknowledge something else are counted by what it turned out to be.
 */
export interface BusStats {
  readonly transfers: number;
  /** Data bytes that were received. */
  readonly wireBytesRead: number;
  /** Bytes that were sent after the device address and taken: data, word addresses, ACK polling. */
  readonly wireBytesWritten: number;
  /** Transfers whose device address, or a byte after it, was not acknowledged: scans and ACK polling make many. */
  readonly naks: number;
  /** Transfers that lost arbitration to another master. */
  readonly arbitrationsLost: number;
  /** Transfers tried again: by parts (see NvmemDeviceStats.retries), or on the way to the hardware. */
  readonly retries: number;
  /** Cancels after which the bridge had to come back to idle: a transfer that went wrong takes one or more. */
  readonly resets: number;
  /** The longest time for which one transfer, with all that was done for it, has kept the bus from others, milliseconds. */
  readonly longestTransferMs: number;
}
