/** read, write and verify --wait, and watch: the built command line against a bench whose bridge comes and goes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { VirtualBench, type VirtualDevice } from '../../lib/rig/index.js';
import { CLI, cli, imageOf, seedOfRun } from './bench.js';

const image = imageOf(4096, seedOfRun());
let bench: VirtualBench;
let bridge: VirtualDevice;
let uri: string;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nvmem-'));
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ plugged: false, eeproms: [{ address: 0x50, chip: '24c32', image }] }],
  });
  bridge = bench.device('1-1');
  uri = `usbip://127.0.0.1:${String(bench.port)}/1-1/0x50?chip=24c32`;
  bridge.on('unplugged', () => {
    setImmediate(() => {
      bridge.plug();
    });
  });
});

afterEach(async () => {
  await bench.close();
  rmSync(folder, { recursive: true });
});

/** Plugged in when somebody has asked for it, and unplugged once in the middle. */
function comesLate(wire: number): void {
  bench.once('connection', () => {
    bridge.faults.add({ kind: 'unplug', on: 'wire', n: wire });
    bridge.plug();
  });
}

test('read --wait waits for the plug, goes on after an unplug, and says what it has waited for', async () => {
  comesLate(1000);
  const file = join(folder, 'dump');
  const { status, stdout, stderr } = await cli(['read', uri, '--wait', '--timeout', '15000', '-o', file]);
  expect({ status, stderr: stderr.replace(/^waiting for .*\n/, '') }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('read 4096 bytes');
  expect(readFileSync(file).equals(image)).toBe(true);
  expect(bridge.stats.unplugs).toBe(1);
});

test('write --wait and verify --wait', async () => {
  comesLate(1000);
  const other = imageOf(4096, seedOfRun() + 1);
  const file = join(folder, 'image');
  writeFileSync(file, other);
  const written = await cli(['write', uri, file, '--wait', '--json']);
  expect(JSON.parse(written.stdout)).toMatchObject({ ok: true, bytes: 4096, verify: true });
  expect(Buffer.from(bridge.eeprom(0x50).image).equals(other)).toBe(true);
  bridge.faults.add({ kind: 'unplug', on: 'wire', n: 2000 });
  expect(await cli(['verify', uri, file, '--wait'])).toMatchObject({ status: 0 });
  expect(bridge.stats.unplugs).toBe(2);
});

test('write --journal: there until it is done, over an unplug as well; one that is there already is refused', async () => {
  comesLate(6000);
  const other = imageOf(4096, seedOfRun() + 2);
  const file = join(folder, 'image');
  const journal = join(folder, 'journal');
  writeFileSync(file, other);
  const seen: boolean[] = [];
  bridge.on('unplugged', () => seen.push(existsSync(journal)));
  const written = await cli(['write', uri, file, '--wait', '--journal', journal]);
  expect(written).toMatchObject({ status: 0 });
  expect([...seen, existsSync(journal)]).toEqual([true, false]);
  expect(Buffer.from(bridge.eeprom(0x50).image).equals(other)).toBe(true);

  bridge.removeAllListeners('unplugged');
  writeFileSync(file, image);
  bridge.faults.add({ kind: 'unplug', on: 'wire', n: 6000 });
  const failed = await cli(['write', uri, file, '--journal', journal]);
  expect(failed).toMatchObject({
    stderr: expect.stringContaining(`The journal ${journal} is kept`) as string,
  });
  bridge.plug();
  const again = await cli(['write', uri, file, '--journal', journal]);
  expect(again.stderr).toContain(`finish it with nvmem recover ${journal} '${uri}'`);
  expect(await cli(['recover', journal, uri])).toMatchObject({ status: 0 });
  expect(Buffer.from(bridge.eeprom(0x50).image).equals(image)).toBe(true);
});

test('--timeout bounds the wait; what does not come and go is not waited for', async () => {
  const late = await cli(['read', uri, '--wait', '--timeout', '300', '--json']);
  expect(late.status).toBe(6);
  expect(JSON.parse(late.stdout)).toMatchObject({
    error: { code: 'ETIMEDOUT', message: expect.stringContaining('does not offer 1-1') as string },
  });
  expect(await cli(['read', 'mem://16', '--wait'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('Leave --wait out') as string,
  });
});

describe('watch', () => {
  let child: ChildProcess | undefined;
  afterEach(() => {
    child?.kill('SIGKILL');
  });

  test('a line of JSON for each change, of a bus, a device and a server; Ctrl-C ends it with 0', async () => {
    const bus = uri.replace(/\/0x50.*/, '');
    const server = `127.0.0.1:${String(bench.port)}`;
    const watching = spawn(process.execPath, [CLI, 'watch', bus, uri, '--usbip', server, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = watching;
    const wanted = [
      ['device', 'absent'],
      ['server', 'present'],
      ['bus', 'absent'],
      ['bus', 'present'],
      ['device', 'opening'],
      ['device', 'present'],
    ].map(String);
    const seen: Record<string, unknown>[] = [];
    for await (const line of createInterface({ input: watching.stdout })) {
      const row = JSON.parse(line) as Record<string, unknown>;
      seen.push(row);
      const what = String([row['kind'], row['state']]);
      if (what === 'bus,absent') bridge.plug();
      if (wanted.includes(what)) wanted.splice(wanted.indexOf(what), 1);
      if (wanted.length === 0) break;
    }
    expect(seen.at(-1)).toMatchObject({
      time: expect.any(String) as string,
      since: expect.any(String) as string,
    });
    expect(seen.find(({ kind, state }) => kind === 'device' && state === 'present')).toMatchObject({
      uri,
      plugs: 1,
    });
    const ended = once(watching, 'exit');
    watching.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
  });

  test('a URI that can never work is refused at once', async () => {
    expect(await cli(['watch', 'usbip://h/1-1/0x50?chip=24c9999'])).toMatchObject({ status: 2 });
    expect(await cli(['watch', 'mem://16'])).toMatchObject({ status: 2 });
  });
});
