/** What every byte may be: never too little for what a memory may do, and never too much. */
import fc from 'fast-check';

import { MemoryModel } from '../../../lib/torture/model.js';

const whole = (offset: number, length: number) => ({ offset, length });
const bytes = (...values: number[]): Buffer => Buffer.from(values);

test('what is written is there, and what was there before is a lost write', () => {
  const model = new MemoryModel(bytes(1, 2, 3, 4));
  model.beginWrite(1, 1, bytes(9, 9));
  model.endWrite(1, { committed: [whole(1, 2)], uncertain: [] });
  model.beginRead(2, 0, 4);
  expect(model.endRead(2, bytes(1, 9, 9, 4))).toEqual([]);
  model.beginRead(3, 0, 4);
  expect(model.endRead(3, bytes(1, 2, 9, 5))).toEqual([
    { offset: 1, found: 2, expected: '09', isEarlier: true },
    { offset: 3, found: 5, expected: '04', isEarlier: false },
  ]);
});

test('a write that is under way may be there or not; when it has failed, what it names counts', () => {
  const model = new MemoryModel(bytes(0, 0, 0, 0));
  model.beginRead(1, 0, 4);
  model.beginWrite(2, 0, bytes(1, 1, 1, 1));
  expect(model.endRead(1, bytes(0, 1, 0, 1))).toEqual([]);
  expect(model.certain(0, 1)).toBeUndefined();
  model.endWrite(2, { committed: [whole(0, 1)], uncertain: [whole(1, 1)] });
  model.beginRead(3, 0, 4);
  expect(model.endRead(3, bytes(1, 77, 0, 0))).toEqual([]);
  // Nobody wrote meanwhile: what was uncertain is known now.
  expect(model.certain(0, 4)).toEqual(bytes(1, 77, 0, 0));
  model.beginRead(4, 0, 4);
  expect(model.endRead(4, bytes(0, 78, 1, 0)).map(({ offset }) => offset)).toEqual([0, 1, 2]);
});

test('of two writes at the same time either may be the last one; of two in turn the second is', () => {
  const model = new MemoryModel(bytes(0));
  model.beginWrite(1, 0, bytes(1));
  model.beginWrite(2, 0, bytes(2));
  model.endWrite(2, { committed: [whole(0, 1)], uncertain: [] });
  model.endWrite(1, { committed: [whole(0, 1)], uncertain: [] });
  model.beginRead(3, 0, 1);
  expect(model.endRead(3, bytes(3))).toHaveLength(1);
  model.beginWrite(4, 0, bytes(4));
  model.endWrite(4, { committed: [whole(0, 1)], uncertain: [] });
  model.beginRead(5, 0, 1);
  expect(model.endRead(5, bytes(2))).toHaveLength(1);
});

test('a write of bits leaves the others', () => {
  const model = new MemoryModel(bytes(0b1010_0101));
  model.beginBits(1, 0, 0b0011_1000, 0b0001_0000);
  model.endWrite(1, { committed: [whole(0, 1)], uncertain: [] });
  model.beginRead(2, 0, 1);
  expect(model.endRead(2, bytes(0b1001_0101))).toEqual([]);
  model.beginRead(3, 0, 1);
  expect(model.endBits(3, 0b0011_1000, 0b0001_0000)).toBeUndefined();
  model.beginRead(4, 0, 1);
  expect(model.endBits(4, 0b0011_1000, 0b0010_0000)).toMatchObject({ offset: 0 });
});

test('more than was asked for is wrong, and so is less than nothing known', () => {
  const model = new MemoryModel(bytes(1, 2));
  model.beginRead(1, 1, 1);
  expect(model.endRead(1, bytes(2, 0))).toEqual([
    { offset: 2, found: 0, expected: 'nothing: it is beyond the end', isEarlier: false },
  ]);
  model.forget(whole(0, 9));
  expect(model.certain(0, 2)).toBeUndefined();
});

/**
 * A memory whose operations take effect at some moment between their beginning and their end, as a real one's do; a write may be
 * cut off, and then tells truly how far it was.
 */
interface Step {
  readonly kind: 'read' | 'write' | 'bits';
  readonly offset: number;
  readonly length: number;
  readonly value: number;
  readonly begin: number;
  readonly effect: number;
  readonly end: number;
  readonly cut: number;
}

const SIZE = 12;
const step: fc.Arbitrary<Step> = fc
  .record({
    kind: fc.constantFrom('read' as const, 'write' as const, 'bits' as const),
    offset: fc.nat(SIZE - 1),
    length: fc.integer({ min: 1, max: 6 }),
    value: fc.nat(255),
    times: fc.tuple(fc.nat(200), fc.nat(20), fc.nat(20)),
    cut: fc.integer({ min: -8, max: 6 }),
  })
  .map(({ times: [begin, effect, end], offset, length, kind, ...rest }) => ({
    ...rest,
    kind,
    offset,
    length: kind === 'bits' ? 1 : Math.min(length, SIZE - offset),
    begin,
    effect: begin + effect,
    end: begin + effect + end,
  }));

/** @returns how many bytes the model calls wrong */
function play(
  steps: readonly Step[],
  spoil?: { readonly at: number; readonly offset: number; readonly by: number },
): number {
  const memory = Buffer.alloc(SIZE);
  const model = new MemoryModel(Buffer.alloc(SIZE));
  const results = new Map<number, Buffer>();
  const moments = steps.flatMap((one, id) => [
    {
      at: one.begin,
      order: 0,
      run: () => {
        begin(one, id);
      },
    },
    {
      at: one.effect,
      order: 1,
      run: () => {
        effect(one, id);
      },
    },
    {
      at: one.end,
      order: 2,
      run: () => {
        end(one, id);
      },
    },
  ]);
  if (spoil)
    moments.push({
      at: spoil.at,
      order: 3,
      run: () => void (memory[spoil.offset] = (memory[spoil.offset] ?? 0) ^ spoil.by),
    });
  let wrong = 0;
  const stored = ({ length, cut }: Step): number => (cut < 0 ? length : Math.min(cut, length));
  function begin({ kind, offset, length, value }: Step, id: number): void {
    if (kind === 'read') model.beginRead(id, offset, length);
    else if (kind === 'bits') model.beginBits(id, offset, 0x3c, value);
    else model.beginWrite(id, offset, Buffer.alloc(length, value));
  }
  function effect(one: Step, id: number): void {
    const { kind, offset, length, value } = one;
    if (kind === 'read') results.set(id, Buffer.from(memory.subarray(offset, offset + length)));
    else if (stored(one) > 0 && kind === 'bits')
      memory[offset] = ((memory[offset] ?? 0) & ~0x3c) | (value & 0x3c);
    else if (kind === 'write') memory.fill(value, offset, offset + stored(one));
  }
  function end(one: Step, id: number): void {
    const { kind, offset, length, cut } = one;
    if (kind === 'read') {
      wrong += model.endRead(id, results.get(id) ?? Buffer.alloc(0)).length;
      return;
    }
    const good = stored(one);
    // What cuts it off is the end of the power: where that was there may be anything.
    if (cut >= 0 && good < length) memory[offset + good] = 0xee;
    const torn = cut >= 0 && good < length ? [whole(offset + good, 1)] : [];
    model.endWrite(id, { committed: good > 0 ? [whole(offset, good)] : [], uncertain: torn });
  }
  for (const { run } of moments.sort((a, b) => a.at - b.at || a.order - b.order)) run();
  model.beginRead(9999, 0, SIZE);
  return wrong + model.endRead(9999, memory).length;
}

test('whatever operations overlap, a memory that keeps the rules is never called wrong', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => play(steps) === 0),
    { numRuns: 600 },
  );
});

test('a byte that changes by itself when nobody writes is always found', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 20 }),
      fc.nat(SIZE - 1),
      fc.integer({ min: 1, max: 255 }),
      (steps, offset, by) => {
        // After everything: a last quiet read makes each byte certain, and then it changes.
        const last: Step = {
          kind: 'read',
          offset: 0,
          length: SIZE,
          value: 0,
          begin: 400,
          effect: 401,
          end: 402,
          cut: -1,
        };
        return play([...steps, last], { at: 500, offset, by }) === 1;
      },
    ),
    { numRuns: 300 },
  );
});
