/** The kinds of buses. */
import type { BusUri } from '../uri/uri.js';
import { usbSource } from './cp2112.js';
import { hidrawSource } from './hidraw.js';
import { i2cSource } from './i2c.js';
import type { BusSource } from './source.js';
import { usbipSource } from './usbip.js';

/** @throws NvmemError where the URI names nothing that could be opened. */
export function busSource(uri: BusUri): Promise<BusSource> | BusSource {
  switch (uri.scheme) {
    case 'cp2112':
      return usbSource(uri);
    case 'hidraw':
      return hidrawSource(uri);
    case 'i2c':
      return i2cSource(uri);
    case 'usbip':
      return usbipSource(uri);
  }
}
