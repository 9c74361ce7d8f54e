import { NvmemError } from '../base/errors.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { bytes, duration } from './format.js';
import { Progress } from './progress.js';
import { describe, since } from './read.js';
import type { Session } from './session.js';
import { writeNotes } from './write.js';

export interface EraseCommandOptions {
  readonly offset?: number;
  readonly length?: number;
  /** Commander's form of --no-verify. */
  readonly verify?: boolean;
  readonly forceGeometry?: boolean;
}

/** Fills the device, or a stretch of it, with 0xff. Pages that are blank already are read, not worn. */
export async function eraseCommand(
  session: Session,
  uri: string,
  { offset = 0, length, verify = true, forceGeometry = false }: EraseCommandOptions,
): Promise<void> {
  await session.withDevice(uri, { forceGeometry }, async (device, facts) => {
    const count = length ?? Math.max(device.size - offset, 0);
    const about = { ...facts, offset, bytes: count, verify };
    if (count === 0 || count > device.size - offset) {
      const what = `${bytes(count)} from ${String(offset)} on are not in a device of ${bytes(device.size)}`;
      throw new CommandFailure(new NvmemError('EINVAL', what, { syscall: 'erase', device: uri }), about, [
        'nothing was erased',
      ]);
    }
    const began = performance.now();
    const progress = new Progress(session.io, 'erasing');
    try {
      const limits = { ...session.limits, verify, skipEqual: true, onProgress: progress.update };
      const { bytesUnchanged, protectError } = await device.erase(offset, count, limits);
      progress.end();
      const warning = protectError && { code: protectError.code, message: protectError.message };
      const writeCycles = device.stats?.writeCycles;
      session.answer(
        withoutUndefined({ ...about, bytesUnchanged, writeCycles, ms: since(began), protectError: warning }),
      );
      const blank = bytesUnchanged === 0 ? '' : `, ${bytes(bytesUnchanged)} of them blank already`;
      await session.say(
        `erased ${bytes(count)} at ${String(offset)} of ${describe(facts)} in ${duration(since(began))}${blank}`,
      );
      if (warning) await session.note(`warning: ${warning.message}`);
    } catch (error) {
      throw new CommandFailure(error, { ...about, ms: since(began) }, writeNotes(error));
    } finally {
      progress.end();
    }
  });
}
