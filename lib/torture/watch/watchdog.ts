/** Looks after what nobody else sees: a process that does not answer, tasks that sleep in the kernel for ever, the kernel's own log. */
import { execFile } from 'node:child_process';
import { clearInterval, setInterval } from '../../base/timers.js';
import { clockMs } from '../engine/protocol.js';
import type { Breach } from '../state.js';
import { KernelLog } from './kernel_log.js';
import { describeTask, sleepers, tasksOf, type Task } from './tasks.js';

const LOOK_MS = 500;
/** A look at all tasks of the machine costs some milliseconds. */
const TASKS_EVERY = 4;
/** A debugger has so long for its stacks. */
const DEBUGGER_MS = 10_000;

export interface WatchdogOptions {
  /** So long the process of the subjects may be silent. */
  readonly hangMs: number;
  /** So long a task may be in state D. */
  readonly stuckMs: number;
  readonly pid: number;
  ping(number: number): void;
  bark(breach: Breach): void;
}

export class Watchdog {
  /** What it cannot watch here, and why. */
  readonly blind: string[] = [];
  readonly #options: WatchdogOptions;
  readonly #log: KernelLog | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #asleepSince = new Map<string, number>();
  readonly #barked = new Set<string>();
  #looks = 0;
  #asked = 0;
  #answered = 0;
  #askedAt = clockMs();

  constructor(options: WatchdogOptions) {
    this.#options = options;
    const log = KernelLog.open();
    if (typeof log === 'string') this.blind.push(`the kernel's log: ${log}`);
    else this.#log = log;
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK_MS);
    this.#timer.unref();
  }

  pong(number: number): void {
    this.#answered = Math.max(this.#answered, number);
  }

  /** A last look. */
  close(): void {
    clearInterval(this.#timer);
    this.#kernel();
    this.#log?.close();
  }

  #look(): void {
    const now = clockMs();
    if (this.#answered === this.#asked) {
      this.#askedAt = now;
      this.#options.ping(++this.#asked);
    } else if (now - this.#askedAt > this.#options.hangMs && !this.#barked.has('hang')) {
      this.#barked.add('hang');
      void stacksOf(this.#options.pid).then((details) => {
        const silent = `the process of the subjects does not answer for ${String(Math.round((now - this.#askedAt) / 1000))} s`;
        this.#options.bark({ kind: 'hang', message: silent, details });
      });
    }
    this.#kernel();
    if (this.#looks++ % TASKS_EVERY === 0) this.#sleepers(now);
  }

  #kernel(): void {
    const lines = this.#log?.distress() ?? [];
    const [first] = lines;
    if (first !== undefined)
      this.#options.bark({
        kind: 'kernel-warning',
        message: `the kernel says: ${first}`,
        details: lines.join('\n'),
      });
  }

  #sleepers(now: number): void {
    const asleep = sleepers();
    const still = new Set(asleep.map(keyOf));
    for (const key of this.#asleepSince.keys()) if (!still.has(key)) this.#asleepSince.delete(key);
    for (const task of asleep) {
      const key = keyOf(task);
      const since = this.#asleepSince.get(key) ?? now;
      this.#asleepSince.set(key, since);
      if (now - since < this.#options.stuckMs || this.#barked.has(key)) continue;
      this.#barked.add(key);
      const message = `task ${task.name} (${task.tid}) sleeps in the kernel${task.waitsIn === '' || task.waitsIn === '0' ? '' : `, in ${task.waitsIn},`} for ${String(Math.round((now - since) / 1000))} s`;
      this.#options.bark({ kind: 'task-stuck', message, details: describeTask(task) });
    }
  }
}

function keyOf({ tid, name }: Task): string {
  return `${tid} ${name}`;
}

/** Of every thread: where it is in the kernel, and, where a debugger is there and may, its native stack. */
export async function stacksOf(pid: number): Promise<string> {
  const tasks = tasksOf(pid).map(describeTask).join('\n');
  const args = ['-p', String(pid), '-batch', '-nx', '-ex', 'thread apply all bt 24'];
  const native = await new Promise<string>((resolve) => {
    execFile('gdb', args, { timeout: DEBUGGER_MS, maxBuffer: 1 << 20 }, (error, stdout) => {
      const missing = error !== null && (error as { code?: unknown }).code === 'ENOENT';
      resolve(missing ? 'native stacks: gdb is not installed' : stdout);
    });
  });
  return `${tasks}\n${native}`;
}
