import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControl, type VirtualBench } from '../../lib/rig/index';
import { Gone, Wire, type Client } from './client';
import { Control, type Answer } from './control_client';
import { pattern, withBench } from './helpers';

const DEVICES = [
  { busid: '1-1', eeproms: [{ address: 0x50, chip: '24c02', image: pattern(256), wp: 0 }] },
  { busid: '1-2', version: 3 as const },
];

async function withControl(
  body: (control: Control, bench: VirtualBench, attach: (busid?: string) => Promise<Client>) => Promise<void>,
  files: readonly string[] = [],
): Promise<void> {
  await withBench({ devices: DEVICES }, async (bench, attach) => {
    const port = await startControl(bench, 0, () => undefined, { files });
    const control = await Control.open(port.port, port.token);
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

  test('faults, release by kind, sag, help, and a few bytes of an image', () =>
    withControl(async (control, bench, attach) => {
      await control.ask({ cmd: 'fault', add: 'flip:at=3' });
      await control.ask({ cmd: 'fault', add: 'stuck:hard' });
      expect(await control.ask({ cmd: 'release', fault: 'flip' })).toMatchObject({
        faults: [{ id: 2, text: 'stuck:hard', remaining: 1, fired: 0 }],
      });
      expect(await control.ask({ cmd: 'release' })).toMatchObject({ ok: false });
      expect(await control.ask({ cmd: 'release', fault: 2 })).toEqual({ ok: true, faults: [] });
      expect(await control.ask({ cmd: 'faults' })).toEqual({ ok: true, faults: [] });
      const client = await attach();
      expect(await control.ask({ cmd: 'sag' })).toEqual({ ok: true, plugged: false });
      await client.gone;
      expect(await control.ask({ cmd: 'help' })).toMatchObject({
        commands: expect.arrayContaining(['plug [BUSID]']) as string[],
      });
      await control.ask({ cmd: 'image', address: 0x50, set: 'AQI=', at: 4 });
      const expected = pattern(256);
      expected.set([1, 2], 4);
      expect(bench.device().eeprom(0x50).image).toEqual(expected);
    }));

  test('images: read, set, load, save', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rig-'));
    const file = join(folder, 'image');
    try {
      await withControl(
        async (control, bench) => {
          const got = await control.ask({ cmd: 'image', address: 0x50 });
          expect(got).toEqual({ ok: true, size: 256, data: Buffer.from(pattern(256)).toString('base64') });
          await control.ask({
            cmd: 'image',
            address: 0x50,
            set: Buffer.from([1, 2]).toString('base64'),
          });
          expect([...bench.device().eeprom(0x50).image.subarray(0, 3)]).toEqual([1, 2, 0xff]);
          await control.ask({ cmd: 'image', address: 0x50, save: file });
          expect(readFileSync(file)).toHaveLength(256);
          writeFileSync(file, pattern(300));
          expect(await control.ask({ cmd: 'image', address: 0x50, load: file })).toMatchObject({ ok: false });
          expect(bench.device().eeprom(0x50).image[0]).toBe(1);
          expect(await control.ask({ cmd: 'image', address: 0x51 })).toMatchObject({ ok: false });
        },
        [file],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('files that were not named at the start are neither written nor read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rig-'));
    const [named, other] = [join(folder, 'named'), join(folder, 'other')];
    try {
      await withControl(
        async (control, bench) => {
          const refused = { ok: false, error: expect.stringContaining('none of the files') as string };
          expect(await control.ask({ cmd: 'image', address: 0x50, save: other })).toMatchObject(refused);
          expect(existsSync(other)).toBe(false);
          writeFileSync(other, pattern(10));
          expect(await control.ask({ cmd: 'image', address: 0x50, load: other })).toMatchObject(refused);
          for (const name of [`${named}/../other`, '/etc/passwd', 5, null, true]) {
            expect(await control.ask({ cmd: 'image', address: 0x50, load: name })).toMatchObject(refused);
          }
          expect(Buffer.from(bench.device().eeprom(0x50).image)).toEqual(Buffer.from(pattern(256)));
          expect(await control.ask({ cmd: 'image', address: 0x50, save: `${folder}/./named` })).toMatchObject(
            { ok: true },
          );
        },
        [named],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

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
    ['an unknown command', '{"cmd":"fly"}\n', /unknown command "fly"; known are list/],
    ['an unknown device', '{"cmd":"plug","device":"9-9"}\n', /no device "9-9"/],
    ['a bad fault', '{"cmd":"fault","add":"meteor"}\n', /no kind of fault/],
  ])('%s is one sentence, and the connection lives on', (_name, line, message) =>
    withControl(async (control) => {
      await control.ask({});
      const answer = await control.send(line);
      expect(answer['ok']).toBe(false);
      expect(answer['error']).toMatch(message);
      expect(await control.ask({ cmd: 'stats' })).toMatchObject({ ok: true });
    }),
  );

  test('requests may come in pieces and in bunches', () =>
    withControl(async (control) => {
      await control.ask({});
      control.wire.write(Buffer.from('{"id":1,"cmd":"gp'));
      const first = await control.send('io"}\n{"id":2,"cmd":"stats"}\n\n');
      expect([first['id'], (await control.answer())['id']]).toEqual([1, 2]);
    }));
});

describe('who may use the control port', () => {
  /** Sends text to a port of its own; gives all that comes back until the connection ends. */
  async function until(
    text: (token: string) => string,
  ): Promise<{ answers: Answer[]; plugged: boolean | undefined; quits: number }> {
    let quits = 0;
    let answers: Answer[] = [];
    let plugged: boolean | undefined;
    await withBench({ devices: DEVICES }, async (bench) => {
      const port = await startControl(bench, 0, () => quits++);
      const wire = await Wire.open(port.port);
      let said = '';
      wire.socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
      wire.write(Buffer.from(text(port.token)));
      await wire.closed;
      answers = said
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Answer);
      plugged = bench.device('1-1').plugged;
      await port.close();
    });
    return { answers, plugged, quits };
  }
  const form = (body: string): string =>
    `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`;

  test.each<[string, (token: string) => string]>([
    ['what a web page posts', (token) => form(`\n{"token":"${token}","cmd":"unplug"}\n`)],
    ['a request without the token', () => '{"cmd":"unplug"}\n{"cmd":"quit"}\n'],
    ['a wrong token', () => '{"token":"0123456789abcdef","cmd":"unplug"}\n'],
    ['the beginning of the token', (token) => `{"token":"${token.slice(0, -1)}","cmd":"unplug"}\n`],
    ['a token that is no text', (token) => `{"token":["${token}"],"cmd":"unplug"}\n`],
    ['a token that comes second', (token) => `{"cmd":"list"}\n{"token":"${token}","cmd":"unplug"}\n`],
    ['no JSON', (token) => `hello\n{"token":"${token}","cmd":"unplug"}\n`],
    ['an array', (token) => `[1]\n{"token":"${token}","cmd":"unplug"}\n`],
    ['a line without an end', () => 'x'.repeat(5000)],
    ['a line of a mebibyte', (token) => `{"token":"${token}","a":"${'x'.repeat(1 << 20)}"}\n`],
  ])('%s ends the connection, and nothing is done', async (_name, text) => {
    const { answers, plugged, quits } = await until(text);
    expect(answers).toEqual([{ ok: false, error: expect.any(String) }]);
    expect({ plugged, quits }).toEqual({ plugged: true, quits: 0 });
  });

  test('what is no JSON object ends a connection that has shown the token as well', async () => {
    const { answers } = await until(
      (token) => `{"token":"${token}","cmd":"stats"}\nGET / HTTP/1.1\r\n{"cmd":"unplug"}\n`,
    );
    expect(answers.map(({ ok }) => ok)).toEqual([true, false]);
  });

  test('each bench has a token of its own', () =>
    withBench({ devices: DEVICES }, async (bench) => {
      const ports = await Promise.all([1, 2].map(() => startControl(bench, 0, () => undefined)));
      const [one, two] = ports.map(({ token }) => token);
      expect(one).toMatch(/^[0-9a-f]{32}$/);
      expect(one).not.toBe(two);
      await Promise.all(ports.map((port) => port.close()));
    }));

  test('a client that does not read is not answered without end', () =>
    withBench({ devices: [{ eeproms: [{ address: 0x50, chip: '24c512' }] }] }, async (bench) => {
      let asked = 0;
      const eeprom = bench.device().eeprom(0x50);
      const model = Object.getPrototypeOf(eeprom) as object;
      Object.defineProperty(eeprom, 'image', {
        get() {
          asked++;
          return Reflect.get(model, 'image', eeprom) as Uint8Array;
        },
      });
      const port = await startControl(bench, 0, () => undefined);
      const deaf = await Wire.open(port.port);
      deaf.socket.pause();
      const request = '{"cmd":"image","address":80}\n';
      deaf.write(Buffer.from(`{"token":"${port.token}"}\n${request.repeat(2000)}`));
      // Another connection is served behind it, so the first one's lines have been looked at by then.
      const other = await Control.open(port.port, port.token);
      for (let i = 0; i < 20; i++) await other.ask({ cmd: 'stats' });
      // 87 KiB each: a mebibyte waits here, a few more in the kernel.
      expect(asked).toBeGreaterThan(0);
      expect(asked).toBeLessThan(200);
      deaf.close();
      other.wire.close();
      await port.close();
    }));

  test('connections without a token give way to those that come', () =>
    withBench({ devices: DEVICES }, async (bench) => {
      const port = await startControl(bench, 0, () => undefined);
      const idle = await Promise.all(Array.from({ length: 40 }, () => Wire.open(port.port)));
      const control = await Control.open(port.port, port.token);
      expect(await control.ask({ cmd: 'stats' })).toMatchObject({ ok: true });
      for (const wire of idle) wire.close();
      control.wire.close();
      await port.close();
    }));
});
