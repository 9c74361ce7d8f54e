/** What a registry knows of a device, and what it tells of one. */
import type { NvmemCell } from './cell.js';
import type { NvmemDevice } from './device.js';
import type { DeviceCore } from './device_core.js';
import type { NvmemEnd } from './device_end.js';

/**
 * In this order for every device: add, cell-add for each cell, layout-add after the cells of its layout; remove,
 * layout-remove, cell-remove for each cell, removed. All cell events of a device come between its add and removed.
 * Listeners run synchronously; what they throw becomes an uncaught exception and changes nothing here.
 */
export interface NvmemEvents {
  /** Registered: it can be found and used. */
  add: [device: NvmemDevice];
  'cell-add': [cell: NvmemCell, device: NvmemDevice];
  /** The device's layout has looked: all its cells are there, or `error` says why none is. */
  'layout-add': [device: NvmemDevice, layout: string, error: unknown];
  'layout-remove': [device: NvmemDevice, layout: string];
  /** It can no longer be found, and is about to lose its provider. */
  remove: [device: NvmemDevice];
  'cell-remove': [cell: NvmemCell, device: NvmemDevice];
  /** The provider is gone and every operation has settled. */
  removed: [device: NvmemDevice, end: NvmemEnd];
}

export interface Registration {
  readonly core: DeviceCore;
  readonly device: NvmemDevice;
  readonly number: number;
  /** What its URI points to, where it was opened by one. */
  readonly key: string | undefined;
  /** It went by itself and may come back: its number is kept for it. */
  isAway: boolean;
  /** Nobody finds it or has heard of it: see reveal(). */
  isHidden: boolean;
  /** Other handles that announce 'removed' as well. */
  readonly handles: Set<NvmemDevice>;
  /** Lets go of what the provider stood on (a bus, a file), once nothing uses it any more. */
  readonly free: (() => Promise<void>) | undefined;
  unregistering: Unregistering | undefined;
  /** Name of its layout, and whether that has been at work. */
  readonly layout: string | undefined;
  layoutStarted: boolean;
  layoutDone: boolean;
  /** The device that has its compat file. */
  readonly baseDev: string | undefined;
}

export interface Unregistering {
  /** The provider pointer is gone and every operation has settled. */
  readonly detached: Promise<void>;
  /** The grace period is over as well, and 'removed' has been announced. */
  readonly done: Promise<void>;
}
