import { readFileSync } from 'node:fs';
import { chipNames, findChip } from './chips.js';
import type { Maker, PowerLoss } from './eeprom.js';
import { codeOf, messageOf } from './problem.js';
import type { DeviceSetup, EepromSetup } from './setup.js';
import { compact, number, SpecError } from './text.js';

/** An `--eeprom` argument, taken apart. */
export interface EepromSpec {
  /** The bridge it sits behind. */
  readonly busid: string;
  readonly address: number;
  readonly chip: string;
  readonly wp?: number | true;
  readonly wpInverted?: boolean;
  readonly imageFile?: string;
  /** Where the content is written when the bench ends. */
  readonly saveFile?: string;
  readonly maker?: Maker;
  readonly pageSize?: number;
  readonly writeCycleMs?: number;
  readonly powerLoss?: PowerLoss;
}

export const EEPROM_GRAMMAR =
  '[BUSID/]ADDRESS:CHIP[:wp=GPIO|!GPIO|high|low][:image=FILE][:save=FILE][:maker=microchip|st][:page=BYTES][:twr=MS]' +
  '[:power-loss=keep|commit|tear]';

const EEPROM_KEYS = ['wp', 'image', 'save', 'maker', 'page', 'twr', 'power-loss'];

/**
 * Parses `0x52:24c256:image=dump.bin:wp=0`. A file name may contain colons as long as what follows one does not look like
 * another option.
 * @throws SpecError
 */
export function parseEepromSpec(text: string): EepromSpec {
  const wrong = (what: string): never => {
    throw new SpecError(`--eeprom ${text}: ${what}; the form is ${EEPROM_GRAMMAR}`);
  };
  const [head = '', chip = '', ...rest] = text.split(':');
  const slash = head.lastIndexOf('/');
  const busid = slash < 0 ? '1-1' : head.slice(0, slash);
  if (!/^\d+-\d+(\.\d+)*$/.test(busid)) wrong(`"${busid}" is no USB bus id such as 1-1`);
  const address = number(head.slice(slash + 1));
  if (address === undefined || address > 0x7f) wrong(`"${head.slice(slash + 1)}" is no 7-bit I2C address`);
  if (!chip) wrong('it names no chip');
  if (!findChip(chip)) {
    throw new SpecError(`--eeprom ${text}: unknown chip "${chip}"; known are ${chipNames().join(', ')}`);
  }
  const options = new Map<string, string>();
  let last = '';
  for (const part of rest) {
    const key = part.slice(0, Math.max(0, part.indexOf('=')));
    if (EEPROM_KEYS.includes(key)) {
      if (options.has(key)) wrong(`${key} is given twice`);
      options.set(key, part.slice(key.length + 1));
      last = key;
    } else if (last === 'image' || last === 'save') {
      options.set(last, `${options.get(last) ?? ''}:${part}`);
    } else {
      wrong(`"${part}" is no option`);
    }
  }
  // An inverter in front of the WP pin.
  const wpInverted = options.get('wp')?.startsWith('!') ? true : undefined;
  if (wpInverted) options.set('wp', options.get('wp')?.slice(1) ?? '');
  const count = (key: string, least: number, most: number): number | undefined => {
    const value = options.get(key);
    if (value === undefined) return undefined;
    const parsed = number(value);
    if (parsed === undefined || parsed < least || parsed > most) {
      return wrong(`${key} is a whole number from ${String(least)} to ${String(most)}`);
    }
    return parsed;
  };
  const choice = <T extends string>(key: string, choices: readonly T[]): T | undefined => {
    const value = options.get(key);
    if (value === undefined) return undefined;
    return choices.find((one) => one === value) ?? wrong(`${key} is ${choices.join(' or ')}`);
  };
  const wpText = options.get('wp');
  if (wpInverted && !/^[0-7]$/.test(wpText ?? '')) wrong('wp=! takes a GPIO from 0 to 7');
  const wp = wpText === 'high' ? true : wpText === 'low' ? undefined : count('wp', 0, 7);
  const imageFile = options.get('image');
  const saveFile = options.get('save');
  if (imageFile === '' || saveFile === '') wrong('a file name is empty');
  return compact<EepromSpec>({
    busid,
    address: address ?? 0,
    chip,
    wp,
    wpInverted,
    imageFile,
    saveFile,
    maker: choice('maker', ['microchip', 'st']),
    pageSize: count('page', 1, 256),
    writeCycleMs: count('twr', 0, 10_000),
    powerLoss: choice('power-loss', ['keep', 'commit', 'tear']),
  });
}

/** Reads the image file and makes the setup of one EEPROM. @throws SpecError for a file that cannot be read or does not fit */
export function loadEeprom(spec: EepromSpec): EepromSetup {
  const { address, chip, wp, wpInverted, maker, pageSize, writeCycleMs, powerLoss } = spec;
  const image = spec.imageFile === undefined ? undefined : readImage(spec.imageFile);
  const size = findChip(chip)?.size ?? 0;
  if (image && image.length > size) {
    throw new SpecError(
      `${spec.imageFile ?? ''} has ${String(image.length)} bytes and a ${chip} only ${String(size)}`,
    );
  }
  return compact<EepromSetup>({
    address,
    chip,
    wp,
    wpInverted,
    maker,
    pageSize,
    writeCycleMs,
    powerLoss,
    image,
  });
}

/** Bridges by bus id, in the order they are first named. `common` holds what all of them share. */
export function groupByBridge(
  specs: readonly EepromSpec[],
  common: Omit<DeviceSetup, 'busid' | 'eeproms'>,
): DeviceSetup[] {
  const busids = [...new Set(specs.map((spec) => spec.busid))];
  if (busids.length === 0) busids.push('1-1');
  return busids.map((busid, index) => ({
    ...common,
    // Two bridges are told apart by their serial numbers: a given one counts for the first.
    ...(index > 0 ? { serial: followingSerial(common.serial, index) } : {}),
    busid,
    eeproms: specs.filter((spec) => spec.busid === busid).map(loadEeprom),
  }));
}

/** The n-th serial number after this one. */
export function followingSerial(first = '0043FFF3', index: number): string {
  const hex = /^[0-9a-fA-F]{8}$/.test(first);
  if (!hex) return `${first.slice(0, 27)}-${String(index)}`;
  const next = (Number.parseInt(first, 16) + index) >>> 0;
  return next.toString(16).toUpperCase().padStart(8, '0');
}

function readImage(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new SpecError(`cannot read ${file} (${codeOf(error) ?? messageOf(error)})`);
  }
}
