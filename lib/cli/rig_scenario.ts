import { readFile } from 'node:fs/promises';
import type { BenchOptions, VirtualBench } from '../rig/bench.js';
import { codeOf, messageOf } from '../rig/problem.js';
import type { Scenario } from '../rig/scenario.js';
import type { EepromSpec } from '../rig/spec.js';
import { SpecError } from '../rig/text.js';

/** A step that was taken, `at` milliseconds after the start. */
export interface RigStep {
  readonly at: number;
  readonly device: string;
  readonly what: string;
}

/** A scenario as `nvmem rig` runs it. */
export interface RigScenario {
  readonly bench: BenchOptions;
  readonly specs: readonly EepromSpec[];
  /**
   * @param told hears of every step, and of nothing when the scenario is over
   * @returns resolves when it is over, and rejects with what a step could not do
   */
  start(bench: VirtualBench, quit: () => void, told: (step: RigStep | undefined) => void): Promise<void>;
}

/** What a scenario says itself. */
const INSTEAD = ['eeprom', 'fault', 'version', 'time', 'serial', 'id', 'product'] as const;

export type OtherOptions = Readonly<Partial<Record<(typeof INSTEAD)[number], unknown>>>;

/**
 * @throws SpecError for a file that cannot be read or understood, and for options that say the same
 */
export async function readScenario(file: string, options: OtherOptions): Promise<RigScenario> {
  const other = INSTEAD.find((name) => options[name] !== undefined);
  if (other !== undefined)
    throw new SpecError(`--${other} and --scenario: the scenario says that itself, in ${file}`);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new SpecError(`cannot read ${file} (${codeOf(error) ?? messageOf(error)})`);
  }
  // YAML is loaded by those who use it.
  const [{ parseScenario }, { scenarioBench }, { runScenario }] = await Promise.all([
    import('../rig/scenario_parse.js'),
    import('../rig/scenario.js'),
    import('../rig/scenario_run.js'),
  ]);
  const scenario = parseScenario(text, file);
  const bench = scenarioBench(scenario);
  return {
    bench,
    specs: specsOf(scenario, bench),
    start: (started, quit, told) => {
      const run = runScenario(started, scenario, { quit, told });
      return run.done.then(() => {
        told(undefined);
      });
    },
  };
}

/** The parts, as if each had been an `--eeprom`. */
function specsOf(scenario: Scenario, { devices = [] }: BenchOptions): EepromSpec[] {
  return scenario.bridges.flatMap(({ parts = [] }, index) =>
    parts.map(({ address, chip, wp, wpInverted, image, save }) => {
      const file = image?.find((piece) => piece.file !== undefined)?.file;
      return {
        busid: devices[index]?.busid ?? '1-1',
        address,
        chip,
        ...(wp === undefined ? {} : { wp }),
        ...(wpInverted === undefined ? {} : { wpInverted }),
        ...(file === undefined ? {} : { imageFile: file }),
        ...(save === undefined ? {} : { saveFile: save }),
      };
    }),
  );
}
