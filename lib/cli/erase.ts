import { NvmemError } from '../base/errors.js';
import type { NvmemWriteResult, WriteOptions } from '../core/device_core.js';
import { sizeOf } from '../uri/uri.js';
import { ask } from './ask.js';
import { CliError, CommandFailure, withoutUndefined } from './failure.js';
import { bytes, duration } from './format.js';
import { writePausable } from './pausable.js';
import { Progress } from './progress.js';
import { describe, since } from './read.js';
import type { Session } from './session.js';
import { parseUriArgument } from './uri_argument.js';
import { writeNotes } from './write.js';

export interface EraseCommandOptions {
  readonly offset?: number;
  readonly length?: number;
  /** All of it, and nobody is asked. */
  readonly yes?: boolean;
  /** Commander's form of --no-verify. */
  readonly verify?: boolean;
  readonly forceGeometry?: boolean;
}

/** Fills the device, or a stretch of it, with 0xff. Pages that are blank already are read, not worn. */
export async function eraseCommand(
  session: Session,
  uri: string,
  options: EraseCommandOptions,
): Promise<void> {
  const { offset = 0, length, verify = true, forceGeometry = false } = options;
  // Who says which bytes has said what is meant.
  if (options.offset === undefined && length === undefined && options.yes !== true)
    await consent(session, uri);
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
    const progress = new Progress(session, 'erasing');
    try {
      const how = { verify, skipEqual: true, onProgress: progress.update };
      const erase = (more: WriteOptions): Promise<NvmemWriteResult> => device.erase(offset, count, more);
      const { bytesUnchanged, protectError } = await writePausable(session, count, how, erase);
      progress.end();
      const warning = protectError && { code: protectError.code, message: protectError.message };
      const writeCycles = device.stats.writeCycles;
      session.answer(
        withoutUndefined({ ...about, bytesUnchanged, writeCycles, ms: since(began), protectError: warning }),
      );
      const blank =
        (bytesUnchanged ?? 0) === 0 ? '' : `, ${bytes(bytesUnchanged ?? 0)} of them blank already`;
      await session.tell(
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

/** Asks before everything goes. @throws CliError where nobody says yes, or nobody can be asked */
async function consent(session: Session, uri: string): Promise<void> {
  const size = sizeOf(parseUriArgument(uri));
  const all = size === undefined ? 'everything' : `all ${bytes(size)}`;
  const { isTTY } = session.io.stdin;
  if (isTTY !== true || !session.err.isTTY || session.json) {
    throw new CliError(
      'ERR_USAGE',
      `to erase ${all} of ${uri} it takes a yes, and there is no terminal to ask on`,
      'Give --yes, or say which bytes: --offset N --length N.',
      2,
    );
  }
  if (await ask(session, `Erase ${all} of ${uri}? [y/N] `)) return;
  throw new CliError('ERR_DECLINED', 'nothing was erased', 'Answer y, or give --yes.', 1);
}
