import { spawn } from 'node:child_process';

/** This harness cannot run on this machine: not a failure of what is tested, and never a pass either. */
export class NotRun extends Error {}

const KILL_GRACE_MS = 2000;

/**
 * Runs a program to its end and gives what it printed. Never throws for an exit status: the caller knows which
 * ones are failures. Past `timeoutMs` the program is killed and `status` is 124, as coreutils' timeout says it.
 */
export function run(command, args, { timeoutMs = 60_000, env = process.env, cwd, input } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env,
      cwd,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const stdout = [];
    const stderr = [];
    let timedOut = false;
    let last;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
      // a program that is blocked inside the kernel does not even die of this
      last = setTimeout(() => finish(124), KILL_GRACE_MS);
    }, timeoutMs);
    child.stdout.on('data', (chunk) => stdout.push(chunk));
    child.stderr.on('data', (chunk) => stderr.push(chunk));
    if (input !== undefined) {
      child.stdin.on('error', () => {}); // the program may end before it has read everything
      child.stdin.end(input);
    }
    const finish = (status, note = '') => {
      clearTimeout(timer);
      clearTimeout(last);
      const bytes = Buffer.concat(stdout);
      resolve({ status, bytes, stdout: bytes.toString(), stderr: Buffer.concat(stderr).toString() + note });
    };
    child.on('error', (error) => finish(127, error.message));
    child.on('close', (code, signal) =>
      finish(timedOut ? 124 : (code ?? 128), signal ? `\n(${signal})` : ''),
    );
  });
}

/** As `run`, but anything except status 0 is an error that shows the last lines printed. */
export async function must(command, args, options) {
  const result = await run(command, args, options);
  if (result.status !== 0) {
    const tail = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-8).join('\n  ');
    throw new Error(`${[command, ...args].join(' ')} ended with status ${result.status}:\n  ${tail}`);
  }
  return result;
}
