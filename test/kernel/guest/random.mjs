/** A xorshift generator: the same seed gives the same run. Gives whole numbers in [low, high). */
export function generator(seed) {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return (low, high) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return low + (state % (high - low));
  };
}

export function bytes(seed, length) {
  const next = generator(seed);
  return Buffer.from(Uint8Array.from({ length }, () => next(0, 0x10000) >>> 8));
}
