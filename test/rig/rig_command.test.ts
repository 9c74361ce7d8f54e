import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runRig, type RigOptions } from '../../lib/cli/rig';
import { Client, Wire } from './client';
import { Control } from './control_client';
import { next, pattern } from './helpers';

/** Runs the command until its first output, and gives the means to end it. */
async function rig(
  options: RigOptions,
): Promise<{ status: Promise<number>; ready: string; errors: () => string; end: () => void }> {
  const ending = new AbortController();
  let errors = '';
  let output = '';
  let first: (text: string) => void = () => undefined;
  const said = new Promise<string>((resolve) => (first = resolve));
  const status = runRig(options, {
    stdout: {
      write: (text: string) => {
        output += text;
        first(output);
      },
    },
    stderr: { write: (text: string) => (errors += text) },
    signal: ending.signal,
  });
  const ready = await Promise.race([said, status.then(() => output)]);
  return {
    status,
    ready,
    errors: () => errors,
    end: () => {
      ending.abort();
    },
  };
}

describe('nvmem rig --scenario', () => {
  const SCENARIO = `bridges:
  - serial: DOCK0001
    parts: [{ address: 0x50, chip: 24c02, image: { hex: 0a0b }, save: saved.bin }]
steps:
  - { at: 10, do: unplug }
  - { after: 5, do: plug }
  - { when: open 1, do: image 0x50 at 2 cc }
  - { after: 5, do: quit }
`;

  /** The scenario in a folder of its own. */
  async function inFolder(
    text: string,
    body: (file: string, folder: string) => Promise<void>,
  ): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'rig-'));
    try {
      const file = join(folder, 'dock.yaml');
      writeFileSync(file, text);
      await body(file, folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test('runs it, tells of each step, saves, and ends with its last one', () =>
    inFolder(SCENARIO, async (scenario, folder) => {
      let output = '';
      let heard: () => void = () => undefined;
      const status = runRig(
        { port: 0, scenario, json: true },
        {
          stdout: {
            write: (text: string) => {
              output += text;
              heard();
            },
          },
          stderr: { write: () => undefined },
        },
      );
      while (!output.includes('"what":"plug"')) await new Promise<void>((resolve) => (heard = resolve));
      const { port } = JSON.parse(output.split('\n')[0] ?? '') as { port: number };
      const client = await Client.attach(port);
      expect(await status).toBe(0);
      await client.gone;
      const lines = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object);
      expect(lines[0]).toMatchObject({ ok: true, devices: [{ serial: 'DOCK0001' }] });
      expect(lines.slice(1)).toMatchObject([
        { event: 'step', device: '1-1', what: 'unplug' },
        { event: 'step', device: '1-1', what: 'plug' },
        { event: 'step', device: '1-1', what: 'image 0x50 at 2 cc' },
        { event: 'step', device: '1-1', what: 'quit' },
        { event: 'done' },
      ]);
      expect([...readFileSync(join(folder, 'saved.bin')).subarray(0, 4)]).toEqual([0x0a, 0x0b, 0xcc, 0xff]);
    }));

  test('as text: what there is, and each step with its time', () =>
    inFolder('bridges: [{}]\nsteps: [{ at: 3, do: [gpio 3 low, quit] }]\n', async (scenario) => {
      let output = '';
      const stdout = { write: (text: string) => (output += text) };
      expect(await runRig({ port: 0, scenario }, { stdout, stderr: stdout })).toBe(0);
      expect(output).toMatch(/^Virtual CP2112 0043FFF3/);
      expect(output).toMatch(/\n\+0\.0\d\d s {2}1-1 {2}gpio 3 low\n\+0\.0\d\d s {2}1-1 {2}quit\n/);
    }));

  test('what is wrong: the place, the line, what would do; nothing is started', () =>
    inFolder(SCENARIO.replace('chip', 'chop'), async (scenario) => {
      const run = await rig({ port: 0, scenario });
      expect(await run.status).toBe(2);
      expect(run.ready).toBe('');
      expect(run.errors()).toBe(
        `nvmem rig: ${scenario}:3:30: a part has no "chop"; did you mean chip?\n` +
          `  3 | ${SCENARIO.split('\n')[2]?.replace('chip', 'chop') ?? ''}\n${' '.repeat(35)}^\n`,
      );
    }));

  test.each<[RigOptions, RegExp]>([
    [{ eeprom: ['0x50:24c02'] }, /--eeprom and --scenario: the scenario says that itself/],
    [{ version: '3' }, /--version and --scenario/],
    [{ scenario: '/nowhere/at/all.yaml' }, /cannot read \/nowhere\/at\/all\.yaml \(ENOENT\)/],
  ])('%j is refused', (options, message) =>
    inFolder(SCENARIO, async (scenario) => {
      const run = await rig({ port: 0, scenario, ...options });
      expect(await run.status).toBe(2);
      expect(run.errors()).toMatch(message);
    }),
  );
});

describe('nvmem rig', () => {
  test('says on one JSON line where it is, serves, saves, and ends with 0', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rig-'));
    try {
      const image = join(folder, 'in:put.bin');
      const saved = join(folder, 'saved.bin');
      writeFileSync(image, pattern(32768));
      const run = await rig({
        port: '0',
        control: 0,
        json: true,
        time: 'off',
        version: '3',
        serial: 'RIG00001',
        eeprom: [`0x52:24c256:image=${image}:save=${saved}`, '1-2/0x50:24c02:wp=high'],
        fault: ['lose:report=0x16'],
      });
      const line = JSON.parse(run.ready) as { port: number; control: number; token: string };
      expect(line).toMatchObject({
        ok: true,
        host: '127.0.0.1',
        busid: '1-1',
        devices: [
          { busid: '1-1', serial: 'RIG00001', version: 3, eeproms: [{ address: 0x52, chip: '24c256' }] },
          { busid: '1-2', version: 3, eeproms: [{ address: 0x50, chip: '24c02' }] },
        ],
      });
      const client = await Client.attach(line.port);
      // The fault takes the first status.
      await client.out(0x15, 1);
      expect(await client.readAt(0x52, [0, 0], 100)).toEqual(Buffer.from(pattern(100)));
      await client.writeBytes(0x52, 0, 0, 0xab);
      client.close();
      const control = await Control.open(line.control, line.token);
      expect(await control.ask({ cmd: 'quit' })).toEqual({ ok: true });
      expect(await run.status).toBe(0);
      expect(readFileSync(saved)[0]).toBe(0xab);
      expect(run.errors()).toBe('');
      await expect(Wire.open(line.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('tells people how to attach, from nvmem and from a kernel', async () => {
    const run = await rig({ port: 0, eeprom: ['0x52:24c256:wp=0'] });
    const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(run.ready)?.[1] ?? '';
    expect(run.ready).toContain(`nvmem read 'usbip://127.0.0.1:${port}/1-1/0x52?chip=24c256' -o dump.bin`);
    expect(run.ready).toContain('modprobe vhci-hcd');
    expect(run.ready).toContain(`usbip --tcp-port ${port} attach -r 127.0.0.1 -b 1-1`);
    expect(run.ready).toContain('WP on GPIO 0');
    run.end();
    expect(await run.status).toBe(0);
  });

  const everywhere = networkInterfaces()['lo']?.some(({ family }) => family === 'IPv6')
    ? ['0.0.0.0', '::']
    : ['0.0.0.0'];
  test.each(everywhere)('on %s it says who may come now', async (host) => {
    const run = await rig({ port: 0, control: 0, host });
    run.end();
    expect(await run.status).toBe(0);
    expect(run.errors()).toMatch(/anyone who can reach this machine may now attach to port \d+/);
    expect(run.errors()).toMatch(/The control port \d+ stays on 127\.0\.0\.1/);
    expect(run.ready).toMatch(host === '::' ? /'usbip:\/\/\[::1\]:\d+\// : /'usbip:\/\/127\.0\.0\.1:\d+\//);
  });

  test('an image that is text is not taken for one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rig-'));
    try {
      const file = join(folder, 'image.hex');
      writeFileSync(file, ':0100000000FF\n:00000001FF\n');
      const run = await rig({ port: 0, eeprom: [`0x50:24c02:image=${file}`] });
      expect(await run.status).toBe(2);
      expect(run.errors()).toContain('objcopy -I ihex -O binary');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
    ['SIGALRM', 142],
    ['SIGTERM', 0],
  ] as const)('%s: what is to be saved is, and the status is %i', async (name, status) => {
    const folder = mkdtempSync(join(tmpdir(), 'rig-'));
    try {
      const saved = join(folder, 'saved');
      const run = await rig({ port: 0, eeprom: [`0x50:24c02:save=${saved}`] });
      process.emit(name);
      expect(await run.status).toBe(status);
      expect(readFileSync(saved)).toHaveLength(256);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a signal ends it, and takes its handlers along', async () => {
    const before = process.listenerCount('SIGTERM');
    const run = await rig({ port: 0 });
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    process.emit('SIGTERM');
    expect(await run.status).toBe(0);
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  test.each<[string, RigOptions, number, RegExp]>([
    [
      'an unknown chip',
      { eeprom: ['0x50:24c3'] },
      2,
      /^nvmem rig: --eeprom 0x50:24c3: unknown chip "24c3"; known are 24c00, .*\n$/,
    ],
    ['a bad address', { eeprom: ['0xfe:24c02'] }, 2, /"0xfe" is no 7-bit I2C address; the form is/],
    ['an address the chip cannot have', { eeprom: ['0x51:24c04'] }, 2, /not the first of such a group/],
    [
      'two chips at one address',
      { eeprom: ['0x50:24c02', '0x50:24c02'] },
      2,
      /two chips answer on address 0x50/,
    ],
    [
      'a file that is not there',
      { eeprom: ['0x50:24c02:image=/nowhere/x'] },
      2,
      /cannot read \/nowhere\/x \(ENOENT\)/,
    ],
    [
      'an image bigger than the part',
      { eeprom: [`0x50:24c00:image=${__filename}`] },
      2,
      /bytes and a 24c00 only 16/,
    ],
    ['a bad port', { port: '70000' }, 2, /--port 70000 is no TCP port/],
    ['a bad version', { version: 4 }, 2, /silicon version 1, 2 or 3, not 4/],
    ['a bad time', { time: 'fast' }, 2, /--time is real or off, not fast/],
    ['a bad fault', { port: 0, fault: ['unplug:sometimes'] }, 2, /"sometimes" does not belong to unplug/],
    ['a long serial', { serial: 'x'.repeat(31) }, 2, /at most 30 characters/],
  ])('%s: one sentence and the status', async (_name, options, status, message) => {
    const run = await rig(options);
    expect(await run.status).toBe(status);
    expect(run.errors()).toMatch(message);
    expect(run.errors().trim().split('\n')).toHaveLength(1);
    expect(run.ready).toBe('');
  });

  test('a port in use, of either kind, in words and as JSON', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await next(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const words = await rig({ port });
      expect(await words.status).toBe(6);
      expect(words.errors()).toContain(`port ${String(port)} is in use already; choose another with --port`);
      const control = await rig({ port: 0, control: port });
      expect(await control.status).toBe(6);
      expect(control.errors()).toContain('choose another with --control');
      const json = await rig({ port, json: true });
      expect(await json.status).toBe(6);
      expect(JSON.parse(json.ready)).toMatchObject({ ok: false, error: { code: 'EADDRINUSE' } });
      expect(json.errors()).toBe('');
    } finally {
      server.close();
    }
  });
});
