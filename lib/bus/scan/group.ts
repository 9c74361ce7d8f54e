/**
 * Which neighbouring device addresses are one part. Nothing but contents tells: a read that runs over the end of a block goes on
 * in the next one where both are one part, and begins again where they are not; where all bytes are alike neither shows.
 */

/** What was read at one device address, with one address byte. */
export interface Seen {
  readonly address: number;
  /** Word address bits; undefined: what it holds does not tell. */
  readonly width: 8 | 16 | undefined;
  /** What its block begins with. */
  readonly start: Buffer;
  /** What one transfer gives after the last byte of the block, as many bytes. */
  readonly across: Buffer;
  /** The block holds the same so many bytes again and again, and not the same byte everywhere: a part of that size. */
  readonly period: 16 | 128 | undefined;
}

export interface Group {
  /** In order, the first included. */
  readonly addresses: readonly number[];
  /** Some read has shown that a part goes over the end of a block, so that they are not all parts of one block. */
  readonly isShown: boolean;
}

/** The longest run of addresses from `address` on that nothing says is more than one part of 24c04, 24c08 or 24c16. */
export function groupAt(address: number, seen: ReadonlyMap<number, Seen>): Group {
  for (const count of [8, 4, 2]) {
    if (address % count !== 0) continue;
    const blocks = Array.from({ length: count }, (_, i) => seen.get(address + i));
    if (!blocks.every((block) => block !== undefined)) continue;
    // The 24C00 has 16 bytes, and the same ones at all eight addresses.
    const isSmall = blocks.some(({ period }) => period === 128 || (period === 16 && count !== 8));
    if (isSmall || blocks.some(({ width }) => width === 16)) continue;
    const borders = blocks.slice(1).map((next, i) => border(blocks[i] ?? next, next));
    if (borders.includes('ends')) continue;
    // After the last block comes the first (data sheets of 24C04 to 24C16); not all parts keep to it.
    const [first, last] = [blocks[0], blocks.at(-1)];
    const round = first && last ? border(last, first) : 'unknown';
    return {
      addresses: blocks.map((block) => block.address),
      isShown: borders.includes('goes on') || round === 'goes on',
    };
  }
  return { addresses: [address], isShown: false };
}

/** What a read over the end of `block` says of the address after it. */
function border(block: Seen, next: Seen): 'goes on' | 'ends' | 'unknown' {
  if (!block.across.equals(next.start)) return 'ends';
  return next.start.equals(block.start) ? 'unknown' : 'goes on';
}
