import type { EventEmitter } from 'node:events';

const METHODS = [
  'addListener',
  'on',
  'prependListener',
  'off',
  'removeListener',
  'removeAllListeners',
] as const;

/**
 * Calls `changed` after every change to the listeners of `emitter`. Not by its events 'newListener' and 'removeListener':
 * removeAllListeners() takes away who listens to those.
 */
export function onListenersChanged(
  emitter: Pick<EventEmitter, (typeof METHODS)[number]>,
  changed: () => void,
): void {
  for (const name of METHODS) {
    const method = emitter[name] as (...args: unknown[]) => unknown;
    Object.defineProperty(emitter, name, {
      configurable: true,
      writable: true,
      // once() and prependOnceListener() come through here as well.
      value: (...args: unknown[]): unknown => {
        method.apply(emitter, args);
        changed();
        return emitter;
      },
    });
  }
}
