/** Random schedules of plugs, unplugs, other boards, limits and aborts, against what the follower is said to be. */
import { getEventListeners } from 'node:events';

import fc from 'fast-check';

import { NvmemError } from '../../../lib/base/errors.js';
import { follow } from '../../../lib/follow/follow.js';
import type { FollowedDevice } from '../../../lib/follow/followed_device.js';
import type { FollowState } from '../../../lib/follow/life.js';
import { board, FakeBench, SIZE, URI, type FakeBoard } from './fake_bench.js';

/** 1000 in the long run. */
const RUNS = Number(process.env['NVMEM_FOLLOW_RUNS'] ?? 40);
/** By the low bits of every byte: the two boards, and what is written. */
const WRITTEN = 3;

interface Model {
  state: FollowState;
  plugged: 0 | 1 | undefined;
  remembered: 0 | 1 | undefined;
  failures: number;
}

interface Operation {
  readonly kind: 'read' | 'write' | 'present';
  readonly waits: boolean;
  readonly limited: boolean;
  readonly controller: AbortController;
  settled: number;
}

/** What comes next by what is so, when nothing more fails. */
function goOn(model: Model): void {
  if (model.state !== 'absent' || model.plugged === undefined) return;
  if (model.failures > 0) {
    model.failures--;
    return;
  }
  if (model.remembered !== undefined && model.remembered !== model.plugged) model.state = 'replaced';
  else {
    model.state = 'present';
    model.remembered = model.plugged;
  }
}

const NEXT: Readonly<Record<FollowState, readonly FollowState[]>> = {
  absent: ['opening', 'closed'],
  opening: ['present', 'absent', 'replaced', 'closed'],
  present: ['absent', 'closed'],
  replaced: ['absent', 'closed'],
  closed: [],
};

class Real {
  readonly bench = new FakeBench();
  readonly boards: readonly [FakeBoard, FakeBoard] = [board(1), board(2)];
  readonly it: FollowedDevice;
  readonly operations: Operation[] = [];
  readonly said: FollowState[] = [];
  readonly faults: string[] = [];
  /** The board that it is to be, by what has been present. */
  #expected: unknown;

  constructor() {
    const { attach, clock, registry } = this.bench;
    const identity = (device: object): boolean => Reflect.get(device, 'board') === this.#expected;
    this.it = follow(URI, { name: 'board', registry, identity }, { attach, clock });
    let last: FollowState = 'absent';
    this.it.on('change', ({ state }) => {
      if (!NEXT[last].includes(state)) this.faults.push(`${last} -> ${state}`);
      last = state;
      if (state === 'present') this.#expected = this.bench.plugged;
    });
    for (const name of ['present', 'absent'] as const) {
      this.it.on(name, () => {
        this.said.push(name);
      });
    }
  }

  async pass(ms: number): Promise<void> {
    const { bench } = this;
    for (let left = ms; left > 0;) {
      const step = Math.min(bench.clock.next ?? left, left);
      bench.clock.pass(step);
      left -= Math.max(step, 1);
      await bench.settle();
    }
  }

  start(
    kind: Operation['kind'],
    waits: boolean,
    timeoutMs: number | undefined,
    offset: number,
    length: number,
  ): void {
    const controller = new AbortController();
    const operation: Operation = { kind, waits, limited: timeoutMs !== undefined, controller, settled: 0 };
    this.operations.push(operation);
    const limits = { signal: controller.signal, ...(timeoutMs !== undefined && { timeoutMs }) };
    const how = { ...limits, onUnplug: waits ? ('wait' as const) : ('fail' as const) };
    let most = 0;
    const onProgress = (done: number): void => {
      if (done < most) this.faults.push('progress ran backwards');
      most = done;
    };
    const { it } = this;
    const promise: Promise<unknown> =
      kind === 'present'
        ? it.present(limits)
        : kind === 'read'
          ? it.read(offset, length, { ...how, onProgress })
          : it.write(offset, Buffer.alloc(length, WRITTEN), { ...how, onProgress });
    promise.then(
      (value) => {
        operation.settled++;
        if (kind !== 'read') return;
        const from = new Set(Array.from(value as Buffer, (byte) => byte & 3));
        if ((value as Buffer).length !== length || (from.has(1) && from.has(2)))
          this.faults.push('a read has bytes of two boards');
      },
      (error: unknown) => {
        operation.settled++;
        this.#judge(operation, error);
      },
    );
  }

  #judge({ waits, limited, controller, kind }: Operation, error: unknown): void {
    const code = error instanceof NvmemError ? error.code : String(error);
    const isClosed = this.it.state === 'closed';
    const isFine =
      code === 'ESTALE' ||
      (code === 'ENODEV' && (isClosed || (!waits && kind !== 'present'))) ||
      (code === 'ETIMEDOUT' && limited) ||
      (code === 'ABORT_ERR' && controller.signal.aborted);
    if (!isFine) this.faults.push(`${kind} ended with ${code}`);
  }
}

type Command = fc.AsyncCommand<Model, Real>;

/** @param act Changes both; what then follows by itself is waited for, and compared. */
function command(
  name: string,
  act: (model: Model, real: Real) => void | Promise<void>,
  check: (model: Model) => boolean = () => true,
): Command {
  return {
    check: (model) => model.state !== 'closed' && check(model),
    run: async (model, real) => {
      const images = real.boards.map(({ image }) => Buffer.from(image));
      const mayChange = model.state === 'present' ? model.plugged : undefined;
      await act(model, real);
      await real.bench.settle();
      expect({ state: real.it.state, faults: real.faults }).toEqual({ state: model.state, faults: [] });
      real.boards.forEach(({ image }, i) => {
        // Nothing is written to what is not, or was not, there and proved.
        const isRight = i === mayChange || (model.state === 'present' && i === model.plugged);
        if (!isRight) expect(image).toEqual(images[i]);
      });
      expect(real.bench.registry.find('board') !== undefined).toBe(model.state === 'present');
    },
    toString: () => name,
  };
}

const operation = fc
  .record({
    kind: fc.constantFrom('read' as const, 'write' as const, 'present' as const),
    waits: fc.boolean(),
    timeoutMs: fc.option(fc.constantFrom(20, 1000), { nil: undefined }),
    offset: fc.nat(SIZE - 1),
    length: fc.nat(SIZE),
  })
  .map(({ kind, waits, timeoutMs, offset, length }) => {
    const count = Math.min(length, SIZE - offset);
    const name = `${kind} ${String(count)} at ${String(offset)}, ${waits ? 'waits' : 'fails'}, ${String(timeoutMs)}`;
    return command(name, (_, real) => {
      real.start(kind, waits, timeoutMs, offset, count);
    });
  });

const commands = [
  operation,
  operation,
  fc.constantFrom(0 as const, 0 as const, 1 as const).map((which) =>
    command(
      `plug ${String(which)}`,
      (model, real) => {
        model.plugged = which;
        goOn(model);
        real.bench.plug(real.boards[which]);
      },
      ({ plugged }) => plugged === undefined,
    ),
  ),
  fc.boolean().map((torn) =>
    command(
      'unplug',
      (model, real) => {
        model.plugged = undefined;
        if (model.state !== 'replaced') model.state = 'absent';
        real.bench.tornIsStored = torn;
        real.bench.unplug();
      },
      ({ plugged }) => plugged !== undefined,
    ),
  ),
  fc.constant(
    command('the next opening fails', (model, real) => {
      model.failures++;
      real.bench.openFailures.push(new NvmemError('EBUSY', 'somebody has it'));
    }),
  ),
  fc.constant(
    command('long', async (model, real) => {
      await real.pass(30_000);
      while (model.failures > 0 && model.state === 'absent' && model.plugged !== undefined) goOn(model);
      goOn(model);
    }),
  ),
  fc.constant(
    command('accept', (model, real) => {
      if (model.state !== 'replaced') {
        expect(() => {
          real.it.accept();
        }).toThrow('nothing was replaced');
        return;
      }
      model.state = 'absent';
      model.remembered = undefined;
      goOn(model);
      real.it.accept();
    }),
  ),
  fc.nat(20).map((n) =>
    command(`abort ${String(n)}`, (_, real) => {
      real.operations.at(n % Math.max(real.operations.length, 1))?.controller.abort();
    }),
  ),
  fc.constant(
    command('hold', (_, real) => {
      real.bench.hold();
    }),
  ),
  fc.nat(6).map((n) =>
    command(`pass ${String(n)}`, (_, real) => {
      real.bench.pass(n);
    }),
  ),
  fc.constant(
    command('flow', (_, real) => {
      real.bench.flow();
    }),
  ),
];

test(
  'Under any schedule each operation settles once, and nothing is left.',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { size: '+1' }), async (schedule) => {
        const real = new Real();
        const { bench, it } = real;
        const model: Model = { state: 'absent', plugged: undefined, remembered: undefined, failures: 0 };
        try {
          await fc.asyncModelRun(() => ({ model, real }), schedule);
        } finally {
          bench.flow();
          await it.close();
          await bench.settle();
        }
        expect(real.faults).toEqual([]);
        expect(real.operations.map(({ settled }) => settled)).toEqual(real.operations.map(() => 1));
        expect(real.said).toEqual(real.said.map((_, i) => (i % 2 === 0 ? 'present' : 'absent')));
        expect(bench.clock.timers.size).toBe(0);
        expect(bench.registry.devices()).toEqual([]);
        expect(bench.presence.eventNames()).toEqual([]);
        for (const { controller } of real.operations) {
          expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
        }
      }),
      { numRuns: RUNS },
    );
  },
  30_000 + RUNS * 1000,
);
