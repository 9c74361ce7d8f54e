jest.mock('../../lib/native/index.js', () => jest.requireActual<object>('./fake_native.js'));

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as ts from 'typescript';

import { errorTable } from '../../lib/index.js';

const root = join(__dirname, '../..');
const text = readFileSync(join(root, 'docs/kernel-map.md'), 'utf8');

/** The rows of the table under a heading, cells without their quotes. */
function rows(heading: string): string[][] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function names(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
}

/** Every exported class and interface with its members, as the compiler sees them. */
function exported(): Map<string, Set<string>> {
  const entry = join(root, 'lib/index.ts');
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([entry], options);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source && checker.getSymbolAtLocation(source);
  const types = new Map<string, Set<string>>();
  for (const symbol of module ? checker.getExportsOfModule(module) : []) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const members = checker
      .getDeclaredTypeOfSymbol(target)
      .getProperties()
      .filter(({ name }) => !name.startsWith('#') && !name.startsWith('__#'));
    types.set(
      symbol.name,
      new Set(members.map(({ name }) => (name.startsWith('__@dispose') ? '[Symbol.dispose]' : name))),
    );
  }
  return types;
}

describe('docs/kernel-map.md', () => {
  const types = exported();

  test('names of members are members', () => {
    const mentioned = names(text).filter((name) => /^Nvmem\w*[.[]/.test(name));
    expect(mentioned.length).toBeGreaterThan(60);
    const missing = mentioned.filter((name) => {
      const [, type = '', member = ''] = /^(\w+)\.?(.+)$/.exec(name) ?? [];
      return types.get(type)?.has(member) !== true;
    });
    expect(missing).toEqual([]);
  });

  test.each([
    ['struct nvmem_config', 'NvmemConfig'],
    ['struct nvmem_cell_info', 'NvmemCellInfo'],
    ['struct nvmem_cell_lookup', 'NvmemCellLookup'],
    ['Events', 'NvmemEvents'],
  ])('%s: each field of %s, and nothing else', (heading, type) => {
    const listed = new Set(rows(heading).flatMap(([, here = '']) => names(here)));
    const members = [...(types.get(type) ?? [])].filter((name) => name !== 'removed');
    expect([...listed].sort()).toEqual(members.sort());
  });

  test('every function of the kernel’s own names is in the table, under the name it has there', () => {
    const table = rows('Functions').filter(([, here]) => here !== '');
    const listed = table.map(([, here = '']) => names(here)[0]?.replace('NvmemKernelApi.', ''));
    expect(listed.sort()).toEqual([...(types.get('NvmemKernelApi') ?? [])].sort());
    for (const [kernel = '', here = ''] of table) {
      const camel = names(kernel)[0]?.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
      expect(names(here)[0]).toBe(`NvmemKernelApi.${camel ?? ''}`);
    }
  });

  test('every code is one that the library has', () => {
    const codes = rows('Error codes').flatMap(([code = '']) => names(code));
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !Object.hasOwn(errorTable, code))).toEqual([]);
  });
});
