/**
 * The kernel's alignment macros. Word sizes and strides are powers of two there; what another one comes to is the
 * kernel's answer as well (IS_ALIGNED(), ALIGN(), round_down() on masks).
 */

export function isAligned(value: number, unit: number): boolean {
  return unit <= 1 || lowBits(value, unit) === 0;
}

/** ALIGN(): up. */
export function alignUp(value: number, unit: number): number {
  const sum = value + unit - 1;
  return sum - lowBits(sum, unit);
}

/** round_down() */
export function roundDown(value: number, unit: number): number {
  return value - lowBits(value, unit);
}

/** `value & (unit - 1)` for numbers of more than 32 bits. */
function lowBits(value: number, unit: number): number {
  return ((value % 2 ** 32) & (unit - 1)) >>> 0;
}
