/** The kinds of buses. */
import type { BusUri } from '../uri/bus_uri.js';
import { usbSource } from './cp2112.js';
import { hidrawSource } from './hidraw.js';
import { i2cSource } from './i2c.js';
import type { BusSource } from './source.js';
import { usbipSource } from './usbip.js';

/**
 * `uri`: as the caller gave it, for messages.
 *
 * @throws NvmemError where it names nothing that could be opened.
 */
export function busSource(bus: BusUri, uri: string): Promise<BusSource> | BusSource {
  switch (bus.scheme) {
    case 'cp2112':
      return usbSource(bus, uri);
    case 'hidraw':
      return hidrawSource(bus, uri);
    case 'i2c':
      return i2cSource(bus, uri);
    case 'usbip':
      return usbipSource(bus);
  }
}
