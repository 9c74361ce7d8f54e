/** One device in several threads: they use the same provider, under the same protection. */
import { ENODEV } from '../base/errno.js';
import { native } from '../native/index.js';
import { SlotPort } from './provider_port.js';
import { NvmemDevice } from './device.js';
import { endOf } from './device_end.js';
import { DeviceCore } from './device_core.js';
import { NvmemError } from '../base/errors.js';
import type { Description, SharedToken } from './share_token.js';
import { nextTurn } from '../base/timers.js';
import { checkObject, typeError } from '../base/validate.js';

/**
 * A handle on a device that another thread has shared, or this one. The memory is the same, and so is its end: when its owner
 * unregisters it, or the owner's thread ends, every handle in every thread says ENODEV at once and announces 'removed'. It is in
 * no registry. 'removed' comes after every operation of this thread has settled and after the provider has been freed; in which
 * order the threads hear of it is not defined. close() lets go of it in this thread and changes nothing for others: what waits
 * here rejects with ENODEV, what the provider is at ends first.
 *
 * Its name, size, cells (those without readPostProcess), keepouts and forceRo are those of the
 * last share(); forceRo is its own from then on. It has to be closed only where the thread outlives the need for it.
 *
 * @throws TypeError: not a token. NvmemError ENODEV: the device is gone, or no device was ever shared under that token in
 *   this process.
 *
 * @example
 * const worker = new Worker(file, { workerData: device.share() });
 * // in the worker:
 * const device = attachShared(workerData);
 */
export function attachShared(token: SharedToken): NvmemDevice {
  const { type, id } = checkObject('token', token) as { type?: unknown; id?: unknown };
  if (type !== 'nvmem-shared-device' || typeof id !== 'string') {
    throw typeError('token', 'what share() gave', token);
  }
  const attached = native().attach(id);
  if (typeof attached === 'number') {
    const message =
      'no device is shared under this token: it was unregistered, its thread has ended, or the token is not of this process';
    throw new NvmemError('ENODEV', message, {
      errno: ENODEV,
      syscall: 'attachShared',
      hint: 'Let the thread that owns the device open it again and share it anew.',
    });
  }
  const { slot } = attached;
  const { facts, readOnly, hasWpLine, isPart, cells } = JSON.parse(attached.facts) as Description;
  const core = new DeviceCore(facts, new SlotPort(slot, { hasWpLine, isPart }), readOnly);
  core.cells.push(...cells.map((cell) => ({ ...cell, readPostProcess: undefined })));
  core.shareWrites();

  let announced = false;
  const end = async (): Promise<void> => {
    await core.idle();
    slot.letGo();
    if (announced) return;
    announced = true;
    // The consumers' own continuations run before anybody hears that the device is gone.
    await nextTurn();
    device.announceRemoved(endOf(core.gone ?? ''));
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    core.detach(core.gone ?? 'closed');
    closing ??= end();
    return closing;
  };
  const device = new NvmemDevice(core, { close, isAlive: () => slot.alive, holds: 'listeners' });
  void slot.detached.then((reason) => {
    core.detach(core.gone ?? (reason === '' ? 'unregistered' : reason));
  });
  void slot.freed.then(close);
  return device;
}
