/** What following stands on: the presence of what a URI names, and opening it without anybody knowing yet. */
import type { NvmemDevice } from '../core/device.js';
import type { Names } from '../core/naming.js';
import { Nvmem } from '../core/registry.js';
import { presence, type Presence } from '../hotplug/presence.js';
import type { ParsedTarget } from '../hotplug/target.js';
import { open } from '../open/open.js';
import type { OpenDevice, OpenOptions } from '../bus/open_device.js';
import type { NvmemUri, SysfsUri } from '../uri/uri.js';

export type PresencePort = Pick<
  Presence,
  'current' | 'noteOpen' | 'noteGone' | 'noteClosed' | 'close' | 'on' | 'unref'
>;

export interface Attached {
  readonly device: OpenDevice;
  /** From now on the registry has it. @throws NvmemError EEXIST: its name was taken meanwhile. */
  reveal(): void;
}

/** A test gives its own. */
export interface Attachment {
  watch(): PresencePort;
  /** Rejects as open(). */
  open(options: OpenOptions): Promise<Attached>;
  /** Opens another memory of the same part for a moment. Rejects as open(). */
  openBeside(uri: string, options: OpenOptions): Promise<OpenDevice>;
}

export function attachmentOf(uri: string, parsed: NvmemUri, registry: Nvmem): Attachment {
  return {
    watch: () => presence(targetIn(parsed)).unref(),
    open: async (options) => {
      const device = await open(uri, { ...options, registry: new Antechamber(registry) });
      // Its follower holds the program, with it or without it.
      device.unref();
      return {
        device,
        reveal: () => {
          registry.reveal(device);
        },
      };
    },
    openBeside: (beside, options) => open(beside, { ...options, registry: new Nvmem() }),
  };
}

/** What comes and goes: the bus of a part. */
function targetIn(parsed: NvmemUri): ParsedTarget {
  return 'bus' in parsed ? parsed.bus : (parsed as SysfsUri);
}

/** What registers here is a device of the registry behind it, and hidden until it is revealed. */
class Antechamber extends Nvmem {
  readonly #registry: Nvmem;

  constructor(registry: Nvmem) {
    super();
    this.#registry = registry;
  }

  override registerNow(
    config: Parameters<Nvmem['registerNow']>[0],
    free?: () => Promise<void>,
    uri?: string,
    names?: Names,
  ): NvmemDevice {
    return this.#registry.registerNow(config, free, uri, names, true);
  }

  override unregister(device: NvmemDevice | null | undefined, reason?: string): Promise<void> {
    return this.#registry.unregister(device, reason);
  }

  override unplugged(device: NvmemDevice, reason: string): Promise<void> {
    return this.#registry.unplugged(device, reason);
  }

  override addHandle(device: NvmemDevice, handle: NvmemDevice): void {
    this.#registry.addHandle(device, handle);
  }
}
