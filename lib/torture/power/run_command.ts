/** Programs that switch power: without a shell, bounded in time, and their failures are theirs and not the subject's. */
import { spawn } from 'node:child_process';

import { setTimeout, clearTimeout } from '../../base/timers.js';
import { powerError } from './power.js';

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly hint: string;
}

/** Resolves with what it printed. Rejects with PowerError: it is not there, fails, or is not done in time (then it is killed). */
export function runCommand(words: readonly string[], { timeoutMs, hint }: CommandOptions): Promise<string> {
  const [program = '', ...args] = words;
  const shown = words.join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    const keep = (chunk: Buffer): void => {
      if (printed.length < 4096) printed += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const end = (error?: Error): void => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve(printed);
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      // One that sleeps in the kernel does not end: nobody waits for it.
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      end(powerError(`${shown} is not done after ${String(timeoutMs)} ms${said(printed)}`, hint));
    }, timeoutMs);
    child.on('error', (error) => {
      end(powerError(`cannot run ${shown}: ${error.message}`, hint, error));
    });
    child.on('close', (status, signal) => {
      if (status === 0) end();
      else
        end(powerError(`${shown} ended with ${signal ?? `status ${String(status)}`}${said(printed)}`, hint));
    });
  });
}

function said(printed: string): string {
  const text = printed.trim();
  return text === '' ? '' : `: ${text.slice(0, 400)}`;
}

/** Writes to a file of the kernel's, in a process of its own: what the write waits for may never come. */
export async function writeKernelFile(path: string, value: string, options: CommandOptions): Promise<void> {
  await runCommand(['/bin/sh', '-c', 'printf %s "$1" > "$2"', 'sh', value, path], options);
}
