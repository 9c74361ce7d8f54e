import { EIO } from '../base/errno.js';
import { isA, isDetached } from '../base/foreign.js';
import type { DeviceErrors } from './device_errors.js';
import { heldCall } from './held_call.js';
import { failureOf, Interrupted, type Operation } from './operation.js';
import type { ProviderPort } from './provider_port.js';

/**
 * Lets a cell's readPostProcess have what was read, in place.
 *
 * @throws NvmemError with what it threw, or why it was not waited for; EIO: it has transferred `raw` away.
 */
export async function postProcess(
  port: ProviderPort,
  operation: Operation,
  errors: DeviceErrors,
  cell: string,
  raw: Uint8Array,
  call: () => unknown,
): Promise<void> {
  try {
    await heldCall(port, `${operation.device}: readPostProcess`, operation, call);
  } catch (cause) {
    if (isA(cause, Interrupted)) throw errors.error(operation, cause);
    const { reason = '', ...failure } = failureOf(cause);
    throw operation.error({
      ...failure,
      reason: `readPostProcess of cell ${cell}${reason === '' ? '' : `: ${reason}`}`,
    });
  }
  if (isDetached(raw)) {
    const reason = `readPostProcess of cell ${cell} has transferred its data away`;
    throw operation.error({ status: EIO, reason });
  }
}
