/** What a USB/IP server offers: one question at a time for all buses that are followed there. */
import type { ExportedDevice } from '../bus/usbip_devices.js';
import type { UsbipUri } from '../uri/uri.js';
import type { Clock } from './clock.js';
import { moment } from './judge.js';
import type { Observation } from './observation.js';
import { Rounds } from './rounds.js';
import type { Watched, Watcher } from './watcher.js';

export type UsbipTarget = Pick<UsbipUri, 'scheme' | 'uri' | 'host' | 'port' | 'busid'>;

/** The server's list. @throws NvmemError */
export type AskServer = (
  host: string,
  port: number,
  signal: AbortSignal,
) => Promise<readonly ExportedDevice[]>;

const SHORTEST_MS = 25;
/** Of the time since anything has happened: after a second of absence a plug is found within 50 ms, after a minute within 2 s. */
const SHARE = 1 / 20;
/** A server that does not answer is asked this often at last. */
const UNREACHABLE_MS = 10_000;
/** So that many programs do not ask in step. */
const JITTER = 0.2;

export class UsbipWatch implements Watcher<UsbipTarget> {
  readonly #watched = new Set<Watched<UsbipTarget>>();
  #rounds: Rounds | undefined;
  #asking: AbortController | undefined;
  #quietSince = 0;
  #hasFailed = false;

  constructor(
    private readonly host: string,
    private readonly port: number,
    private readonly clock: Clock,
    private readonly ask: AskServer,
  ) {}

  add(watched: Watched<UsbipTarget>): void {
    this.#watched.add(watched);
    this.#rounds ??= new Rounds(this.clock, {
      look: () => this.#look(),
      pause: () => this.#nextPause(),
      gapMs: SHORTEST_MS,
    });
    this.hurry();
  }

  remove(watched: Watched<UsbipTarget>): boolean {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return false;
    this.#rounds?.stop();
    this.#rounds = undefined;
    this.#asking?.abort();
    return true;
  }

  hurry(): void {
    this.#quietSince = this.clock.now();
    if (this.#isNeeded()) this.#rounds?.soon();
  }

  async look(): Promise<void> {
    await this.#rounds?.now();
  }

  /** What is open says itself when it has gone, and no list tells of it. */
  #isNeeded(): boolean {
    return [...this.#watched].some(({ subject }) => !subject.isOpen());
  }

  #nextPause(): number | undefined {
    if (!this.#isNeeded()) return undefined;
    const every = Math.min(...[...this.#watched].map(({ subject }) => subject.everyMs));
    const longest = this.#hasFailed ? Math.max(every, UNREACHABLE_MS) : every;
    const quiet = this.clock.now() - this.#quietSince;
    const pause = Math.min(Math.max(quiet * SHARE, SHORTEST_MS), longest);
    return pause * (1 + JITTER * (2 * this.clock.random() - 1));
  }

  async #look(): Promise<void> {
    const began = moment();
    const asking = new AbortController();
    this.#asking = asking;
    const answer = await this.ask(this.host, this.port, asking.signal).catch((error: unknown) => error);
    if (asking.signal.aborted) return;
    this.#hasFailed = !Array.isArray(answer);
    const list = Array.isArray(answer) ? byBusid(answer as readonly ExportedDevice[]) : unreachable(answer);
    for (const watched of [...this.#watched]) {
      const seen = list instanceof Map ? this.#observe(watched.target.busid, list) : list;
      if (watched.subject.seen(seen, began)) this.#quietSince = this.clock.now();
    }
  }

  #observe(busid: string, list: ReadonlyMap<string, ExportedDevice>): Observation {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    const server = `${host}:${String(this.port)}`;
    const device = list.get(busid);
    if (device === undefined) {
      const reason = `${server} does not offer ${busid}: it is not plugged in there, or somebody uses it`;
      return { cause: 'absent', reason };
    }
    const visit = `${String(device.busnum)} ${String(device.devnum)}`;
    return { cause: 'plugged', reason: `${server} offers it`, visit, place: `${server}/${busid}` };
  }
}

function byBusid(list: readonly ExportedDevice[]): Map<string, ExportedDevice> {
  return new Map(list.map((device) => [device.busid, device]));
}

function unreachable(error: unknown): Observation {
  const reason = error instanceof Error ? error.message.replace(/^[A-Z_]+: /, '') : String(error);
  return { cause: 'unreachable', reason };
}
