/** What the end-to-end tests share: images, the thread count, and the built command line as a child process. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import type { NativeCounts } from '../../lib/native/index.js';

/** mulberry32: a seed names a run. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Bytes in which no two places look alike, so that a shifted or repeated chunk is seen. */
export function imageOf(size: number, seed: number): Buffer {
  const next = random(seed);
  return Buffer.from(Uint8Array.from({ length: size }, () => Math.floor(next() * 256)));
}

/** `NVMEM_SEED` replays a run. */
export function seedOfRun(): number {
  const given = process.env['NVMEM_SEED'];
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
}

/** The names of this process's threads: the kernel's list, so that a thread nobody joined is seen. */
export function threads(): number {
  return readdirSync('/proc/self/task').length;
}

/**
 * Beyond what there was: test files that ran before in this process may have left slots to the garbage collector, which jest
 * takes away with their realms.
 */
export function left(now: NativeCounts, before: NativeCounts): Partial<NativeCounts> {
  const more = Object.entries(now).map(
    ([key, count]) => [key, count - before[key as keyof NativeCounts]] as const,
  );
  return Object.fromEntries(more.filter(([, count]) => count > 0));
}

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export interface CliResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const CLI = join(__dirname, '..', '..', 'dist', 'cli', 'main.js');

/** Runs the built command line to its end; it is killed, and the result says so, after 20 s. */
export function cli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      resolve({ status, signal, stdout, stderr });
    });
  });
}
