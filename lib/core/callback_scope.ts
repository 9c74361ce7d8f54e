/**
 * Knows whether the running code was called by the core on behalf of a device, so that unregister() from inside
 * such a callback does not wait for that very callback (docs/defects.md, D16).
 */
import { AsyncLocalStorage } from 'node:async_hooks';

interface Frame {
  readonly device: object;
  readonly outer: Frame | undefined;
  running: boolean;
}

// Made at the first call into user code that may await: async hooks slow every promise of a process down, and
// memories inside the addon never need them.
let storage: AsyncLocalStorage<Frame> | undefined;

/** Runs `callback` marked as called for `device`, until the promise it may return settles. */
export function runCallback<T>(device: object, callback: () => T | Promise<T>): T | Promise<T> {
  storage ??= new AsyncLocalStorage<Frame>();
  const frame: Frame = { device, outer: storage.getStore(), running: true };
  const end = (): void => {
    frame.running = false;
  };
  let result: T | Promise<T>;
  try {
    result = storage.run(frame, callback);
  } catch (error) {
    end();
    throw error;
  }
  if (isThenable(result)) void result.then(end, end);
  else end();
  return result;
}

export function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

/** Whether the caller runs inside a callback of `device` that has not ended. */
export function insideCallbackOf(device: object): boolean {
  for (let frame = storage?.getStore(); frame; frame = frame.outer) {
    if (frame.device === device && frame.running) return true;
  }
  return false;
}
