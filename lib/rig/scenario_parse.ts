import { dirname, join } from 'node:path';
import { chipNames, findChip } from './chips.js';
import { ManualClock } from './clock.js';
import { parseCommand } from './command_text.js';
import { runCommand, type Command, type CommandBench } from './commands.js';
import { VirtualDevice } from './device.js';
import { parseFault } from './fault_text.js';
import type { FaultSpec } from './fault_kinds.js';
import { buildImage, type ImagePiece } from './image_pieces.js';
import {
  bridgeSetup,
  TRIGGERS,
  type PowerCurve,
  type PowerPhase,
  type Scenario,
  type ScenarioBridge,
  type ScenarioPart,
  type ScenarioStep,
  type StepTrigger,
} from './scenario.js';
import type { SiliconVersion } from './setup.js';
import { compact, nearest, number, SpecError } from './text.js';
import { YamlReader, type Field, type Node } from './yaml_reader.js';

const ANY = Number.MAX_SAFE_INTEGER;
/** Milliseconds: a week, which is less than what a timer can be set to. */
const LONGEST = 7 * 24 * 3600 * 1000;
const MAX_SEED = 0xffff_ffff;

/** Commands that only look, or are for a connection, are no steps. */
const STEP_COMMANDS = ['unplug', 'sag', 'plug', 'fault', 'release', 'image', 'gpio', 'silent', 'quit'];

type Fields = Map<string, Field>;

/**
 * Reads a scenario. Everything is looked at: bridges and parts are made once, and steps tried on them, so that what comes back
 * can be started.
 * @param file its name, for messages; files that it names are looked for beside it
 * @throws ScenarioError (a SpecError) that points at the first thing that is wrong
 */
export function parseScenario(text: string, file: string): Scenario {
  return new ScenarioReader(text, file).scenario();
}

class ScenarioReader {
  readonly #yaml: YamlReader;
  readonly #folder: string;
  /** Where faults of bridges stand: whether they can act shows when there is a bridge. */
  readonly #faultNodes = new Map<FaultSpec, Node>();

  constructor(text: string, file: string) {
    this.#yaml = new YamlReader(text, file);
    this.#folder = dirname(file);
  }

  scenario(): Scenario {
    const yaml = this.#yaml;
    const fields = yaml.map(yaml.root, 'a scenario', ['title', 'time', 'seed', 'bridges', 'steps']);
    const nodes = yaml.list(fields.get('bridges'), 'bridges');
    if (nodes.length === 0) throw yaml.wrong(yaml.root, 'a scenario has bridges, one at least');
    const bridges = nodes.map((node) => this.#bridge(node));
    const bench = this.#scratch(bridges, nodes);
    bridges.forEach((bridge, index) => {
      const device = bench.devices[index]?.busid;
      for (const add of bridge.faults ?? []) {
        yaml.at(this.#faultNodes.get(add) ?? null, () => {
          tryOut(bench, { cmd: 'fault', add, ...(device === undefined ? {} : { device }) });
        });
      }
    });
    const steps = yaml
      .list(fields.get('steps'), 'steps')
      .map((node, index) => this.#step(node, index, bench));
    return compact<Scenario>({
      title: text(yaml, fields, 'title'),
      time: choice(yaml, fields, 'time', ['real', 'off']),
      seed: whole(yaml, fields, 'seed', 0, MAX_SEED),
      bridges,
      steps: steps.length > 0 ? steps : undefined,
    });
  }

  #bridge(node: Node): ScenarioBridge {
    const yaml = this.#yaml;
    const fields = yaml.map(node, 'a bridge', [
      ...[
        'busid',
        'serial',
        'version',
        'id',
        'product',
        'release',
        'plugged',
        'answer-empty',
        'reenumerate-ms',
      ],
      ...['busy-polls', 'parts', 'faults', 'power'],
    ]);
    const busid = text(yaml, fields, 'busid');
    if (busid !== undefined && !/^\d+-\d+(\.\d+)*$/.test(busid)) {
      throw yaml.wrong(fields.get('busid')?.value ?? node, `"${busid}" is no USB bus id such as 1-1`);
    }
    const ids = fields.get('id');
    const [, vid, pid] = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(ids ? yaml.textOf(ids) : '') ?? [];
    if (ids && vid === undefined)
      throw yaml.wrong(ids.value, 'id is VVVV:PPPP, vendor and product in hexadecimal digits');
    const power = fields.get('power');
    const parts = yaml.list(fields.get('parts'), 'parts').map((part) => this.#part(part));
    const faults = yaml.list(fields.get('faults'), 'faults', true).map((one) => this.#fault(one));
    return compact<ScenarioBridge>({
      busid,
      serial: text(yaml, fields, 'serial'),
      version: whole(yaml, fields, 'version', 1, 3) as SiliconVersion | undefined,
      vid: vid === undefined ? undefined : Number.parseInt(vid, 16),
      pid: pid === undefined ? undefined : Number.parseInt(pid, 16),
      product: text(yaml, fields, 'product'),
      bcdDevice: whole(yaml, fields, 'release', 0, 0xffff),
      plugged: flag(yaml, fields, 'plugged'),
      answerEmpty: flag(yaml, fields, 'answer-empty'),
      reenumerateMs: whole(yaml, fields, 'reenumerate-ms', 0, LONGEST),
      busyPolls: whole(yaml, fields, 'busy-polls', 0, 10_000),
      parts: parts.length > 0 ? parts : undefined,
      faults: faults.length > 0 ? faults : undefined,
      power: power && this.#power(power),
    });
  }

  #part(node: Node): ScenarioPart {
    const yaml = this.#yaml;
    const fields = yaml.map(node, 'a part', [
      ...['address', 'chip', 'wp', 'image', 'window', 'save', 'maker', 'page', 'twr', 'power-loss'],
    ]);
    const address = whole(yaml, fields, 'address', 0, 0x7f);
    const chipField = fields.get('chip');
    if (address === undefined || !chipField) {
      throw yaml.wrong(node, `a part has ${address === undefined ? 'an address' : 'a chip'}`);
    }
    const chip = yaml.textOf(chipField);
    if (!findChip(chip)) {
      const meant = nearest(chip, chipNames());
      const instead = meant === undefined ? `known are ${chipNames().join(', ')}` : `did you mean ${meant}?`;
      throw yaml.wrong(chipField.value, `unknown chip "${chip}"; ${instead}`);
    }
    const save = text(yaml, fields, 'save');
    return compact<ScenarioPart>({
      address,
      chip,
      ...this.#wp(fields.get('wp')),
      image: this.#image(fields.get('image'), chip, 'array'),
      window: this.#image(fields.get('window'), chip, 'window'),
      save: save === undefined ? undefined : join(this.#folder, save),
      maker: choice(yaml, fields, 'maker', ['microchip', 'st']),
      pageSize: whole(yaml, fields, 'page', 1, 256),
      writeCycleMs: whole(yaml, fields, 'twr', 0, 10_000),
      powerLoss: choice(yaml, fields, 'power-loss', ['keep', 'commit', 'tear']),
    });
  }

  #wp(field: Field | undefined): Pick<ScenarioPart, 'wp' | 'wpInverted'> {
    if (!field) return {};
    const text = this.#yaml.textOf(field);
    if (text === 'low') return {};
    if (text === 'high') return { wp: true };
    const [, inverter, pin] = /^(!?)([0-7])$/.exec(text) ?? [];
    if (pin === undefined) {
      throw this.#yaml.wrong(
        field.value,
        'wp is a GPIO from 0 to 7, "!0" with an inverter before it, high or low',
      );
    }
    return { wp: Number(pin), ...(inverter === '!' ? { wpInverted: true } : {}) };
  }

  #image(
    field: Field | undefined,
    chip: string,
    what: 'array' | 'window',
  ): readonly ImagePiece[] | undefined {
    if (!field) return undefined;
    const nodes = this.#yaml.list(field, 'pieces', true);
    return nodes.map((node) => {
      const piece = this.#piece(node);
      this.#yaml.at(node, () => buildImage([piece], chip, what));
      return piece;
    });
  }

  #piece(node: Node): ImagePiece {
    const yaml = this.#yaml;
    const kinds = ['hex', 'base64', 'file', 'fill', 'random'];
    const fields = yaml.map(node, 'an image', [...kinds, 'at', 'length']);
    const given = kinds.filter((kind) => fields.has(kind));
    if (given.length !== 1) throw yaml.wrong(node, `a piece of an image has one of ${kinds.join(', ')}`);
    const length = fields.get('length');
    if (length && !fields.has('fill') && !fields.has('random')) {
      throw yaml.wrong(length.key, 'length belongs to fill and random');
    }
    const file = text(yaml, fields, 'file');
    return compact<ImagePiece>({
      at: whole(yaml, fields, 'at', 0, ANY),
      bytes: this.#bytes(fields.get('hex'), fields.get('base64')),
      file: file === undefined ? undefined : join(this.#folder, file),
      fill: whole(yaml, fields, 'fill', 0, 0xff),
      random: whole(yaml, fields, 'random', 0, MAX_SEED),
      length: whole(yaml, fields, 'length', 1, 1 << 20),
    });
  }

  #bytes(hex: Field | undefined, base64: Field | undefined): Uint8Array | undefined {
    const field = hex ?? base64;
    if (!field) return undefined;
    const digits = this.#yaml.textOf(field).replace(/\s/g, '');
    if (hex && !/^([0-9a-f]{2})+$/i.test(digits)) {
      throw this.#yaml.wrong(
        field.value,
        'hex is pairs of hexadecimal digits (in quotes, where they are digits only)',
      );
    }
    if (!hex && !/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(digits)) {
      throw this.#yaml.wrong(field.value, 'base64 is letters, digits, + and /, in fours, with = at the end');
    }
    return Uint8Array.from(Buffer.from(digits, hex ? 'hex' : 'base64'));
  }

  #fault(node: Node): FaultSpec {
    const fault = this.#yaml.at(node, () => parseFault(this.#yaml.text(node, 'a fault')));
    this.#faultNodes.set(fault, node);
    return fault;
  }

  #power(field: Field): PowerCurve {
    const yaml = this.#yaml;
    const fields = yaml.map(field.value, 'power', ['curve', 'repeat', 'jitter', 'seed', 'how'], field.key);
    const phases = yaml.list(fields.get('curve'), 'phases such as "off 120"');
    if (phases.length === 0)
      throw yaml.wrong(field.key, 'power has a curve: a list of phases such as "off 120"');
    const repeat = fields.get('repeat');
    const isEndless = repeat !== undefined && yaml.textOf(repeat) === 'forever';
    const curve = phases.map((node) => this.#phase(node));
    const jitter = whole(yaml, fields, 'jitter', 0, LONGEST);
    return compact<PowerCurve>({
      curve,
      repeat: isEndless ? Infinity : whole(yaml, fields, 'repeat', 1, ANY),
      jitter,
      seed: whole(yaml, fields, 'seed', 0, MAX_SEED),
      how: choice(yaml, fields, 'how', ['fin', 'rst']),
    });
  }

  #phase(node: Node): PowerPhase {
    const written = this.#yaml.text(node, 'a phase');
    const [state, length = '', extra] = written.trim().split(/\s+/);
    const ms = number(length);
    if (
      (state !== 'on' && state !== 'off' && state !== 'sag') ||
      extra !== undefined ||
      ms === undefined ||
      ms < 1 ||
      ms > LONGEST
    ) {
      throw this.#yaml.wrong(
        node,
        `"${written}" is no phase; it is on, off or sag, and milliseconds from 1: "off 120"`,
      );
    }
    return { state, ms };
  }

  #step(node: Node, index: number, bench: CommandBench): ScenarioStep {
    const yaml = this.#yaml;
    const fields = yaml.map(node, 'a step', ['at', 'when', 'after', 'do']);
    const [at, when] = [fields.get('at'), fields.get('when')];
    if (at && when) throw yaml.wrong(when.key, 'a step has at or when, not both');
    if (!at && !when && index === 0) throw yaml.wrong(node, 'the first step has at: milliseconds, or when');
    const commands = yaml.list(fields.get('do'), 'commands', true);
    if (commands.length === 0) throw yaml.wrong(node, 'a step says what to do');
    return compact<ScenarioStep>({
      at: whole(yaml, fields, 'at', 0, LONGEST),
      when: when && this.#trigger(when, bench),
      after: whole(yaml, fields, 'after', 0, LONGEST),
      do: commands.map((command) => this.#command(command, bench)),
    });
  }

  #trigger(field: Field, bench: CommandBench): StepTrigger {
    const yaml = this.#yaml;
    const written = yaml.textOf(field);
    const wrong = (what: string): never => {
      throw yaml.wrong(
        field.value,
        `${what}; when is [BUSID] plug|unplug|open [N], or [BUSID] wire|host|in|out|any|control N`,
      );
    };
    const words = written.trim().split(/\s+/);
    const device = /^\d+-/.test(words[0] ?? '') ? words.shift() : undefined;
    const [event = '', count, extra] = words;
    const on = TRIGGERS.find((one) => one === event);
    if (on === undefined) {
      const meant = nearest(event, TRIGGERS);
      return wrong(`a step cannot wait for "${event}"${meant === undefined ? '' : ` (${meant}?)`}`);
    }
    const n = count === undefined ? undefined : number(count);
    const isEvent = on === 'plug' || on === 'unplug' || on === 'open';
    if (extra !== undefined || (count === undefined ? !isEvent : n === undefined || n < 1)) {
      wrong(`"${written}" ${count === undefined ? 'does not say how many' : 'has no number from 1'}`);
    }
    yaml.at(field.value, () => bench.device(device ?? bench.devices[0]?.busid));
    return compact<StepTrigger>({ on, n, device });
  }

  #command(node: Node, bench: CommandBench): Command {
    const yaml = this.#yaml;
    return yaml.at(node, () => {
      const line = yaml.text(node, 'a command');
      const command = parseCommand(line);
      const word = line.trim().split(/\s+/)[0] ?? '';
      if (!STEP_COMMANDS.includes(word)) {
        throw new SpecError(
          `"${word}" is for a connection, not for a step; a step can ${STEP_COMMANDS.join(', ')}`,
        );
      }
      if (command.cmd === 'image' && command.set === undefined) {
        throw new SpecError('an image of a step has set HEX, or at OFFSET HEX');
      }
      if (command.cmd === 'fault' && typeof command.release === 'number') {
        throw new SpecError('a step releases a kind of fault, or all');
      }
      tryOut(bench, command);
      return command;
    });
  }

  /** Bridges as they will be, on a clock that stands still: what cannot be made is said now. */
  #scratch(bridges: readonly ScenarioBridge[], nodes: readonly Node[]): CommandBench {
    const yaml = this.#yaml;
    const devices = bridges.map((bridge, index) =>
      yaml.at(
        nodes[index] ?? null,
        () => new VirtualDevice(bridgeSetup(bridge, index), new ManualClock(), 'off'),
      ),
    );
    devices.forEach(({ busid }, index) => {
      if (devices.findIndex((one) => one.busid === busid) < index)
        throw yaml.wrong(nodes[index] ?? null, `two bridges have the bus id ${busid}`);
    });
    return {
      devices,
      silent: false,
      device: (busid) => {
        const found = devices.find((one) => one.busid === busid);
        if (!found) throw new RangeError(`there is no bridge ${String(busid)} in this scenario`);
        return found;
      },
    };
  }
}

/** Whether a command can be carried out at all; what it does here is of no consequence. */
function tryOut(bench: CommandBench, command: Command): void {
  if (command.cmd === 'fault') {
    if (command.add?.kind === 'unplug' || command.release !== undefined) return;
    const device = bench.device(command.device ?? bench.devices[0]?.busid);
    if (command.add) checkAddresses(device, command.add);
  }
  runCommand(bench, command, {
    files: new Set(),
    events: () => undefined,
    quit: () => undefined,
    origin: '',
  });
}

/** A fault for a part that is not there would never act. */
function checkAddresses(device: VirtualDevice, fault: FaultSpec): void {
  const { address, with: giver } = fault as { readonly address?: number; readonly with?: number };
  for (const one of [address, giver]) if (one !== undefined) device.eeprom(one);
}

function text(yaml: YamlReader, fields: Fields, name: string): string | undefined {
  const field = fields.get(name);
  return field && yaml.textOf(field);
}

function whole(
  yaml: YamlReader,
  fields: Fields,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const field = fields.get(name);
  return field && yaml.whole(field, least, most);
}

function flag(yaml: YamlReader, fields: Fields, name: string): boolean | undefined {
  const field = fields.get(name);
  return field && yaml.flag(field);
}

function choice<T extends string>(
  yaml: YamlReader,
  fields: Fields,
  name: string,
  choices: readonly T[],
): T | undefined {
  const field = fields.get(name);
  return field && yaml.choice(field, choices);
}
