/** Puts one case to the library: each operation of the oracle is one call of the public interface. */
import { compatFilesOf, filesOf, type NvmemFile, type NvmemFiles } from '../../lib/kernel/index.js';
import {
  Registry,
  type NvmemCell,
  type NvmemCellLookup,
  type NvmemDevice,
  NvmemKernelApi,
  type NvmemNotifier,
} from '../../lib/index.js';
import { Ram, type World } from './provider.js';
import type { Answer, Args, Case, LookupSpec, Op, Ret, TraceEvent } from './types.js';

/** No cell of a case is longer, bytes. */
const LARGEST_CELL = 0x10000;

/** Thrown by what cannot be asked here. */
export class Unknown extends Error {}

function retOf(error: unknown): Ret {
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  if (typeof code === 'string' && !code.startsWith('ERR_')) return code;
  if (typeof errno === 'number') return errno;
  return `${(error as Error).name}: ${(error as Error).message}`;
}

function lookupOf({ nvmem, cell, dev, con }: LookupSpec): NvmemCellLookup {
  return { nvmemName: nvmem, cellName: cell, devId: dev, conId: con };
}

const ANSWERS = { DONE: undefined, OK: 'ok', BAD: 'bad', STOP: 'stop' } as const;

export class Driver implements World {
  readonly gpioFaults = new Map<number, Ret>();
  sharedLine: World['sharedLine'];
  /** Everything since the case began. */
  readonly timeline: TraceEvent[] = [];
  readonly #registry = new Registry();
  readonly #kernel = new NvmemKernelApi(this.#registry);
  readonly #rams = new Map<string, Ram>();
  readonly #registered = new Map<string, NvmemDevice>();
  readonly #devices = new Map<string, NvmemDevice>();
  readonly #cells = new Map<string, NvmemCell>();
  readonly #files = new Map<string, NvmemFile>();
  readonly #notifiers = new Map<string, NvmemNotifier>();
  readonly #async = new Map<string, { answer: Promise<Answer>; ended: boolean }>();
  readonly #config: Case['config'];

  /** `isNative`: the memories are the addon's own; see provider.ts. */
  constructor({ config }: Case, isNative = false) {
    this.#config = config;
    for (const [nb, { priority, returns }] of Object.entries(config.notifiers ?? {})) {
      const notifier = {
        priority,
        notify: (event: string, name: string): unknown => {
          this.note({ cb: 'notify', nb, event, name });
          return ANSWERS[returns];
        },
      };
      this.#notifiers.set(nb, notifier);
      this.#kernel.nvmemRegisterNotifier(notifier);
    }
    for (const [key, spec] of Object.entries(config.providers ?? {}))
      this.#rams.set(key, new Ram(key, spec, this, isNative));
    this.#kernel.nvmemAddCellLookups(...(config.lookups ?? []).map(lookupOf));
  }

  note(event: TraceEvent): void {
    this.timeline.push(event);
  }

  /** Never throws but for an operation that nobody knows. */
  async run({ op, args = {} }: Op): Promise<Answer> {
    const from = this.timeline.length;
    const answer = await this.#settled(op, args);
    return { ...answer, trace: this.timeline.slice(from) };
  }

  async close(): Promise<void> {
    for (const ram of this.#rams.values()) ram.release();
    await Promise.all([...this.#async.values()].map(({ answer }) => answer));
    await Promise.all(this.#registry.devices().map((device) => this.#registry.unregister(device)));
  }

  async #settled(op: string, args: Args): Promise<Answer> {
    try {
      return await this.#do(op, args);
    } catch (error) {
      if (error instanceof Unknown) throw error;
      return { ret: retOf(error), ...(opensFile(op, error) && { stage: 'open' }) };
    }
  }

  async #do(op: string, a: Args): Promise<Answer> {
    const kernel = this.#kernel;
    switch (op) {
      case 'register': {
        const device = await kernel.nvmemRegister(this.#ram(a).config());
        this.#registered.set(a.provider ?? '', device);
        return { ret: 0, name: device.name };
      }
      case 'unregister':
        await kernel.nvmemUnregister(this.#registered.get(a.provider ?? '') ?? null);
        return { ret: 0 };
      case 'device_get':
        return this.#keepDevice(a, kernel.nvmemDeviceGet(this.#consumer(a), a.name ?? ''));
      case 'device_find':
        return this.#keepDevice(
          a,
          kernel.nvmemDeviceFind(({ name }) => name === a.name),
        );
      case 'device_put': {
        const device = this.#device(a);
        if (device) kernel.nvmemDevicePut(device);
        return { ret: 0 };
      }
      case 'device_name':
        return { ret: 0, name: kernel.nvmemDevName(known(this.#device(a))) };
      case 'device_read': {
        const { offset = 0, bytes = 0 } = a;
        const into = Buffer.alloc(bytes, 0xee);
        const data = await kernel.nvmemDeviceRead(this.#device(a), offset, bytes, into);
        return { ret: data.length, ...hex(data) };
      }
      case 'device_write':
        return { ret: await kernel.nvmemDeviceWrite(this.#device(a), a.offset ?? 0, bytesOf(a)) };
      case 'device_cell_read': {
        const data = await kernel.nvmemDeviceCellRead(
          this.#device(a),
          this.#info(a),
          Buffer.alloc(LARGEST_CELL, 0xee),
        );
        return { ret: data.length, ...hex(data) };
      }
      case 'device_cell_write':
        return { ret: await kernel.nvmemDeviceCellWrite(this.#device(a), this.#info(a), bytesOf(a)) };
      case 'cell_get':
        this.#cells.set(a.as ?? '', kernel.nvmemCellGet(this.#consumer(a), a.con_id ?? null));
        return { ret: 0 };
      case 'cell_put':
        kernel.nvmemCellPut(this.#cell(a));
        return { ret: 0 };
      case 'cell_read': {
        const data = await kernel.nvmemCellRead(this.#cell(a));
        return { ret: 0, len: data.length, ...hex(data) };
      }
      case 'cell_write':
        return { ret: await kernel.nvmemCellWrite(this.#cell(a), bytesOf(a)) };
      case 'cell_read_u8':
        return value(await kernel.nvmemCellReadU8(this.#consumer(a), a.con_id ?? null));
      case 'cell_read_u16':
        return value(await kernel.nvmemCellReadU16(this.#consumer(a), a.con_id ?? null));
      case 'cell_read_u32':
        return value(await kernel.nvmemCellReadU32(this.#consumer(a), a.con_id ?? null));
      case 'cell_read_u64':
        return value(await kernel.nvmemCellReadU64(this.#consumer(a), a.con_id ?? null));
      case 'cell_read_variable_le_u32':
        return value(await kernel.nvmemCellReadVariableLeU32(this.#consumer(a), a.con_id ?? null));
      case 'cell_read_variable_le_u64':
        return value(await kernel.nvmemCellReadVariableLeU64(this.#consumer(a), a.con_id ?? null));
      case 'add_lookup':
        kernel.nvmemAddCellLookups(lookupOf(a.lookup ?? (a as unknown as LookupSpec)));
        return { ret: 0 };
      case 'del_lookup':
        kernel.nvmemDelCellLookups(lookupOf(a.lookup ?? (a as unknown as LookupSpec)));
        return { ret: 0 };
      case 'register_notifier':
        kernel.nvmemRegisterNotifier(known(this.#notifiers.get(a.nb ?? '')));
        return { ret: 0 };
      case 'unregister_notifier':
        kernel.nvmemUnregisterNotifier(known(this.#notifiers.get(a.nb ?? '')));
        return { ret: 0 };
      case 'mem':
        return { ret: 0, data: this.#ram(a).memory.toString('hex') };
      case 'set_mem':
        this.#ram(a).fill(a.offset ?? 0, bytesOf(a));
        return { ret: 0 };
      case 'inject':
        this.#ram(a).inject(a.on ?? '', a.at ?? 1, a.count ?? 1, a.ret_injected ?? 0, a.after ?? false);
        return { ret: 0 };
      case 'inject_gpio':
        this.gpioFaults.set(a.value ?? 0, a.ret_injected ?? 0);
        return { ret: 0 };
      default:
        return op.startsWith('sysfs_') || op === 'bus_ls' ? this.#sysfs(op, a) : this.#threads(op, a);
    }
  }

  async #sysfs(op: string, a: Args): Promise<Answer> {
    const as = a.uid === undefined || a.uid === 0 ? 'owner' : 'other';
    switch (op) {
      case 'bus_ls':
        return {
          ret: 0,
          names: this.#registry
            .devices()
            .map(({ name }) => name)
            .sort(),
        };
      case 'sysfs_ls':
        return { ret: 0, names: this.#folder(a).list(a.dir ?? '') };
      case 'sysfs_stat': {
        const { mode, size } = this.#folder(a).stat(a.file ?? 'nvmem');
        return { ret: 0, mode: `0${mode.toString(8)}`, size };
      }
      case 'sysfs_read': {
        using file = this.#folder(a).open(a.file ?? 'nvmem', { as });
        const data = await file.pread(a.count ?? 0, a.offset ?? 0);
        return { ret: data.length, ...hex(data) };
      }
      case 'sysfs_write': {
        using file = this.#folder(a).open(a.file ?? 'nvmem', { flags: 'w', as });
        return { ret: await file.pwrite(bytesOf(a), a.offset ?? 0) };
      }
      case 'sysfs_attr_read': {
        using file = this.#folder(a).open(a.attr ?? '');
        return { ret: 0, text: (await file.read(0, file.size)).toString('latin1') };
      }
      case 'sysfs_attr_write': {
        using file = this.#folder(a).open(a.attr ?? '', { flags: 'w' });
        return { ret: await file.pwrite(Buffer.from(a.text ?? '', 'latin1'), 0) };
      }
      case 'sysfs_open': {
        const flags =
          a.mode === 'w' || a.mode === 'r+' || a.mode === 'rw' ? (a.mode === 'w' ? 'w' : 'r+') : 'r';
        this.#files.set(a.as ?? '', this.#folder(a).open('nvmem', { flags, as }));
        return { ret: 0 };
      }
      case 'sysfs_pread': {
        const data = await this.#file(a).pread(a.count ?? 0, a.offset ?? 0);
        return { ret: data.length, ...hex(data) };
      }
      case 'sysfs_pwrite':
        return { ret: await this.#file(a).pwrite(bytesOf(a), a.offset ?? 0) };
      case 'sysfs_close':
        this.#file(a).close();
        return { ret: 0 };
      default:
        throw new Unknown(op);
    }
  }

  async #threads(op: string, a: Args): Promise<Answer> {
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
      case 'async_poll': {
        const thread = this.#async.get(as);
        const { promise, timer } = timeout(a.ms ?? 0);
        await Promise.race([thread?.answer, promise]);
        clearTimeout(timer);
        await turns();
        return { ret: thread?.ended ? 1 : 0 };
      }
      case 'async_join':
        return (await this.#async.get(as)?.answer) ?? { ret: 'EINVAL' };
      default: {
        if (!op.startsWith('async_')) throw new Unknown(op);
        this.note({ cb: 'async', what: 'begin', as });
        const started = { answer: this.#settled(op.slice('async_'.length), a), ended: false };
        started.answer = started.answer.then((answer) => {
          started.ended = true;
          this.note({ cb: 'async', what: 'end', as, ret: answer.ret });
          return answer;
        });
        this.#async.set(as, started);
        return { ret: 0 };
      }
    }
  }

  #ram({ provider = '' }: Args): Ram {
    const ram = this.#rams.get(provider);
    if (!ram) throw new Unknown(`provider ${provider}`);
    return ram;
  }

  #consumer({ consumer = '' }: Args): string {
    return this.#config.consumers?.[consumer] ?? consumer;
  }

  #keepDevice({ as = '' }: Args, device: NvmemDevice): Answer {
    this.#devices.set(as, device);
    return { ret: 0, name: device.name };
  }

  #device({ device }: Args): NvmemDevice | null {
    if (device === null || device === undefined) return null;
    return this.#devices.get(device) ?? this.#registered.get(device) ?? null;
  }

  #cell({ cell = '' }: Args): NvmemCell {
    const found = this.#cells.get(cell);
    if (!found) throw new Unknown(`cell ${cell}`);
    return found;
  }

  #file({ file = '' }: Args): NvmemFile {
    const found = this.#files.get(file);
    if (!found) throw new Unknown(`file ${file}`);
    return found;
  }

  /** The folder of a device, or of a provider's parent. */
  #folder({ dev = '', base }: Args): NvmemFiles {
    if (base !== undefined) return compatFilesOf(this.#registry, `parent-${base}`);
    const device = this.#registry.find(dev);
    if (device) return filesOf(device);
    throw Object.assign(new Error('no such folder'), { code: 'ENOENT', syscall: 'open' });
  }

  #info({ info, device }: Args): Parameters<NvmemKernelApi['nvmemDeviceCellRead']>[1] {
    const ram = this.#rams.get(device ?? '') ?? [...this.#rams.values()][0];
    if (!ram || !info) throw new Unknown('info');
    return ram.cell({ ...info, name: info.name ?? 'cell' });
  }
}

function known<T>(found: T | null | undefined): T {
  if (found === null || found === undefined) throw new Unknown('a handle that nobody made');
  return found;
}

/** Everything that can happen by itself has happened. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** The time that a poll gives a thread. */
function timeout(ms: number): { promise: Promise<void>; timer: NodeJS.Timeout | undefined } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return { promise, timer };
}

function opensFile(op: string, error: unknown): boolean {
  const opens = ['sysfs_read', 'sysfs_write', 'sysfs_attr_read', 'sysfs_attr_write', 'sysfs_open'];
  return opens.includes(op) && (error as { syscall?: unknown }).syscall === 'open';
}

/** The record leaves out the data of an answer that has none. */
function hex(data: Buffer): { data?: string } {
  return data.length === 0 ? {} : { data: data.toString('hex') };
}

function bytesOf({ data = '' }: Args): Buffer {
  return Buffer.from(data, 'hex');
}

function value(number: number | bigint): Answer {
  return { ret: 0, value: `0x${number.toString(16)}` };
}
