import type { VirtualBench } from '../../rig/index.js';
import { NvmemError } from '../../base/errors.js';
import { benchPower, controlPower } from './bench.js';
import { commandPower } from './command.js';
import { manualPower } from './manual.js';
import { parsePower, type Power } from './power.js';
import { sysfsPower } from './sysfs.js';

/** @throws NvmemError EINVAL, EOPNOTSUPP, ENOENT, EIO: it cannot be had, and why */
export async function makePower(
  text: string,
  uris: readonly string[],
  bench: VirtualBench | undefined,
  tell: ((what: string) => void) | undefined,
): Promise<Power> {
  const spec = parsePower(text);
  const all = uris.map((_, index) => index);
  switch (spec.kind) {
    case 'bench':
      if (spec.port !== undefined) return controlPower(spec.host, spec.port, uris);
      if (bench) return benchPower(bench, uris);
      throw new NvmemError('EINVAL', '--power bench: there is no bench', {
        hint: 'Add --bench; of a bench that runs elsewhere say bench:PORT, its control port.',
      });
    case 'manual':
      return manualPower(all, tell);
    case 'usb-authorized':
    case 'usb-unbind':
    case 'driver-unbind':
      return sysfsPower(spec.kind, uris);
    case 'command':
    case 'uhubctl':
    case 'usbip-detach':
      return commandPower(spec, all);
  }
}
