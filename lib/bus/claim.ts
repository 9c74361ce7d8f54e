/** The claim of a part's device addresses, in the whole process: two geometries cannot share one. */
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { usesOf } from '../chips/uses.js';
import type { Part } from '../uri/part.js';
import type { BusLease } from './pool.js';

/**
 * The number of the claim, for at24() to hold. Opening one part again, with the same geometry, is another claim of it.
 *
 * @throws NvmemError EBUSY: an address of the part is in use with another geometry; ENODEV: the bus has gone.
 */
export async function claimPart(
  { bus, access }: BusLease,
  part: Part,
  uri: string,
): Promise<number | undefined> {
  const wire = (await access.wire?.()) ?? access.key;
  const claimed = bus.claim?.({ wire, uses: usesOf(part), holder: holderOf(uri) });
  const { address, chip } = part;
  const what = `the ${chip.name} at 0x${address.toString(16)} on ${access.what}`;
  if (typeof claimed === 'string') {
    throw new NvmemError('EBUSY', `cannot open ${what}: ${claimed} uses an address of it as another part`, {
      syscall: 'open',
      device: uri,
      hint: 'Only one of the two can be right about what is there: close the other, or correct chip= and the address.',
    });
  }
  if (claimed === undefined || claimed >= 0) return claimed;
  // A handle that is not there any more is a bus that has just gone.
  const code = codeOf(claimed) === 'EBADF' ? 'ENODEV' : codeOf(claimed);
  throw new NvmemError(code, `cannot open ${what}: ${saysOf(code)}`, { syscall: 'open', device: uri });
}

/** How others are told who has a part; `device`: its name, once it has one. */
export function holderOf(uri: string, device?: string): string {
  return device === undefined ? uri : `the device ${device} (${uri})`;
}
