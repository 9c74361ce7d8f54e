/** The kinds of buses. */
import type { BusUri } from '../uri/bus_uri.js';
import { usbAccess } from './cp2112.js';
import { hidrawAccess } from './hidraw.js';
import { i2cAccess } from './i2c.js';
import type { BusAccess } from './access.js';
import { usbipAccess } from './usbip.js';

/**
 * `uri`: as the caller gave it, for messages.
 *
 * @throws NvmemError where it names nothing that could be opened.
 */
export function busAccess(bus: BusUri, uri: string): Promise<BusAccess> | BusAccess {
  switch (bus.scheme) {
    case 'cp2112':
      return usbAccess(bus, uri);
    case 'hidraw':
      return hidrawAccess(bus, uri);
    case 'i2c':
      return i2cAccess(bus, uri);
    case 'usbip':
      return usbipAccess(bus);
  }
}
