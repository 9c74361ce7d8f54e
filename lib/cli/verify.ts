import { NvmemError } from '../base/errors.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { bytes, duration } from './format.js';
import { compare } from '../core/verify.js';
import { contradiction } from '../bus/geometry.js';
import { geometryWarning } from './geometry.js';
import { checkFits, loadInput, type InputOptions } from './input.js';
import { describe, readWithProgress, sha256, since } from './read.js';
import type { Session } from './session.js';

export interface VerifyCommandOptions extends InputOptions {
  readonly offset?: number;
}

export async function verifyCommand(
  session: Session,
  uri: string,
  source: string | undefined,
  { offset = 0, ...input }: VerifyCommandOptions,
): Promise<void> {
  const { name, file, data: wanted } = await loadInput(session, uri, source, offset, input);
  await session.withMemory(uri, { readOnly: true }, async (device, facts) => {
    checkFits(name, wanted.length, offset, device.size, uri);
    const began = performance.now();
    const about = withoutUndefined({ ...facts, file, offset, bytes: wanted.length });
    const found = await readWithProgress(session, device, offset, wanted.length).catch((error: unknown) => {
      throw new CommandFailure(error, { ...about, ms: since(began) });
    });
    const ms = since(began);
    const geometry = await contradiction(device, session.limits);
    const { mismatchOffset: at, mismatchCount: count } = compare(wanted, found, offset);
    if (at !== undefined) {
      const index = at - offset;
      const [inFile, inDevice] = [hex(wanted[index]), hex(found[index])];
      throw new CommandFailure(
        new NvmemError(
          'EBADMSG',
          `${describe(facts)} differs from ${name}: first at offset ${String(at)} (0x${at.toString(16)}), ` +
            `${inFile} in ${file === undefined ? 'it' : 'the file'} and ${inDevice} in the device; ${bytes(count)} of ${String(wanted.length)} differ`,
          {
            syscall: 'verify',
            device: device.name,
            offset,
            mismatchOffset: at,
            mismatchCount: count,
            hint: 'Write the file again, or read the device to see what it holds.',
          },
        ),
        { ...about, ms, ...(geometry && { geometry }) },
        geometry ? [geometryWarning(geometry)] : [],
      );
    }
    session.answer({ ...about, sha256: sha256(found), ms, ...(geometry && { geometry }) });
    const rest = device.size - offset - wanted.length;
    const beyond =
      rest > 0 ? `; ${bytes(rest)} of the device lie beyond ${file === undefined ? 'them' : 'the file'}` : '';
    await session.tell(
      `${describe(facts)} and ${name} are equal, ${bytes(wanted.length)} in ${duration(ms)}${beyond}`,
    );
    if (geometry) await session.note(geometryWarning(geometry));
  });
}

function hex(byte: number | undefined): string {
  return `0x${(byte ?? 0).toString(16).padStart(2, '0')}`;
}
