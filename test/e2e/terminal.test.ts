/* eslint-disable no-control-regex -- escape sequences */
/** What a person sees of watch and --wait: in a pseudo-terminal of 80 and of 40 columns, in colours and without. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { VirtualBench, type VirtualDevice } from '../../lib/rig/index.js';
import { CLI, imageOf, seedOfRun } from './bench.js';

let bench: VirtualBench;
let bridge: VirtualDevice;
let bus: string;
let child: ChildProcessWithoutNullStreams;
let shown: string;
let news: () => void;

beforeEach(async () => {
  const eeproms = [{ address: 0x50, chip: '24c32', image: imageOf(4096, seedOfRun()) }];
  bench = await VirtualBench.start({ time: 'off', devices: [{ plugged: false, eeproms }] });
  bridge = bench.device('1-1');
  bus = `usbip://127.0.0.1:${String(bench.port)}/1-1`;
});

afterEach(async () => {
  child.kill('SIGKILL');
  await bench.close();
});

/** Runs the command line in a terminal of its own: what it prints, and what is typed. */
function inTerminal(columns: number, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const quoted = [process.execPath, CLI, ...args].map((arg) => `'${arg}'`).join(' ');
  // The shell is of the terminal's foreground group too, and dash would end at the Ctrl-C that is meant for ours.
  const command = `trap : INT; stty cols ${String(columns)} rows 12; ${quoted}; echo "status=$?"`;
  const rest = { ...process.env };
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'CI']) Reflect.deleteProperty(rest, name);
  child = spawn('script', ['-qfc', command, '/dev/null'], {
    env: { ...rest, SHELL: '/bin/sh', TERM: 'xterm', ...env },
  });
  shown = '';
  news = () => undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    news();
  });
}

async function until(pattern: RegExp): Promise<void> {
  while (!pattern.test(shown)) {
    await new Promise<void>((resolve) => (news = resolve));
  }
}

/** Lines as they stand on the screen, without colours and movements. */
function lines(): string[] {
  return shown.replace(/\x1b\[[0-9;?]*[a-zA-Z]/g, '\n').split(/[\r\n]+/);
}

test.each([
  [80, {}],
  [40, { NO_COLOR: '1' }],
])(
  'watch in %i columns: redrawn in place, no line wraps, Ctrl-C leaves the cursor below',
  async (columns, env) => {
    inTerminal(columns, ['watch', bus, `${bus}/0x50?chip=24c32`], env);
    await until(/absent[^]*absent/);
    bridge.plug();
    await until(/present[^]*present/);
    child.stdin.write('\x03');
    await until(/status=0/);
    expect(Math.max(...lines().map((line) => line.length))).toBeLessThan(columns);
    // Up by as many lines as there were, and away with them.
    expect(shown).toMatch(/\x1b\[\d+A\r\x1b\[J/);

    expect(shown.includes('[32mpresent[39m')).toBe(!('NO_COLOR' in env));
    expect(shown).not.toMatch(/\x1b\[\?25l/);
    expect(shown).toContain('0x50?chip=24c32');
    expect(shown).toContain('does not offer 1-1');
  },
);

test.each([80, 40])(
  'read --wait in %i columns: what is waited for is in the line of the progress, and taken away',
  async (columns) => {
    inTerminal(columns, ['read', `${bus}/0x50?chip=24c32`, '--wait', '--hex']);
    await until(/waiting: /);
    bridge.faults.add({ kind: 'unplug', on: 'wire', n: 2000 });
    const unplugged = once(bridge, 'unplugged');
    bridge.plug();
    await unplugged;
    await until(/unplugged: waiting/);
    bridge.plug();
    await until(/status=0/);
    const told = lines().filter((line) => line.includes('waiting'));
    expect(Math.max(...told.map((line) => line.length))).toBeLessThan(columns);
    expect(shown).toMatch(/waiting[^\n]*\r\x1b\[K/);
  },
);

test.each(['write', 'verify'] as const)(
  '%s --wait: waits in the line of the progress, of which nothing is left at the end',
  async (command) => {
    const folder = mkdtempSync(join(tmpdir(), 'nvmem-'));
    try {
      const file = join(folder, 'image.bin');
      const image = imageOf(4096, seedOfRun() + 1);
      writeFileSync(file, image);
      if (command === 'verify') bridge.eeprom(0x50).image = image;
      inTerminal(60, [command, `${bus}/0x50?chip=24c32`, file, '--wait']);
      await until(/waiting: /);
      bridge.faults.add({ kind: 'unplug', on: 'wire', n: 2000 });
      const unplugged = once(bridge, 'unplugged');
      bridge.plug();
      await unplugged;
      await until(/unplugged: waiting/);
      bridge.plug();
      await until(/status=0/);
      const all = lines();
      expect(
        Math.max(...all.filter((line) => line.includes('waiting')).map(({ length }) => length)),
      ).toBeLessThan(60);
      // What is seen at the end: the last that was drawn in each line.
      const left = shown.split('\n').map((line) => line.slice(line.lastIndexOf('\r\x1b[K') + 1));
      expect(left.filter((line) => line.includes('waiting'))).toEqual([]);
      expect(shown).toMatch(command === 'write' ? /wrote 4096 bytes/ : /4096 bytes/);
      expect(Buffer.from(bridge.eeprom(0x50).image).equals(image)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test('watch --json in a terminal is a line of JSON for each change', async () => {
  inTerminal(80, ['watch', bus, '--json']);
  await until(/absent/);
  bridge.plug();
  await until(/present/);
  child.stdin.write('\x03');
  await until(/status=0/);
  const all = shown.split(/\r\n/).filter((line) => line.startsWith('{'));
  expect(all.map((line) => (JSON.parse(line) as { state: string }).state)).toEqual(
    expect.arrayContaining(['absent', 'present']),
  );
  expect(shown).not.toContain('\x1b[');
});
