/** The process of the subjects, seen from the run: what it is told, what it says, and how it ends. */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

import { clearTimeout, setTimeout } from '../../base/timers.js';
import type { Answer, Request } from './protocol.js';

/** So long it may take to end in order. */
const END_MS = 15_000;
const KILLED_MS = 3000;
const KEPT = 8192;

/** How it ended, though nobody had told it to. */
export interface Crash {
  readonly how: string;
  /** What it printed last. */
  readonly printed: string;
}

export class SubjectProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #isEnding = false;
  #printed = '';

  /** @param crashed it has ended by itself */
  constructor(hear: (answer: Answer) => void, crashed: (crash: Crash) => void) {
    const main = join(__dirname, 'main.js');
    // Its own group: a Ctrl-C in the terminal is for the run.
    const child = fork(main, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: process.execArgv.filter((arg) => !arg.startsWith('--inspect')),
      detached: true,
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#printed = (this.#printed + chunk.toString()).slice(-KEPT);
      });
    }
    child.on('message', (answer: Answer) => {
      hear(answer);
    });
    child.on('error', () => undefined); // a message that could not be sent: its end tells why
    this.#ended = new Promise((resolve) => {
      child.on('close', (status, signal) => {
        resolve();
        if (!this.#isEnding)
          crashed({ how: signal ?? `exit status ${String(status)}`, printed: this.#printed });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  send(request: Request): void {
    if (this.#child.connected) this.#child.send(request, () => undefined);
  }

  /** Ends it in order, or, where it does not do so in time, at once. @returns whether it was in order */
  async end(): Promise<boolean> {
    this.#isEnding = true;
    this.send({ type: 'end' });
    let inOrder = true;
    const timer = setTimeout(() => {
      inOrder = false;
      void this.kill().then(done);
    }, END_MS);
    let done = (): void => undefined;
    await Promise.race([this.#ended, new Promise<void>((resolve) => (done = resolve))]);
    clearTimeout(timer);
    return inOrder;
  }

  /** At once: it hangs. What sleeps in the kernel does not end by that, and is left. */
  async kill(): Promise<void> {
    this.#isEnding = true;
    this.#child.kill('SIGKILL');
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.#ended, new Promise((resolve) => (timer = setTimeout(resolve, KILLED_MS)))]);
    clearTimeout(timer);
    this.#child.unref();
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    if (this.#child.connected) this.#child.disconnect();
  }
}
