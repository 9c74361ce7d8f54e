/**
 * What every public function says to a wrong argument: TypeError or RangeError that names the argument and the rule, before
 * the provider is asked for anything.
 */
import { compatFilesOf, filesOf } from '../../../lib/kernel/index.js';
import { NvmemFile } from '../../../lib/kernel/user_files.js';
import { NvmemCell } from '../../../lib/core/cell.js';
import { NvmemConsumer } from '../../../lib/core/consumer.js';
import { NvmemDevice } from '../../../lib/core/device.js';
import {
  attachShared,
  findChip,
  memoryProvider,
  Registry,
  NvmemError,
  NvmemKernelApi,
  open,
  parseUri,
} from '../../../lib/index.js';

let calls = 0;
const provider = {
  read: (_offset: number, length: number): Uint8Array => {
    calls++;
    return new Uint8Array(length);
  },
  write: (): void => {
    calls++;
  },
};

const registry = new Registry();
const kernel = new NvmemKernelApi(registry);
const consumer: NvmemConsumer = registry.consumer('dev');
let device: NvmemDevice;
let native: NvmemDevice;
let opened: NvmemDevice;
let cell: NvmemCell;
let file: NvmemFile;

beforeAll(async () => {
  device = await registry.register({
    provider,
    name: 'd',
    id: 'none',
    size: 16,
    cells: [{ name: 'c', offset: 0, bytes: 2 }],
  });
  native = await registry.register({ provider: memoryProvider(16), name: 'n', id: 'none' });
  opened = await open('mem://16', { registry });
  cell = device.cell('c');
  file = filesOf(device).open('nvmem', { flags: 'r+' });
});

afterAll(async () => {
  await device.close();
  await native.close();
  await opened.close();
});

/** Whatever the types say. */
type Anything = (...args: unknown[]) => unknown;
type Bound = (name: string) => Anything;
const of =
  (target: () => object): Bound =>
  (name) =>
  (...args) =>
    (Reflect.get(target(), name) as Anything).apply(target(), args);

const onRegistry = of(() => registry);
const onDevice = of(() => device);
const onOpened = of(() => opened);
const onNative = of(() => native);
const onCell = of(() => cell);
const onConsumer = of(() => consumer);
const onFiles = of(() => filesOf(device));
const onFile = of(() => file);
const onKernel = of(() => kernel);
const bytes = Buffer.from([1, 2]);
const good = { provider, size: 16 };
const lookup = { nvmemName: 'd', cellName: 'c', devId: 'dev', conId: 'x' };

/** Function, arguments, the kind of error, and the argument that it names. */
type Row = [
  label: string,
  call: Anything,
  args: unknown[],
  kind: 'NvmemError' | 'TypeError' | 'RangeError',
  names: string,
];

const operations = (label: string, call: Anything, before: unknown[], field = 'options'): Row[] => [
  [label, call, [...before, null], 'TypeError', field],
  [label, call, [...before, { patience: 1 }], 'TypeError', `${field}.patience`],
  [label, call, [...before, { signal: {} }], 'TypeError', `${field}.signal`],
  [label, call, [...before, { timeoutMs: '1' }], 'TypeError', `${field}.timeoutMs`],
  [label, call, [...before, { timeoutMs: 0 }], 'RangeError', `${field}.timeoutMs`],
];
const numbers = (
  label: string,
  call: Anything,
  args: (value: unknown) => unknown[],
  field: string,
): Row[] => [
  [label, call, args('1'), 'TypeError', field],
  [label, call, args(-1), 'RangeError', field],
  [label, call, args(1.5), 'RangeError', field],
  [label, call, args(NaN), 'RangeError', field],
];
const strings = (
  label: string,
  call: Anything,
  args: (value: unknown) => unknown[],
  field: string,
): Row[] => [
  [label, call, args(7), 'TypeError', field],
  [label, call, args(''), 'RangeError', field],
];

function configRows(): Row[] {
  const call = onRegistry('register');
  const row = (change: object, kind: Row[3], names: string): Row => [
    'register',
    call,
    [{ ...good, ...change }],
    kind,
    names,
  ];
  return [
    ['register', call, [], 'TypeError', 'config'],
    row({ colour: 1 }, 'TypeError', 'config.colour'),
    row({ provider: undefined }, 'TypeError', 'provider'),
    row({ provider: { read: 1 } }, 'TypeError', 'provider.read'),
    row({ provider: { write: 1 } }, 'TypeError', 'provider.write'),
    row({ provider: memoryProvider(4) }, 'RangeError', 'size'),
    row({ provider: memoryProvider(16), wp: { set: () => undefined } }, 'TypeError', 'wp'),
    ...['name', 'layout', 'baseDev', 'dev'].flatMap((field) => [
      row({ [field]: 7 }, 'TypeError', field),
      row({ [field]: '' }, 'RangeError', field),
    ]),
    row({ name: 'a\nb' }, 'RangeError', 'name'),
    row({ id: {} }, 'TypeError', 'id'),
    row({ id: 'some' }, 'RangeError', 'id'),
    row({ type: 'ROM' }, 'RangeError', 'type'),
    ...['size', 'wordSize', 'stride'].flatMap((field) =>
      ['1', -1, 1.5].map((value) =>
        row({ [field]: value }, value === '1' ? 'TypeError' : 'RangeError', field),
      ),
    ),
    ...['readOnly', 'rootOnly', 'ignoreWp', 'compat'].map((field) => row({ [field]: 1 }, 'TypeError', field)),
    ...['keepouts', 'cells', 'boardCells'].map((field) => row({ [field]: {} }, 'TypeError', field)),
    row({ keepouts: [7] }, 'TypeError', 'keepouts[0]'),
    row({ keepouts: [{ start: -1, end: 1, value: 0 }] }, 'RangeError', 'keepouts[0].start'),
    row({ keepouts: [{ start: 0, end: '1', value: 0 }] }, 'TypeError', 'keepouts[0].end'),
    row({ keepouts: [{ start: 0, end: 1, value: 256 }] }, 'RangeError', 'keepouts[0].value'),
    row({ cells: [{ name: '', offset: 0, bytes: 1 }] }, 'RangeError', 'cells[0].name'),
    row({ cells: [{ name: 'x', offset: -1, bytes: 1 }] }, 'RangeError', 'cells[0].offset'),
    row({ cells: [{ name: 'x', offset: 0 }] }, 'TypeError', 'cells[0].bytes'),
    row({ cells: [{ name: 'x', offset: 0, bytes: 1, bitOffset: -1 }] }, 'RangeError', 'cells[0].bitOffset'),
    row({ cells: [{ name: 'x', offset: 0, bytes: 1, nbits: 'x' }] }, 'TypeError', 'cells[0].nbits'),
    row({ cells: [{ name: 'x', offset: 0, bytes: 1, rawLength: -1 }] }, 'RangeError', 'cells[0].rawLength'),
    row(
      { cells: [{ name: 'x', offset: 0, bytes: 1, readPostProcess: 1 }] },
      'TypeError',
      'cells[0].readPostProcess',
    ),
    row({ boardCells: [{ name: 7 }] }, 'TypeError', 'boardCells[0].name'),
    row({ boardCells: [{ name: 'x', reg: 7 }] }, 'TypeError', 'boardCells[0].reg'),
    row({ boardCells: [{ name: 'x', reg: [0, -1] }] }, 'RangeError', 'boardCells[0].reg[1]'),
    row({ fixupCellInfo: 1 }, 'TypeError', 'fixupCellInfo'),
    row({ wp: { set: 1 } }, 'TypeError', 'wp.set'),
    row({ wp: { set: () => undefined, request: 1 } }, 'TypeError', 'wp.request'),
  ];
}

const rows: Row[] = [
  ...configRows(),
  ['unregister', onRegistry('unregister'), [{}], 'TypeError', 'device'],
  ['addCell', onRegistry('addCell'), [{}, {}], 'TypeError', 'device'],
  ['addCell', (...args) => registry.addCell(device, args[0] as never), [7], 'TypeError', 'info'],
  [
    'addCell',
    (...args) => registry.addCell(device, args[0] as never),
    [{ name: '', offset: 0 }],
    'RangeError',
    'info.name',
  ],
  ...strings('get', onRegistry('get'), (value) => [value], 'name'),
  ...strings('find', onRegistry('find'), (value) => [value], 'name'),
  ['find', onRegistry('find'), [null], 'TypeError', 'what'],
  ['find', onRegistry('find'), [{ url: 'x' }], 'TypeError', 'what.url'],
  ...strings('find', onRegistry('find'), (uri) => [{ uri }], 'what.uri'),
  ['find', onRegistry('find'), [{ uri: 'nowhere' }], 'RangeError', 'what.uri'],
  ['findDevice', onRegistry('findDevice'), ['d'], 'TypeError', 'match'],
  ['addCellLookups', onRegistry('addCellLookups'), [7], 'TypeError', 'lookup'],
  ['addCellLookups', onRegistry('addCellLookups'), [{ ...lookup, conId: '' }], 'RangeError', 'lookup.conId'],
  ['removeCellLookups', onRegistry('removeCellLookups'), [7], 'TypeError', 'lookup'],
  [
    'removeCellLookups',
    onRegistry('removeCellLookups'),
    [{ ...lookup, devId: 7 }],
    'TypeError',
    'lookup.devId',
  ],
  ...strings('consumer', onRegistry('consumer'), (value) => [value], 'devId'),
  ...strings('lookupCell', onRegistry('lookupCell'), (value) => [value, 'x'], 'devId'),
  ...strings('lookupCell', onRegistry('lookupCell'), (value) => ['dev', value], 'conId'),
  ['waitFor', onRegistry('waitFor'), [null], 'TypeError', 'what'],
  ...strings('waitFor', onRegistry('waitFor'), (value) => [value], 'name').slice(1),
  ...operations('waitFor', onRegistry('waitFor'), ['nobody']),
  ['registerNotifier', onRegistry('registerNotifier'), [7], 'TypeError', 'notifier'],
  ['registerNotifier', onRegistry('registerNotifier'), [{}], 'TypeError', 'notifier.notify'],
  [
    'registerNotifier',
    onRegistry('registerNotifier'),
    [{ notify: () => 0, priority: 'x' }],
    'TypeError',
    'notifier.priority',
  ],
  ['unregisterNotifier', onRegistry('unregisterNotifier'), [7], 'TypeError', 'notifier'],
  ['addLayout', onRegistry('addLayout'), [7], 'TypeError', 'layout'],
  ['addLayout', onRegistry('addLayout'), [{ name: '' }], 'RangeError', 'layout.name'],
  ['addLayout', onRegistry('addLayout'), [{ name: 'x' }], 'TypeError', 'layout.addCells'],
  ['removeLayout', onRegistry('removeLayout'), [7], 'TypeError', 'layout'],
  ...strings(
    'compatFilesOf',
    (value) => compatFilesOf(registry, value as string),
    (value) => [value],
    'baseDev',
  ),

  ...numbers('device.read', onDevice('read'), (value) => [value, 1], 'offset'),
  ...numbers('device.read', onDevice('read'), (value) => [0, value], 'length'),
  ['device.read', onDevice('read'), [0, 17], 'NvmemError', 'offset + length'],
  ...operations('device.read', onDevice('read'), [0, 1]),
  ['device.read', onDevice('read'), [0, 1, { onProgress: 1 }], 'TypeError', 'options.onProgress'],
  ...numbers('device.write', onDevice('write'), (value) => [value, bytes], 'offset'),
  ['device.write', onDevice('write'), [0, 'text'], 'TypeError', 'data'],
  ['device.write', onDevice('write'), [0, [1, 2]], 'TypeError', 'data'],
  ['device.write', onDevice('write'), [15, bytes], 'NvmemError', 'offset + length'],
  ['device.write', onDevice('write'), [0, bytes, { verify: 1 }], 'TypeError', 'options.verify'],
  ['device.write', onDevice('write'), [0, bytes, { skipEqual: 'x' }], 'TypeError', 'options.skipEqual'],
  ...operations('device.write', onDevice('write'), [0, bytes]),
  ...numbers('device.erase', onDevice('erase'), (value) => [value, 1], 'offset'),
  ...numbers('device.erase', onDevice('erase'), (value) => [0, value], 'length'),
  ['device.verify', onDevice('verify'), ['text'], 'TypeError', 'data'],
  ['device.verify', onDevice('verify'), [bytes, { offset: -1 }], 'RangeError', 'options.offset'],
  ['device.verify', onDevice('verify'), [bytes, { offset: 15 }], 'NvmemError', 'offset + length'],
  ['device.erase', onDevice('erase'), [15, 2], 'NvmemError', 'offset + length'],
  ['device.erase', onDevice('erase'), [0, 1, { verify: 1 }], 'TypeError', 'options.verify'],
  ...operations('device.erase', onDevice('erase'), [0, 1]),
  ...operations('opened.geometry', onOpened('geometry'), []),
  ...operations('opened.isLocked', onOpened('isLocked'), []),
  ...operations('opened.lockPermanently', onOpened('lockPermanently'), []),
  ...numbers('device.reader', onNative('reader'), (value) => [value, 1], 'offset'),
  ['device.reader', onNative('reader'), [0, 'x'], 'TypeError', 'length'],
  ['device.reader', onNative('reader'), [0, 0], 'RangeError', 'length'],
  ['device.reader', onNative('reader'), [0, 17], 'NvmemError', 'offset + length'],
  ...strings('device.cell', onDevice('cell'), (value) => [value], 'name'),
  ['device.cellRead', onDevice('cellRead'), [7], 'TypeError', 'info'],
  ...numbers('device.cellRead', onDevice('cellRead'), (offset) => [{ offset, bytes: 1 }], 'info.offset'),
  ['device.cellRead', onDevice('cellRead'), [{ offset: 16, bytes: 1 }], 'NvmemError', 'offset + length'],
  ...operations('device.cellRead', onDevice('cellRead'), [{ offset: 0, bytes: 1 }]),
  ['device.cellWrite', onDevice('cellWrite'), [7, bytes], 'TypeError', 'info'],
  ['device.cellWrite', onDevice('cellWrite'), [{ offset: 0, bytes: 2 }, 'text'], 'TypeError', 'data'],
  ...operations('device.cellWrite', onDevice('cellWrite'), [{ offset: 0, bytes: 2 }, bytes]),
  ['device.forceRo', (value) => Reflect.set(device, 'forceRo', value), [1], 'TypeError', 'forceRo'],

  ...operations('cell.read', onCell('read'), []),
  ['cell.read', onCell('read'), [{ id: 7 }], 'TypeError', 'options.id'],
  ['cell.read', onCell('read'), [{ index: -1 }], 'RangeError', 'options.index'],
  ['cell.write', onCell('write'), ['text'], 'TypeError', 'data'],
  ['cell.write', onCell('write'), [bytes, { verify: 1 }], 'TypeError', 'options.verify'],
  ...operations('cell.write', onCell('write'), [bytes]),
  ...['readU8', 'readU16', 'readU32', 'readU64', 'readVariableLeU32', 'readVariableLeU64'].flatMap((name) => [
    ...operations(`cell.${name}`, onCell(name), []),
    ...strings(`consumer.${name}`, onConsumer(name), (value) => [value], 'conId'),
  ]),
  ...strings('consumer.device', onConsumer('device'), (value) => [value], 'name'),
  ...strings('consumer.cell', onConsumer('cell'), (value) => [value], 'conId'),

  ['files.list', onFiles('list'), [7], 'TypeError', 'folder'],
  ...strings('files.stat', onFiles('stat'), (value) => [value], 'name'),
  ...strings('files.open', onFiles('open'), (value) => [value], 'name'),
  ['files.open', onFiles('open'), ['nvmem', 7], 'TypeError', 'options'],
  ['files.open', onFiles('open'), ['nvmem', { mode: 'r' }], 'TypeError', 'options.mode'],
  ['files.open', onFiles('open'), ['nvmem', { flags: 'a' }], 'RangeError', 'options.flags'],
  ['files.open', onFiles('open'), ['nvmem', { as: 'root' }], 'RangeError', 'options.as'],
  ...numbers('file.pread', onFile('pread'), (value) => [value, 0], 'count'),
  ...numbers('file.pread', onFile('pread'), (value) => [1, value], 'position'),
  ['file.pwrite', onFile('pwrite'), ['text', 0], 'TypeError', 'data'],
  ...numbers('file.pwrite', onFile('pwrite'), (value) => [bytes, value], 'position'),
  ...numbers('file.read', onFile('read'), (value) => [value, 1], 'position'),
  ...numbers('file.read', onFile('read'), (value) => [0, value], 'length'),
  ...numbers('file.write', onFile('write'), (value) => [value, bytes], 'position'),
  ['file.write', onFile('write'), [0, 'text'], 'TypeError', 'data'],
  ['file.write', onFile('write'), [0, bytes, { verify: 1 }], 'TypeError', 'options.verify'],
  ...operations('file.read', onFile('read'), [0, 1]),
  ...operations('file.write', onFile('write'), [0, bytes]),

  ['memoryProvider', memoryProvider as Anything, ['x'], 'TypeError', 'image'],
  ['memoryProvider', memoryProvider as Anything, [-1], 'RangeError', 'image'],
  ['attachShared', attachShared as Anything, [7], 'TypeError', 'token'],
  ['attachShared', attachShared as Anything, [{}], 'TypeError', 'token'],
  ...strings('open', open as Anything, (value) => [value], 'uri'),
  ['open', open as Anything, ['mem://1', 7], 'TypeError', 'options'],
  ['open', open as Anything, ['mem://1', { colour: 1 }], 'TypeError', 'options.colour'],
  ['open', open as Anything, ['mem://1', { readOnly: 1 }], 'TypeError', 'options.readOnly'],
  ['open', open as Anything, ['mem://1', { openTimeoutMs: 0 }], 'RangeError', 'options.openTimeoutMs'],
  ['open', open as Anything, ['mem://1', { signal: 1 }], 'TypeError', 'options.signal'],
  ['open', open as Anything, ['mem://1', { registry: 1 }], 'TypeError', 'options.registry'],

  ['nvmemRegister', onKernel('nvmemRegister'), [7], 'TypeError', 'config'],
  ['nvmemUnregister', onKernel('nvmemUnregister'), [{}], 'TypeError', 'device'],
  ['nvmemDeviceGet', onKernel('nvmemDeviceGet'), ['dev', 7], 'TypeError', 'name'],
  ['nvmemDeviceFind', onKernel('nvmemDeviceFind'), [7], 'TypeError', 'match'],
  ['nvmemDevicePut', onKernel('nvmemDevicePut'), [{}], 'TypeError', 'device'],
  ['nvmemDeviceRead', onKernel('nvmemDeviceRead'), [{}, 0, 1], 'TypeError', 'device'],
  ...numbers(
    'nvmemDeviceRead',
    (value) => kernel.nvmemDeviceRead(device, value as number, 1),
    (value) => [value],
    'offset',
  ),
  ...numbers(
    'nvmemDeviceRead',
    (value) => kernel.nvmemDeviceRead(device, 0, value as number),
    (value) => [value],
    'bytes',
  ),
  [
    'nvmemDeviceRead',
    (into) => kernel.nvmemDeviceRead(device, 0, 2, into as never),
    [Buffer.alloc(1)],
    'RangeError',
    'into',
  ],
  ['nvmemDeviceWrite', onKernel('nvmemDeviceWrite'), [{}, 0, bytes], 'TypeError', 'device'],
  [
    'nvmemDeviceWrite',
    (data) => kernel.nvmemDeviceWrite(device, 0, data as never),
    ['x'],
    'TypeError',
    'data',
  ],
  [
    'nvmemDeviceCellRead',
    (info) => kernel.nvmemDeviceCellRead(device, info as never),
    [7],
    'TypeError',
    'info',
  ],
  [
    'nvmemDeviceCellWrite',
    (data) => kernel.nvmemDeviceCellWrite(device, { offset: 0, bytes: 1 }, data as never),
    [7],
    'TypeError',
    'data',
  ],
  ['nvmemCellGet', onKernel('nvmemCellGet'), [7, 'x'], 'TypeError', 'devId'],
  ['nvmemCellPut', onKernel('nvmemCellPut'), [{}], 'TypeError', 'cell'],
  ['nvmemCellRead', onKernel('nvmemCellRead'), [{}], 'TypeError', 'cell'],
  ['nvmemCellWrite', onKernel('nvmemCellWrite'), [{}, bytes], 'TypeError', 'cell'],
  ['nvmemCellWrite', (data) => kernel.nvmemCellWrite(cell, data as never), ['x'], 'TypeError', 'data'],
  ['nvmemCellReadU8', onKernel('nvmemCellReadU8'), ['dev', 7], 'TypeError', 'conId'],
  ['nvmemAddCellLookups', onKernel('nvmemAddCellLookups'), [7], 'TypeError', 'lookup'],
  ['nvmemDelCellLookups', onKernel('nvmemDelCellLookups'), [7], 'TypeError', 'lookup'],
  ['nvmemRegisterNotifier', onKernel('nvmemRegisterNotifier'), [{}], 'TypeError', 'notifier.notify'],
  ['nvmemUnregisterNotifier', onKernel('nvmemUnregisterNotifier'), [7], 'TypeError', 'notifier'],
];

const show = (value: unknown): string =>
  typeof value === 'function' ? 'function' : value === undefined ? 'undefined' : JSON.stringify(value);

test.each(rows.map((row, i) => [`${String(i)} ${row[0]}(${row[2].map(show).join(', ')})`, row] as const))(
  '%s',
  async (_label, [, call, args, kind, names]) => {
    const before = calls;
    let error: unknown;
    try {
      await call(...args);
    } catch (caught) {
      error = caught;
    }
    expect((error as Error | undefined)?.constructor.name).toBe(kind);
    const { message } = error as Error;
    expect(message.replace(/^EINVAL: /, '').startsWith(`${names} must be `)).toBe(true);
    expect(message).toMatch(/ must be .+, got /);
    expect(calls).toBe(before);
  },
);

test('no public class has a function that the table leaves out', () => {
  const listed = new Set(rows.map(([label]) => label.replace(/^.*\./, '')));
  // Those without arguments, and the ones that EventEmitter brings.
  const without = new Set([
    'constructor',
    'devices',
    'cells',
    'share',
    'readSync',
    'close',
    'unregister',
    'ref',
    'unref',
    'nvmemDevName',
    'nvmemDevSize',
  ]);
  const internal = new Set([
    'registerNow',
    'reveal',
    'registerAs',
    'lookupAs',
    'addHandle',
    'announceRemoved',
    'compatOf',
  ]);
  const missing = [Registry, NvmemDevice, NvmemCell, NvmemConsumer, NvmemFile, NvmemKernelApi]
    .flatMap(({ prototype }) => Object.entries(Object.getOwnPropertyDescriptors(prototype)))
    .filter(
      ([name, { value }]) =>
        typeof value === 'function' && !listed.has(name) && !without.has(name) && !internal.has(name),
    )
    .map(([name]) => name)
    // Each width is one function behind all of them.
    .filter((name) => !/^(reader|nvmemCellRead(U\d+|Variable.*))$/.test(name));
  expect(missing).toEqual([]);
});

test('a URI that breaks a rule is EINVAL and says which', () => {
  for (const uri of ['x', 'nothing://1', 'mem://', 'mem://-1', 'file://host/x']) {
    expect(() => parseUri(uri)).toThrow(NvmemError);
    expect(() => parseUri(uri)).toThrow(expect.objectContaining({ code: 'EINVAL' }) as Error);
  }
  expect(findChip('no such chip')).toBeUndefined();
});
