/**
 * Knows whether the running code was called by the core on behalf of a device, so that unregister() from inside such a callback
 * does not wait for that very callback (docs/defects.md, D16), and that nobody waits for a turn that only his own end gives.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

import { take, type Taken } from '../base/foreign.js';

/** What callers take turns at. */
export interface Turnstile {
  /** Whose turn it is: the operation, or whatever else was named to runCallback(). */
  readonly owner: object | undefined;
}

interface Frame {
  readonly device: object;
  readonly call: object;
  readonly outer: Frame | undefined;
  running: boolean;
}

// Only while a call into user code runs: async hooks slow every promise of a process down, and what once ran in a
// storage that is not disabled leaves its mark on each promise after it. Memories inside the addon never need one.
let storage: AsyncLocalStorage<Frame> | undefined;
let calls = 0;

/** What calls wait for that were made inside of others: by the outer one. */
const waits = new WeakMap<object, Turnstile>();

/**
 * Runs `callback` for `call`, an operation of `device`, marked as such until the promise it may give settles; `ended` is called
 * then, once. Its answer is taken here, once.
 *
 * @throws what `callback` throws, after `ended`.
 */
export function runCallback<T>(
  device: object,
  call: object,
  callback: () => T | PromiseLike<T>,
  ended?: () => void,
): Taken<T> {
  storage ??= new AsyncLocalStorage<Frame>();
  const frame: Frame = { device, call, outer: storage.getStore(), running: true };
  const end = (): void => {
    frame.running = false;
    calls -= 1;
    if (calls === 0) storage?.disable();
    ended?.();
  };
  calls += 1;
  let taken: Taken<T>;
  try {
    // Its `then` is called in here as well: with lazy ones that is when the work is done.
    taken = storage.run(frame, () => take(callback()));
  } catch (error) {
    end();
    throw error;
  }
  if (taken.pending === undefined) end();
  else taken.pending.then(end, end);
  return taken;
}

function* running(): Iterable<Frame> {
  for (let frame = storage?.getStore(); frame; frame = frame.outer) if (frame.running) yield frame;
}

/** Whether the caller runs inside a callback of `device` that has not ended. */
export function insideCallbackOf(device: object): boolean {
  for (const frame of running()) if (frame.device === device) return true;
  return false;
}

/** Whether a turn at `at` cannot come before the caller's own call has ended, for itself or in a circle with others. */
export function waitsForItself(at: Turnstile): boolean {
  const around = new Set<object>();
  for (const { call } of running()) around.add(call);
  const seen = new Set<Turnstile>();
  for (let next: Turnstile | undefined = at; next && around.size > 0 && !seen.has(next);) {
    seen.add(next);
    if (next.owner === undefined) return false;
    if (around.has(next.owner)) return true;
    next = waits.get(next.owner);
  }
  return false;
}

/** Waits for a turn at `at`; the calls around this one are known to wait for it meanwhile. */
export async function waitAt(at: Turnstile, turn: Promise<void>): Promise<void> {
  const calls = [...running()].map(({ call }) => call);
  for (const call of calls) waits.set(call, at);
  try {
    await turn;
  } finally {
    for (const call of calls) if (waits.get(call) === at) waits.delete(call);
  }
}
