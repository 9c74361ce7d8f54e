/** One of the threads that share the subjects: does what it is told, and says how it ended. */
import { parentPort, workerData } from 'node:worker_threads';

import type { NvmemDevice } from '../../core/device.js';
import { attachShared } from '../../core/share.js';
import type { SharedToken } from '../../core/share_token.js';
import { heldBytes } from './garbage.js';
import { operate } from './operate.js';
import { clockMs, type Answer, type Order } from './protocol.js';

export type WorkerRequest =
  | {
      readonly type: 'attach';
      readonly subject: number;
      readonly generation: number;
      readonly token: SharedToken;
    }
  | { readonly type: 'order'; readonly order: Order }
  /** What it holds. */
  | { readonly type: 'held' };

export type WorkerAnswer =
  | Answer
  | {
      readonly type: 'attached';
      readonly subject: number;
      readonly worker: number;
      readonly isThere: boolean;
    }
  | { readonly type: 'held'; readonly listeners: number; readonly heap: number };

interface Place {
  readonly device: NvmemDevice;
  pending: number;
}

const worker = (workerData as { worker: number }).worker;
const places = new Map<number, Place>();

function say(answer: WorkerAnswer): void {
  parentPort?.postMessage(answer);
}

function attach(subject: number, generation: number, token: SharedToken): void {
  let device: NvmemDevice;
  try {
    device = attachShared(token);
  } catch {
    // It went before it could be attached: who opened it says so.
    say({ type: 'attached', subject, worker, isThere: false });
    return;
  }
  const place: Place = { device, pending: 0 };
  // Kept for those who use it after its end, until the next one comes.
  places.set(subject, place);
  device.on('removed', (end) => {
    say({ type: 'removed', subject, generation, worker, at: clockMs(), end, pending: place.pending });
  });
  say({ type: 'attached', subject, worker, isThere: true });
}

async function carryOut(order: Order): Promise<void> {
  const { id, subject } = order;
  const place = places.get(subject);
  if (!place) {
    const at = clockMs();
    say({
      type: 'settled',
      settled: { id, began: at, at, code: 'ENODEV', message: 'never attached', transferred: 0 },
    });
    return;
  }
  let isSettled = false;
  place.pending++;
  const settled = await operate(place.device, order, (done) => {
    if (isSettled) say({ type: 'again', id, what: `progress (${String(done)} bytes)` });
    else say({ type: 'progress', id, done, at: clockMs() });
  });
  isSettled = true;
  place.pending--;
  say({ type: 'settled', settled });
}

parentPort?.on('message', (request: WorkerRequest) => {
  switch (request.type) {
    case 'attach':
      attach(request.subject, request.generation, request.token);
      break;
    case 'order':
      void carryOut(request.order);
      break;
    case 'held':
      say({
        type: 'held',
        listeners: [...places.values()].reduce((sum, { device }) => sum + device.listenerCount('removed'), 0),
        heap: heldBytes(),
      });
      break;
  }
});
