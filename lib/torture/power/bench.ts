/** Power of a virtual bench: the run's own, or one that runs elsewhere and has a control port. */
import { ok, problem, type Finding } from '../../doctor/finding.js';
import type { VirtualBench, VirtualDevice } from '../../rig/index.js';
import { parseUri, type PartUri } from '../../uri/uri.js';
import { clockMs } from '../engine/protocol.js';
import { connectControl, type ControlClient } from './control_client.js';
import { powerError, type ArmedPull, type Plug, type Power, type Switched } from './power.js';
import type { PlannedPull } from '../schedule.js';

type Position = Extract<PlannedPull, { by: 'position' }>;

function inWords({ on, n, phase, rst }: Position): string {
  const unit = on === 'wire' || on === 'host' ? 'byte' : on === 'control' ? 'request' : 'report';
  return `${on} ${unit} ${String(n)}${unit === 'byte' ? '' : `, ${phase}`}${rst ? ', reset' : ''}`;
}

/** The bus id of a subject on a bench, and what its WP pin is wired to. */
function placeOf(
  uri: string,
): { busid: string; address: number; wp: number | undefined; inverted: boolean } | undefined {
  const parsed = parseUri(uri);
  if (!isPart(parsed) || parsed.bus.scheme !== 'usbip') return undefined;
  const { wp, address } = parsed.part;
  const line = wp?.chip === undefined && typeof wp?.line === 'number' ? wp.line : undefined;
  return { busid: parsed.bus.busid, address, wp: line, inverted: wp?.inverted ?? false };
}

function isPart(uri: object): uri is PartUri {
  return 'bus' in uri;
}

/** Subjects by bus id. A subject that is on no bench is of every plug. */
function byBridge(uris: readonly string[], busids: readonly string[]): Map<string, number[]> {
  const groups = new Map<string, number[]>(busids.map((busid) => [busid, []]));
  uris.forEach((uri, index) => {
    const place = placeOf(uri);
    for (const [busid, subjects] of groups)
      if (place === undefined || place.busid === busid) subjects.push(index);
  });
  for (const [busid, subjects] of groups) if (subjects.length === 0) groups.delete(busid);
  return groups;
}

export function benchPower(bench: VirtualBench, uris: readonly string[]): Power {
  const groups = byBridge(
    uris,
    bench.devices.map(({ busid }) => busid),
  );
  return {
    kind: 'bench',
    plugs: [...groups].map(([busid, subjects]) => new BenchPlug(bench.device(busid), subjects, uris)),
    cutsSupply: false,
    needs: () => Promise.resolve([ok('power', 'the bench is in this process')]),
    close: () => Promise.resolve(),
  };
}

class BenchPlug implements Plug {
  readonly name: string;
  readonly #device: VirtualDevice;
  readonly #uris: readonly string[];

  constructor(
    device: VirtualDevice,
    readonly subjects: readonly number[],
    uris: readonly string[],
  ) {
    this.name = `bridge ${device.busid}`;
    this.#device = device;
    this.#uris = uris;
  }

  off(): Promise<Switched> {
    const began = clockMs();
    this.#device.unplug();
    return Promise.resolve({ began, at: clockMs(), where: 'at once' });
  }

  on(): Promise<Switched> {
    const began = clockMs();
    this.#device.plug();
    return Promise.resolve({ began, at: clockMs(), where: 'at once' });
  }

  arm(pull: Position): ArmedPull {
    const device = this.#device;
    const began = clockMs();
    let letGo = (): void => undefined;
    const pulled = new Promise<Switched | undefined>((resolve) => {
      const unplugged = (): void => {
        resolve({ began, at: clockMs(), where: inWords(pull) });
      };
      device.once('unplugged', unplugged);
      const { on, n, phase, rst } = pull;
      const fault = device.faults.add({ kind: 'unplug', on, n, phase, how: rst ? 'rst' : 'fin' });
      letGo = () => {
        device.off('unplugged', unplugged);
        fault.release();
        resolve(undefined);
      };
    });
    return {
      pulled,
      letGo: () => {
        letGo();
      },
    };
  }

  wpHigh(subject: number): boolean | undefined {
    const { wp, inverted } = placeOf(this.#uris[subject] ?? '') ?? {};
    if (wp === undefined) return undefined;
    return (((this.#device.gpioLevels >> wp) & 1) === 1) !== inverted;
  }
}

/** What the control port asks for. */
const TOKEN = 'NVMEM_RIG_TOKEN';
const TOKEN_HINT = `Start it with nvmem rig --control PORT, and put the token that it prints into ${TOKEN}.`;

export async function controlPower(host: string, port: number, uris: readonly string[]): Promise<Power> {
  const token = process.env[TOKEN] ?? '';
  const control = await connectControl(host, port, token).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw powerError(`cannot use the bench at ${host}:${String(port)}: ${why}`, TOKEN_HINT, error);
  });
  const groups = byBridge(uris, await control.busids());
  const needs = (): Promise<Finding[]> =>
    Promise.resolve([
      groups.size > 0
        ? ok('power', `the bench at ${host}:${String(port)} can be told`)
        : problem(
            'power',
            'no subject is on a bridge of that bench',
            'Use URIs usbip://HOST/BUSID/… of that bench.',
          ),
    ]);
  return {
    kind: `bench:${host}:${String(port)}`,
    plugs: [...groups].map(([busid, subjects]) => new ControlPlug(control, busid, subjects)),
    cutsSupply: false,
    needs,
    close: () => control.close(),
  };
}

class ControlPlug implements Plug {
  readonly name: string;
  readonly tellsLate = true;
  readonly #control: ControlClient;
  readonly #busid: string;

  constructor(
    control: ControlClient,
    busid: string,
    readonly subjects: readonly number[],
  ) {
    this.name = `bridge ${busid}`;
    this.#control = control;
    this.#busid = busid;
  }

  async off(): Promise<Switched> {
    return this.#tell('unplug');
  }

  async on(): Promise<Switched> {
    return this.#tell('plug');
  }

  async #tell(cmd: 'plug' | 'unplug'): Promise<Switched> {
    const began = clockMs();
    await this.#control.ask({ cmd, device: this.#busid });
    return { began, at: clockMs(), where: 'at once' };
  }

  arm(pull: Position): ArmedPull {
    const began = clockMs();
    const { on, n, phase, rst } = pull;
    const fault = `unplug:${on}=${String(n)}:${phase}${rst ? ':rst' : ''}`;
    let settle: (switched: Switched | undefined) => void = () => undefined;
    const pulled = new Promise<Switched | undefined>((resolve) => (settle = resolve));
    const off = this.#control.onUnplugged(this.#busid, () => {
      settle({ began, at: clockMs(), where: inWords(pull) });
    });
    const armed = this.#control.ask({ cmd: 'fault', device: this.#busid, add: fault });
    void armed.catch(() => undefined); // whoever waits for the pull asks the port again, and hears of it then
    return {
      pulled: pulled.finally(off),
      letGo: () => {
        settle(undefined);
        void armed
          .then(({ fault: id }) => this.#control.ask({ cmd: 'fault', device: this.#busid, release: id }))
          .catch(() => undefined);
      },
    };
  }
}
