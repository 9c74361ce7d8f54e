/** The examples of a memory that comes and goes, as programs, on the bench. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

import { VirtualBench, type VirtualDevice } from '../../lib/rig/index.js';
import { imageOf, seedOfRun, sha256 } from './bench.js';

const SEED = seedOfRun();
let bench: VirtualBench;
let bridge: VirtualDevice;
let folder: string;
let child: ChildProcessByStdio<null, Readable, Readable> | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nvmem-'));
});

afterEach(async () => {
  child?.kill('SIGKILL');
  child = undefined;
  await bench.close();
  rmSync(folder, { recursive: true });
});

async function start(chip: string, image: Buffer, plugged = true): Promise<string> {
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ plugged, eeproms: [{ address: 0x50, chip, image }] }],
  });
  bridge = bench.device('1-1');
  return `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=${chip}`;
}

/** @param heard Each line of standard error. */
function example(
  name: string,
  args: string[],
  heard: (line: string) => void = () => undefined,
  env = {},
): {
  ended: Promise<unknown[]>;
  out: () => string;
  err: () => string;
} {
  const file = join(__dirname, '..', '..', 'examples', name);
  const started = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = started;
  let [out, err] = ['', ''];
  started.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  createInterface({ input: started.stderr }).on('line', (line) => {
    err += `${line}\n`;
    heard(line);
  });
  return { ended: once(started, 'close'), out: () => out, err: () => err };
}

test('program-boards: three boards, one of them pulled too early and plugged in again', async () => {
  const image = imageOf(1000, SEED);
  const file = join(folder, 'image');
  writeFileSync(file, image);
  const blank = Buffer.alloc(4096, 0xff);
  const uri = await start('24c32', blank, false);
  const boards: Buffer[] = [];
  let pulled = 0;
  const { ended, out, err } = example('program-boards.mjs', [uri, file, '41', '3'], (line) => {
    if (line.startsWith('plug in')) {
      bridge.eeprom(0x50).image = blank;
      if (++pulled === 2) bridge.faults.add({ kind: 'unplug', on: 'wire', n: 500 });
      bridge.plug();
    } else if (line.endsWith('pull it')) {
      boards.push(Buffer.from(bridge.eeprom(0x50).image));
      bridge.unplug();
    }
  });
  expect([await ended, out()]).toEqual([[0, null], 'SN 00000041\nSN 00000042\nSN 00000043\n']);
  expect(err()).toContain('no label: ENODEV');
  expect(boards.map((board) => board.subarray(0, 1000).equals(image))).toEqual([true, true, true]);
  expect(boards.map((board) => board.subarray(-8).toString())).toEqual(['00000041', '00000042', '00000043']);
});

test('backup: a whole file after two unplugs', async () => {
  const image = imageOf(4096, SEED);
  const uri = await start('24c32', image);
  bridge.faults.add({ kind: 'unplug', on: 'wire', n: 700 });
  bridge.on('unplugged', () => {
    setImmediate(() => {
      bridge.plug();
      if (bridge.stats.unplugs === 1) bridge.faults.add({ kind: 'unplug', on: 'wire', n: 900 });
    });
  });
  const file = join(folder, 'backup');
  const { ended, out } = example('backup.mjs', [uri, file]);
  expect([await ended, out()]).toEqual([[0, null], `4096 bytes into ${file}, over 2 unplugs\n`]);
  expect(readFileSync(file).equals(image)).toBe(true);
  expect(existsSync(`${file}.part`)).toBe(false);
});

test('service: up before the board is there, through a replug; tells systemd; ends cleanly', async () => {
  const image = imageOf(256, SEED);
  image.write('00000042', 0);
  image.write('0200c0ffee01', 0xfa, 'hex');
  const uri = await start('24c02', image, false);
  const told = join(folder, 'told');
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$*" >> ${told}\n`);
  chmodSync(join(folder, 'systemd-notify'), 0o755);
  let wake: () => void = () => undefined;
  const { ended, err } = example(
    'service/server.mjs',
    [],
    () => {
      wake();
    },
    { NVMEM_URI: uri, PORT: '0', NOTIFY_SOCKET: '/nowhere', PATH: `${folder}:${process.env['PATH'] ?? ''}` },
  );
  const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(err());
      if (found) return found;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const [, port = ''] = await said(/listening on 127\.0\.0\.1:(\d+)/);
  const get = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.text()];
  };
  expect(await get('/healthz')).toEqual([503, expect.stringContaining('absent')]);
  bridge.plug();
  await said(/board: present/);
  expect(await get('/')).toEqual([200, '{"mac":"0200c0ffee01","serial":"00000042"}\n']);
  bridge.unplug();
  await said(/board: absent/);
  const waiting = get('/');
  bridge.plug();
  expect(await waiting).toEqual([200, '{"mac":"0200c0ffee01","serial":"00000042"}\n']);
  expect(await get('/healthz')).toEqual([200, expect.stringContaining('present')]);
  expect((await get('/metrics'))[1]).toMatch(
    /nvmem_device_present{device="board"} 1\n[^]*nvmem_follower_plugs_total{device="board"} 2\n[^]*nvmem_follower_unplugs_total{device="board"} 1\n/,
  );
  child?.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(readFileSync(told, 'utf8')).toBe('--ready --status=serving\n--stopping\n');
});

test('worker-pool: the sums of all stretches, with an unplug in the middle', async () => {
  const image = imageOf(4096, SEED);
  const uri = await start('24c32', image);
  bridge.faults.add({ kind: 'unplug', on: 'wire', n: 1500 });
  bridge.on('unplugged', () => {
    setImmediate(() => {
      bridge.plug();
    });
  });
  const { ended, out } = example('worker-pool/main.mjs', [uri, '2']);
  const sums = [0, 1024, 2048, 3072].map((at) => `${String(at)} ${sha256(image.subarray(at, at + 1024))}\n`);
  expect([await ended, out()]).toEqual([[0, null], sums.join('')]);
});
