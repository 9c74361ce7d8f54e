/** What following stands on: the presence of what a URI names, and opening it without anybody knowing yet. */
import type { NvmemDevice } from '../core/device.js';
import type { Names } from '../core/naming.js';
import { Registry } from '../core/registry.js';
import type { NvmemEnd } from '../core/device_end.js';
import { presence, type Presence } from '../hotplug/presence.js';
import type { ParsedTarget } from '../hotplug/target.js';
import { open, openParsed } from '../open/open.js';
import type { OpenOptions } from '../bus/open_device.js';
import type { NvmemUri, SysfsUri } from '../uri/uri.js';

export type PresencePort = Pick<
  Presence,
  'current' | 'noteOpen' | 'noteGone' | 'noteClosed' | 'close' | 'on' | 'unref'
>;

export interface Attached {
  readonly device: NvmemDevice;
  /** From now on the registry has it. @throws NvmemError EEXIST: its name was taken meanwhile. */
  reveal(): void;
}

/** A test gives its own. */
export interface Attachment {
  watch(): PresencePort;
  /** Rejects as open(). */
  open(options: OpenOptions): Promise<Attached>;
  /** Opens another memory of the same part for a moment. Rejects as open(). */
  openBeside(uri: string, options: OpenOptions): Promise<NvmemDevice>;
}

export function attachmentOf(parsed: NvmemUri, registry: Registry): Attachment {
  return {
    watch: () => presence(targetIn(parsed)).unref(),
    open: async (options) => {
      const device = await openParsed(parsed, { ...options, registry: new Antechamber(registry) });
      // Its follower holds the program, with it or without it.
      device.unref();
      return {
        device,
        reveal: () => {
          registry.reveal(device);
        },
      };
    },
    openBeside: (beside, options) => open(beside, { ...options, registry: new Registry() }),
  };
}

/** What comes and goes: the bus of a part. */
function targetIn(parsed: NvmemUri): ParsedTarget {
  return 'bus' in parsed ? parsed.bus : (parsed as SysfsUri);
}

/** What registers here is a device of the registry behind it, and hidden until it is revealed. */
class Antechamber extends Registry {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    super();
    this.#registry = registry;
  }

  override registerNow(
    config: Parameters<Registry['registerNow']>[0],
    free?: () => Promise<void>,
    uri?: string,
    names?: Names,
  ): NvmemDevice {
    return this.#registry.registerNow(config, free, uri, names, true);
  }

  override unregister(device: NvmemDevice | null | undefined, end?: NvmemEnd): Promise<void> {
    return this.#registry.unregister(device, end);
  }

  override addHandle(device: NvmemDevice, handle: NvmemDevice): void {
    this.#registry.addHandle(device, handle);
  }
}
