/** A YAML document read with the place of everything in it, for messages that point there. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type ParsedNode,
  type YAMLMap,
} from 'yaml';
import { nearest, number, SpecError } from './text.js';

/** Something in a file cannot be understood: where, the line itself, and what would do. */
export class ScenarioError extends SpecError {
  constructor(
    readonly file: string,
    /** From 1. */
    readonly line: number,
    readonly column: number,
    readonly what: string,
    source: string,
    /** Where in that text it is, from 1. */
    mark = column,
  ) {
    const margin = `  ${String(line)} | `;
    // Tabs stay tabs, so that the mark stands under what is meant.
    const indent = (margin + source.slice(0, mark - 1)).replace(/[^\t]/g, ' ');
    super(`${file}:${String(line)}:${String(column)}: ${what}\n${margin}${source}\n${indent}^`);
  }
}

/** A node, or nothing at all where a key has no value. */
export type Node = ParsedNode | null;

/** What stands behind a key, with the key for messages about what is missing there. */
export interface Field {
  readonly key: ParsedNode;
  readonly name: string;
  readonly value: Node;
}

/** More than anybody writes, images of the largest part included. */
const MAX_TEXT = 16 << 20;
/** A line that is quoted in a message. */
const MAX_QUOTED = 160;

export class YamlReader {
  readonly root: Node;
  readonly #file: string;
  readonly #lines: readonly string[];
  readonly #counter = new LineCounter();
  readonly #document: Document.Parsed;

  /** @throws ScenarioError for text that is no YAML */
  constructor(text: string, file: string) {
    this.#file = file;
    if (text.length > MAX_TEXT) throw new SpecError(`${file} has more than ${String(MAX_TEXT)} characters`);
    this.#lines = text.split(/\r?\n/);
    try {
      this.#document = parseDocument(text, { lineCounter: this.#counter, prettyErrors: false });
    } catch (error) {
      // The parser goes down into brackets by calling itself.
      if (error instanceof RangeError) throw new SpecError(`${file} is nested too deeply`);
      throw error;
    }
    const [problem] = [...this.#document.errors, ...this.#document.warnings];
    if (problem) throw this.#error(problem.pos[0], `this is no YAML: ${firstLine(problem.message)}`);
    this.root = this.#document.contents;
  }

  /** The error that points at a node, or at the beginning of the file where there is none. */
  wrong(node: Node, what: string): ScenarioError {
    return this.#error(node?.range[0] ?? 0, what);
  }

  /**
   * The fields of a map.
   * @param what what it describes, for messages
   * @throws ScenarioError where it is no map, or has a key that is not among these
   */
  map(node: Node, what: string, keys: readonly string[], at: Node = node): Map<string, Field> {
    const map = this.#resolve(node);
    if (!isMap(map)) throw this.wrong(node ?? at, `${what} is a map with ${keys.join(', ')}`);
    const fields = new Map<string, Field>();
    for (const { key, value } of (map as YAMLMap<ParsedNode, Node>).items) {
      const name = this.text(key, 'a key');
      if (!keys.includes(name)) {
        const meant = nearest(name, keys);
        const instead = meant === undefined ? `it has ${keys.join(', ')}` : `did you mean ${meant}?`;
        throw this.wrong(key, `${what} has no "${name}"; ${instead}`);
      }
      fields.set(name, { key, name, value: value ?? null });
    }
    return fields;
  }

  /** The items of a list; `single` allows one without a list around it. */
  list(field: Field | undefined, what: string, single = false): readonly Node[] {
    if (!field) return [];
    const list = this.#resolve(field.value);
    if (isSeq(list)) return list.items;
    if (single && list !== null) return [list];
    throw this.wrong(field.value ?? field.key, `${field.name} is a list of ${what}`);
  }

  /** A scalar as it is written: `0043` stays that. */
  text(node: Node, what: string): string {
    const scalar = this.#resolve(node);
    if (!isScalar(scalar) || scalar.value === null) throw this.wrong(node, `${what} is text`);
    return typeof scalar.value === 'string' ? scalar.value : scalar.source;
  }

  textOf(field: Field): string {
    const scalar = this.#resolve(field.value);
    if (scalar === null || (isScalar(scalar) && scalar.value === null)) {
      throw this.wrong(field.key, `${field.name} has no value`);
    }
    return this.text(field.value, field.name);
  }

  /** A whole number, decimal or 0x…. */
  whole(field: Field, least: number, most: number): number {
    const value = isScalar(this.#resolve(field.value)) ? number(this.textOf(field)) : undefined;
    if (value === undefined || value < least || value > most) {
      const range =
        most === Number.MAX_SAFE_INTEGER
          ? `from ${String(least)}`
          : `from ${String(least)} to ${String(most)}`;
      throw this.wrong(field.value ?? field.key, `${field.name} is a whole number ${range}`);
    }
    return value;
  }

  flag(field: Field): boolean {
    const scalar = this.#resolve(field.value);
    if (isScalar(scalar) && typeof scalar.value === 'boolean') return scalar.value;
    throw this.wrong(field.value ?? field.key, `${field.name} is true or false`);
  }

  choice<T extends string>(field: Field, choices: readonly T[]): T {
    const text = isScalar(this.#resolve(field.value)) ? this.textOf(field) : '';
    const found = choices.find((one) => one === text);
    if (found !== undefined) return found;
    const meant = nearest(text, choices);
    throw this.wrong(
      field.value ?? field.key,
      `${field.name} is ${choices.join(' or ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    );
  }

  /** What `read` gives; what it throws is said to be wrong at that node. */
  at<T>(node: Node, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof ScenarioError) throw error;
      if (error instanceof SpecError || error instanceof RangeError) throw this.wrong(node, error.message);
      throw error;
    }
  }

  #resolve(node: Node): Node {
    if (!isAlias(node)) return node;
    return (node.resolve(this.#document) as ParsedNode | undefined) ?? null;
  }

  #error(offset: number, what: string): ScenarioError {
    const { line, col } = this.#counter.linePos(offset);
    const [row, column] = [Math.max(1, line), Math.max(1, col)];
    const source = this.#lines[row - 1] ?? '';
    const start = source.length <= MAX_QUOTED ? 0 : Math.max(0, column - MAX_QUOTED / 2);
    const quoted = source.slice(start, start + MAX_QUOTED);
    return new ScenarioError(this.#file, row, column, what, quoted, column - start);
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}
