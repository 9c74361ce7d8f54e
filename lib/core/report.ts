/**
 * Calls into user code (listeners, progress callbacks) must not upset the library: what they throw is reported as
 * an uncaught exception, as Node does for EventTarget, after the library's own state is whole again.
 */
export function callUser<A extends unknown[]>(fn: (...args: A) => unknown, ...args: A): void {
  try {
    fn(...args);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
