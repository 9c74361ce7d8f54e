/** `nvmem doctor`: what stands between this user and an EEPROM, and the command that takes it away. */
import { exitStatusOf } from './exit_status.js';
import { parseUsbIds, type UsbIds } from '../base/usb_ids.js';
import { visible } from '../base/visible.js';
import { udevRules } from '../machine/udev.js';
import { CliError, CommandFailure, withoutUndefined } from './failure.js';
import type { Finding } from '../doctor/finding.js';
import { examine } from '../doctor/doctor.js';
import type { Session } from './session.js';
import { wrap } from './table.js';
import { checkIsUri } from './uri_argument.js';

export interface DoctorCommandOptions {
  readonly printUdev?: boolean;
  /** With printUdev, of a bridge with an OEM's ids: VVVV:PPPP. */
  readonly id?: string;
}

export async function doctorCommand(
  session: Session,
  uri: string | undefined,
  { printUdev = false, id }: DoctorCommandOptions,
): Promise<void> {
  if (printUdev) {
    const rules = udevRules(id === undefined ? undefined : idsOf(id));
    session.answer({ udev: rules });
    if (!session.json) await session.out.write(rules);
    return;
  }
  if (id !== undefined) {
    const hint = 'It belongs to --print-udev. In a URI it is id=VVVV:PPPP.';
    throw new CliError('ERR_USAGE', '--id without --print-udev has no effect', hint, 2);
  }
  if (uri !== undefined) checkIsUri(uri, '/0x50?chip=24c02');
  const findings = await examine(session.machine, uri, {
    signal: session.io.signal,
    timeoutMs: session.options.timeout,
  });
  const problems = findings.filter(({ state }) => state === 'problem');
  const warnings = findings.filter(({ state }) => state === 'warning');
  await show(session, findings);
  const facts = withoutUndefined({
    uri,
    findings: findings.map((finding) => withoutUndefined({ ...finding })),
  });
  const [first] = problems;
  if (first === undefined) {
    session.answer(facts);
    await session.say();
    await session.tell(verdict(warnings.length));
    return;
  }
  const { code = 'ERR_DOCTOR' } = first;
  const counted = problems.length === 1 ? '1 problem' : `${String(problems.length)} problems`;
  const exit = exitStatusOf(code);
  await session.say();
  // On a terminal the findings stand above it already.
  const failure = session.json
    ? new CliError(code, `${counted}: ${first.subject}: ${first.sentence}`, first.remedy ?? '', exit)
    : new CliError(code, `${counted}${warned(warnings.length)}`, 'What to do stands beside each.', exit);
  throw new CommandFailure(failure, facts);
}

/** @throws CliError */
function idsOf(text: string): UsbIds {
  const ids = parseUsbIds(text);
  if (ids === undefined) {
    const hint = 'Write the ids of the bridge as lsusb shows them, for example --id 1234:abcd.';
    throw new CliError('ERR_USAGE', `--id ${text} is no vendor and product`, hint, 2);
  }
  return ids;
}

/** Columns where there is room for three of them; on a narrow terminal what there is to say stands below. */
async function show(session: Session, findings: readonly Finding[]): Promise<void> {
  const { colors, width } = session;
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red };
  const label = Math.max(...findings.map(({ subject }) => visible(subject).length));
  const isNarrow = width < 'problem'.length + label + 4 + 24;
  const indent = ' '.repeat(isNarrow ? 2 : 'problem'.length + label + 4);
  const arrowIndent = ' '.repeat(isNarrow ? 2 : 'problem'.length + 2);
  const told = new Set<string>();
  for (const { subject, state, sentence, remedy } of findings) {
    const name = visible(subject);
    const lines = wrap(visible(sentence), width - indent.length);
    const first = isNarrow ? name : `${name.padEnd(label)}  ${lines.shift() ?? ''}`;
    await session.say(`${paint[state](state.padEnd(7))}  ${first}`);
    for (const line of lines) await session.say(`${indent}${line}`);
    if (remedy === undefined) continue;
    const text = told.has(remedy) ? 'the same' : remedy;
    // A sentence is wrapped; a command is not broken, because it is there to be pasted.
    const room = width - arrowIndent.length - 2;
    const shown = text.split('\n').map(visible);
    const [begin = '', ...more] = text.endsWith('.') ? shown.flatMap((line) => wrap(line, room)) : shown;
    await session.say(`${arrowIndent}${colors.bold('→')} ${begin}`);
    for (const line of more) await session.say(`${arrowIndent}  ${line}`);
    told.add(remedy);
  }
}

function verdict(warnings: number): string {
  return warnings === 0 ? 'Nothing stands in the way.' : `No problem${warned(warnings)}.`;
}

function warned(warnings: number): string {
  return warnings === 0 ? '' : `, ${warnings === 1 ? '1 warning' : `${String(warnings)} warnings`}`;
}
