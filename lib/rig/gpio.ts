/**
 * The CP2112's eight GPIO pins (AN495 "GPIO configuration", "Get/Set GPIO values"; CP2112 data sheet).
 * Inputs and open-drain pins at 1 are pulled up inside the chip: a floating pin reads 1.
 */
export interface GpioState {
  readonly direction: number;
  readonly pushPull: number;
  readonly special: number;
  readonly latch: number;
}

export class Gpio {
  direction = 0;
  pushPull = 0;
  special = 0;
  clockDivider = 0;
  /** What outputs drive; 1 after reset, as on the 8051 ports this chip is made of. */
  latch = 0xff;
  /** Pins something outside the chip pulls to a level (bit set in `mask`). */
  #external = { mask: 0, levels: 0 };

  /** Back to power-on: everything an input, configuration lost. What is wired outside stays. */
  reset(): void {
    this.direction = 0;
    this.pushPull = 0;
    this.special = 0;
    this.clockDivider = 0;
    this.latch = 0xff;
  }

  /** What the host has set, to go back to. */
  get state(): GpioState {
    const { direction, pushPull, special, latch } = this;
    return { direction, pushPull, special, latch };
  }

  /** These pins do not follow: what was set for them before stays. */
  hold(pins: number, before: GpioState): void {
    const mix = (now: number, then: number): number => (now & ~pins) | (then & pins);
    this.direction = mix(this.direction, before.direction);
    this.pushPull = mix(this.pushPull, before.pushPull);
    this.latch = mix(this.latch, before.latch);
    this.special = before.special;
  }

  /** Feature report 0x02, without the ID. */
  configure(report: Uint8Array): void {
    const [direction = 0, pushPull = 0, special = 0, divider = 0] = report;
    this.direction = direction;
    this.pushPull = pushPull;
    this.special = special & 0x07;
    this.clockDivider = divider;
  }

  get configuration(): Uint8Array {
    return Uint8Array.of(this.direction, this.pushPull, this.special, this.clockDivider);
  }

  /** Feature report 0x04: acts on pins that are in the mask and outputs without a special function. */
  set(values: number, mask: number): void {
    const acting = mask & this.direction & ~this.specialPins & 0xff;
    this.latch = (this.latch & ~acting) | (values & acting);
  }

  /** Pins taken by the clock output (7) and the transfer toggles (0: TX, 1: RX). Special bit 0 is pin 7. */
  get specialPins(): number {
    return (
      (this.special & 0x01 ? 0x80 : 0) | (this.special & 0x02 ? 0x01 : 0) | (this.special & 0x04 ? 0x02 : 0)
    );
  }

  /** Ties a pin to a level from outside, or lets it float again (null). */
  drive(pin: number, level: 0 | 1 | null): void {
    if (!Number.isInteger(pin) || pin < 0 || pin > 7) throw new RangeError('a CP2112 has GPIO 0 to 7');
    const bit = 1 << pin;
    this.#external.mask = level === null ? this.#external.mask & ~bit : this.#external.mask | bit;
    this.#external.levels = level === 1 ? this.#external.levels | bit : this.#external.levels & ~bit;
  }

  /** Levels of all pins, bit n = GPIO n. `toggle` has the bits of transfer toggles that are low at this moment. */
  levels(toggle = 0): number {
    const special = this.specialPins;
    const outputs = this.direction & ~special;
    const floating = 0xff & ~this.#external.mask;
    const outside = floating | this.#external.levels;
    const pushPull = outputs & this.pushPull;
    // An open-drain 1 lets go of the pin; an open-drain 0 wins against whatever is outside.
    const openDrain = outputs & ~this.pushPull;
    const inputs = 0xff & ~outputs & ~special;
    return (
      (pushPull & this.latch) |
      (openDrain & this.latch & outside) |
      (inputs & outside) |
      (special & ~toggle & 0xff)
    );
  }
}
