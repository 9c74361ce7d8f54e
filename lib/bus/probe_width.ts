/** What kind of EEPROM answers at an address that nobody has described. */
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { partWords } from '../base/part_words.js';
import type { IoOptions, NativeBus } from '../native/index.js';

export interface WidthProposal {
  /** Bits of the word address on the wire; undefined: what the part holds does not tell (it is blank, or the same everywhere). */
  readonly addressWidth: 8 | 16 | undefined;
  /** Why there is no proposal; else empty. */
  readonly reason: string;
}

/**
 * Proposes the `addressWidth=` of the EEPROM at a device address from random reads alone. No write cycle is started, and
 * every byte that a part could take for data is the one it holds there already (native/at24/probe_width.h).
 *
 * Rejects with NvmemError: ENXIO (nobody there), EOPNOTSUPP (outside of 0x50 to 0x57, or a bridge that cannot do a repeated
 * START: a CP2112 of version 1), ENODEV, and what the bus says.
 */
export async function probeWidth(
  bus: NativeBus,
  address: number,
  io: IoOptions = {},
): Promise<WidthProposal> {
  // Only the address means something to this operation.
  const slot = bus.at24({
    address,
    size: 1,
    addressBytes: 1,
    pageSize: 1,
    writeCycleMs: 5,
    blockShift: 0,
    offsetAdd: 0,
    readRollover: false,
    wpLine: -1,
    paging: 'none',
  });
  try {
    const { status, transferred, reason } = await slot.probeWidth(io);
    if (status === 0)
      return { addressWidth: transferred === 0 ? undefined : transferred === 2 ? 16 : 8, reason };
    const code = codeOf(status);
    const why = reason === '' ? (partWords(code)?.says ?? saysOf(code)) : reason;
    throw new NvmemError(code, `cannot find out the address width at 0x${address.toString(16)}: ${why}`, {
      errno: status,
      syscall: 'probe',
      hint: partWords(code)?.hint,
    });
  } finally {
    await slot.unregister();
  }
}
