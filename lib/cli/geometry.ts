/** What a command says where the part does not look like the one its URI names. */
import { NvmemError } from '../base/errors.js';
import type { NvmemGeometry } from '../bus/geometry.js';
import type { OpenDevice } from '../open/open.js';
import type { Session } from './session.js';

/** What contradicts, or may; undefined: nothing does, or it cannot be asked. */
export async function contradiction(
  session: Session,
  device: OpenDevice,
): Promise<NvmemGeometry | undefined> {
  try {
    const geometry = await device.geometry(session.limits);
    const { verdict } = geometry ?? {};
    return verdict === 'contradicts' || verdict === 'repeats' ? geometry : undefined;
  } catch (error) {
    // The command itself has succeeded; a bridge that goes now is the next one's trouble.
    if (error instanceof NvmemError && error.code !== 'ABORT_ERR') return undefined;
    throw error;
  }
}

export function geometryWarning({ reason }: NvmemGeometry): string {
  return `warning: this may not be the part that the URI names: ${reason}`;
}
