import fc from 'fast-check';

import { extractBits, insertBits } from '../../../lib/core/bits.js';

/** Little-endian: bit 0 is the least significant bit of the first byte. */
function toBigint(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

const field = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 70 }))
  .chain(([bitOffset, nbits]) => {
    const bytes = Math.ceil((bitOffset + nbits) / 8);
    const value = Math.ceil(nbits / 8);
    return fc.record({
      bitOffset: fc.constant(bitOffset),
      nbits: fc.constant(nbits),
      cell: fc.uint8Array({ minLength: bytes, maxLength: bytes + 3 }),
      value: fc.uint8Array({ minLength: value, maxLength: bytes }),
    });
  });

test('extracting is a shift and a mask', () => {
  fc.assert(
    fc.property(field, ({ bitOffset, nbits, cell }) => {
      const expected = (toBigint(cell) >> BigInt(bitOffset)) & ((1n << BigInt(nbits)) - 1n);
      extractBits(cell, bitOffset, nbits);
      expect(toBigint(cell)).toBe(expected);
    }),
  );
});

test('inserting changes the field and nothing else', () => {
  fc.assert(
    fc.property(field, ({ bitOffset, nbits, cell, value }) => {
      const mask = ((1n << BigInt(nbits)) - 1n) << BigInt(bitOffset);
      const expected = (toBigint(cell) & ~mask) | ((toBigint(value) << BigInt(bitOffset)) & mask);
      insertBits(cell, bitOffset, nbits, value);
      expect(toBigint(cell)).toBe(expected);
    }),
  );
});

test('a bit offset without a width reads as zeros, as in the kernel', () => {
  const cell = Uint8Array.of(0xff, 0xff);
  extractBits(cell, 3, 0);
  expect([...cell]).toEqual([0, 0]);
});
