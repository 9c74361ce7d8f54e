import type { VirtualBench } from './bench.js';
import type { Timer } from './clock.js';
import { formatCommand } from './command_text.js';
import { runCommand, type Command } from './commands.js';
import type { VirtualDevice } from './device.js';
import type { UnplugFault } from './fault_kinds.js';
import type { FaultHandle } from './faults.js';
import { random } from './random.js';
import type { PowerCurve, Scenario, ScenarioStep, StepTrigger } from './scenario.js';

/** A scenario on its way. */
export interface ScenarioRun {
  /**
   * Resolves when every step that is taken once has been taken and every power curve is over, or with `stop()`; steps that are taken every
   * time go on after that. A curve that is repeated for ever, and a step whose time never comes, leave it pending. Rejects with what a step
   * could not do.
   */
  readonly done: Promise<void>;
  /** Nothing more happens by the scenario; what it has done stays. */
  stop(): void;
}

export interface ScenarioOptions {
  /** A command was carried out, or a phase of a power curve began; `at` in milliseconds since the start. */
  readonly told?: (step: { readonly at: number; readonly device: string; readonly what: string }) => void;
  /** The step `quit`. Default: what `stop()` does. */
  readonly quit?: () => void;
}

/**
 * Does to a bench what the scenario says, by the bench's own clock.
 * @param bench one that was started with {@link scenarioBench}, or has bridges of the same bus ids
 * @throws RangeError when the bench has not the bridges of the scenario
 */
export function runScenario(
  bench: VirtualBench,
  scenario: Scenario,
  options: ScenarioOptions = {},
): ScenarioRun {
  return new Run(bench, scenario, options);
}

/** Counters that a step can wait for. */
const COUNTS: Readonly<Record<Exclude<StepTrigger['on'], EventName>, (device: VirtualDevice) => number>> = {
  wire: ({ stats }) => stats.wireBytes,
  host: ({ stats }) => stats.hostBytes,
  in: ({ stats }) => stats.reportsIn,
  out: ({ stats }) => stats.reportsOut,
  any: ({ stats }) => stats.reportsIn + stats.reportsOut,
  control: ({ stats }) => stats.controls,
};

type EventName = 'plug' | 'unplug' | 'open';

const EVENT_OF = { plug: 'plugged', unplug: 'unplugged', open: 'attached' } as const;

function isEvent(on: StepTrigger['on']): on is EventName {
  return on in EVENT_OF;
}

class Run implements ScenarioRun {
  readonly done: Promise<void>;
  readonly #bench: VirtualBench;
  readonly #options: ScenarioOptions;
  readonly #steps: readonly ScenarioStep[];
  readonly #began: number;
  readonly #timers = new Set<Timer>();
  readonly #offs: (() => void)[] = [];
  /** Unplugs that are to strike at a byte or a report. */
  readonly #armed: FaultHandle[] = [];
  /** The steps whose first command they are. */
  readonly #byFault = new Set<number>();
  /** Steps and curves that are not over yet, of those that will be. */
  #open = 0;
  #stopped = false;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(bench: VirtualBench, scenario: Scenario, options: ScenarioOptions) {
    this.#bench = bench;
    this.#options = options;
    this.#steps = scenario.steps ?? [];
    this.#began = bench.clock.now();
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever does not wait for it hears of it by what is told.
    this.done.catch(() => undefined);
    const devices = scenario.bridges.map(({ busid }, index) =>
      bench.device(busid ?? `1-${String(index + 1)}`),
    );
    scenario.bridges.forEach(({ faults = [] }, index) => {
      for (const fault of faults) devices[index]?.faults.add(fault);
    });
    this.#open = 1;
    this.#guard(() => {
      this.#steps.forEach((step, index) => {
        this.#prepare(step, index);
      });
      scenario.bridges.forEach(({ power }, index) => {
        const device = devices[index];
        if (device && power) this.#follow(device, power, power.seed ?? (scenario.seed ?? 1) + index);
      });
    });
    this.#over();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    for (const off of this.#offs.splice(0)) off();
    for (const fault of this.#armed.splice(0)) fault.release();
    this.#resolve();
  }

  /** A step that waits for a time or an event; those that wait for the step before come with that. */
  #prepare(step: ScenarioStep, index: number): void {
    if (step.at === undefined && !step.when) return;
    const isOnce = !step.when || step.when.n !== undefined;
    if (isOnce) this.#open += this.#chain(index);
    if (step.when) this.#await(step.when, index, isOnce);
    else
      this.#later((step.at ?? 0) + (step.after ?? 0), () => {
        this.#take(index, isOnce);
      });
  }

  /** How many steps follow from that one, itself included. */
  #chain(index: number): number {
    let length = 1;
    for (let next = this.#steps[index + length]; next && next.at === undefined && !next.when;) {
      length++;
      next = this.#steps[index + length];
    }
    return length;
  }

  #await(trigger: StepTrigger, index: number, isOnce: boolean): void {
    const device = this.#device(trigger);
    const { on, n } = trigger;
    if (isEvent(on)) {
      let count = on === 'plug' && device.plugged ? 1 : 0;
      const come = (): void => {
        if (n === undefined || count === n) this.#due(index, isOnce);
      };
      const listener = (): void => {
        count++;
        // An attachment is not complete before whoever asked for it has it.
        if (on === 'open') this.#sinceNow(0, come);
        else come();
      };
      this.#on(device, EVENT_OF[on], listener);
      if (count === 1) this.#sinceNow(0, come);
      return;
    }
    const start = COUNTS[on](device);
    const unplug = this.#exactUnplug(trigger, index);
    if (unplug) {
      this.#armed.push(device.faults.add(unplug));
      this.#byFault.add(index);
    }
    const listener = (): void => {
      if (COUNTS[on](device) - start < (n ?? 1)) return;
      device.off('progress', listener);
      this.#due(index, isOnce);
    };
    this.#on(device, 'progress', listener);
  }

  /** An unplug that is to strike at a byte or report, and at once, is left to the bridge: nobody else comes between. */
  #exactUnplug({ on, n, device }: StepTrigger, index: number): UnplugFault | undefined {
    const step = this.#steps[index];
    const [first] = step?.do ?? [];
    if (isEvent(on) || n === undefined || first?.cmd !== 'unplug' || (step?.after ?? 0) > 0) return undefined;
    if (this.#device(first) !== this.#device(device === undefined ? {} : { device })) return undefined;
    return { kind: 'unplug', on, n, how: first.how ?? 'fin' };
  }

  #due(index: number, isOnce: boolean): void {
    const after = this.#steps[index]?.after ?? 0;
    if (after === 0) this.#take(index, isOnce);
    else
      this.#sinceNow(after, () => {
        this.#take(index, isOnce);
      });
  }

  /** Does what a step says, and sees to the one that waits for it. */
  #take(index: number, isOnce: boolean): void {
    if (this.#stopped) return;
    const step = this.#steps[index];
    this.#guard(() => {
      step?.do.forEach((command, place) => {
        if (this.#stopped) return;
        if (place === 0 && this.#byFault.has(index)) this.#told(command);
        else this.#carryOut(command);
      });
    });
    const next = this.#steps[index + 1];
    if (next && next.at === undefined && !next.when) this.#due(index + 1, isOnce);
    if (isOnce) this.#over();
  }

  #told(command: Command): void {
    const device = 'device' in command ? command.device : undefined;
    this.#tell(device ?? this.#bench.devices[0]?.busid ?? '', formatCommand(command));
  }

  #carryOut(command: Command): void {
    this.#told(command);
    if (command.cmd === 'fault' && command.release !== undefined) {
      // What has acted already needs no release.
      const { release } = command;
      for (const fault of this.#device(command).faults.list()) {
        if (release === 'all' || fault.spec.kind === release) fault.release();
      }
      return;
    }
    runCommand(this.#bench, command, {
      files: new Set(),
      events: () => undefined,
      origin: 'scenario',
      quit:
        this.#options.quit ??
        ((): void => {
          this.stop();
        }),
    });
  }

  /** Goes through a power curve; every phase begins at its own instant, however late the one before was noticed. */
  #follow(device: VirtualDevice, power: PowerCurve, seed: number): void {
    const { curve, repeat = 1, jitter = 0, how = 'fin' } = power;
    if (repeat !== Infinity) this.#open++;
    else this.#open += Infinity;
    const next = random(seed);
    let round = 0;
    let index = 0;
    let at = 0;
    const enter = (): void => {
      if (index === curve.length) {
        index = 0;
        round++;
      }
      const phase = curve[index];
      if (!phase || round >= repeat) {
        this.#switch(device, 'on', how);
        this.#over();
        return;
      }
      index++;
      this.#switch(device, phase.state, how);
      at += Math.max(1, Math.round(phase.ms + (next() * 2 - 1) * jitter));
      this.#later(at, enter);
    };
    this.#later(0, enter);
  }

  #switch(device: VirtualDevice, state: 'on' | 'off' | 'sag', how: 'fin' | 'rst'): void {
    this.#tell(device.busid, `power ${state}`);
    if (state === 'on') device.plug();
    else if (state === 'off') device.unplug(how, 'power curve');
    else device.sag(how, 'power curve');
  }

  #tell(device: string, what: string): void {
    this.#options.told?.({ at: (this.#bench.clock.now() - this.#began) / 1000, device, what });
  }

  #device({ device }: { readonly device?: string }): VirtualDevice {
    return this.#bench.device(device ?? this.#bench.devices[0]?.busid);
  }

  #on(
    device: VirtualDevice,
    event: 'plugged' | 'unplugged' | 'attached' | 'progress',
    listener: () => void,
  ): void {
    device.on(event, listener);
    this.#offs.push(() => device.off(event, listener));
  }

  /** Calls `fn` so many milliseconds after the start. */
  #later(ms: number, fn: () => void): void {
    this.#at(this.#began + ms * 1000, fn);
  }

  #sinceNow(ms: number, fn: () => void): void {
    this.#at(this.#bench.clock.now() + ms * 1000, fn);
  }

  #at(instant: number, fn: () => void): void {
    const timer = this.#bench.clock.at(instant, () => {
      this.#timers.delete(timer);
      this.#guard(fn);
    });
    this.#timers.add(timer);
  }

  #guard(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#reject(error);
      this.stop();
    }
  }

  #over(): void {
    this.#open--;
    // Steps that are taken every time go on.
    if (this.#open === 0) this.#resolve();
  }
}
