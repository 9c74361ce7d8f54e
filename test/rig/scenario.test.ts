import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ManualClock,
  parseScenario,
  runScenario,
  scenarioBench,
  VirtualBench,
  type ScenarioRun,
} from '../../lib/rig/index';
import { Client, Gone } from './client';
import { next } from './helpers';

const DOCS = readFileSync(join(__dirname, '../../docs/rig.md'), 'utf8');
const EXAMPLES = [...DOCS.matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text ?? '');

interface Stage {
  readonly bench: VirtualBench;
  readonly clock: ManualClock;
  readonly run: ScenarioRun;
  /** `MS device what`, in order. */
  readonly told: string[];
  /** Whether it is over, as far as can be told without waiting. */
  readonly isDone: () => Promise<boolean>;
}

/** Runs a scenario on a clock that stands still until told. */
async function stage(text: string, body: (stage: Stage) => Promise<void> | void): Promise<void> {
  const scenario = parseScenario(text, 'test.yaml');
  const clock = new ManualClock();
  const bench = await VirtualBench.start({ ...scenarioBench(scenario), clock });
  const told: string[] = [];
  const run = runScenario(bench, scenario, {
    told: ({ at, device, what }) => told.push(`${String(at)} ${device} ${what}`),
  });
  let over = false;
  void run.done.then(() => (over = true));
  try {
    await body({
      bench,
      clock,
      run,
      told,
      isDone: async () => {
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
        return over;
      },
    });
  } finally {
    run.stop();
    await bench.close();
  }
}

/** A host without a network, that waits for reports. */
function attach(bench: VirtualBench, busid?: string): { out(...report: number[]): void; gone(): boolean } {
  let gone = false;
  const attachment = bench.device(busid).attach({
    complete: () => undefined,
    gone: () => {
      gone = true;
    },
  });
  if (typeof attachment === 'string') throw new Error(attachment);
  let id = 0;
  return {
    out: (...report) => {
      const data = Uint8Array.from(report);
      attachment.submit({
        id: ++id,
        endpoint: 1,
        isIn: false,
        setup: new Uint8Array(8),
        data,
        length: data.length,
      });
    },
    gone: () => gone,
  };
}

const BRIDGE = 'bridges:\n  - parts: [{ address: 0x50, chip: 24c02 }]\n';

describe('steps', () => {
  test('at their times, one after the other, to the microsecond', () =>
    stage(
      `${BRIDGE}steps:
  - { at: 250, do: unplug rst }
  - { after: 40, do: plug }
  - { at: 100, after: 20, do: [gpio 3 low, silent on] }
`,
      async ({ bench, clock, told, isDone }) => {
        clock.advance(119_999);
        expect(told).toEqual([]);
        clock.advance(1);
        expect(told).toEqual(['120 1-1 gpio 3 low', '120 1-1 silent on']);
        expect([bench.device().gpioLevels, bench.silent]).toEqual([0xf7, true]);
        clock.advance(130_000);
        expect(bench.device().plugged).toBe(false);
        expect(await isDone()).toBe(false);
        clock.advance(39_999);
        expect(bench.device().plugged).toBe(false);
        clock.advance(1);
        expect(bench.device().plugged).toBe(true);
        expect(told.slice(2)).toEqual(['250 1-1 unplug rst', '290 1-1 plug']);
        expect(await isDone()).toBe(true);
      },
    ));

  test('when it is plugged in, goes, or is attached to: every time, or the n-th', () =>
    stage(
      `${BRIDGE}steps:
  - { when: open 2, after: 5, do: fault nak }
  - { when: unplug, after: 10, do: plug }
  - { when: plug 1, do: gpio 0 low }
  - { when: plug, do: gpio 1 low }
`,
      async ({ bench, clock, told, isDone }) => {
        clock.advance(0);
        for (let cycle = 0; cycle < 3; cycle++) {
          attach(bench);
          clock.advance(5000);
          bench.device().unplug();
          clock.advance(10_000);
        }
        expect(told).toEqual([
          '0 1-1 gpio 0 low',
          '0 1-1 gpio 1 low',
          ...['15 1-1 plug', '15 1-1 gpio 1 low'],
          ...['20 1-1 fault nak', '30 1-1 plug', '30 1-1 gpio 1 low'],
          ...['45 1-1 plug', '45 1-1 gpio 1 low'],
        ]);
        // What comes every time is not waited for.
        expect(await isDone()).toBe(true);
      },
    ));

  test('an unplug at a byte on the wire strikes exactly there, though it is plugged in again at once', () =>
    stage(
      `${BRIDGE}steps:
  - { when: wire 5, do: [unplug rst, gpio 2 low] }
  - { when: unplug, do: plug }
`,
      ({ bench, clock, told }) => {
        const host = attach(bench);
        host.out(0x14, 0xa0, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8);
        clock.advance(20_000);
        expect(bench.device().stats).toMatchObject({ wireBytes: 5, unplugs: 1 });
        expect(host.gone()).toBe(true);
        expect(bench.device().plugged).toBe(true);
        expect(told.map((line) => line.replace(/^\S+ /, ''))).toEqual([
          '1-1 plug',
          '1-1 unplug rst',
          '1-1 gpio 2 low',
        ]);
        expect(bench.device().faults.list()).toEqual([]);
      },
    ));

  test('at a report, a control transfer, a byte on the wire: anything can be done', () =>
    stage(
      `${BRIDGE}steps:
  - { when: out 2, do: fault silent }
  - { when: wire 3, do: image 0x50 at 0 aa }
`,
      ({ bench, clock, told }) => {
        const host = attach(bench);
        host.out(0x15, 0);
        clock.advance(5000);
        expect(told).toEqual([]);
        host.out(0x14, 0xa0, 5, 9, 1, 2, 3, 4);
        clock.advance(5000);
        // In the frame in which it has happened: the wire takes 90 µs a byte.
        expect(told).toEqual(['6 1-1 fault silent', '7 1-1 image 0x50 at 0 aa']);
        expect(bench.device().eeprom(0x50).image[0]).toBe(0xaa);
      },
    ));

  test('release, quit and stop()', async () => {
    await stage(
      `${BRIDGE}steps:
  - { at: 1, do: [fault stuck, fault nak, release stuck, release silent] }
  - { at: 2, do: quit }
  - { at: 3, do: unplug }
`,
      async ({ bench, clock, isDone }) => {
        clock.advance(10_000);
        expect(
          bench
            .device()
            .faults.list()
            .map(({ spec }) => spec.kind),
        ).toEqual(['nak']);
        expect(bench.device().plugged).toBe(true);
        expect(await isDone()).toBe(true);
      },
    );
    await stage(
      `${BRIDGE}steps: [{ at: 5, do: unplug }, { when: wire 1, do: unplug }]\n`,
      async ({ bench, clock, run, isDone }) => {
        run.stop();
        clock.advance(10_000);
        expect(bench.device().plugged).toBe(true);
        expect(bench.device().faults.list()).toEqual([]);
        expect(await isDone()).toBe(true);
      },
    );
  });

  test('two bridges: a step is for the one it names', () =>
    stage(
      `bridges: [{}, {}]
steps: [{ at: 1, do: unplug 1-2 }, { when: 1-2 unplug 1, do: gpio 1-1 7 low }]
`,
      ({ bench, clock }) => {
        clock.advance(1000);
        expect(bench.devices.map(({ plugged, serial }) => [plugged, serial])).toEqual([
          [true, '0043FFF3'],
          [false, '0043FFF4'],
        ]);
        expect(bench.device('1-1').gpioLevels).toBe(0x7f);
      },
    ));
});

describe('power curves', () => {
  const CURVE = (more: string): string =>
    `bridges:\n  - parts: [{ address: 0x50, chip: 24c02 }]\n    power: { curve: [on 100, off 20, on 50, sag 5], ${more} }\n`;

  test('phases, again and again, and in the end the plug is in', () =>
    stage(CURVE('repeat: 2'), async ({ bench, clock, told, isDone }) => {
      clock.advance(349_999);
      expect(await isDone()).toBe(false);
      expect(bench.device().plugged).toBe(false);
      clock.advance(1);
      expect(await isDone()).toBe(true);
      expect(bench.device().plugged).toBe(true);
      const phases = [
        '0 on',
        '100 off',
        '120 on',
        '170 sag',
        '175 on',
        '275 off',
        '295 on',
        '345 sag',
        '350 on',
      ];
      expect(told).toEqual(phases.map((phase) => phase.replace(' ', ' 1-1 power ')));
    }));

  test('jitter is the same for the same seed, and no more than it says', async () => {
    const runs: string[][] = [];
    for (const seed of [3, 3, 4]) {
      await stage(CURVE(`repeat: 20, jitter: 15, seed: ${String(seed)}`), ({ clock, told }) => {
        clock.advance(60_000_000);
        runs.push(told);
      });
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]).not.toEqual(runs[2]);
    const at = (runs[0] ?? []).map((line) => Number(line.split(' ')[0]));
    const nominal = [100, 20, 50, 5];
    const off = at.slice(1).map((time, index) => time - (at[index] ?? 0) - (nominal[index % 4] ?? 0));
    expect(off).toHaveLength(80);
    expect(Math.max(...off)).toBeLessThanOrEqual(15);
    expect(Math.min(...off)).toBeGreaterThanOrEqual(-15);
    expect(new Set(off).size).toBeGreaterThan(10);
  });

  test('forever goes on until it is stopped', () =>
    stage(CURVE('repeat: forever'), async ({ bench, clock, run, isDone }) => {
      clock.advance(175_000 * 100 + 110_000);
      expect(bench.device().stats.unplugs).toBe(201);
      expect(await isDone()).toBe(false);
      run.stop();
      clock.advance(1_000_000);
      expect(bench.device().stats.unplugs).toBe(201);
    }));

  test('off tears the page that is being programmed, sag does not', async () => {
    for (const [state, byte] of [
      ['off', 0xff],
      ['sag', 8],
    ] as const) {
      await stage(
        `bridges:
  - parts: [{ address: 0x50, chip: 24c02, power-loss: tear }]
    power: { curve: [on 4, ${state} 20] }
`,
        ({ bench, clock }) => {
          attach(bench).out(0x14, 0xa0, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8);
          clock.advance(50_000);
          expect(bench.device().eeprom(0x50).writeCycles).toBe(1);
          expect(bench.device().eeprom(0x50).image[7]).toBe(byte);
        },
      );
    }
  });
});

describe('the examples of docs/rig.md', () => {
  test('there are two', () => {
    expect(EXAMPLES).toHaveLength(2);
  });

  test('the dock: a write is cut off, it bounces, comes back mute, and is itself again', async () => {
    const scenario = parseScenario(EXAMPLES[0] ?? '', 'dock.yaml');
    await using bench = await VirtualBench.start(scenarioBench(scenario));
    const told: string[] = [];
    const run = runScenario(bench, scenario, { told: ({ what }) => told.push(what) });
    const device = bench.device();
    const first = await Client.attach(bench.port);
    await first.setFeature(2, 1, 1, 0, 0);
    await first.setFeature(4, 0, 1);
    const page = [1, 2, 3, 4, 5, 6, 7, 8];
    const write = async (): Promise<void> => {
      for (const offset of [32, 40, 48, 56]) await first.writeBytes(0x50, offset, ...page);
    };
    const back = next(device, 'plugged');
    await expect(write()).rejects.toBeInstanceOf(Gone);
    expect(device.stats.wireBytes).toBe(24);
    await back;
    const away = next(device, 'unplugged');
    const second = await Client.attach(bench.port);
    await away;
    await next(device, 'plugged');
    await run.done;
    expect(device.faults.list().map(({ spec }) => spec.kind)).toEqual(['silent']);
    expect(told).toEqual(['unplug rst', 'plug', 'unplug', 'fault silent:ms=300', 'plug']);
    const third = await Client.attach(bench.port);
    // 300 ms after it fell silent it answers.
    expect([...(await third.readAt(0x50, [16], 8))]).toEqual([0x4e, 0x56, 0x4d, 0x45, 0x4d, 1, 0, 0]);
    expect([...(await third.readAt(0x50, [32], 16))]).toEqual([...page, ...page]);
    for (const client of [first, second, third]) client.close();
  });

  test('the hub: 25 rounds of a curve, a late bridge, and faults', () =>
    stage(EXAMPLES[1] ?? '', async ({ bench, clock, told, isDone }) => {
      clock.advance(2_499_999);
      expect(bench.device('1-2').plugged).toBe(false);
      clock.advance(500_001);
      expect([bench.device('1-2').plugged, bench.device('1-2').gpioLevels]).toEqual([true, 0xf7]);
      expect([...bench.device('1-2').eeprom(0x50).image.subarray(31, 37)]).toEqual([
        255, 0, 255, 0, 255, 255,
      ]);
      attach(bench, '1-2');
      clock.advance(0);
      expect(told.at(-1)).toBe('3000 1-2 fault 1-2 nak:count=3');
      clock.advance(60_000_000);
      expect(told.filter((line) => line.includes('power off'))).toHaveLength(25);
      expect(bench.device('1-1').stats.unplugs).toBe(50);
      expect(bench.device('1-1').plugged).toBe(true);
      expect(await isDone()).toBe(true);
    }));
});
