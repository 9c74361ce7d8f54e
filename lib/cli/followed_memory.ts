import { clearTimeout, setTimeout } from '../base/timers.js';
import type { OpenOptions } from '../bus/open_device.js';
import { follow } from '../follow/follow.js';
import type { NvmemUri } from '../uri/uri.js';
import { CliError } from './failure.js';
import type { Memory } from './memory.js';
import { Progress } from './progress.js';
import type { Output } from './output.js';

/** What is needed of a session. */
interface Asked {
  readonly err: Output;
  /** What is left of the time for all of it. */
  readonly limits: { readonly signal: AbortSignal; readonly timeoutMs?: number };
  note(line: string): Promise<void>;
}

/** Somebody who waits for that long wants to know what for. */
const SAY_AFTER_MS = 500;

/**
 * Follows what `uri` names, waits until it is there, and lets `body` have it; what is unplugged meanwhile is waited for.
 *
 * @throws CliError EINVAL: it does not come and go. NvmemError as follow() and `body`.
 */
export async function withFollowed(
  session: Asked,
  parsed: NvmemUri,
  uri: string,
  openOptions: OpenOptions,
  body: (memory: Memory) => Promise<void>,
): Promise<void> {
  if (parsed.scheme === 'mem' || parsed.scheme === 'file') {
    throw new CliError('EINVAL', `--wait: what ${uri} names does not come and go`, 'Leave --wait out.', 2);
  }
  await using followed = follow(uri, { ...openOptions, onUnplug: 'wait' });
  const line = new Progress(session, 'waiting', 0);
  const say = (): void => {
    const { error, reason } = followed.current;
    const why = `${reason}${error === undefined || error.hint === '' ? '' : ` ${error.hint}`}`;
    // Who looks at it knows what was asked for, and there may be little room.
    if (!line.hold(`waiting: ${why}`)) void session.note(`waiting for ${uri}: ${why}`);
  };
  let said = '';
  followed.on('error', ({ code }) => {
    if (code === said) return;
    said = code;
    say();
  });
  const timer = setTimeout(say, SAY_AFTER_MS);
  try {
    await followed.present(session.limits);
  } finally {
    clearTimeout(timer);
    line.end();
  }
  await body({
    name: followed.name,
    size: followed.size,
    uri,
    read: (offset, length, options) => followed.read(offset, length, options),
    write: (offset, data, options) => followed.write(offset, data, options),
    // What is one part now may be another after a replug, and is proved to be the same by other means.
    geometry: () => Promise.resolve(undefined),
  });
}
