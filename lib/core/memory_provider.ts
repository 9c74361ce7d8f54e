/** Memory inside the addon. */
import { needZeros } from '../base/memory.js';
import { checkBytes, checkInteger } from '../base/validate.js';
import { native } from '../native/index.js';
import { slotFor } from './make_port.js';
import type { NativeProvider } from './provider.js';
import { providerOfSlot } from './provider_port.js';

/**
 * A provider for volatile memory inside the addon, of that many bytes (all 0), or with a copy of `image` in it.
 * Reads and writes of it settle at once.
 */
export function memoryProvider(image: number | Uint8Array): NativeProvider {
  const bytes =
    typeof image === 'number'
      ? needZeros(checkInteger('image', image, 0, 2 ** 31 - 1))
      : checkBytes('image', image);
  const slot = slotFor(`a memory of ${String(bytes.length)} bytes`, native().memory(bytes));
  return providerOfSlot(slot, bytes.length, { hasWpLine: false });
}
