/** Recorded cases with something about them changed. */
import fc from 'fast-check';

import { anyOp } from './generate.js';
import type { Args, Case, Op, ProviderSpec } from './types.js';

type Mutation = (one: Case) => Case;

const NUMBERS = ['offset', 'bytes', 'count', 'at'] as const;

/** One number of an operation, or of the cell that it is about, moved by a little. */
function nudge(args: Args, by: number): Args {
  const move = (value: number): number => Math.max(value + by, 0);
  const moved = Object.fromEntries(
    NUMBERS.filter((key) => typeof args[key] === 'number').map((key) => [key, move(Number(args[key]))]),
  );
  const { info } = args;
  if (!info) return { ...args, ...moved };
  const { bit_offset: bit = 0, nbits = 0 } = info;
  return {
    ...args,
    info: {
      ...info,
      offset: move(info.offset),
      bit_offset: bit === 0 ? 0 : Math.max(bit + by, 0),
      nbits: nbits === 0 ? 0 : Math.max(nbits + by, 1),
    },
  };
}

function withOps(one: Case, ops: readonly Op[]): Case {
  return { ...one, ops: [...ops] };
}

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (ops: readonly Op[], where: number): number => Math.floor(where * ops.length);

const nudged: fc.Arbitrary<Mutation> = fc.tuple(place, fc.integer({ min: -9, max: 9 })).map(
  ([where, by]) =>
    (one) =>
      withOps(
        one,
        one.ops.map((op, i) => (i === at(one.ops, where) ? { ...op, args: nudge(op.args ?? {}, by) } : op)),
      ),
);

const otherData: fc.Arbitrary<Mutation> = fc.tuple(place, fc.uint8Array({ maxLength: 12 })).map(
  ([where, bytes]) =>
    (one) =>
      withOps(
        one,
        one.ops.map((op, i) =>
          i === at(one.ops, where) && op.args?.data !== undefined
            ? { ...op, args: { ...op.args, data: Buffer.from(bytes).toString('hex') } }
            : op,
        ),
      ),
);

const dropped: fc.Arbitrary<Mutation> = place.map(
  (where) => (one) =>
    withOps(
      one,
      one.ops.filter((_op, i) => i !== at(one.ops, where)),
    ),
);

const inserted: fc.Arbitrary<Mutation> = fc.tuple(place, anyOp).map(
  ([where, op]) =>
    (one) =>
      withOps(one, [...one.ops.slice(0, at(one.ops, where)), op, ...one.ops.slice(at(one.ops, where))]),
);

const swapped: fc.Arbitrary<Mutation> = fc.tuple(place, place).map(([from, to]) => (one) => {
  const ops = [...one.ops];
  const [a, b] = [at(ops, from), at(ops, to)];
  const [first, second] = [ops[a], ops[b]];
  if (first && second) [ops[a], ops[b]] = [second, first];
  return withOps(one, ops);
});

const reshaped: fc.Arbitrary<Mutation> = fc
  .record<Partial<ProviderSpec>>(
    {
      word_size: fc.constantFrom(1, 2, 4),
      stride: fc.constantFrom(1, 2, 4),
      size: fc.integer({ min: 0, max: 80 }),
      read_only: fc.boolean(),
      root_only: fc.boolean(),
      reg_read: fc.boolean(),
      reg_write: fc.boolean(),
      wp: fc.constantFrom('none', 'high', 'low'),
      id: fc.constantFrom<ProviderSpec['id'][]>('NONE', 'AUTO', 0),
      keepouts: fc.constantFrom<NonNullable<ProviderSpec['keepouts']>[]>(
        [],
        [{ start: 4, end: 8, value: 7 }],
        [
          { start: 0, end: 4, value: 1 },
          { start: 12, end: 16, value: 2 },
        ],
      ),
    },
    { requiredKeys: [] },
  )
  .map((change) => (one) => {
    const providers = Object.fromEntries(
      Object.entries(one.config.providers ?? {}).map(([key, spec]) => [key, { ...spec, ...change }]),
    );
    return { ...one, config: { ...one.config, providers } };
  });

/**
 * Cases with threads are left as they are, because nobody should wait for one that never comes; and those with a count for an
 * error, which the kernel takes for a pointer elsewhere.
 */
export function mutantOf(cases: readonly Case[]): fc.Arbitrary<Case> {
  const counts = ({ ops }: Case): boolean => ops.some(({ args }) => Number(args?.ret_injected) > 0);
  const still = cases.filter((one) => one.timeline === undefined && !counts(one));
  const mutation = fc.oneof(nudged, nudged, otherData, dropped, inserted, swapped, reshaped);
  return fc
    .tuple(fc.nat(still.length - 1), fc.array(mutation, { minLength: 1, maxLength: 12, size: 'max' }))
    .map(([which, mutations]) =>
      mutations.reduce(
        (one, mutate) => mutate(one),
        still[which] ?? { id: '', group: '', config: {}, ops: [] },
      ),
    );
}
