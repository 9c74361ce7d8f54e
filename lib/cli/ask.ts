/** A question on the terminal. */
import { createInterface } from 'node:readline';

import { NvmemError } from '../base/errors.js';
import { visible } from '../base/visible.js';
import type { Session } from './session.js';

/**
 * True for y or yes; anything else, and the end of the input, is no.
 * @throws NvmemError ABORT_ERR when a signal ends the command meanwhile
 */
export async function ask({ io, err }: Session, question: string): Promise<boolean> {
  const { stdin, signal } = io;
  // Not through readline's output: the terminal shows what is typed by itself, and signals stay signals.
  const lines = createInterface({ input: stdin, terminal: false });
  const ended = new Promise<string>((resolve) => {
    lines.once('line', resolve);
    lines.once('close', () => {
      resolve('');
    });
  });
  let onAbort: (() => void) | undefined;
  const interrupted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(new NvmemError('ABORT_ERR', 'the command was interrupted', { cause: signal.reason }));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
  interrupted.catch(() => undefined);
  try {
    await err.write(visible(question));
    const answer = await Promise.race([ended, interrupted]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
    lines.close();
    // A terminal that is still read from would keep the process.
    stdin.pause();
    (stdin as { unref?: () => void }).unref?.();
  }
}
