/** Events as a run of the rig makes them, from a seed: what the report is tried with. */
import type {
  OperationEvent,
  OperationKind,
  StartEvent,
  Totals,
  TortureEvent,
  VerdictEvent,
  ViolationEvent,
  When,
} from '../../../lib/torture/events';
import { Tally } from '../../../lib/torture/totals';

/** Numbers from 0 to 1 (left out): mulberry32. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface RunShape {
  readonly cycles: number;
  readonly seed?: number;
  readonly workers?: number;
  readonly subjects?: number;
  readonly operationsPerCycle?: number;
  /** Milliseconds that a cycle takes, about. */
  readonly cycleMs?: number;
  /** The cycle at which it is found broken. */
  readonly violationAt?: number;
  readonly withoutVerdict?: boolean;
}

export function startOf(change: Partial<StartEvent> = {}): StartEvent {
  return {
    type: 'start',
    t: 0,
    at: '2026-03-01T10:00:00.000Z',
    seed: 1,
    command:
      'nvmem torture --bench --cycles 200 --seed 1 --workers 4 --mix read=4,write=2,cell=1,wp=1,verify=1,scan=0 --when random,mid-write',
    power: 'bench: fault port of the virtual bench',
    workers: 4,
    when: ['random', 'mid-write'],
    mix: { read: 4, write: 2, cell: 1, wp: 1, verify: 1, scan: 0 },
    cycles: 200,
    durationMs: null,
    subjects: [
      {
        index: 0,
        uri: 'usbip://127.0.0.1:3240/1-1/0x50?chip=24c256&wp=0',
        size: 32768,
        pageSize: 64,
        wordSize: 1,
        region: { first: 0, last: 0x3fff },
        identity: { part: '24c256', bridge: 'CP2112', version: '2', serial: '0043FFF3', clock: '400 kHz' },
      },
    ],
    environment: {
      nvmem: '0.1.0',
      node: '22.11.0',
      kernel: '6.12.9-amd64',
      arch: 'x64',
      cpus: 2,
      libusb: '1.0.27',
      blind: ['Log of the kernel: /dev/kmsg may not be read (EACCES); run it as root, or with CAP_SYSLOG.'],
    },
    ...change,
  };
}

const EMPTY: Totals = new Tally().totals();

export function verdictOf(change: Partial<VerdictEvent> = {}): VerdictEvent {
  return {
    type: 'verdict',
    t: 1000,
    passed: true,
    ended: 'finished',
    violations: 0,
    totals: EMPTY,
    ...change,
  };
}

export function operationOf(change: Partial<OperationEvent> = {}): OperationEvent {
  return {
    type: 'operation',
    t: 2,
    began: 1,
    cycle: 0,
    id: 0,
    worker: 0,
    subject: 0,
    kind: 'read',
    action: 'read',
    offset: 0,
    length: 64,
    code: 'ok',
    bytes: 64,
    unplugged: false,
    ...change,
  };
}

const KINDS: readonly OperationKind[] = ['read', 'read', 'read', 'write', 'write', 'cell', 'verify', 'wp'];
const WHENS: readonly When[] = ['random', 'mid-write', 'mid-read', 'idle'];

/** A run: each cycle some operations, the plug out, rejections, the plug in, the first good read. */
export function* runOf(shape: RunShape): Generator<TortureEvent> {
  const { cycles, seed = 1, workers = 4, subjects = 1, operationsPerCycle = 20, cycleMs = 60 } = shape;
  const next = random(seed);
  const tally = new Tally();
  const base = startOf();
  const [one] = base.subjects;
  const start = startOf({
    seed,
    workers,
    cycles,
    subjects: Array.from({ length: subjects }, (_, index) => ({
      ...(one ?? { uri: '', size: 256, pageSize: 8, wordSize: 1, identity: {} }),
      index,
    })),
  });
  const told = (event: TortureEvent): TortureEvent => {
    tally.add(event);
    return event;
  };
  yield told(start);
  let id = 0;
  let t = 5;
  for (let subject = 0; subject < subjects; subject++) {
    yield told({ type: 'open', t: t++, cycle: 0, subject, attempts: 1 });
  }
  const busyUntil = Array.from({ length: workers }, () => t);
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const when = WHENS[Math.floor(next() * WHENS.length)] ?? 'random';
    const subject = Math.floor(next() * subjects);
    const off = t + cycleMs * (0.3 + next() * 0.2);
    const rejection = 0.2 + next() ** 3 * 3 + (next() < 0.01 ? 4 : 0);
    let failed = 0;
    for (let i = 0; i < operationsPerCycle; i++) {
      const worker = i % workers;
      const kind = KINDS[Math.floor(next() * KINDS.length)] ?? 'read';
      const began = Math.max(busyUntil[worker] ?? t, t) + next() * 0.5;
      const takes = 0.4 + next() * cycleMs * 0.12;
      const isCut = began + takes > off;
      if (began > off) continue;
      const length = 1 + Math.floor(next() * 128);
      const good = isCut ? Math.floor(next() * length) : length;
      const isWrite = kind === 'write' || (kind === 'cell' && next() < 0.5);
      busyUntil[worker] = isCut ? off + rejection * next() : began + takes;
      if (isCut) failed++;
      yield told({
        type: 'operation',
        t: busyUntil[worker],
        began,
        cycle,
        id: id++,
        worker,
        subject,
        kind,
        action: kind === 'wp' ? 'set' : isWrite ? 'write' : 'read',
        offset: Math.floor(next() * (0x4000 - length)),
        length: kind === 'wp' ? 0 : length,
        code: isCut ? (next() < 0.95 ? 'ENODEV' : 'ETIMEDOUT') : 'ok',
        bytes: kind === 'wp' ? 0 : good,
        uncertain: isCut && isWrite ? Math.min(length - good, 64) : undefined,
        unplugged: isCut,
      });
    }
    yield told({
      type: 'plug',
      t: off,
      began: off - 0.3,
      cycle,
      state: 'off',
      subjects: [subject],
      where: `after ${(off - t).toFixed(0)} ms`,
    });
    yield told({
      type: 'removed',
      t: off + rejection,
      cycle,
      subject,
      worker: -1,
      end: { cause: 'unplugged', reason: 'the bridge has gone' },
    });
    const on = off + rejection + cycleMs * 0.15;
    yield told({ type: 'plug', t: on, began: on - 0.3, cycle, state: 'on', subjects: [subject], where: '' });
    const recovery = 8 + next() * 25;
    yield told({ type: 'open', t: on + recovery - 1, cycle, subject, attempts: 1 + Math.floor(next() * 3) });
    t = Math.max(on + recovery, ...busyUntil) + 1;
    busyUntil.fill(t);
    if (cycle === shape.violationAt) {
      const violation: ViolationEvent = {
        type: 'violation',
        t,
        cycle,
        kind: 'lost-write',
        message: 'byte 0x1f40 is 0x33, and an acknowledged write of operation 17 has put 0x5a there',
        subject,
        worker: 1,
        operation: 17,
        offset: 0x1f40,
        expected: '5a',
        found: '33',
        details: '0x1f40: expected 5a 5b 5c\n        found    33 34 35',
      };
      yield told(violation);
    }
    yield told({
      type: 'cycle',
      t,
      cycle,
      when,
      where: `after ${off.toFixed(0)} ms`,
      operations: operationsPerCycle,
      failed,
      rejectionMs: failed > 0 ? rejection : null,
      recoveryMs: recovery,
      checkedBytes: 0x4000,
    });
    if (cycle % 5 === 0) {
      yield told({
        type: 'sample',
        t,
        cycle,
        rss: Math.round(80e6 + 6e6 * (1 - Math.exp(-cycle / 20)) + next() * 1e6),
        heapUsed: Math.round(15e6 + next() * 6e6),
        fds: 31 + Math.floor(next() * 2),
        threads: 14,
        handles: 9 + Math.floor(next() * 2),
        listeners: 4,
        loopDelay: { p50: 0.1 + next() * 0.05, p99: 0.8 + next(), p999: 1.5 + next() * 2 },
        cpu: 0.3 + next() * 0.2,
        counters: Array.from({ length: subjects }, () => ({
          operations: id,
          writeCycles: cycle * 3,
          naks: 2 * cycle,
        })),
      });
    }
    if (shape.violationAt === cycle) break;
  }
  yield told({
    type: 'note',
    t,
    cycle: cycles,
    message: 'The power command failed once (exit status 1) and was repeated.',
  });
  if (shape.withoutVerdict === true) return;
  yield verdictOf({
    t: t + 10,
    passed: tally.violations === 0,
    ended: tally.violations === 0 ? 'finished' : 'violation',
    violations: tally.violations,
    totals: tally.totals(),
    ...(tally.violations > 0 && {
      replay: {
        file: 'nvmem-torture-1.json',
        command: 'nvmem torture --replay nvmem-torture-1.json',
        cycles: 1,
      },
    }),
  });
}
