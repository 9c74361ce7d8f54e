import { checkFault, type FaultKind, type FaultSpec } from './fault_kinds.js';
import { messageOf } from './problem.js';
import { nearest, number, SpecError } from './text.js';

/** How a kind of fault is written: `kind:word:field=number`. */
interface Form {
  /** Fields written `field=N`. */
  readonly numbers?: readonly string[];
  /** Fields of which one word is written. */
  readonly choices?: Readonly<Record<string, readonly string[]>>;
  /** Fields that are true when their word is there. */
  readonly flags?: readonly string[];
  /** Numbers that have to be there. */
  readonly needs?: readonly string[];
  /** Words of `choices` that take a number, and the field it is for. */
  readonly valued?: Readonly<Record<string, string>>;
  /** Neither `count` nor `skip` but what is named above. */
  readonly lasting?: boolean;
}

const PLACE = ['address', 'at', 'below', 'seed'] as const;

const FORMS: Readonly<Record<FaultKind, Form>> = {
  unplug: {
    numbers: ['below', 'seed'],
    choices: {
      on: ['now', 'wire', 'host', 'in', 'out', 'any', 'control'],
      phase: ['before', 'after'],
      how: ['rst', 'fin'],
    },
    valued: { wire: 'n', host: 'n', in: 'n', out: 'n', any: 'n', control: 'n' },
  },
  nak: { numbers: ['address'] },
  'nak-data': { numbers: ['byte', 'address'], needs: ['byte'] },
  lose: { numbers: ['report'] },
  delay: { numbers: ['report', 'ms'] },
  empty: {},
  unsolicited: { numbers: ['report'], choices: { when: ['now', 'next'] } },
  stall: { numbers: ['report'], choices: { on: ['control', 'in', 'out'] } },
  stuck: { flags: ['hard'] },
  'scl-low': { numbers: ['ms'] },
  arbitration: {},
  garbage: { numbers: ['seed', 'report'] },
  'slow-write': { numbers: ['ms', 'polls'], needs: ['ms'] },
  silent: { numbers: ['ms', 'skip'], choices: { on: ['all', 'in'] }, lasting: true },
  flip: { numbers: ['bit', ...PLACE], choices: { on: ['read', 'stored', 'now'] } },
  'drop-page': { numbers: ['keep', ...PLACE], choices: { cycle: ['no-cycle'] } },
  'wrong-page': { numbers: ['by', ...PLACE], choices: { on: ['write', 'read'] } },
  forget: { numbers: PLACE },
  'wp-ignored': { numbers: PLACE },
  'wp-stuck': { numbers: ['address'] },
  swap: { numbers: ['address', 'seed', 'bytes', 'with'], choices: { what: ['content', 'part'] } },
  'slow-return': { numbers: ['ms'] },
  stale: { numbers: ['report'], choices: { what: ['data'] } },
};

export const FAULT_KINDS = Object.keys(FORMS) as readonly FaultKind[];

export const FAULT_GRAMMAR =
  'unplug[:now|:wire=N|:host=N|:in=N|:out=N|:any=N|:control=N][:below=N:seed=N][:before|:after][:rst] | nak[:address=A] | ' +
  'nak-data:byte=N[:address=A] | lose[:report=ID] | delay[:report=ID][:ms=N] | empty | unsolicited[:report=ID][:next] | ' +
  'stall[:control|:in|:out][:report=ID] | stuck[:hard] | scl-low[:ms=N] | arbitration | garbage[:seed=N][:report=ID] | ' +
  'slow-write:ms=N[:polls=N] | silent[:in][:ms=N] | flip[:stored|:now][:bit=N] PLACE | drop-page[:keep=N][:no-cycle] PLACE | ' +
  'wrong-page[:by=N][:read] PLACE | forget PLACE | wp-ignored PLACE | wp-stuck[:address=A] | ' +
  'swap[:seed=N][:bytes=N|:with=A][:part][:address=A] | slow-return[:ms=N] | stale[:report=ID|:data]; PLACE is ' +
  '[:address=A][:at=OFFSET][:below=N:seed=N]; each with [:count=N|forever] (not silent) and [:skip=N]';

/**
 * Parses a fault written as `unplug:wire=1000` or `lose:report=0x16:count=3`.
 * @throws SpecError
 */
export function parseFault(text: string): FaultSpec {
  const wrong = (what: string): never => {
    throw new SpecError(`fault ${text}: ${what}; ${formsFor(text)}`);
  };
  const [name = '', ...parts] = text.split(':');
  const kind = FAULT_KINDS.find((one) => one === name);
  if (kind === undefined) {
    const meant = nearest(name, FAULT_KINDS);
    return wrong(`"${name}" is no kind of fault${meant === undefined ? '' : ` (${meant}?)`}`);
  }
  const form = FORMS[kind];
  const spec: Record<string, unknown> = { kind };
  const put = (field: string, value: unknown, part: string): void => {
    if (field in spec) wrong(`"${part}" comes second`);
    spec[field] = value;
  };
  for (const part of parts) {
    const [key = '', ...rest] = part.split('=');
    const value = rest.length === 0 ? undefined : rest.join('=');
    const choice = Object.entries(form.choices ?? {}).find(([, words]) => words.includes(key));
    if (choice) {
      put(choice[0], key, part);
      const field = form.valued?.[key];
      if (value !== undefined && field === undefined) wrong(`"${key}" takes no value`);
      if (value !== undefined && field !== undefined) put(field, wholeNumber(value, wrong), part);
    } else if (form.flags?.includes(key)) {
      if (value !== undefined) wrong(`"${key}" takes no value`);
      put(key, true, part);
    } else if (numbersOf(form).includes(key)) {
      put(key, fieldValue(key, value, wrong), part);
    } else {
      const meant = nearest(key, wordsOf(form));
      wrong(`"${part}" does not belong to ${kind}${meant === undefined ? '' : ` (${meant}?)`}`);
    }
  }
  for (const field of form.needs ?? []) if (!(field in spec)) wrong(`it needs ${field}=N`);
  if (kind === 'unplug') spec['on'] ??= 'now';
  try {
    checkFault(spec as unknown as FaultSpec);
  } catch (error) {
    wrong(messageOf(error));
  }
  return spec as unknown as FaultSpec;
}

/** How the kind of fault is written that a text begins with, or which kinds there are. */
function formsFor(text: string): string {
  const kind = text.split(':')[0] ?? '';
  const [forms = '', ...notes] = FAULT_GRAMMAR.split('; ');
  const form = forms.split(' | ').find((one) => one.split(/[:[ ]/)[0] === kind);
  if (form === undefined) return `the kinds are ${FAULT_KINDS.join(', ')}`;
  return `the form is ${[form, ...notes.filter((note) => !note.startsWith('PLACE') || form.endsWith('PLACE'))].join('; ')}`;
}

/** The text that {@link parseFault} reads as this fault. */
export function formatFault(spec: FaultSpec): string {
  const form = FORMS[spec.kind];
  const fields = new Map<string, unknown>(Object.entries(spec).filter(([, value]) => value !== undefined));
  const parts: string[] = [spec.kind];
  for (const field of Object.keys(form.choices ?? {})) {
    const word = fields.get(field);
    if (typeof word !== 'string') continue;
    const valued = form.valued?.[word];
    const value = valued === undefined ? undefined : fields.get(valued);
    parts.push(typeof value === 'number' ? `${word}=${String(value)}` : word);
  }
  for (const field of form.flags ?? []) if (fields.get(field) === true) parts.push(field);
  for (const field of numbersOf(form)) {
    const value = fields.get(field);
    if (typeof value === 'number') parts.push(`${field}=${written(field, value)}`);
  }
  return parts.join(':');
}

function written(field: string, value: number): string {
  if (value === Infinity) return 'forever';
  const isHex = field === 'address' || field === 'with' || field === 'report';
  return isHex ? `0x${value.toString(16)}` : String(value);
}

function numbersOf(form: Form): readonly string[] {
  return form.lasting ? (form.numbers ?? []) : [...(form.numbers ?? []), 'count', 'skip'];
}

function wordsOf(form: Form): readonly string[] {
  return [...Object.values(form.choices ?? {}).flat(), ...(form.flags ?? []), ...numbersOf(form)];
}

function fieldValue(field: string, value: string | undefined, wrong: (what: string) => never): number {
  if (value === undefined) return wrong(`"${field}" needs a number: ${field}=N`);
  if (field === 'count' && value === 'forever') return Infinity;
  if (field === 'by' && value.startsWith('-')) return -wholeNumber(value.slice(1), wrong);
  return wholeNumber(value, wrong);
}

function wholeNumber(text: string, wrong: (what: string) => never): number {
  return number(text) ?? wrong(`"${text}" is no number`);
}
