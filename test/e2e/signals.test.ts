/** Signals to the built command line: it ends in order with 128 + n, and Ctrl-Z stops it with the write-protect line up. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

import { ENDING_SIGNALS } from '../../lib/cli/signals.js';
import { VirtualBench, type VirtualDevice } from '../../lib/rig/index.js';
import { CLI, imageOf } from './bench.js';

const SIZE = 4096;
const SMALL = 1536;
const LANES = 4;
const image = imageOf(SIZE, 6);

let bench: VirtualBench;
const children = new Set<ChildProcess>();
let folder: string;
let file: string;
/** Of the same content, and sooner written. */
let small: string;

beforeAll(async () => {
  bench = await VirtualBench.start({
    devices: Array.from({ length: LANES }, (_, i) => ({
      busid: `1-${String(i + 1)}`,
      serial: `LANE${String(i)}`,
      eeproms: [{ address: 0x50, chip: '24c32', wp: 0 }],
    })),
  });
  folder = mkdtempSync(join(tmpdir(), 'nvmem-signals-'));
  file = join(folder, 'image.bin');
  writeFileSync(file, image);
  small = join(folder, 'small.bin');
  writeFileSync(small, image.subarray(0, SMALL));
});

afterEach(() => {
  // Whoever is still there belongs to a test that failed.
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

afterAll(async () => {
  await bench.close();
  rmSync(folder, { recursive: true });
});

function uri({ busid }: VirtualDevice): string {
  return `usbip://127.0.0.1:${String(bench.port)}/${busid}/0x50?chip=24c32&wp=0`;
}

interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly err: string;
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

function start(args: readonly string[], stderr: 'pipe' | number = 'pipe'): Run {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', stderr],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  let err = '';
  child.stdout?.resume();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  children.add(child);
  const ended = once(child, 'close').then(([status, signal]) => ({ status, signal, err }));
  return { child, ended };
}

/** Resolves when a write has lowered the line and begun. */
async function writing(device: VirtualDevice): Promise<void> {
  for (let isHigh = true; isHigh;) [, isHigh] = (await once(device, 'wp')) as [number, boolean];
  await once(device, 'eeprom');
}

function lowered({ gpioLevels }: VirtualDevice): boolean {
  return (gpioLevels & 1) === 0;
}

/** Calls `body` for each item, on as many bridges at once as there are. */
async function onLanes<T, R>(
  items: readonly T[],
  body: (item: T, device: VirtualDevice) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const left = [...items.entries()];
  await Promise.all(
    bench.devices.map(async (device) => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        results[next[0]] = await body(next[1], device);
      }
    }),
  );
  return results;
}

test.each([
  ['write', (device: VirtualDevice) => ['write', uri(device), file], ENDING_SIGNALS],
  ['erase', (device: VirtualDevice) => ['erase', uri(device), '--yes'], ['SIGHUP', 'SIGQUIT', 'SIGALRM']],
] as const)('%s: every signal that a program can catch', async (_command, args, signals) => {
  const table = await onLanes<NodeJS.Signals, object>(signals, async (name, device) => {
    device.eeprom(0x50).image = imageOf(SIZE, 7);
    const began = writing(device);
    const { child, ended } = start(args(device));
    await began;
    const wasLow = lowered(device);
    child.kill(name);
    const { status, signal, err } = await ended;
    return { name, status, signal, wasLow, isLow: lowered(device), says: err.includes(`${name} ended it.`) };
  });
  expect(table).toEqual(
    signals.map((name) => ({
      name,
      status: 128 + constants.signals[name],
      signal: null,
      wasLow: true,
      isLow: false,
      says: true,
    })),
  );
});

test('the signals are all those of Node that end a program, and can be caught', () => {
  const kept = ['SIGKILL', 'SIGSTOP', 'SIGPIPE', 'SIGXFSZ', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL'];
  const harmless = ['SIGCHLD', 'SIGCONT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGWINCH'];
  const number: Readonly<Record<string, number>> = { ...constants.signals };
  const numbers = new Set([...kept, ...harmless, ...ENDING_SIGNALS].map((name) => number[name]));
  expect(Object.values(constants.signals).filter((number) => !numbers.has(number))).toEqual([]);
});

test('signals that are not for ending change nothing', async () => {
  const [device] = bench.devices as [VirtualDevice];
  const began = writing(device);
  const { child, ended } = start(['write', uri(device), small]);
  await began;
  for (const name of ['SIGPIPE', 'SIGXFSZ', 'SIGCONT', 'SIGWINCH', 'SIGCHLD', 'SIGURG'] as const)
    child.kill(name);
  expect(await ended).toEqual({ status: 0, signal: null, err: '' });
  expect(Buffer.from(device.eeprom(0x50).image.subarray(0, SMALL))).toEqual(image.subarray(0, SMALL));
});

test('read keeps what is good in FILE.part, whatever signal ends it', async () => {
  const results = await onLanes(
    ['SIGHUP', 'SIGQUIT', 'SIGALRM', 'SIGUSR1'] as const,
    async (name, device) => {
      device.eeprom(0x50).image = image;
      const out = join(folder, `${name}.bin`);
      const bytes = device.stats.hostBytes;
      const { child, ended } = start(['read', uri(device), '-o', out, '--length', String(SIZE - 1)]);
      while (device.stats.hostBytes < bytes + 2500) await once(device, 'report');
      child.kill(name);
      const { status } = await ended;
      const part = readFileSync(`${out}.part`);
      return [status, existsSync(out), part.length > 0, part.equals(image.subarray(0, part.length))];
    },
  );
  expect(results).toEqual([129, 131, 142, 138].map((status) => [status, false, true, true]));
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test.each([
  ['verify', 'SIGHUP', 129],
  ['doctor', 'SIGQUIT', 131],
  ['scan', 'SIGHUP', 129],
  ['info', 'SIGALRM', 142],
] as const)('%s while the bridge is silent: %s', async (command, name, status) => {
  const [device] = bench.devices as [VirtualDevice];
  const fault = device.faults.add({ kind: 'silent' });
  try {
    const bus = uri(device).replace(/\/0x50.*$/, '');
    const args = { verify: [uri(device), file], doctor: [uri(device)], scan: [bus], info: [uri(device)] }[
      command
    ];
    const attached = once(device, 'attached');
    const { child, ended } = start([command, ...args]);
    // Doctor asks the server first, and attaches after it.
    await attached;
    child.kill(name);
    expect(await ended).toMatchObject({ status, signal: null });
  } finally {
    fault.release();
  }
});

test('the terminal has gone: what cannot be said does not keep the line low', async () => {
  const [device] = bench.devices as [VirtualDevice];
  device.eeprom(0x50).image = imageOf(SIZE, 7);
  const began = writing(device);
  const { child, ended } = start(['write', uri(device), file]);
  await began;
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.kill('SIGHUP');
  expect(await ended).toMatchObject({ status: 129, signal: null });
  expect(lowered(device)).toBe(false);
});

test('a signal during `write URI -` does not wait for the input', async () => {
  const child = spawn(process.execPath, [CLI, 'write', 'mem://64', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  // It reads: what is written is taken out of the pipe.
  await new Promise((resolve) => child.stdin.write('x', resolve));
  await until(() => isCatching(child, 'SIGHUP'));
  child.kill('SIGHUP');
  expect(await once(child, 'close')).toEqual([129, null]);
  expect(err).toContain('SIGHUP ended it.');
});

test('a reader that does not read does not keep a command that a signal ends', async () => {
  const child = spawn(process.execPath, [CLI, 'read', 'mem://8000000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'readable');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([143, null]);
  child.stdout.destroy();
});

describe('Ctrl-Z', () => {
  /** proc(5): 'T' is stopped. */
  const isStopped = ({ pid }: ChildProcess): boolean =>
    /^.*\) (.)/s.exec(readFileSync(`/proc/${String(pid)}/stat`, 'latin1'))?.[1] === 'T';

  test.each(['SIGTSTP', 'SIGTTOU', 'SIGTTIN'] as const)(
    '%s in a write: it stops with the line up, goes on, and everything is written and verified',
    async (name) => {
      const [device] = bench.devices as [VirtualDevice];
      device.eeprom(0x50).image = imageOf(SIZE, 7);
      const began = writing(device);
      const { child, ended } = start(['write', uri(device), small, '--timeout', '20000']);
      await began;
      for (let i = 0; i < (name === 'SIGTSTP' ? 3 : 1); i++) {
        expect(lowered(device)).toBe(true);
        child.kill(name);
        await until(() => isStopped(child));
        expect(lowered(device)).toBe(false);
        const again = writing(device);
        child.kill('SIGCONT');
        await again;
      }
      expect(await ended).toEqual({ status: 0, signal: null, err: '' });
      expect(Buffer.from(device.eeprom(0x50).image.subarray(0, SMALL))).toEqual(image.subarray(0, SMALL));
      expect(lowered(device)).toBe(false);
    },
  );

  test('what was written before the stop is compared after it', async () => {
    const [device] = bench.devices as [VirtualDevice];
    device.eeprom(0x50).image = imageOf(SIZE, 7);
    const began = writing(device);
    const { child, ended } = start(['write', uri(device), small]);
    await began;
    child.kill('SIGTSTP');
    await until(() => isStopped(child));
    // While it slept somebody else was here.
    const now = Buffer.from(device.eeprom(0x50).image);
    now[0] = (now[0] ?? 0) ^ 0xff;
    device.eeprom(0x50).image = now;
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ status: 0 });
    expect(Buffer.from(device.eeprom(0x50).image.subarray(0, SMALL))).toEqual(image.subarray(0, SMALL));
  });

  test('stopped, and then ended: the ranges are those of the whole write', async () => {
    const [device] = bench.devices as [VirtualDevice];
    const before = imageOf(SIZE, 7);
    device.eeprom(0x50).image = before;
    const began = writing(device);
    const child = spawn(process.execPath, [CLI, 'write', uri(device), file, '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.add(child);
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    await began;
    for (let i = 0; i < 20; i++) await once(device, 'eeprom');
    child.kill('SIGTSTP');
    await until(() => isStopped(child));
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    expect(await once(child, 'close')).toEqual([143, null]);
    const { error } = JSON.parse(out) as { error: Record<string, { offset: number; length: number }[]> };
    const held = device.eeprom(0x50).image;
    for (const { offset, length } of error['committed'] ?? []) {
      expect(Buffer.from(held.subarray(offset, offset + length))).toEqual(
        image.subarray(offset, offset + length),
      );
    }
    for (const { offset, length } of error['untouched'] ?? []) {
      expect(Buffer.from(held.subarray(offset, offset + length))).toEqual(
        before.subarray(offset, offset + length),
      );
    }
    expect(error['committed']).not.toEqual([]);
    expect(lowered(device)).toBe(false);
  });

  test('in a write with a journal: it is there while the write sleeps, and goes when all is written', async () => {
    const [device] = bench.devices as [VirtualDevice];
    device.eeprom(0x50).image = imageOf(SIZE, 7);
    const journal = join(folder, 'stopped.journal');
    const began = writing(device);
    const { child, ended } = start(['write', uri(device), small, '--journal', journal]);
    await began;
    child.kill('SIGTSTP');
    await until(() => isStopped(child));
    expect([lowered(device), existsSync(journal)]).toEqual([false, true]);
    child.kill('SIGCONT');
    expect(await ended).toEqual({ status: 0, signal: null, err: '' });
    expect(existsSync(journal)).toBe(false);
    expect(Buffer.from(device.eeprom(0x50).image.subarray(0, SMALL))).toEqual(image.subarray(0, SMALL));
    expect(lowered(device)).toBe(false);
  });

  test('in a write with a journal, and killed in its sleep: recover finishes it', async () => {
    const [device] = bench.devices as [VirtualDevice];
    device.eeprom(0x50).image = imageOf(SIZE, 7);
    const journal = join(folder, 'killed.journal');
    const began = writing(device);
    const { child, ended } = start(['write', uri(device), small, '--journal', journal]);
    await began;
    child.kill('SIGTSTP');
    await until(() => isStopped(child));
    child.kill('SIGKILL');
    expect(await ended).toMatchObject({ signal: 'SIGKILL' });
    expect(await start(['recover', journal, uri(device)]).ended).toMatchObject({ status: 0 });
    expect(existsSync(journal)).toBe(false);
    expect(Buffer.from(device.eeprom(0x50).image.subarray(0, SMALL))).toEqual(image.subarray(0, SMALL));
  });

  test('in a read: it stops, goes on, and the dump is whole', async () => {
    const [device] = bench.devices as [VirtualDevice];
    device.eeprom(0x50).image = image;
    const out = join(folder, 'stopped.bin');
    const bytes = device.stats.hostBytes;
    const { child, ended } = start(['read', uri(device), '-o', out, '--length', String(SIZE - 1)]);
    while (device.stats.hostBytes < bytes + 2500) await once(device, 'report');
    child.kill('SIGTSTP');
    await until(() => isStopped(child));
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ status: 0, err: '' });
    expect(readFileSync(out)).toEqual(image.subarray(0, -1));
    expect(device.stats.hostBytes - bytes).toBeLessThan(SIZE * 1.5);
  });
});

/** Looks at /proc until it is so: the kernel tells nobody. */
async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not come to it');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether a process has a handler for a signal. */
function isCatching({ pid }: ChildProcess, name: NodeJS.Signals): boolean {
  const caught =
    /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1'))?.[1] ?? '0';
  return (BigInt(`0x${caught}`) & (1n << BigInt(constants.signals[name] - 1))) !== 0n;
}
