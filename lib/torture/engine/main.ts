/**
 * The process that has the subjects open, with its threads. It is a process of its own so that whoever judges it outlives its
 * crash, sees its hang, and counts its files and threads without his own.
 */
import { readdirSync, readFileSync } from 'node:fs';
// eslint-disable-next-line no-restricted-imports -- the loop's own delay, which is no clock
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import type { NvmemDevice } from '../../core/device.js';
import { native } from '../../native/index.js';
import { heldBytes } from './garbage.js';
import { look } from './operate.js';
import { clockMs, type Answer, type Order, type Request, type Sample } from './protocol.js';
import { Subject } from './subject.js';
import type { WorkerAnswer, WorkerRequest } from './worker.js';

const subjects: Subject[] = [];
const workers: Worker[] = [];
const delay = monitorEventLoopDelay({ resolution: 1 });
let usage = { cpu: process.cpuUsage(), at: clockMs() };
/** Threads that have still to say that they have a subject; and listeners, that they have counted. */
const waiting = new Map<
  string,
  { left: number; readonly heard: number[]; done: (heard: number[]) => void }
>();

function say(answer: Answer): void {
  process.send?.(answer, undefined, undefined, () => undefined);
}

function everyWorker(key: string, request: WorkerRequest): Promise<number[]> {
  return new Promise((done) => {
    waiting.set(key, { left: workers.length, heard: [], done });
    for (const worker of workers) worker.postMessage(request);
  });
}

function heard(key: string, ...values: readonly number[]): void {
  const asked = waiting.get(key);
  if (!asked) return;
  asked.heard.push(...values);
  if (--asked.left > 0) return;
  waiting.delete(key);
  asked.done(asked.heard);
}

function begin(count: number, uris: readonly string[]): void {
  subjects.push(...uris.map((uri, index) => new Subject(index, uri, say)));
  for (let worker = 0; worker < count; worker++) {
    const thread = new Worker(join(__dirname, 'worker.js'), { workerData: { worker } });
    thread.on('message', (answer: WorkerAnswer) => {
      if (answer.type === 'attached')
        heard(`attached ${String(answer.subject)}`, ...(answer.isThere ? [answer.worker] : []));
      else if (answer.type === 'held') {
        heard('listeners', answer.listeners);
        heard('heap', answer.heap);
      } else say(answer);
    });
    thread.on('error', (error) => {
      say({ type: 'trouble', message: `worker ${String(worker)} has died: ${String(error)}` });
      process.exit(70);
    });
    workers.push(thread);
  }
  native(); // so that a look at the files and threads of the first cycle is none of a process that still loads
  delay.enable();
  say({ type: 'ready' });
}

function share(subject: number, generation: number, device: NvmemDevice): Promise<number[]> {
  return everyWorker(`attached ${String(subject)}`, {
    type: 'attach',
    subject,
    generation,
    token: device.share(),
  });
}

function order(order: Order): void {
  if (order.kind !== 'wp' && order.kind !== 'scan') {
    workers[order.worker]?.postMessage({ type: 'order', order } satisfies WorkerRequest);
    return;
  }
  void look(subjects[order.subject]?.uri ?? '', order).then((settled) => {
    say({ type: 'settled', settled });
  });
}

async function sample(): Promise<Sample> {
  const heaps = new Promise<number[]>((done) => {
    waiting.set('heap', { left: workers.length, heard: [], done });
  });
  const listeners = sumOf(await everyWorker('listeners', { type: 'held' }));
  const heapUsed = sumOf(await heaps);
  const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - 1); // its resolution is part of each
  const loopDelay = {
    p50: ms(delay.percentile(50)),
    p99: ms(delay.percentile(99)),
    p999: ms(delay.percentile(99.9)),
  };
  const own = heldBytes();
  const { rss } = process.memoryUsage();
  // The collection is ours, and no delay of the driver's.
  delay.reset();
  const { user, system } = process.cpuUsage(usage.cpu);
  const now = clockMs();
  const cpu = (user + system) / 1e3 / Math.max(1, now - usage.at);
  usage = { cpu: process.cpuUsage(), at: now };
  const owned = Object.values<number>({ ...native().counts() }).reduce((sum, count) => sum + count, 0);
  return {
    rss,
    heapUsed: heapUsed + own,
    fds: readdirSync('/proc/self/fd').length,
    threads: Number(/^Threads:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0),
    handles: owned + process.getActiveResourcesInfo().length,
    listeners:
      listeners + subjects.reduce((sum, { device }) => sum + (device?.listenerCount('removed') ?? 0), 0),
    loopDelay,
    cpu,
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

async function end(): Promise<void> {
  await Promise.all(subjects.map((subject) => subject.close()));
  await Promise.all(workers.map((worker) => worker.terminate()));
  say({ type: 'ended' });
  process.disconnect();
}

process.on('message', (request: Request) => {
  switch (request.type) {
    case 'begin':
      begin(request.workers, request.uris);
      break;
    case 'open':
      void subjects[request.subject]?.open(request.generation, request.timeoutMs, (device) =>
        share(request.subject, request.generation, device),
      );
      break;
    case 'close':
      void subjects[request.subject]?.close();
      break;
    case 'order':
      order(request.order);
      break;
    case 'sample':
      void sample().then((found) => {
        say({ type: 'sample', sample: found });
      });
      break;
    case 'ping':
      say({ type: 'pong', number: request.number });
      break;
    case 'end':
      void end();
      break;
  }
});
// Whoever judges has gone: nobody wants to know any more.
process.on('disconnect', () => {
  process.exit(0);
});
// A Ctrl-C in the terminal is for the run, which ends this process in order.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => undefined);
