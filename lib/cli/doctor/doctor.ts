/** `nvmem doctor`: what stands between this user and an EEPROM, and the command that takes it away. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { entryOf } from '../../base/errors.js';
import { visible } from '../../base/visible.js';
import { udevRules } from '../../machine/udev.js';
import { CliError, CommandFailure, withoutUndefined } from '../failure.js';
import { localBridges } from '../inventory.js';
import type { Session } from '../session.js';
import { wrap } from '../table.js';
import { checkBridge } from './bridge.js';
import { ok, type Check } from './check.js';
import { checkAddon, checkNode, checkUsb } from './machine.js';
import { checkModules } from './modules.js';
import { checkTarget } from './target.js';
import { checkUdevRule } from './udev.js';

export interface DoctorCommandOptions {
  readonly printUdev?: boolean;
}

export async function doctorCommand(
  session: Session,
  uri: string | undefined,
  { printUdev = false }: DoctorCommandOptions,
): Promise<void> {
  if (printUdev) {
    session.answer({ udev: udevRules() });
    if (!session.json) await session.out.write(udevRules());
    return;
  }
  const checks = await allChecks(session, uri);
  const problems = checks.filter(({ status }) => status === 'problem');
  const warnings = checks.filter(({ status }) => status === 'warning');
  await show(session, checks);
  const facts = withoutUndefined({ uri, checks: checks.map((check) => withoutUndefined({ ...check })) });
  const [first] = problems;
  if (first === undefined) {
    session.answer(facts);
    await session.say();
    await session.tell(verdict(warnings.length));
    return;
  }
  const { code = 'ERR_DOCTOR' } = first;
  const counted = problems.length === 1 ? '1 problem' : `${String(problems.length)} problems`;
  const exit = entryOf(code)?.exit ?? 1;
  await session.say();
  // On a terminal the checks stand above it already.
  const failure = session.json
    ? new CliError(code, `${counted}: ${first.name}: ${first.says}`, first.remedy ?? '', exit)
    : new CliError(code, `${counted}${warned(warnings.length)}`, 'What to do stands beside each.', exit);
  throw new CommandFailure(failure, facts);
}

/** Of a URI only what concerns it; else everything. */
async function allChecks(session: Session, uri: string | undefined): Promise<Check[]> {
  const { system } = session;
  const checks = [checkNode(process.versions.node, neededNode()), checkAddon()];
  if (uri !== undefined) return [...checks, ...(await checkTarget(session, uri))];
  checks.push(
    await checkUsb(system),
    await checkUdevRule(system),
    ...(await checkModules(system, undefined)),
  );
  const bridges = await localBridges(system);
  for (const bridge of bridges) checks.push(...(await checkBridge(system, bridge)));
  if (bridges.length === 0) checks.push(ok('bridges', 'no CP2112 (10c4:ea90) is plugged in here'));
  return checks;
}

function neededNode(): string {
  const manifest = readFileSync(join(__dirname, '..', '..', '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { engines: { node: string } }).engines.node;
}

/** Columns where there is room for three of them; on a narrow terminal what there is to say stands below. */
async function show(session: Session, all: readonly Check[]): Promise<void> {
  const { colors, width } = session;
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red };
  const checks = all.map((check) => ({ ...check, name: visible(check.name), says: visible(check.says) }));
  const label = Math.max(...checks.map(({ name }) => name.length));
  const isNarrow = width < 'problem'.length + label + 4 + 24;
  const indent = ' '.repeat(isNarrow ? 2 : 'problem'.length + label + 4);
  const arrowIndent = ' '.repeat(isNarrow ? 2 : 'problem'.length + 2);
  const told = new Set<string>();
  for (const { name, status, says, remedy } of checks) {
    const lines = wrap(says, width - indent.length);
    const first = isNarrow ? name : `${name.padEnd(label)}  ${lines.shift() ?? ''}`;
    await session.say(`${paint[status](status.padEnd(7))}  ${first}`);
    for (const line of lines) await session.say(`${indent}${line}`);
    if (remedy === undefined) continue;
    const text = told.has(remedy) ? 'the same' : visible(remedy);
    // A sentence is wrapped; a command is not broken, because it is there to be pasted.
    const room = width - arrowIndent.length - 2;
    const [begin = '', ...more] = text.endsWith('.') ? wrap(text, room) : [text];
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
