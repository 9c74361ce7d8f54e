/** Child processes against virtual benches, a few at a time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { VirtualBench } from '../../lib/rig/index.js';

/** Longer than anything takes that works: who is killed for it has hung. */
const LIMIT_MS = 20_000;

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runNode(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  limitMs = LIMIT_MS,
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { status, signal, stdout, stderr };
}

/** A bench with one EEPROM whose write-protect line is watched. */
export class Lane {
  #lowered = 0;
  #attached = false;

  private constructor(readonly bench: VirtualBench) {
    const device = bench.device();
    device.on('attached', () => (this.#attached = true));
    device.on('detached', () => (this.#attached = false));
    device.on('gpio', (levels) => {
      if ((levels & 1) === 0) this.#lowered++;
    });
  }

  static async start(): Promise<Lane> {
    const eeproms = [{ address: 0x52, chip: '24c32', wp: 0 }];
    return new Lane(await VirtualBench.start({ time: 'real', devices: [{ eeproms }] }));
  }

  get uri(): string {
    return `usbip://127.0.0.1:${String(this.bench.port)}/1-1/0x52?chip=24c32&wp=0&speed=400000`;
  }

  /** Resolves when the line goes down the next time. */
  lowered(): Promise<void> {
    const device = this.bench.device();
    return new Promise((resolve) => {
      const look = (levels: number): void => {
        if ((levels & 1) !== 0) return;
        device.off('gpio', look);
        resolve();
      };
      device.on('gpio', look);
    });
  }

  /** Since the last call: whether the line has been down, and where it is now that nobody uses the bridge any more. */
  async line(): Promise<{ lowered: boolean; up: boolean }> {
    const device = this.bench.device();
    if (this.#attached) await once(device, 'detached');
    const lowered = this.#lowered > 0;
    this.#lowered = 0;
    return { lowered, up: (device.gpioLevels & 1) === 1 };
  }
}

/** Works off `jobs`, each lane one at a time. */
export async function inLanes<T>(
  lanes: readonly Lane[],
  jobs: readonly T[],
  run: (lane: Lane, job: T) => Promise<void>,
): Promise<void> {
  const queue = [...jobs];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) await run(lane, job);
    }),
  );
}
