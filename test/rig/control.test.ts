import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControl, type VirtualBench } from '../../lib/rig/index';
import { runRig, type RigOptions } from '../../lib/cli/rig';
import { Client, Gone, Wire } from './client';
import { next, pattern, withBench } from './helpers';

type Answer = Readonly<Record<string, unknown>>;

/** A JSON-lines client: answers in order, events apart. */
class Control {
  readonly events: Answer[] = [];
  #text = '';
  readonly #lines: Answer[] = [];
  readonly #readers: (() => void)[] = [];

  private constructor(readonly wire: Wire) {
    wire.socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
      const lines = this.#text.split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) {
        const answer = JSON.parse(line) as Answer;
        (answer['event'] === undefined ? this.#lines : this.events).push(answer);
      }
      for (const reader of this.#readers.splice(0)) reader();
    });
  }

  static async open(port: number): Promise<Control> {
    return new Control(await Wire.open(port));
  }

  send(line: string): Promise<Answer> {
    this.wire.write(Buffer.from(line));
    return this.answer();
  }

  async answer(): Promise<Answer> {
    for (;;) {
      const answer = this.#lines.shift();
      if (answer) return answer;
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
  }

  /** Waits until an event satisfies the condition. */
  async event(wanted: (event: Answer) => boolean): Promise<Answer> {
    for (;;) {
      const found = this.events.find(wanted);
      if (found) return found;
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
  }

  ask(request: object): Promise<Answer> {
    return this.send(`${JSON.stringify(request)}\n`);
  }
}

const DEVICES = [
  { busid: '1-1', eeproms: [{ address: 0x50, chip: '24c02', image: pattern(256), wp: 0 }] },
  { busid: '1-2', version: 3 as const },
];

async function withControl(
  body: (control: Control, bench: VirtualBench, attach: (busid?: string) => Promise<Client>) => Promise<void>,
): Promise<void> {
  await withBench({ devices: DEVICES }, async (bench, attach) => {
    const port = await startControl(bench, 0, () => undefined);
    const control = await Control.open(port.port);
    try {
      await body(control, bench, attach);
    } finally {
      control.wire.close();
      await port.close();
    }
  });
}

describe('the control port', () => {
  test('list says what there is, and an id comes back', () =>
    withControl(async (control) => {
      const answer = await control.ask({ id: 'a7', cmd: 'list' });
      expect(answer).toMatchObject({
        id: 'a7',
        ok: true,
        devices: [
          {
            busid: '1-1',
            plugged: true,
            attached: false,
            eeproms: [{ address: 0x50, chip: '24c02', size: 256, page: 8 }],
          },
          { busid: '1-2', version: 3, eeproms: [] },
        ],
      });
    }));

  test('unplug and plug, of the device that is named', () =>
    withControl(async (control, bench, attach) => {
      const client = await attach('1-2');
      expect(await control.ask({ cmd: 'unplug', device: '1-2' })).toEqual({ ok: true, plugged: false });
      await client.gone;
      expect([bench.device('1-1').plugged, bench.device('1-2').plugged]).toEqual([true, false]);
      expect(await control.ask({ cmd: 'plug', device: '1-2' })).toEqual({ ok: true, plugged: true });
      await attach('1-2');
    }));

  test('faults are added as text, listed, and released by number', () =>
    withControl(async (control, bench, attach) => {
      const added = await control.ask({ cmd: 'fault', add: 'unplug:wire=10:rst' });
      expect(added).toMatchObject({
        ok: true,
        fault: 1,
        faults: [{ id: 1, kind: 'unplug', on: 'wire', n: 10, how: 'rst', remaining: 1, fired: 0 }],
      });
      expect(await control.ask({ cmd: 'fault', add: 'nak:count=forever' })).toMatchObject({ fault: 2 });
      expect(await control.ask({ cmd: 'fault', release: 2 })).toMatchObject({ faults: [{ id: 1 }] });
      expect(await control.ask({ cmd: 'fault', release: 2 })).toMatchObject({
        ok: false,
        error: 'there is no fault 2',
      });
      await expect((await attach()).readAt(0x50, [0], 64)).rejects.toBeInstanceOf(Gone);
      expect(bench.device().stats.wireBytes).toBe(10);
      expect(await control.ask({ cmd: 'fault', add: 'stuck' })).toMatchObject({ ok: true });
      expect(await control.ask({ cmd: 'fault', release: 'all' })).toEqual({ ok: true, faults: [] });
    }));

  test('images: read, set, load, save', () =>
    withControl(async (control, bench) => {
      const folder = mkdtempSync(join(tmpdir(), 'rig-'));
      try {
        const got = await control.ask({ cmd: 'image', address: 0x50 });
        expect(got).toEqual({ ok: true, size: 256, data: Buffer.from(pattern(256)).toString('base64') });
        await control.ask({ cmd: 'image', address: 0x50, set: Buffer.from([1, 2]).toString('base64') });
        expect([...bench.device().eeprom(0x50).image.subarray(0, 3)]).toEqual([1, 2, 0xff]);
        const file = join(folder, 'image');
        await control.ask({ cmd: 'image', address: 0x50, save: file });
        expect(readFileSync(file)).toHaveLength(256);
        writeFileSync(file, pattern(300));
        expect(await control.ask({ cmd: 'image', address: 0x50, load: file })).toMatchObject({ ok: false });
        expect(bench.device().eeprom(0x50).image[0]).toBe(1);
        expect(await control.ask({ cmd: 'image', address: 0x51 })).toMatchObject({ ok: false });
      } finally {
        rmSync(folder, { recursive: true });
      }
    }));

  test('GPIO: levels, and a pin tied from outside', () =>
    withControl(async (control) => {
      expect(await control.ask({ cmd: 'gpio' })).toEqual({ ok: true, levels: 0xff });
      expect(await control.ask({ cmd: 'gpio', pin: 0, level: 0 })).toEqual({ ok: true, levels: 0xfe });
      expect(await control.ask({ cmd: 'gpio', pin: 0, level: null })).toEqual({ ok: true, levels: 0xff });
      expect(await control.ask({ cmd: 'gpio', pin: 9, level: 0 })).toMatchObject({ ok: false });
    }));

  test('stats, silence and events', () =>
    withControl(async (control, bench, attach) => {
      const client = await attach();
      await client.getFeature(5);
      expect(await control.ask({ cmd: 'stats' })).toMatchObject({ stats: { controls: 1, attaches: 1 } });
      expect(await control.ask({ cmd: 'silent', on: true })).toEqual({ ok: true, silent: true });
      expect(bench.silent).toBe(true);
      await control.ask({ cmd: 'silent', on: false });
      await control.ask({ cmd: 'events' });
      await client.setFeature(2, 1, 1, 0, 0);
      await client.setFeature(4, 0, 1);
      await client.writeBytes(0x50, 0, 9);
      await control.ask({ cmd: 'unplug' });
      await control.event((event) => event['event'] === 'unplugged');
      expect(control.events).toEqual(
        expect.arrayContaining([
          { event: 'wp', device: '1-1', args: [0x50, false] },
          { event: 'eeprom', device: '1-1', args: [{ type: 'start', address: 0x50, offset: 0, length: 1 }] },
          { event: 'unplugged', device: '1-1', args: ['control port'] },
        ]),
      );
    }));

  test.each([
    ['no JSON', 'hello\n', /JSON/],
    ['no object', '[1]\n', /JSON object/],
    ['an unknown command', '{"cmd":"fly"}\n', /unknown command "fly"; known are list/],
    ['an unknown device', '{"cmd":"plug","device":"9-9"}\n', /no device "9-9"/],
    ['a bad fault', '{"cmd":"fault","add":"meteor"}\n', /no kind of fault/],
  ])('%s is one sentence, and the connection lives on', (_name, line, message) =>
    withControl(async (control) => {
      const answer = await control.send(line);
      expect(answer['ok']).toBe(false);
      expect(answer['error']).toMatch(message);
      expect(await control.ask({ cmd: 'stats' })).toMatchObject({ ok: true });
    }),
  );

  test('requests may come in pieces and in bunches', () =>
    withControl(async (control) => {
      control.wire.write(Buffer.from('{"id":1,"cmd":"gp'));
      const first = await control.send('io"}\n{"id":2,"cmd":"stats"}\n\n');
      expect([first['id'], (await control.answer())['id']]).toEqual([1, 2]);
    }));
});

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
      const line = JSON.parse(run.ready) as { port: number; control: number };
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
      const control = await Control.open(line.control);
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
