/** Waits for something to turn up in a registry. */
import type { EventEmitter } from 'node:events';

import { NvmemError } from '../base/errors.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { checkOperationOptions, type OperationOptions } from '../base/validate.js';

/** What `look` finds, now or after one of `events`. What it throws is the end as well. */
export function waitForEvent<T>(
  emitter: Pick<EventEmitter, 'on' | 'off'>,
  events: readonly string[],
  look: () => T | undefined,
  what: string,
  options: OperationOptions,
): Promise<T> {
  checkOperationOptions(options, ['signal', 'timeoutMs']);
  const { signal, timeoutMs } = options;
  return new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      for (const event of events) emitter.off(event, again);
    };
    const again = (): void => {
      try {
        const found = look();
        if (found === undefined) return;
        end();
        resolve(found);
      } catch (error) {
        end();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as look() threw it
        reject(error);
      }
    };
    const fail = (code: 'ABORT_ERR' | 'ETIMEDOUT', says: string, cause?: unknown): void => {
      end();
      const hint = code === 'ETIMEDOUT' ? 'Register or open it, or wait longer (timeoutMs).' : undefined;
      reject(new NvmemError(code, `${says}, waiting for ${what}`, { syscall: 'waitFor', cause, hint }));
    };
    const aborted = (): void => {
      fail('ABORT_ERR', 'the operation was aborted', signal?.reason);
    };
    for (const event of events) emitter.on(event, again);
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => {
        fail('ETIMEDOUT', 'it did not come in time');
      }, timeoutMs);
    }
    signal?.addEventListener('abort', aborted, { once: true });
    if (signal?.aborted) aborted();
    else again();
  });
}
