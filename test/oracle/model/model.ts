/** The bus of the model and the operations of a case: what drivers/nvmem/core.c of the series does with them. */
import type { Answer, Args, Case, LookupSpec, Op, Ret, TraceEvent } from '../types.js';
import { bytesForBits } from './bits.js';
import { cellOf, ModelDevice, type ModelCell } from './device.js';
import { compatFilesOf, fileName, filesOf, mayOpen, type FileTable, type ModelFile } from './files.js';
import { ModelRam, type Machine } from './ram.js';
import type { Rules } from './rules.js';

const LARGEST_CELL = 0x10000;

interface Notifier {
  readonly nb: string;
  readonly priority: number;
  readonly ends: boolean;
}

interface Handle {
  readonly device: ModelDevice;
  readonly cell: ModelCell;
  readonly id: string;
}

interface OpenFile {
  readonly file: ModelFile;
  readonly device: ModelDevice;
  readonly how: string;
}

export class Model implements Machine {
  readonly gpioFaults = new Map<number, Ret>();
  sharedLineTaken = false;
  readonly timeline: TraceEvent[] = [];
  readonly #rams = new Map<string, ModelRam>();
  readonly #bus: ModelDevice[] = [];
  readonly #ids = new Set<number>();
  readonly #lookups: LookupSpec[] = [];
  readonly #chain: Notifier[] = [];
  readonly #registered = new Map<string, ModelDevice>();
  readonly #devices = new Map<string, ModelDevice>();
  readonly #cells = new Map<string, Handle>();
  readonly #files = new Map<string, OpenFile>();
  readonly #threads = new Map<string, { answer: Promise<Answer>; ended: boolean }>();

  constructor(
    readonly config: Case['config'],
    readonly rules: Rules,
  ) {
    for (const nb of Object.keys(config.notifiers ?? {})) this.#addNotifier(nb);
    this.#lookups.push(...(config.lookups ?? []));
    for (const [key, spec] of Object.entries(config.providers ?? {}))
      this.#rams.set(key, new ModelRam(key, spec, this));
  }

  note(event: TraceEvent): void {
    this.timeline.push(event);
  }

  async run({ op, args = {} }: Op): Promise<Answer> {
    const from = this.timeline.length;
    const answer = await this.#do(op, args);
    return { ...answer, trace: this.timeline.slice(from) };
  }

  async close(): Promise<void> {
    for (const ram of this.#rams.values()) ram.release();
    await Promise.all([...this.#threads.values()].map(({ answer }) => answer));
  }

  /** RAM behind all providers, to compare. */
  memories(): string[] {
    return [...this.#rams.values()].map(({ memory }) => memory.toString('hex'));
  }

  async #do(op: string, a: Args): Promise<Answer> {
    switch (op) {
      case 'register':
        return this.#register(a.provider ?? '');
      case 'unregister':
        return this.#unregister(a.provider ?? '');
      case 'device_get':
      case 'device_find':
        return this.#deviceGet(a);
      case 'device_put':
        return this.#put(this.#device(a));
      case 'device_name':
        return { ret: 0, name: this.#device(a)?.name ?? '' };
      case 'device_read':
        return this.#deviceRead(a);
      case 'device_write':
        return this.#deviceWrite(a);
      case 'device_cell_read':
        return this.#deviceCellRead(a);
      case 'device_cell_write':
        return this.#deviceCellWrite(a);
      case 'cell_get': {
        const found = this.#cellGet(a);
        if (typeof found === 'string') return { ret: found };
        this.#cells.set(a.as ?? '', found);
        return { ret: 0 };
      }
      case 'cell_put':
        return this.#put(this.#cells.get(a.cell ?? '')?.device);
      case 'cell_read':
        return this.#cellRead(this.#cells.get(a.cell ?? ''));
      case 'cell_write': {
        const handle = this.#cells.get(a.cell ?? '');
        return { ret: handle ? await handle.device.writeCell(handle.cell, bytesOf(a)) : 'EINVAL' };
      }
      case 'add_lookup':
        this.#lookups.push(a.lookup ?? (a as unknown as LookupSpec));
        return { ret: 0 };
      case 'del_lookup': {
        const gone = JSON.stringify(sortedLookup(a.lookup ?? (a as unknown as LookupSpec)));
        const at = this.#lookups.findIndex((one) => JSON.stringify(sortedLookup(one)) === gone);
        if (at >= 0) this.#lookups.splice(at, 1);
        return { ret: 0 };
      }
      case 'register_notifier':
        return { ret: this.#addNotifier(a.nb ?? '') };
      case 'unregister_notifier': {
        const at = this.#chain.findIndex(({ nb }) => nb === a.nb);
        if (at < 0) return { ret: 'ENOENT' };
        this.#chain.splice(at, 1);
        return { ret: 0 };
      }
      case 'mem':
        return { ret: 0, data: this.#ram(a).memory.toString('hex') };
      case 'set_mem':
        bytesOf(a).copy(this.#ram(a).memory, a.offset ?? 0);
        return { ret: 0 };
      case 'inject': {
        const { on = 'read', at = 1, count = 1, ret_injected: ret = 0, after = false } = a;
        this.#ram(a).inject(on, at, count, ret, after);
        return { ret: 0 };
      }
      case 'inject_gpio':
        this.gpioFaults.set(a.value ?? 0, a.ret_injected ?? 0);
        return { ret: 0 };
      case 'bus_ls':
        return { ret: 0, names: this.#bus.map(({ name }) => name).sort() };
      default:
        if (op.startsWith('cell_read_')) return this.#number(op, a);
        return op.startsWith('sysfs_') ? this.#sysfs(op, a) : this.#thread(op, a);
    }
  }

  /** nvmem_register() */
  #register(key: string): Answer {
    const ram = this.#ram({ provider: key });
    const { spec } = ram;
    if (spec.no_dev || (!ram.canRead && !ram.canWrite)) return { ret: 'EINVAL' };
    let id = 0;
    while (this.#ids.has(id)) id++;
    const { error, line } = ram.requestLine();
    if (error !== 0) return { ret: error };
    this.#ids.add(id);
    const name = nameOf(spec.name, spec.id, id);
    const device = new ModelDevice(name ?? '', id, ram, this.rules);
    device.line = line;
    const failed = name === undefined ? 'ENOMEM' : this.#populate(device);
    if (failed !== 0) {
      this.#ids.delete(id);
      for (const cell of device.cells) this.#notify('CELL_REMOVE', cell.name);
      line?.free();
      return { ret: failed };
    }
    this.#bus.push(device);
    this.#registered.set(key, device);
    if (line) device.readOnly = true;
    this.#notify('ADD', device.name);
    return { ret: 0, name: device.name };
  }

  #populate(device: ModelDevice): Ret {
    const { ram, wordSize, stride } = device;
    const { spec } = ram;
    let last = 0;
    for (const { start, end } of spec.keepouts ?? []) {
      if (start < last) return 'ERANGE';
      if (end < start) return 'EINVAL';
      if (end - start < wordSize) return 'ERANGE';
      if (start !== last && start - last < wordSize) return 'ERANGE';
      if (((start | end) & (stride - 1)) !== 0) return 'EINVAL';
      last = end;
    }
    if (spec.compat && !spec.base_dev) return 'EINVAL';
    for (const info of spec.cells ?? []) {
      const cell = cellOf(info, wordSize, stride);
      if (typeof cell === 'string') return cell;
      // kstrdup_const()
      if (info.name === null) return 'ENOMEM';
      device.cells.push(cell);
      this.#notify('CELL_ADD', cell.name);
    }
    // kobject_add_internal()
    if (device.name === '') return 'EINVAL';
    if (this.#bus.some(({ name }) => name === device.name)) return 'EEXIST';
    const files = device.cells.map(fileName);
    return new Set(files).size === files.length ? 0 : 'EEXIST';
  }

  async #unregister(key: string): Promise<Answer> {
    const device = this.#registered.get(key);
    if (!device) return { ret: 0 };
    this.#registered.delete(key);
    // device_unregister() is later in the kernel; nobody can ask meanwhile but for threads, who get ENODEV either way.
    this.#bus.splice(this.#bus.indexOf(device), 1);
    this.#notify('REMOVE', device.name);
    if (this.rules.has('D18')) this.#ids.delete(device.id);
    await device.clear();
    device.line?.free();
    if (this.rules.has('D17')) for (const { name } of device.cells) this.#notify('CELL_REMOVE', name);
    return this.#put(device);
  }

  /** put_device(), and nvmem_release() with the last one. */
  #put(device: ModelDevice | undefined): Answer {
    if (!device || --device.references > 0) return { ret: 0 };
    if (!this.rules.has('D18')) this.#ids.delete(device.id);
    if (!this.rules.has('D17')) for (const { name } of device.cells) this.#notify('CELL_REMOVE', name);
    return { ret: 0 };
  }

  #deviceGet({ as = '', name = '' }: Args): Answer {
    const device = this.#find(name);
    if (!device) return { ret: 'EPROBE_DEFER' };
    device.references++;
    this.#devices.set(as, device);
    return { ret: 0, name: device.name };
  }

  async #deviceRead(a: Args): Promise<Answer> {
    const device = this.#device(a);
    if (!device) return { ret: 'EINVAL' };
    const data = Buffer.alloc(a.bytes ?? 0, 0xee);
    const ret = await device.read(a.offset ?? 0, data);
    return count(ret === 0 ? data.length : ret, data);
  }

  async #deviceWrite(a: Args): Promise<Answer> {
    const device = this.#device(a);
    if (!device) return { ret: 'EINVAL' };
    const data = bytesOf(a);
    const ret = await device.write(a.offset ?? 0, data);
    return { ret: ret === 0 ? data.length : ret };
  }

  async #deviceCellRead(a: Args): Promise<Answer> {
    const device = this.#device(a);
    if (!device || !a.info) return { ret: 'EINVAL' };
    const cell = cellOf(a.info, device.wordSize, device.stride);
    if (typeof cell === 'string') return { ret: cell };
    const buffer = Buffer.alloc(LARGEST_CELL, 0xee);
    const ret = await device.readCell(cell, buffer, null);
    return count(ret === 0 ? cell.bytes : ret, buffer);
  }

  async #deviceCellWrite(a: Args): Promise<Answer> {
    const device = this.#device(a);
    if (!device || !a.info) return { ret: 'EINVAL' };
    const cell = cellOf(a.info, device.wordSize, device.stride);
    if (typeof cell === 'string') return { ret: cell };
    const data = Buffer.alloc(cell.bytes);
    bytesOf(a).copy(data);
    return { ret: await device.writeCell(cell, data) };
  }

  #cellGet({ consumer = '', con_id: conId = null }: Args): Handle | string {
    if (conId === null) return 'EINVAL';
    const dev = this.config.consumers?.[consumer] ?? consumer;
    const lookup = this.#lookups.find((one) => one.dev === dev && one.con === conId);
    if (!lookup) return 'ENOENT';
    const device = this.#find(lookup.nvmem);
    if (!device) return 'EPROBE_DEFER';
    const cell = device.cells.find(({ name }) => name === lookup.cell);
    if (!cell) return 'ENOENT';
    device.references++;
    return { device, cell, id: conId };
  }

  /** nvmem_cell_read() */
  async #cellRead(handle: Handle | undefined): Promise<Answer> {
    if (!handle) return { ret: 'EINVAL' };
    const { device, cell, id } = handle;
    const buffer = Buffer.alloc(Math.max(cell.rawLen, cell.bytes));
    const ret = await device.readCell(cell, buffer, id);
    if (ret !== 0) return { ret };
    return { ret: 0, len: cell.bytes, ...hex(buffer.subarray(0, cell.bytes)) };
  }

  /** nvmem_cell_read_u8() and its like, nvmem_cell_read_variable_le_u32() and _u64() */
  async #number(op: string, a: Args): Promise<Answer> {
    const handle = this.#cellGet(a);
    if (typeof handle === 'string') return { ret: handle };
    const { cell } = handle;
    const { ret, data = '', len = 0 } = await this.#cellRead(handle);
    this.#put(handle.device);
    if (ret !== 0) return { ret };
    const width = Number(/u(\d+)$/.exec(op)?.[1]) / 8;
    const variable = op.includes('variable');
    const real = variable && cell.nbits !== 0 ? bytesForBits(cell.nbits) : len;
    if (variable ? real > width : real !== width) return { ret: variable ? 'ERANGE' : 'EINVAL' };
    const bytes = Buffer.from(data, 'hex').subarray(0, real).reverse().toString('hex');
    return { ret: 0, value: `0x${BigInt(`0x0${bytes}`).toString(16)}` };
  }

  async #sysfs(op: string, a: Args): Promise<Answer> {
    const root = a.uid === undefined || a.uid === 0;
    const table = this.#folder(a);
    const name = a.attr ?? a.file ?? 'nvmem';
    switch (op) {
      case 'sysfs_ls':
        return listed(table, a.dir ?? '');
      case 'sysfs_stat': {
        const file = table?.get(name);
        if (!file) return { ret: 'ENOENT' };
        return { ret: 0, mode: `0${file.mode.toString(8)}`, size: file.size };
      }
      case 'sysfs_open': {
        const how = a.mode === 'rw' ? 'r+' : (a.mode ?? 'r');
        const file = opened(table, name, how, root);
        if (typeof file === 'string') return { ret: file, stage: 'open' };
        const device = this.#bus.find((one) => one.name === a.dev || `parent-${one.ram.key}` === a.base);
        if (device) this.#files.set(a.as ?? '', { file, device, how });
        return { ret: 0 };
      }
      case 'sysfs_close':
        this.#files.delete(a.file ?? '');
        return { ret: 0 };
      case 'sysfs_pread':
      case 'sysfs_pwrite':
        return this.#onDescriptor(op, a);
      case 'sysfs_read': {
        const file = opened(table, name, 'r', root);
        if (typeof file === 'string') return { ret: file, stage: 'open' };
        return bytesRead(await file.read(a.offset ?? 0, a.count ?? 0));
      }
      case 'sysfs_attr_read': {
        const file = opened(table, name, 'r', root);
        if (typeof file === 'string') return { ret: file, stage: 'open' };
        const text = await file.read(0, file.size);
        return Buffer.isBuffer(text) ? { ret: 0, text: text.toString('latin1') } : { ret: text };
      }
      default: {
        const file = opened(table, name, 'w', root);
        if (typeof file === 'string') return { ret: file, stage: 'open' };
        const data = a.text === undefined ? bytesOf(a) : Buffer.from(a.text, 'latin1');
        return { ret: await file.write(a.offset ?? 0, data) };
      }
    }
  }

  async #onDescriptor(op: string, a: Args): Promise<Answer> {
    const open = this.#files.get(a.file ?? '');
    if (!open) return { ret: 'EBADF' };
    const { file, device, how } = open;
    if (how === (op === 'sysfs_pread' ? 'w' : 'r')) return { ret: 'EBADF' };
    if (!device.ops) return { ret: 'ENODEV' };
    if (op === 'sysfs_pread') return bytesRead(await file.read(a.offset ?? 0, a.count ?? 0));
    return { ret: await file.write(a.offset ?? 0, bytesOf(a)) };
  }

  async #thread(op: string, a: Args): Promise<Answer> {
    const { as = '' } = a;
    switch (op) {
      case 'hold':
        this.#ram(a).hold(a.on ?? '');
        return { ret: 0 };
      case 'wait_held':
        await this.#ram(a).waitHeld();
        return { ret: 0 };
      case 'release':
        this.#ram(a).release();
        await turns();
        return { ret: 0 };
      case 'async_poll':
        await turns();
        return { ret: this.#threads.get(as)?.ended ? 1 : 0 };
      case 'async_join':
        return (await this.#threads.get(as)?.answer) ?? { ret: 'EINVAL' };
      default: {
        this.note({ cb: 'async', what: 'begin', as });
        const thread = { answer: this.#do(op.slice('async_'.length), a), ended: false };
        thread.answer = thread.answer.then((answer) => {
          thread.ended = true;
          this.note({ cb: 'async', what: 'end', as, ret: answer.ret });
          return answer;
        });
        this.#threads.set(as, thread);
        return { ret: 0 };
      }
    }
  }

  /** notifier_chain_register() */
  #addNotifier(nb: string): Ret {
    const spec = this.config.notifiers?.[nb];
    if (!spec) return 'EINVAL';
    if (this.#chain.some((one) => one.nb === nb)) return 'EEXIST';
    const { priority, returns } = spec;
    const at = this.#chain.findIndex((other) => other.priority < priority);
    const notifier = { nb, priority, ends: returns === 'BAD' || returns === 'STOP' };
    this.#chain.splice(at < 0 ? this.#chain.length : at, 0, notifier);
    return 0;
  }

  #notify(event: string, name: string): void {
    for (const { nb, ends } of [...this.#chain]) {
      this.note({ cb: 'notify', nb, event, name });
      if (ends) return;
    }
  }

  #find(name: string): ModelDevice | undefined {
    return this.#bus.find((device) => device.name === name);
  }

  #device({ device }: Args): ModelDevice | undefined {
    return this.#devices.get(device ?? '') ?? this.#registered.get(device ?? '');
  }

  #ram({ provider = '' }: Args): ModelRam {
    const ram = this.#rams.get(provider);
    if (!ram) throw new Error(`no provider ${provider}`);
    return ram;
  }

  #folder({ dev, base }: Args): FileTable | undefined {
    if (base !== undefined) {
      const device = this.#bus.find(({ ram }) => ram.key === base);
      return device?.ram.spec.compat ? compatFilesOf(device) : undefined;
    }
    const device = this.#find(dev ?? '');
    return device && filesOf(device);
  }
}

function nameOf(name: string | null, id: number | string, ida: number): string | undefined {
  if (id === 'NONE' || id === -1) return name?.replaceAll('/', '!');
  if (id === 'AUTO' || id === -2) return `${name ?? '(null)'}${String(ida)}`.replaceAll('/', '!');
  return name === null ? `nvmem${String(ida)}` : `${name}${String(id)}`.replaceAll('/', '!');
}

function sortedLookup({ nvmem, cell, dev, con }: LookupSpec): LookupSpec {
  return { nvmem, cell, dev, con };
}

function opened(table: FileTable | undefined, name: string, how: string, root: boolean): ModelFile | string {
  const file = table?.get(name);
  if (!file) return 'ENOENT';
  return mayOpen(file, how, root) ? file : 'EACCES';
}

function listed(table: FileTable | undefined, dir: string): Answer {
  const prefix = dir === '' ? '' : `${dir}/`;
  const names = [...(table?.keys() ?? [])].filter((name) => name.startsWith(prefix));
  if (!table || (dir !== '' && names.length === 0)) return { ret: 'ENOENT' };
  return {
    ret: 0,
    names: [...new Set(names.map((name) => name.slice(prefix.length).split('/')[0] ?? ''))].sort(),
  };
}

function bytesRead(data: Buffer | Ret): Answer {
  return Buffer.isBuffer(data) ? { ret: data.length, ...hex(data) } : { ret: data };
}

/** A count of bytes and those bytes, or an error. */
function count(ret: Ret, buffer: Buffer): Answer {
  return typeof ret === 'number' ? { ret, ...hex(buffer.subarray(0, ret)) } : { ret };
}

/** The recorder leaves `data` out where there is none. */
function hex(data: Buffer): { data?: string } {
  return data.length === 0 ? {} : { data: data.toString('hex') };
}

function bytesOf({ data = '' }: Args): Buffer {
  return Buffer.from(data, 'hex');
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
