import { CallSite, NvmemError } from '../../../lib/base/errors.js';
import { Interrupted, Operation } from '../../../lib/core/operation.js';
import { WriterLock } from '../../../lib/core/writer_lock.js';
import type { OperationOptions } from '../../../lib/base/validate.js';

function operation(options: OperationOptions = {}): Operation {
  return new Operation('dev', 'read', 2, 8, new CallSite(operation), options);
}

const never = new Promise<never>(() => undefined);

test('a wait ends with the first interruption', async () => {
  const op = operation();
  const wait = op.waitFor(never);
  op.deviceGone();
  op.interrupt(-110);
  await expect(wait).rejects.toEqual(new Interrupted(-19));
  await expect(op.waitFor(Promise.resolve(1))).rejects.toMatchObject({ status: -19 });
  op.dispose();
});

test('a wait ends with what it waits for', async () => {
  const op = operation();
  await expect(op.waitFor(Promise.resolve(7))).resolves.toBe(7);
  await expect(op.waitFor(Promise.reject(new Error('no')))).rejects.toThrow('no');
  op.dispose();
});

test('an aborted signal interrupts with the reason as cause', async () => {
  const controller = new AbortController();
  const op = operation({ signal: controller.signal });
  const wait = op.waitFor(never).catch((error: unknown) => error);
  controller.abort('enough');
  expect(await wait).toMatchObject({ status: -125 });
  expect(op.error({ status: op.status })).toMatchObject({
    name: 'AbortError',
    code: 'ABORT_ERR',
    errno: -125,
    cause: 'enough',
  });
  op.dispose();
});

test('a deadline interrupts', async () => {
  jest.useFakeTimers();
  const op = operation({ timeoutMs: 50 });
  const wait = op.waitFor(never).catch((error: unknown) => error);
  jest.advanceTimersByTime(50);
  expect(await wait).toMatchObject({ status: -110 });
  expect(op.remainingMs).toBeGreaterThan(0);
  op.dispose();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

test('an error says what was done, to what, and points at the call', () => {
  const frame = (error: Error): string | undefined => /operation\.test\.ts:\d+/.exec(error.stack ?? '')?.[0];
  const [op, here] = [operation(), frame(new Error('here'))];
  const error = op.error({ status: -6, reason: 'NAK' }, { bytesTransferred: 3 });
  expect(error).toBeInstanceOf(NvmemError);
  expect(error.message).toBe(
    'ENXIO: there is no such device or address (NAK), read of 8 bytes at 2 of dev; 3 of 8 bytes are good',
  );
  expect(frame(error)).toBe(here);
  op.dispose();
});

test('writers take turns in their order', async () => {
  const lock = new WriterLock();
  const order: number[] = [];
  const ops = [operation(), operation(), operation()];
  const turns = ops.map(async (op, i) => {
    await lock.acquire(op);
    order.push(i);
  });
  await turns[0];
  expect(lock.tryAcquire()).toBe(false);
  lock.release();
  await turns[1];
  lock.release();
  await turns[2];
  expect(order).toEqual([0, 1, 2]);
  lock.release();
  expect(lock.tryAcquire()).toBe(true);
});

test('a writer that gives up leaves the queue', async () => {
  const lock = new WriterLock();
  const [first, second, third] = [operation(), operation(), operation()];
  await lock.acquire(first);
  const gaveUp = lock.acquire(second);
  const waits = lock.acquire(third);
  second.interrupt(-110);
  await expect(gaveUp).rejects.toMatchObject({ status: -110 });
  lock.release();
  await waits;
  lock.release();
  expect(lock.tryAcquire()).toBe(true);
});

test('a turn that comes together with the interruption goes to the next', async () => {
  const lock = new WriterLock();
  const [first, second, third] = [operation(), operation(), operation()];
  await lock.acquire(first);
  const gaveUp = lock.acquire(second);
  const waits = lock.acquire(third);
  second.interrupt(-110);
  lock.release();
  await expect(gaveUp).rejects.toMatchObject({ status: -110 });
  await waits;
  lock.release();
  expect(lock.tryAcquire()).toBe(true);
});
