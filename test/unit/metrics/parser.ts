/**
 * Reads Prometheus's text exposition format as its specification has it (version 0.0.4), and refuses everything else: what is
 * merely usual is not enough, and what a lenient scraper forgives is an error here.
 */

export interface ParsedSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ParsedSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

export function parse(text: string): Map<string, ParsedFamily> {
  if (text === '') return new Map();
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, ParsedFamily>();
  const helps = new Map<string, string>();
  const seen = new Set<string>();
  let current: ParsedFamily | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const comment = /^# (HELP|TYPE) ([^ ]+) (.*)$/s.exec(line);
    if (comment) {
      const [, kind, name = '', rest = ''] = comment;
      if (NAME.exec(name)?.[0] !== name) fail('no name of a metric');
      if (kind === 'HELP') {
        if (helps.has(name)) fail('a second HELP');
        helps.set(name, unescaped(rest, false, fail));
        continue;
      }
      if (families.has(name)) fail('a second TYPE');
      if (!TYPES.includes(rest)) fail('no type');
      current = { name, type: rest, help: helps.get(name) ?? '', samples: [] };
      families.set(name, current);
      continue;
    }
    if (line.startsWith('#') || line === '') continue;
    const sample = sampleOf(line, fail);
    if (sample.name !== current?.name) return fail('a sample away from its TYPE');
    const key = `${sample.name}${JSON.stringify([...sample.labels].sort())}`;
    if (seen.has(key)) fail('a series twice');
    seen.add(key);
    if (current.type === 'counter' && !(sample.value >= 0)) fail('a counter below zero');
    current.samples.push(sample);
  }
  return families;
}

function sampleOf(line: string, fail: (why: string) => never): ParsedSample {
  const [name = fail('no name of a metric')] = NAME.exec(line) ?? [];
  let rest = line.slice(name.length);
  const labels = new Map<string, string>();
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const [label = fail('no name of a label')] = LABEL.exec(rest) ?? [];
      if (labels.has(label)) fail('a label twice');
      rest = rest.slice(label.length);
      const [quoted = fail('no value of a label'), value = ''] = /^="((?:[^"\\]|\\.)*)"/.exec(rest) ?? [];
      labels.set(label, unescaped(value, true, fail));
      rest = rest.slice(quoted.length);
      if (rest.startsWith(',')) rest = rest.slice(1);
      else if (!rest.startsWith('}')) fail('no comma between labels');
    }
    rest = rest.slice(1);
  }
  const [, number = fail('no value')] = /^ ([^ ]+)(?: -?\d+)?$/.exec(rest) ?? [];
  if (!NUMBER.test(number)) fail('no number');
  return { name, labels, value: Number(number.replace(/Inf$/, 'Infinity')) };
}

/** In help texts `\\` and `\n` are escaped, in labels `\"` as well; nothing else may be. */
function unescaped(text: string, isLabel: boolean, fail: (why: string) => never): string {
  return text.replace(/\\(.?)/gs, (_, character: string) => {
    if (character === '\\') return '\\';
    if (character === 'n') return '\n';
    if (character === '"' && isLabel) return '"';
    return fail('an escape that there is not');
  });
}

/** The value of one series; it has to be there. */
export function valueOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const wanted = Object.entries(labels);
  const found = parse(text)
    .get(name)
    ?.samples.filter((one) => wanted.every(([label, value]) => one.labels.get(label) === value));
  const [first] = found ?? [];
  if (found?.length !== 1 || !first) throw new Error(`${String(found?.length ?? 0)} series of ${name}`);
  return first.value;
}
