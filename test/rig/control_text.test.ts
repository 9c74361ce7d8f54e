import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCommand, parseCommand, SpecError, startControl, type VirtualBench } from '../../lib/rig/index';
import { Wire } from './client';
import { withBench } from './helpers';

const DEVICES = [
  { busid: '1-1', eeproms: [{ address: 0x50, chip: '24c02' }] },
  { busid: '1-2', serial: '0043FFF4', version: 3 as const, plugged: false },
];

/** What is said on a port of its own, where each line waits for the answer before it. */
async function talk(
  body: (say: (line: string) => Promise<string[]>, token: string, bench: VirtualBench) => Promise<void>,
): Promise<{ quits: number; closed: boolean }> {
  let quits = 0;
  let closed = false;
  await withBench({ devices: DEVICES }, async (bench) => {
    const port = await startControl(bench, 0, () => quits++);
    const wire = await Wire.open(port.port);
    void wire.closed.then(() => (closed = true));
    let said = '';
    let heard: () => void = () => undefined;
    wire.socket.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      heard();
    });
    try {
      await body(
        async (line) => {
          wire.write(Buffer.from(`${line}\n`));
          while (!/^(ok|error: .*|\{.*\})\n$/m.test(said) && !closed) {
            await Promise.race([new Promise<void>((resolve) => (heard = resolve)), wire.closed]);
          }
          const lines = said.split('\n').slice(0, -1);
          said = '';
          return lines;
        },
        port.token,
        bench,
      );
    } finally {
      wire.close();
      await port.close();
    }
  });
  return { quits, closed };
}

test('the transcript of docs/rig.md is what is said', async () => {
  const docs = readFileSync(join(__dirname, '../../docs/rig.md'), 'utf8');
  const transcript = /```text\n(> token[^]*?)```/.exec(docs)?.[1] ?? '';
  const turns = transcript.split(/^> /m).slice(1);
  expect(turns.length).toBeGreaterThan(10);
  const { quits } = await talk(async (say, token) => {
    for (const turn of turns) {
      const [typed = '', ...answer] = turn.trimEnd().split('\n');
      expect({ typed, answer: await say(typed.replace('TOKEN', token)) }).toEqual({ typed, answer });
    }
  });
  expect(quits).toBe(1);
});

test.each([
  ['a command before the token', 'unplug', /^error: the first line has to be the token/],
  ['a wrong token', 'token 0123456789abcdef', /^error: the first line has to be the token/],
  ['no token', 'token', /^error: the first line has to be the token/],
])('%s ends the connection, and nothing is done', async (_name, line, message) => {
  const { closed } = await talk(async (say, _token, bench) => {
    expect((await say(line))[0]).toMatch(message);
    expect(await say('plug 1-2')).toEqual([]);
    expect(bench.devices.map(({ plugged }) => plugged)).toEqual([true, false]);
  });
  expect(closed).toBe(true);
});

test('a wrong line is answered with what would do, and the connection lives on', async () => {
  await talk(async (say, token) => {
    await say(`token ${token}\r`);
    expect((await say('unplug 1-9'))[0]).toBe('error: there is no device "1-9" on this bench');
    expect((await say('gpio 3'))[0]).toMatch(/^error: gpio 3: a pin is low, high or float; the form is gpio/);
    expect((await say('release 4'))[0]).toBe('error: there is no fault 4');
    expect((await say('image 0x51'))[0]).toBe('error: there is no EEPROM at 0x51 on 1-1');
    expect((await say('image 0x50 load /etc/passwd'))[0]).toMatch(/none of the files/);
    expect((await say('image 0x50 at 255 0102'))[0]).toMatch(/2 bytes from 255 on do not fit into the 256/);
    expect((await say('fault flip:now:at=999'))[0]).toMatch(/a 24c02 has bytes 0 to 255/);
    expect(await say('stats 1-2')).toContain('attaches 0');
  });
});

test('events of what was not asked for here; off again', async () => {
  await talk(async (say, token, bench) => {
    await say(`token ${token}`);
    await say('events on');
    bench.device('1-1').faults.add({ kind: 'unplug', on: 'now' });
    expect(await say('faults')).toEqual([
      'event 1-1 fault unplug:now',
      'event 1-1 unplugged fault: unplug on now',
      'no faults',
      'ok',
    ]);
    await say('events off');
    bench.device('1-1').plug();
    expect(await say('faults')).toEqual(['no faults', 'ok']);
  });
});

describe('commands as text', () => {
  test.each([
    'list',
    'unplug',
    'unplug 1-1 rst',
    'sag 2-1.4',
    'plug',
    'fault 1-1 unplug:wire=100:rst',
    'faults',
    'release 3',
    'release 1-1 all',
    'release drop-page',
    'image 0x50',
    'image 1-2 0x50 save dump of today.bin',
    'image 0x50 set 0102',
    'image 0x50 at 16 a1b2c3',
    'gpio',
    'gpio 3 low',
    'gpio 1-1 0 float',
    'stats 1-1',
    'silent on',
    'events off',
    'help',
    'quit',
  ])('%s is written as it was read', (line) => {
    expect(formatCommand(parseCommand(line))).toBe(line);
  });

  test.each([
    ['unplgu', /no command "unplgu" \(unplug\?\)/],
    ['unplug 1-1 slowly', /"slowly" is neither a bus id such as 1-1 nor fin or rst/],
    ['plug all', /"all" is no bus id/],
    ['fault', /names no fault/],
    ['fault meteor', /no kind of fault/],
    ['release', /does not say which fault/],
    ['release some', /neither the number of a fault, nor a kind, nor all/],
    ['image', /has no address/],
    ['image 0x50 set 0', /pairs of hexadecimal digits/],
    ['image 0x50 paint', /"paint" is none of load, save, set, at/],
    ['silent perhaps', /neither on nor off/],
    ['list all', /"all" is too much/],
  ])('%s is refused', (line, message) => {
    expect(() => parseCommand(line)).toThrow(SpecError);
    expect(() => parseCommand(line)).toThrow(message);
  });
});
