/** Power by programs: a relay's own, uhubctl, and usbip for a bridge that the kernel has from another machine. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { ok, problem, type Finding } from '../../doctor/finding.js';
import { clockMs } from '../engine/protocol.js';
import { type Plug, type Power, type PowerSpec, type Switched } from './power.js';
import { runCommand } from './run_command.js';

const TIMEOUT_MS = 30_000;

/** One plug for all subjects, switched by programs. */
class CommandPlug implements Plug {
  constructor(
    readonly name: string,
    readonly subjects: readonly number[],
    private readonly commands: Readonly<Record<'off' | 'on', () => Promise<readonly string[]>>>,
    private readonly hint: string,
  ) {}

  off(): Promise<Switched> {
    return this.#run('off');
  }

  on(): Promise<Switched> {
    return this.#run('on');
  }

  async #run(state: 'off' | 'on'): Promise<Switched> {
    const words = await this.commands[state]();
    const began = clockMs();
    await runCommand(words, { timeoutMs: TIMEOUT_MS, hint: this.hint });
    return { began, at: clockMs(), where: words.join(' ') };
  }
}

type CommandSpec = Extract<PowerSpec, { kind: 'command' | 'uhubctl' | 'usbip-detach' }>;

export function commandPower(spec: CommandSpec, subjects: readonly number[]): Power {
  const now = (words: readonly string[]) => () => Promise.resolve(words);
  switch (spec.kind) {
    case 'command': {
      const plug = new CommandPlug(
        'relay',
        subjects,
        { off: now(filled(spec.words, 'off')), on: now(filled(spec.words, 'on')) },
        'Run it by hand: it has to switch, and to end with status 0 within 30 seconds.',
      );
      return power('command', [plug], true, () =>
        needsProgram(spec.words[0] ?? '', 'Give the whole path of the command.'),
      );
    }
    case 'uhubctl': {
      const where = spec.hub === undefined ? [] : ['-l', spec.hub, '-p', String(spec.port)];
      const words = (action: string): readonly string[] => ['uhubctl', ...where, '-a', action];
      const plug = new CommandPlug(
        spec.hub === undefined ? 'hub' : `hub ${spec.hub} port ${String(spec.port)}`,
        subjects,
        { off: now(words('off')), on: now(words('on')) },
        'uhubctl without arguments shows the hubs that can switch their ports; it needs root or a udev rule.',
      );
      return power('uhubctl', [plug], true, () => needsProgram('uhubctl', 'apt install uhubctl'));
    }
    case 'usbip-detach': {
      const { host, port, busid } = spec;
      const plug = new CommandPlug(
        `${host}/${busid}`,
        subjects,
        {
          off: async () => ['usbip', 'detach', '-p', await attachedPort(busid)],
          on: now(['usbip', '--tcp-port', String(port), 'attach', '-r', host, '-b', busid]),
        },
        'usbip port shows what is attached; it needs root and the module vhci-hcd.',
      );
      return power('usbip-detach', [plug], false, () => needsProgram('usbip', 'apt install usbip'));
    }
  }
}

/** The word that stands for what is to be done, in each word of the command; else it comes last. */
function filled(words: readonly string[], state: 'off' | 'on'): string[] {
  const has = words.some((word) => word.includes('{off|on}'));
  return has ? words.map((word) => word.replaceAll('{off|on}', state)) : [...words, state];
}

/** The port of the virtual host controller that has it: of `usbip port`, "Port 00: …" with "-> usbip://HOST:PORT/BUSID" below. */
async function attachedPort(busid: string): Promise<string> {
  const printed = await runCommand(['usbip', 'port'], { timeoutMs: TIMEOUT_MS, hint: 'It needs root.' });
  let port = '0';
  for (const line of printed.split('\n')) {
    port = /^Port (\d+):/.exec(line)?.[1] ?? port;
    if (line.includes(`/${busid}`)) break;
  }
  return String(Number(port));
}

function power(kind: string, plugs: Plug[], cutsSupply: boolean, needs: () => Promise<Finding[]>): Power {
  return { kind, plugs, cutsSupply, needs, close: () => Promise.resolve() };
}

async function needsProgram(name: string, remedy: string): Promise<Finding[]> {
  const folders = name.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter);
  for (const folder of folders) {
    try {
      await access(join(folder, name), constants.X_OK);
      return [ok('power', `${name} can be run`)];
    } catch {
      // the next folder may have it
    }
  }
  return [problem('power', `there is no program ${name} that this user may run`, remedy, 'ENOENT')];
}
