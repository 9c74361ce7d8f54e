/** Which addresses are one part, from what parts of all sizes and fillings would give to read. */
import fc from 'fast-check';

import { groupAt, type Seen } from '../../../lib/bus/scan/group.js';

const SAMPLE = 32;
const BLOCK = 256;

interface Model {
  readonly address: number;
  readonly memory: Buffer;
  readonly width?: 16;
}

/** One byte of a part, counted on from `offset` over its end as its data sheet says. */
const run = ({ memory }: Model, offset: number, length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => memory[(offset + i) % memory.length] ?? 0));

function look(models: readonly Model[]): Map<number, Seen> {
  const seen = new Map<number, Seen>();
  for (const model of models) {
    const { address, memory, width } = model;
    for (let block = 0; block < Math.max(1, width === 16 ? 1 : memory.length / BLOCK); block++) {
      const all = run(model, block * BLOCK, BLOCK);
      const isUniform = all.every((byte) => byte === all[0]);
      const repeats = (period: number): boolean => all.every((byte, i) => byte === all[i % period]);
      seen.set(address + block, {
        address: address + block,
        width: isUniform ? undefined : (width ?? 8),
        start: all.subarray(0, SAMPLE),
        across: run(model, (block + 1) * BLOCK, SAMPLE),
        period: isUniform ? undefined : repeats(16) ? 16 : repeats(128) ? 128 : undefined,
      });
    }
  }
  return seen;
}

function bytes(size: number, filled: number, salt = 1): Buffer {
  let state = salt;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) & 0xff;
  };
  return Buffer.from(Array.from({ length: size }, (_, i) => (i < filled ? next() : 0xff)));
}

test.each([2, 4, 8])('a part of %i blocks is one part, however much of it is filled', (count) => {
  for (const filled of [0, 1, 100, 256, 257, 300, 256 * (count / 2), 256 * count - 40, 256 * count]) {
    const group = groupAt(0x50, look([{ address: 0x50, memory: bytes(256 * count, filled) }]));
    expect(group.addresses).toHaveLength(count);
    expect({ filled, shown: group.isShown }).toEqual({ filled, shown: filled > 0 });
  }
});

test('parts of one block that differ are parts of their own', () => {
  const parts = Array.from({ length: 8 }, (_, i) => ({ address: 0x50 + i, memory: bytes(256, 200, i + 1) }));
  for (const { address } of parts) expect(groupAt(address, look(parts)).addresses).toEqual([address]);
});

test('parts of one block that hold the same are not told apart, and that is said', () => {
  const parts = Array.from({ length: 4 }, (_, i) => ({ address: 0x50 + i, memory: bytes(256, 256) }));
  expect(groupAt(0x50, look(parts))).toEqual({ addresses: [0x50, 0x51, 0x52, 0x53], isShown: false });
});

test.each([
  ['another width', { address: 0x51, memory: bytes(4096, 4096), width: 16 as const }],
  ['128 bytes that repeat', { address: 0x51, memory: bytes(128, 128) }],
])('%s is no block of the part before it', (_what, other) => {
  const seen = look([{ address: 0x50, memory: bytes(256, 256, 3) }, other]);
  expect(groupAt(0x50, seen).addresses).toEqual([0x50]);
});

test('the 24C00 gives its 16 bytes at all eight addresses', () => {
  const parts = Array.from({ length: 8 }, (_, i) => ({ address: 0x50 + i, memory: bytes(16, 16) }));
  expect(groupAt(0x50, look(parts)).addresses).toHaveLength(8);
});

test('property: parts beside each other are cut where they end, whatever they hold, but for what looks alike', () => {
  const counts = fc.constantFrom([8], [4, 4], [4, 2, 2], [2, 2, 4], [4, 2, 1, 1], [2, 1, 1, 4], [1, 1, 2, 4]);
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 1000 }), (blocks, salt) => {
      let address = 0x50;
      const parts = blocks.map((count, i) => {
        const part = { address, memory: bytes(256 * count, 256 * count, salt + 31 * i) };
        address += count;
        return part;
      });
      const seen = look(parts);
      for (const { address: first, memory } of parts) {
        expect(groupAt(first, seen).addresses).toHaveLength(memory.length / BLOCK);
      }
    }),
  );
});
