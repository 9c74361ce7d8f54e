/**
 * Bridges that come and go. What the kernel shows in sysfs is the truth; everything else only says when to look: device
 * nodes that appear (which works without udevd), the events of the package "usb" where it is installed and udevd runs, and
 * a slow clock for when both are lost, as they are in containers. A bridge that is open is told of its end by its own
 * transfers, long before this.
 */
import { EventEmitter } from 'node:events';
import { promises as fs, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

import { onListenersChanged } from '../base/listeners.js';
import { LoopHold } from '../base/loop_hold.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { bridgesOf, type UsbBridge } from '../machine/bridges.js';
import { thisMachine } from '../machine/machine.js';

export interface WatchOptions {
  /** How often to look without being told to, milliseconds. Default 2000. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface BridgeEvent {
  readonly event: 'attach' | 'detach';
  readonly bridge: UsbBridge;
}

export interface BridgeWatchEvents {
  attach: [bridge: UsbBridge];
  detach: [bridge: UsbBridge];
  close: [];
}

/** An event often comes before the kernel's drivers are done with what it tells of: look again. */
const LOOK_AGAIN_MS = 100;

/**
 * Follows the bridges of this machine until close(). Those that are there already are announced first. A replug between two
 * looks is a detach and an attach.
 *
 * While it is iterated, or somebody listens for 'attach' or 'detach', it holds the event loop open as a socket does, until
 * close(), unless unref() says otherwise.
 *
 * @example
 * for await (const { event, bridge } of watchBridges()) console.log(event, bridge.path);
 */
export class BridgeWatch extends EventEmitter<BridgeWatchEvents> implements AsyncIterable<BridgeEvent> {
  readonly #options: WatchOptions;
  readonly #known = new Map<string, UsbBridge>();
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #forget: (() => void) | undefined;
  readonly #hold = new LoopHold();

  /** @internal */
  constructor(
    options: WatchOptions,
    private readonly machine = thisMachine,
  ) {
    super();
    this.#options = options;
    const { signal } = options;
    if (signal?.aborted) {
      this.#closed = true;
      return;
    }
    const onAbort = (): void => {
      this.close();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    onListenersChanged(this, () => {
      const awaited = this.listenerCount('attach') + this.listenerCount('detach') > 0;
      this.#hold.needed = awaited && !this.#closed;
    });
    const stopListening = listenToPackage(() => {
      this.#hint();
    });
    this.#forget = () => {
      signal?.removeEventListener('abort', onAbort);
      stopListening();
    };
    this.#hint();
  }

  /** Bridges that were there at the last look. */
  get bridges(): readonly UsbBridge[] {
    return [...this.#known.values()];
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** No event comes after it. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hold.needed = false;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#forget?.();
    this.emit('close');
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** It no longer keeps the program, or the worker, from ending. */
  unref(): this {
    this.#hold.allowed = false;
    return this;
  }

  /** Takes unref() back. */
  ref(): this {
    this.#hold.allowed = true;
    return this;
  }

  /** Looks now; resolves when what it found has been announced. */
  async look(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#lookUntilCurrent();
    await this.#looking;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BridgeEvent, void, undefined> {
    const queue: BridgeEvent[] = this.bridges.map((bridge) => ({ event: 'attach', bridge }));
    let wake: () => void = () => undefined;
    const onAttach = (bridge: UsbBridge): void => {
      queue.push({ event: 'attach', bridge });
      wake();
    };
    const onDetach = (bridge: UsbBridge): void => {
      queue.push({ event: 'detach', bridge });
      wake();
    };
    const onClose = (): void => {
      wake();
    };
    this.on('attach', onAttach).on('detach', onDetach).on('close', onClose);
    try {
      for (;;) {
        const next = queue.shift();
        if (next) yield next;
        else if (this.#closed) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.off('attach', onAttach).off('detach', onDetach).off('close', onClose);
    }
  }

  #hint(): void {
    void this.look();
    this.#sleep(LOOK_AGAIN_MS);
  }

  #sleep(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      void this.look();
      this.#sleep(this.#options.everyMs ?? 2000);
    }, ms).unref();
  }

  async #lookUntilCurrent(): Promise<void> {
    // A hint that comes while sysfs is being read asks for another look.
    while (this.#again && !this.#closed) {
      this.#again = false;
      // In this order: what changes after the look has a watch already.
      await this.#watchNodes();
      this.#compare(await bridgesOf(this.machine));
    }
    this.#looking = undefined;
  }

  #compare(bridges: readonly UsbBridge[]): void {
    const now = new Map(bridges.map((bridge) => [identityOf(bridge), bridge]));
    for (const [identity, bridge] of this.#known) {
      if (now.has(identity)) continue;
      this.#known.delete(identity);
      this.#tell('detach', bridge);
    }
    for (const [identity, bridge] of now) {
      const isNew = !this.#known.has(identity);
      this.#known.set(identity, bridge);
      if (isNew) this.#tell('attach', bridge);
    }
  }

  #tell(event: BridgeEvent['event'], bridge: UsbBridge): void {
    if (!this.#closed) this.emit(event, bridge);
  }

  /** One watch on the folder of buses, one on the folder of each. */
  async #watchNodes(): Promise<void> {
    const root = this.machine.path('/dev/bus/usb');
    const buses = await fs.readdir(root).catch(() => undefined); // none, as long as the machine has no USB
    if (buses === undefined) return;
    for (const folder of [root, ...buses.map((bus) => join(root, bus))]) {
      if (this.#watchers.has(folder) || this.#closed) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => {
          this.#hint();
        });
        watcher.on('error', () => {
          watcher.close();
          this.#watchers.delete(folder);
        });
        this.#watchers.set(folder, watcher);
      } catch {
        // Gone again, or no descriptor left: the clock remains.
      }
    }
  }
}

/** Starts to follow the bridges; see BridgeWatch. */
export function watchBridges(options: WatchOptions = {}): BridgeWatch {
  return new BridgeWatch(options);
}

/** The same place with another number is another visit. */
function identityOf({ path, busnum, devnum }: UsbBridge): string {
  return `${path} ${String(busnum)} ${String(devnum)}`;
}

interface UsbPackage {
  readonly usb: {
    on(event: 'attach' | 'detach', listener: () => void): void;
    off(event: 'attach' | 'detach', listener: () => void): void;
    unrefHotplugEvents(): void;
  };
}

/** Hints from the package "usb", for as long as somebody watches. Gives what ends them. */
function listenToPackage(hint: () => void): () => void {
  if (!isMainThread) return () => undefined; // its addon keeps one set of listeners for the process
  let found: UsbPackage;
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only for those who watch: it loads an addon
    found = require('usb') as UsbPackage;
    found.usb.on('attach', hint);
    found.usb.on('detach', hint);
    found.usb.unrefHotplugEvents();
  } catch {
    return () => undefined; // not built for this machine
  }
  return () => {
    found.usb.off('attach', hint);
    found.usb.off('detach', hint);
  };
}
