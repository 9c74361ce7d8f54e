/** `nvmem doctor`: what stands between this user and an EEPROM, and the command that takes it away. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { entryOf } from '../../core/errors.js';
import { CliError, CommandFailure, withoutUndefined } from '../failure.js';
import { localBridges } from '../inventory.js';
import { writeOut } from '../io.js';
import type { Session } from '../session.js';
import { wrap } from '../table.js';
import { checkBridge } from './bridge.js';
import { ok, type Check } from './check.js';
import { checkAddon, checkNode, checkUsb } from './machine.js';
import { checkModules } from './modules.js';
import { checkTarget } from './target.js';
import { checkUdevRule, udevRule } from './udev.js';

export interface DoctorCommandOptions {
  readonly printUdev?: boolean;
}

export async function doctorCommand(
  session: Session,
  uri: string | undefined,
  { printUdev = false }: DoctorCommandOptions,
): Promise<void> {
  if (printUdev) {
    session.answer({ udev: udevRule() });
    if (!session.json) await writeOut(session.io.stdout, udevRule());
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
    await session.say(`\n${verdict(warnings.length)}`);
    return;
  }
  const { code = 'ERR_DOCTOR' } = first;
  const counted = problems.length === 1 ? '1 problem' : `${String(problems.length)} problems`;
  const exit = entryOf(code)?.exit ?? 1;
  const hint = problems.length === 1 ? (first.remedy ?? '') : 'What to do stands beside each of them.';
  await session.say('');
  throw new CommandFailure(new CliError(code, `${counted}: ${first.name}: ${first.says}`, hint, exit), facts);
}

async function allChecks(session: Session, uri: string | undefined): Promise<Check[]> {
  const { system } = session;
  const scheme = uri === undefined ? undefined : /^[a-z0-9]+/i.exec(uri)?.[0].toLowerCase();
  const bridges = await localBridges(system);
  const target = uri === undefined ? [] : await checkTarget(session, uri, bridges);
  const local: Check[] = [];
  for (const bridge of bridges) local.push(...(await checkBridge(system, bridge)));
  if (bridges.length === 0) local.push(ok('bridges', 'no CP2112 (10c4:ea90) is plugged in here'));
  return [
    checkNode(process.versions.node, neededNode()),
    checkAddon(),
    await checkUsb(system),
    await checkUdevRule(system),
    ...(await checkModules(system, scheme)),
    ...local,
    ...target,
  ];
}

function neededNode(): string {
  const manifest = readFileSync(join(__dirname, '..', '..', '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { engines: { node: string } }).engines.node;
}

async function show(session: Session, checks: readonly Check[]): Promise<void> {
  const { colors, width } = session;
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red };
  const label = Math.max(...checks.map(({ name }) => name.length));
  const indent = ' '.repeat('problem'.length + label + 4);
  for (const { name, status, says, remedy } of checks) {
    const [first = '', ...rest] = wrap(says, Math.max(width - indent.length, 24));
    await session.say(`${paint[status](status.padEnd(7))}  ${name.padEnd(label)}  ${first}`);
    for (const line of rest) await session.say(`${indent}${line}`);
    // A command is not broken: it is there to be pasted.
    if (remedy !== undefined)
      await session.say(`${' '.repeat('problem'.length)}  ${colors.bold('→')} ${remedy}`);
  }
}

function verdict(warnings: number): string {
  if (warnings === 0) return 'Nothing stands in the way.';
  return `No problem, and ${warnings === 1 ? '1 warning' : `${String(warnings)} warnings`}.`;
}
