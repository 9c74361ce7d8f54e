import { native } from '../native/index.js';
import type { I2cUri } from '../uri/uri.js';
import type { BusSource } from './bus_source.js';

/** An I2C adapter of the kernel. */
export function i2cSource({ path, force }: I2cUri): BusSource {
  return {
    key: `i2c ${path} ${String(force)}`,
    what: `the adapter ${path}`,
    setsClock: false,
    open: (_clockHz, openTimeoutMs) => native().openI2c({ path, force, openTimeoutMs }),
    sentences: {},
    // As the kernel names its I2C devices: 1-0050.
    name: () => path.replace(/^.*\/(i2c-)?/, ''),
  };
}
