/** Whether a part is the one its URI names, as far as reading tells. */
import { diagnosed } from '../base/diagnosis.js';
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import type { NvmemGeometry } from '../core/part_commands.js';
import { Finding } from '../native/finding.js';
import type { IoOptions, NativeSlot } from '../native/index.js';

const VERDICTS: Readonly<Partial<Record<Finding, NvmemGeometry['verdict']>>> = {
  [Finding.None]: 'fits',
  [Finding.Width]: 'contradicts',
  [Finding.Size]: 'contradicts',
  [Finding.Repeats]: 'repeats',
};

/** Reads only, and on every silicon version of the bridge nothing that a part could store. @throws NvmemError */
export async function geometryOf(slot: NativeSlot, device: string, io: IoOptions): Promise<NvmemGeometry> {
  const { status, transferred, finding = Finding.None, found = 0, reason } = await slot.probeGeometry(io);
  if (status !== 0) {
    const code = codeOf(status);
    const why = reason === '' ? saysOf(code) : reason;
    throw new NvmemError(code, `cannot find out the geometry of ${device}: ${why}`, {
      errno: status,
      syscall: 'geometry',
      device,
      cause: io.signal?.aborted ? io.signal.reason : undefined,
      ...diagnosed({ finding, found }),
    });
  }
  return {
    verdict: VERDICTS[finding] ?? 'undecided',
    addressWidth: widthOf(transferred),
    size: found === 0 ? undefined : found,
    reason,
  };
}

/**
 * What contradicts, or may; undefined: nothing does, or it cannot be asked.
 *
 * @throws NvmemError ABORT_ERR. Whatever else goes wrong says nothing of the part, and is told by who uses it next.
 */
export async function contradiction(
  device: { geometry(options: IoOptions): Promise<NvmemGeometry | undefined> },
  options: IoOptions,
): Promise<NvmemGeometry | undefined> {
  try {
    const geometry = await device.geometry(options);
    const { verdict } = geometry ?? {};
    return verdict === 'contradicts' || verdict === 'repeats' ? geometry : undefined;
  } catch (error) {
    if (error instanceof NvmemError && error.code !== 'ABORT_ERR') return undefined;
    throw error;
  }
}

/** Bits, of the bytes that a probe found. */
export function widthOf(addressBytes: number): 8 | 16 | undefined {
  return addressBytes === 0 ? undefined : addressBytes === 2 ? 16 : 8;
}
