/** What stands between this user and an EEPROM, and the command that takes it away. */
import { readFileSync } from 'node:fs';

import { CP2112_IDS, parseUsbIds, usbIdText } from '../base/usb_ids.js';
import { inPackage } from '../base/package.js';
import { checkKeys, checkObject, checkSignal, checkString, checkTimeout } from '../base/validate.js';
import { usbIdsOf } from '../machine/bridges.js';
import { localBridges } from '../machine/list.js';
import { thisMachine, type Machine } from '../machine/machine.js';
import { checkBridge } from './bridge.js';
import { ok, type DoctorOptions, type Finding } from './finding.js';
import { checkAddon, checkNode, checkUsb } from './here.js';
import { checkModules } from './modules.js';
import { checkTarget } from './target.js';
import { checkUdevRule } from './udev.js';

/**
 * Looks at what opening a device needs: of `uri` only what concerns it, up to the first problem, and then opens it and reads
 * its first byte; without one at everything on this machine. It changes nothing.
 *
 * @throws TypeError, RangeError: a wrong argument; NvmemError EINVAL: the URI is wrong; ABORT_ERR.
 *
 * @example
 * for (const { state, subject, sentence, remedy } of await doctor()) {
 *   if (state !== 'ok') console.log(`${subject}: ${sentence}. ${remedy}`);
 * }
 */
export async function doctor(uri?: string, options: DoctorOptions = {}): Promise<Finding[]> {
  if (uri !== undefined) checkString('uri', uri);
  checkKeys('options', checkObject('options', options), ['timeoutMs', 'signal']);
  const { timeoutMs, signal } = options;
  if (timeoutMs !== undefined) checkTimeout('options.timeoutMs', timeoutMs);
  if (signal !== undefined) checkSignal('options.signal', signal);
  return examine(thisMachine, uri, options);
}

/** As doctor(), of a machine that may be another than this one. */
export async function examine(
  machine: Machine,
  uri: string | undefined,
  options: DoctorOptions,
): Promise<Finding[]> {
  const findings = [checkNode(process.versions.node, neededNode()), checkAddon()];
  if (uri !== undefined) return [...findings, ...(await checkTarget(machine, uri, options))];
  findings.push(
    await checkUsb(machine),
    await checkUdevRule(machine),
    ...(await checkModules(machine, undefined)),
  );
  const bridges = await localBridges(machine);
  const own = new Set(bridges.map((bridge) => usbIdText(usbIdsOf(bridge))));
  own.delete(usbIdText(CP2112_IDS));
  for (const ids of own) findings.push(await checkUdevRule(machine, parseUsbIds(ids)));
  for (const bridge of bridges) findings.push(...(await checkBridge(machine, bridge)));
  if (bridges.length === 0) findings.push(ok('bridges', 'no CP2112 is plugged in here'));
  return findings;
}

function neededNode(): string {
  const manifest = readFileSync(inPackage('package.json'), 'utf8');
  return (JSON.parse(manifest) as { engines: { node: string } }).engines.node;
}
