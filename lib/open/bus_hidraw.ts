import { native } from '../native/index.js';
import type { HidrawUri } from '../uri/uri.js';
import type { BusSource } from './bus_source.js';

/** A CP2112 that the kernel's driver keeps: both may use it, one transfer at a time each. */
export function hidrawSource({ path }: HidrawUri): BusSource {
  return {
    key: `hidraw ${path}`,
    what: `the bridge ${path}`,
    setsClock: true,
    open: (clockHz, openTimeoutMs) => native().openHidraw({ path, clockHz, openTimeoutMs }),
    sentences: {},
    name: () => path.replace(/^.*\//, ''),
  };
}
