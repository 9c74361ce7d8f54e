/** Calls into a provider's JavaScript that may take their time. */
import type { Backend } from './backend.js';
import { isThenable, runCallback } from './callback_scope.js';
import { Interrupted, type Operation } from './operation.js';

/**
 * One call of `invoke` for `operation`. It has a hold of its own: an interrupted operation settles at once, and the
 * provider stays until the call has settled, whenever that is.
 *
 * `running` is told the call's promise where there is one.
 *
 * @throws Interrupted, or what the call throws.
 */
export async function heldCall<T>(
  backend: Pick<Backend, 'hold'>,
  label: string,
  operation: Operation,
  invoke: (signal: AbortSignal) => T | Promise<T>,
  running?: (call: Promise<unknown>) => void,
): Promise<T> {
  if (operation.status !== 0) throw new Interrupted(operation.status);
  const hold = backend.hold(label);
  if (typeof hold === 'number') throw new Interrupted(hold);
  const controller = new AbortController();
  let result: T | Promise<T>;
  try {
    result = runCallback(backend, () => invoke(controller.signal));
  } catch (error) {
    hold.release();
    throw error;
  }
  if (!isThenable(result)) {
    hold.release();
    return result;
  }
  const settled = Promise.resolve(result).finally(() => {
    hold.release();
  });
  running?.(settled);
  try {
    return await operation.waitFor(settled);
  } catch (error) {
    if (error instanceof Interrupted) {
      // Nobody waits for the answer any more, and what it may still reject with is nobody's business.
      settled.catch(() => undefined);
      controller.abort();
    }
    throw error;
  }
}
