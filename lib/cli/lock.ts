/** `nvmem lock`: makes the lockable page of a part read-only for ever. */
import { createInterface } from 'node:readline';

import { NvmemError } from '../base/errors.js';
import { parseUri, type NvmemUri } from '../uri/uri.js';
import { CliError, CommandFailure, withoutUndefined } from './failure.js';
import { bytes } from './format.js';
import type { Session } from './session.js';

export interface LockCommandOptions {
  readonly yes?: boolean;
  /** Only tell whether it is locked. */
  readonly status?: boolean;
}

/** What has to be typed: nobody types it by accident. */
const WORD = 'lock';

export async function lockCommand(session: Session, uri: string, options: LockCommandOptions): Promise<void> {
  const { yes = false, status = false } = options;
  const parsed = parseUri(uri);
  const what = pageOf(parsed);
  if (!status && !yes && (!isTerminal(session.io.stdin) || session.json)) {
    throw new CliError(
      'ERR_USAGE',
      'locking is for ever, so it is asked about, and there is no terminal to ask on',
      'Run it on a terminal, or give --yes where it is meant.',
      2,
    );
  }
  await session.withDevice(uri, { readOnly: status }, async (device, facts) => {
    const limits = { ...session.limits };
    const before = await device.isLocked(limits);
    const about = { ...facts, bytes: device.size };
    if (status) {
      session.answer({ ...about, locked: before ?? null });
      await session.say(`${what}: ${stateOf(before)}`);
      return;
    }
    if (before === true) {
      const refused = `${what} takes no data: it is locked already, or WC (WP) is high`;
      throw new CommandFailure(
        new NvmemError('EPERM', refused, {
          syscall: 'lock',
          device: uri,
          hint: 'Where wp= names the line on WC, or WC is tied low, it is locked.',
        }),
        about,
        ['nothing was sent'],
      );
    }
    if (!yes) await askFor(session, what, stateOf(before), await device.read(0, device.size, limits));
    const confirmed = await device.lockPermanently(limits).catch((error: unknown) => {
      throw new CommandFailure(error, about);
    });
    session.answer(withoutUndefined({ ...about, locked: true, confirmed }));
    const how = confirmed ? 'the part says so' : 'the part took the command; this bus cannot ask it';
    await session.say(`locked for ever: ${what} (${how})`);
  });
}

function stateOf(locked: boolean | undefined): string {
  if (locked === undefined) return 'whether it is locked cannot be asked on this bus';
  return locked ? 'locked, or WC (WP) is high' : 'not locked';
}

/** @throws NvmemError EINVAL: there is no such page */
function pageOf(uri: NvmemUri): string {
  const part = 'part' in uri ? uri.part : undefined;
  if (part?.chip.lockWord !== undefined) {
    const name = part.chip.part?.toUpperCase() ?? part.chip.name;
    return `the page of ${bytes(part.size)} of the ${name} at 0x${part.address.toString(16)}`;
  }
  throw new NvmemError('EINVAL', `${uri.uri} has no page that can be locked`, {
    syscall: 'lock',
    device: uri.uri,
    hint: "Name one of ST's -D, -A125 or E types with chip=, and the address of its page: 0x58 to 0x5f.",
  });
}

function isTerminal(stream: NodeJS.ReadableStream): boolean {
  return (stream as { readonly isTTY?: boolean }).isTTY === true;
}

/** @throws CliError: the answer is another */
async function askFor(session: Session, what: string, state: string, content: Buffer): Promise<void> {
  const { stderr } = session.io;
  const lines = [
    `${what[0]?.toUpperCase() ?? ''}${what.slice(1)} will be read-only for ever: nothing undoes that.`,
    `It is ${state}. It holds:`,
    ...Array.from({ length: Math.ceil(content.length / 16) }, (_, i) => {
      const row = content.subarray(16 * i, 16 * i + 16);
      return `  ${(16 * i).toString(16).padStart(4, '0')}  ${row.toString('hex').replace(/../g, '$& ').trimEnd()}`;
    }),
  ];
  for (const line of lines) await session.note(line);
  stderr.write(`Type ${WORD} to lock it: `);
  if ((await answer(session)) === WORD) return;
  throw new CliError('ERR_DECLINED', 'nothing was locked', `Type ${WORD}, or give --yes.`, 1);
}

/** A line from the terminal; '' where it ends, or a signal ends the command. */
async function answer({ io: { stdin, signal } }: Session): Promise<string> {
  const lines = createInterface({ input: stdin, terminal: false });
  let onAbort!: () => void;
  try {
    return await new Promise<string>((resolve, reject) => {
      onAbort = () => {
        reject(new NvmemError('ABORT_ERR', 'the command was interrupted', { cause: signal.reason }));
      };
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort);
      lines.once('line', (line) => {
        resolve(line.trim());
      });
      lines.once('close', () => {
        resolve('');
      });
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
    lines.close();
    // A terminal that is still read from would keep the process.
    stdin.pause();
    (stdin as { unref?: () => void }).unref?.();
  }
}
