jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as ts from 'typescript';

import { errorTable } from '../../../lib/index.js';

const root = join(__dirname, '../../..');
const text = readFileSync(join(root, 'docs/kernel-map.md'), 'utf8');

/** include/linux/nvmem-consumer.h and nvmem-provider.h, as of 7.3. */
const KERNEL_FUNCTIONS = [
  ...['nvmem_register', 'nvmem_unregister', 'devm_nvmem_register', 'nvmem_add_one_cell'],
  ...['nvmem_device_get', 'devm_nvmem_device_get', 'of_nvmem_device_get', 'nvmem_device_find'],
  ...['nvmem_device_put', 'devm_nvmem_device_put', 'nvmem_dev_name', 'nvmem_dev_size'],
  ...['nvmem_device_read', 'nvmem_device_write', 'nvmem_device_cell_read', 'nvmem_device_cell_write'],
  ...['nvmem_cell_get', 'devm_nvmem_cell_get', 'of_nvmem_cell_get', 'nvmem_cell_put', 'devm_nvmem_cell_put'],
  ...['nvmem_cell_read', 'nvmem_cell_write', 'nvmem_cell_read_u8', 'nvmem_cell_read_u16'],
  ...['nvmem_cell_read_u32', 'nvmem_cell_read_u64'],
  ...['nvmem_cell_read_variable_le_u32', 'nvmem_cell_read_variable_le_u64'],
  ...['nvmem_add_cell_lookups', 'nvmem_del_cell_lookups'],
  ...['nvmem_register_notifier', 'nvmem_unregister_notifier'],
  ...['nvmem_layout_register', 'nvmem_layout_unregister'],
  ...['nvmem_layout_driver_register', 'nvmem_layout_driver_unregister', 'of_nvmem_layout_get_container'],
];
const CONFIG_FIELDS = [
  ...['dev', 'name', 'id', 'owner', 'cells', 'ncells', 'add_legacy_fixed_of_cells', 'fixup_dt_cell_info'],
  ...['keepout', 'nkeepout', 'type', 'read_only', 'root_only', 'ignore_wp', 'layout', 'of_node'],
  ...['reg_read', 'reg_write', 'priv', 'size', 'word_size', 'stride', 'compat', 'base_dev'],
];
const CELL_FIELDS = [
  ...['name', 'offset', 'raw_len', 'bytes', 'bit_offset', 'nbits', 'np', 'read_post_process', 'priv'],
];
const EVENTS = [
  ...['NVMEM_ADD', 'NVMEM_REMOVE', 'NVMEM_CELL_ADD', 'NVMEM_CELL_REMOVE'],
  ...['NVMEM_LAYOUT_ADD', 'NVMEM_LAYOUT_REMOVE'],
];
const SYSFS_FILES = ['nvmem', 'type', 'force_ro', 'cells/NAME@OFFSET,BIT', 'eeprom', 'fram'];
const ERRNOS = [
  ...['EINVAL', 'ENOMEM', 'EPROBE_DEFER', 'ENOENT', 'ERANGE', 'EOPNOTSUPP', 'EPERM', 'EFBIG', 'ENODEV'],
  ...['EEXIST', 'ENOSYS', 'EIO', 'EBUSY', 'EACCES'],
];

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
  const entries = ['lib/index.ts', 'lib/kernel/index.ts'].map((entry) => join(root, entry));
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(entries, options);
  const checker = program.getTypeChecker();
  const modules = entries.flatMap((entry) => {
    const source = program.getSourceFile(entry);
    return (source && checker.getSymbolAtLocation(source)) ?? [];
  });
  const types = new Map<string, Set<string>>();
  for (const symbol of modules.flatMap((module) => checker.getExportsOfModule(module))) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const members = checker
      .getDeclaredTypeOfSymbol(target)
      .getProperties()
      .filter(({ name }) => !name.startsWith('#') && !name.startsWith('__#'));
    types.set(
      symbol.name,
      new Set(members.map(({ name }) => name.replace(/^__@(dispose|asyncDispose)@.*$/, '[Symbol.$1]'))),
    );
  }
  return types;
}

describe('docs/kernel-map.md', () => {
  const types = exported();

  test('names of members are members', () => {
    const mentioned = names(text).filter((name) => /^(Registry|Nvmem)\w*[.[]/.test(name));
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

  test.each([
    ['EXPORT_SYMBOL_GPL of drivers/nvmem', KERNEL_FUNCTIONS],
    ['struct nvmem_config', CONFIG_FIELDS],
    ['struct nvmem_cell_info', CELL_FIELDS],
    ['Events', EVENTS],
    ['sysfs', SYSFS_FILES],
    ['Error codes', ERRNOS],
  ])('%s: nothing of the kernel’s is left out', (_what, kernel) => {
    const mentioned = new Set(names(text));
    expect(kernel.filter((name) => !mentioned.has(name))).toEqual([]);
  });

  test('every code is one that the library has', () => {
    const codes = rows('Error codes').flatMap(([code = '']) => names(code));
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !Object.hasOwn(errorTable, code))).toEqual([]);
  });
});
