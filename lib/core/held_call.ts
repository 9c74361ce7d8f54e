/** Calls into a provider's JavaScript that may take their time. */
import { isA } from '../base/foreign.js';
import type { ProviderPort } from './provider_port.js';
import { runCallback } from './callback_scope.js';
import { Interrupted, type Operation } from './operation.js';

/**
 * One call of `invoke` for `operation`. It has a hold of its own: an interrupted operation settles at once, and the
 * provider stays until the call has settled, whenever that is.
 *
 * `running` is told the call's promise where there is one.
 *
 * @throws Interrupted, or what the call throws.
 */
export async function heldCall(
  port: Pick<ProviderPort, 'hold'>,
  label: string,
  operation: Operation,
  invoke: (signal: AbortSignal) => unknown,
  running?: (call: Promise<unknown>) => void,
): Promise<unknown> {
  if (operation.status !== 0) throw new Interrupted(operation.status);
  const hold = port.hold(label);
  if (typeof hold === 'number') throw new Interrupted(hold);
  const controller = new AbortController();
  const taken = runCallback(
    port,
    operation,
    () => invoke(controller.signal),
    () => {
      hold.release();
    },
  );
  if (taken.pending === undefined) return taken.value;
  running?.(taken.pending);
  try {
    return await operation.waitFor(taken.pending);
  } catch (error) {
    // Nobody waits for the answer any more, and what it may still reject with is nobody's business.
    if (isA(error, Interrupted)) controller.abort();
    throw error;
  }
}
