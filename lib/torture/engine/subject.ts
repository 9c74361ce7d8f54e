/** A memory under torture, in the process that has it open. */
import { NvmemError } from '../../base/errors.js';
import { pause } from '../../base/timers.js';
import type { NvmemDevice } from '../../core/device.js';
import { sumOfStats } from '../../core/stats.js';
import { open } from '../../open/open.js';
import { clockMs, type Answer, type OpenedFacts } from './protocol.js';

/** Between two attempts to open what is not back yet, milliseconds. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

export class Subject {
  readonly #index: number;
  readonly #uri: string;
  readonly #say: (answer: Answer) => void;
  #device: NvmemDevice | undefined;
  #counters = sumOfStats();

  constructor(index: number, uri: string, say: (answer: Answer) => void) {
    this.#index = index;
    this.#uri = uri;
    this.#say = say;
  }

  get uri(): string {
    return this.#uri;
  }

  get device(): NvmemDevice | undefined {
    return this.#device;
  }

  /** Tries until it is open or the time is over. `share` hands it to the threads before anybody hears that it is there. */
  async open(
    generation: number,
    timeoutMs: number,
    share: (device: NvmemDevice) => Promise<number[]>,
  ): Promise<void> {
    const deadline = clockMs() + timeoutMs;
    await this.#letGo();
    for (let attempts = 1, wait = FIRST_PAUSE_MS; ; attempts++, wait = Math.min(2 * wait, LONGEST_PAUSE_MS)) {
      try {
        const device = await open(this.#uri, {
          openTimeoutMs: Math.max(100, Math.ceil(deadline - clockMs())),
        });
        const at = clockMs();
        this.#device = device;
        device.on('removed', (end) => {
          this.#say({
            type: 'removed',
            subject: this.#index,
            generation,
            worker: -1,
            at: clockMs(),
            end,
            pending: 0,
          });
        });
        const attached = await share(device);
        this.#say({
          type: 'opened',
          subject: this.#index,
          generation,
          attached,
          at,
          attempts,
          facts: factsOf(device),
        });
        return;
      } catch (error) {
        if (clockMs() + wait < deadline) {
          await pause(wait);
          continue;
        }
        const code = error instanceof NvmemError ? error.code : 'Error';
        const message = error instanceof Error ? error.message : String(error);
        this.#say({ type: 'not-opened', subject: this.#index, generation, attempts, code, message });
        return;
      }
    }
  }

  async close(): Promise<void> {
    await this.#letGo();
    this.#say({ type: 'closed', subject: this.#index, counters: { ...this.#counters } });
  }

  async #letGo(): Promise<void> {
    const device = this.#device;
    if (!device) return;
    this.#device = undefined;
    device.removeAllListeners('removed');
    await device.close();
    this.#counters = sumOfStats(this.#counters, device.stats);
  }
}

function factsOf(device: NvmemDevice): OpenedFacts {
  const { size, wordSize, forceRo, identity } = device;
  return { size, wordSize, writable: !forceRo, identity };
}
