/** What the addon can be asked for that needs no handle: openings, slots of their own, lookouts. */
import { loadAddon, type Addon } from './addon.js';
import { Bus } from './bus.js';
import { Desk } from './desk.js';
import { Attached, Slot } from './slot.js';
import type {
  AttachedSlot,
  BusOpening,
  HidrawOptions,
  I2cOptions,
  Native,
  NativeCounts,
  NativeGracePeriods,
  NativeLookout,
  NativeSlot,
  SysfsOptions,
  UsbipOptions,
  UsbOptions,
} from './types.js';

class Client implements Native {
  readonly #desk: Desk;

  constructor(addon: Addon) {
    this.#desk = new Desk(addon);
  }

  openUsbip(options: UsbipOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openUsbip(options));
  }

  openUsb(options: UsbOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openUsb(options));
  }

  openHidraw(options: HidrawOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openHidraw(options));
  }

  openI2c(options: I2cOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openI2c(options));
  }

  openSysfs(options: SysfsOptions): Promise<BusOpening> {
    return this.#opening(this.#desk.addon.openSysfs(options));
  }

  #opening(id: number): Promise<BusOpening> {
    if (id < 0) return Promise.resolve({ status: id, reason: '' });
    return new Promise((resolve) => {
      // The bus is there before the next message of the batch, which may say that it has gone.
      this.#desk.opening.set(id, (status, text) => {
        resolve(status === 0 ? { status, bus: new Bus(this.#desk, id, text) } : { status, reason: text });
      });
    });
  }

  memory(image: Uint8Array): NativeSlot | number {
    return this.#slot(this.#desk.addon.memory(image));
  }

  javascriptProvider(): NativeSlot | number {
    return this.#slot(this.#desk.addon.javascriptProvider());
  }

  #slot(id: number): NativeSlot | number {
    return id < 0 ? id : new Slot(this.#desk, id);
  }

  attach(token: string): { slot: AttachedSlot; facts: string } | number {
    const attached = this.#desk.addon.attach(token);
    if (typeof attached === 'number') return attached;
    const [id, facts] = attached;
    return { slot: new Attached(this.#desk, id), facts };
  }

  lookout(look: () => void, { uevents = true }: { readonly uevents?: boolean } = {}): NativeLookout | number {
    const { addon, lookouts } = this.#desk;
    const id = addon.startLookout(uevents);
    if (id < 0) return id;
    lookouts.set(id, look);
    return {
      get hearsKernel(): boolean {
        return addon.hearsKernel(id);
      },
      watchFolder: (path) => addon.watchFolder(id, path),
      stop(): void {
        lookouts.delete(id);
        addon.stopLookout(id);
      },
    };
  }

  counts(): NativeCounts {
    return this.#desk.addon.counts();
  }

  processStats(): NativeGracePeriods {
    return this.#desk.addon.processStats();
  }
}

let client: Client | undefined;

/** The addon, loaded at the first call. @throws Error `ERR_NVMEM_ADDON`, see addon.ts. */
export function native(): Native {
  client ??= new Client(loadAddon());
  return client;
}
