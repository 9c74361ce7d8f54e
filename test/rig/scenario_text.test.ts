import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  formatScenario,
  parseScenario,
  scenarioBench,
  ScenarioError,
  type Scenario,
} from '../../lib/rig/index';
import { pattern } from './helpers';

const DOCS = readFileSync(join(__dirname, '../../docs/rig.md'), 'utf8');
const EXAMPLES = [...DOCS.matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text ?? '');

const BRIDGE = 'bridges:\n  - parts: [{ address: 0x50, chip: 24c02 }]\n';

describe('what is on the bench', () => {
  test('bridges, parts, images of all kinds, faults', () => {
    const folder = mkdtempSync(join(tmpdir(), 'scenario-'));
    try {
      writeFileSync(join(folder, 'dump.bin'), pattern(32));
      const scenario = parseScenario(
        `title: all of it
time: off
seed: 9
bridges:
  - serial: 00430001
    version: 3
    id: 1fc9:00ab
    product: A Box
    release: 0x0100
    answer-empty: true
    reenumerate-ms: 20
    busy-polls: 7
    parts:
      - address: 0x50
        chip: 24cs02
        wp: "!3"
        image: [{ fill: 0x11, length: 100 }, { file: dump.bin, at: 10 }, { hex: "0102 03", at: 40 }]
        window: { base64: AAECAwQFBgcICQoLDA0ODw== }
        maker: st
        twr: 10
        power-loss: commit
        save: out.bin
    faults: lose:report=0x16
  - busid: 2-1.4
    plugged: false
    parts: [{ address: "0x54", chip: 24c02, wp: high, image: { random: 4 }, page: 16 }]
`,
        join(folder, 'all.yaml'),
      );
      const { time, devices = [] } = scenarioBench(scenario);
      expect(time).toBe('off');
      const expected = new Uint8Array(256).fill(0xff).fill(0x11, 0, 100);
      expected.set(pattern(32), 10);
      expected.set([1, 2, 3], 40);
      expect(devices[0]).toEqual({
        busid: '1-1',
        ...{ serial: '00430001', version: 3, vid: 0x1fc9, pid: 0xab, product: 'A Box', bcdDevice: 0x100 },
        ...{ answerEmpty: true, reenumerateMs: 20, busyPolls: 7 },
        eeproms: [
          {
            ...{ address: 0x50, chip: '24cs02', wp: 3, wpInverted: true, image: expected },
            window: Uint8Array.from({ length: 16 }, (_, index) => index),
            ...{ maker: 'st', writeCycleMs: 10, powerLoss: 'commit' },
          },
        ],
      });
      expect(devices[1]).toMatchObject({ busid: '2-1.4', serial: '0043FFF4', plugged: false });
      expect(devices[1]?.eeproms?.[0]).toMatchObject({ address: 0x54, wp: true, pageSize: 16 });
      expect(scenario.bridges[0]?.faults).toEqual([{ kind: 'lose', report: 0x16 }]);
      expect(scenario.bridges[0]?.parts?.[0]?.save).toBe(join(folder, 'out.bin'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('JSON is YAML', () => {
    const scenario = parseScenario(
      '{"bridges":[{"parts":[{"address":80,"chip":"24c02"}]}],"steps":[{"at":5,"do":"plug"}]}',
      'a.json',
    );
    expect(scenario).toEqual({
      bridges: [{ parts: [{ address: 80, chip: '24c02' }] }],
      steps: [{ at: 5, do: [{ cmd: 'plug' }] }],
    });
  });
});

describe('writing a scenario', () => {
  const MADE: Scenario = {
    title: 'made by a program: "quotes", #hashes',
    time: 'off',
    seed: 3,
    bridges: [
      {
        serial: '00430001',
        vid: 0x1fc9,
        plugged: false,
        parts: [
          {
            address: 0x50,
            chip: '24c256',
            wp: 2,
            wpInverted: true,
            image: [
              { bytes: pattern(200) },
              { at: 900, bytes: pattern(3) },
              { fill: 7, at: 1000, length: 4 },
            ],
            window: [],
          },
          { address: 0x53, chip: '24c02', wp: true, image: [{ random: 5 }] },
        ],
        faults: [
          { kind: 'unplug', on: 'wire', n: 7, count: Infinity },
          { kind: 'wrong-page', by: -2 },
        ],
        power: {
          curve: [
            { state: 'on', ms: 5 },
            { state: 'sag', ms: 1 },
          ],
          repeat: Infinity,
          how: 'rst',
        },
      },
      {},
    ],
    steps: [
      { at: 5, do: [{ cmd: 'unplug', how: 'rst' }] },
      {
        after: 2,
        do: [{ cmd: 'plug' }, { cmd: 'image', address: 0x53, set: Uint8Array.of(1, 0xab), at: 6 }],
      },
      { when: { on: 'open', device: '1-2' }, do: [{ cmd: 'fault', add: { kind: 'empty', skip: 2 } }] },
      { when: { on: 'host', n: 400 }, after: 1, do: [{ cmd: 'fault', release: 'all' }, { cmd: 'quit' }] },
    ],
  };

  test('what was written is read as the same', () => {
    const text = formatScenario(MADE);
    // The product id that goes with an OEM’s vendor id is written too.
    const [first, ...others] = MADE.bridges;
    const [array, ...rest] = first?.parts ?? [];
    const read = parseScenario(text, 'made.yaml');
    expect(read).toEqual({
      ...MADE,
      bridges: [{ ...first, pid: 0xea90, parts: [array, ...rest] }, ...others],
    });
    expect(formatScenario(read)).toBe(text);
    expect(text).toContain('address: 0x50');
    expect(text).toContain('curve: [ on 5, sag 1 ]');
  });

  test.each(EXAMPLES.map((text) => [/title: (.*)/.exec(text)?.[1], text]))(
    '%s: so are the examples',
    (_, text = '') => {
      const scenario = parseScenario(text, 'docs.yaml');
      expect(parseScenario(formatScenario(scenario), 'again.yaml')).toEqual(scenario);
    },
  );
});

describe('what is wrong is said, with its place', () => {
  const PART = (more: string): string =>
    `bridges:\n  - parts:\n      - { address: 0x50, chip: 24c02, ${more} }\n`;
  const STEP = (step: string): string => `${BRIDGE}steps:\n  - ${step}\n`;

  test.each<[text: string, place: string, what: string | RegExp]>([
    ['', '1:1', 'a scenario is a map with title, time, seed, bridges, steps'],
    ['bridges: [}', '1:11', /this is no YAML/],
    ['bridges: []', '1:1', 'a scenario has bridges, one at least'],
    ['bridges: 5', '1:10', 'bridges is a list of bridges'],
    ['bridges: [{}]\nbridges: [{}]', '2:1', /no YAML.*unique/],
    ['brigdes: [{}]', '1:1', 'a scenario has no "brigdes"; did you mean bridges?'],
    ['bridges: [{}]\ncolour: red', '2:1', /has no "colour"; it has title, time/],
    ['bridges: [{}]\ntime: of', '2:7', 'time is real or off; did you mean off?'],
    ['bridges: [{ version: 4 }]', '1:22', 'version is a whole number from 1 to 3'],
    ['bridges: [{ busid: usb1 }]', '1:20', '"usb1" is no USB bus id such as 1-1'],
    ['bridges: [{ serial: }]', '1:13', 'serial has no value'],
    ['bridges: [{ id: 10c4 }]', '1:17', /id is VVVV:PPPP/],
    ['bridges: [{ plugged: no }]', '1:22', 'plugged is true or false'],
    ['bridges: [{ busid: 1-2 }, {}]', '1:27', 'two bridges have the bus id 1-2'],
    ['bridges:\n  - parts:\n      - adress: 0x50', '3:9', 'a part has no "adress"; did you mean address?'],
    ['bridges: [{ parts: [{ chip: 24c02 }] }]', '1:21', 'a part has an address'],
    ['bridges: [{ parts: [{ address: 0x50 }] }]', '1:21', 'a part has a chip'],
    [
      'bridges: [{ parts: [{ address: 0x80, chip: 24c02 }] }]',
      '1:32',
      'address is a whole number from 0 to 127',
    ],
    [
      'bridges: [{ parts: [{ address: 80, chip: 24c265 }] }]',
      '1:42',
      'unknown chip "24c265"; did you mean 24c256?',
    ],
    [PART('wp: 8'), '3:43', /wp is a GPIO from 0 to 7/],
    [PART('page: 3'), '2:5', /page size 3 is not a power of two/],
    [PART('image: { file: none.bin }'), '3:46', 'cannot read none.bin (ENOENT)'],
    [PART('image: { hex: abc }'), '3:53', /pairs of hexadecimal digits/],
    [PART('image: { base64: "*" }'), '3:56', /base64 is/],
    [PART('image: { hex: aa, fill: 1 }'), '3:46', /one of hex, base64, file, fill, random/],
    [PART('image: { hex: aabb, at: 255 }'), '3:46', /2 bytes from 255 on, and the array of a 24c02 only 256/],
    [PART('image: { hex: aa, length: 2 }'), '3:57', 'length belongs to fill and random'],
    ['bridges: [{ faults: [nak, meteor] }]', '1:27', /"meteor" is no kind of fault; the kinds are/],
    ['bridges: [{ faults: ["flip:bit=9"] }]', '1:22', /a byte has bits 0 to 7/],
    [`${BRIDGE}    faults:\n      - forget:address=0x51\n`, '4:9', 'there is no EEPROM at 0x51 on 1-1'],
    ['bridges: [{ power: { repeat: 2 } }]', '1:13', /power has a curve/],
    ['bridges: [{ power: { curve: [on 5, of 5] } }]', '1:36', /"of 5" is no phase/],
    ['bridges: [{ power: { curve: [on 0] } }]', '1:30', /milliseconds from 1/],
    [STEP('{ do: plug }'), '4:5', /the first step has at/],
    [STEP('{ at: 5 }'), '4:5', 'a step says what to do'],
    [STEP('{ at: 5, when: plug, do: plug }'), '4:14', 'a step has at or when, not both'],
    [STEP('{ at: -5, do: plug }'), '4:11', 'at is a whole number from 0 to 604800000'],
    [STEP('{ at: 5, do: plgu }'), '4:18', /no command "plgu" \(plug\?\)/],
    [STEP('{ at: 5, do: [plug, stats] }'), '4:25', /"stats" is for a connection/],
    [STEP('{ at: 5, do: unplug 1-7 }'), '4:18', 'there is no bridge 1-7 in this scenario'],
    [STEP('{ at: 5, do: gpio 9 low }'), '4:18', 'a CP2112 has GPIO 0 to 7'],
    [STEP('{ at: 5, do: image 0x51 at 0 00 }'), '4:18', 'there is no EEPROM at 0x51 on 1-1'],
    [STEP('{ at: 5, do: image 0x50 save x }'), '4:18', /set HEX, or at OFFSET HEX/],
    [STEP('{ at: 5, do: release 3 }'), '4:18', 'a step releases a kind of fault, or all'],
    [STEP('{ at: 5, do: "fault flip:now:at=256" }'), '4:18', /bytes 0 to 255/],
    [STEP('{ when: opne, do: plug }'), '4:13', /cannot wait for "opne" \(open\?\)/],
    [STEP('{ when: wire, do: plug }'), '4:13', /does not say how many/],
    [STEP('{ when: plug 0, do: plug }'), '4:13', /has no number from 1/],
  ])('%j', (text, place, what) => {
    let error: unknown;
    try {
      parseScenario(text, 'x.yaml');
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ScenarioError);
    const { message, line, column, what: said } = error as ScenarioError;
    expect(said).toMatch(what);
    expect(`${String(line)}:${String(column)}`).toBe(place);
    const [head, quoted, mark] = message.split('\n');
    expect(head).toBe(`x.yaml:${place}: ${said}`);
    expect(quoted).toBe(`  ${String(line)} | ${text.split('\n')[line - 1] ?? ''}`);
    // The mark stands under what is meant.
    expect(mark?.indexOf('^')).toBe(`  ${String(line)} | `.length + column - 1);
  });

  test('of a line that is long, the part that is meant', () => {
    const text = `bridges: [{ product: ${'x'.repeat(500)}, version: 9, serial: ${'y'.repeat(500)} }]`;
    let message = '';
    try {
      parseScenario(text, 'x.yaml');
    } catch (error) {
      ({ message } = error as ScenarioError);
    }
    const [head, quoted = '', mark = ''] = message.split('\n');
    expect(head).toBe('x.yaml:1:533: version is a whole number from 1 to 3');
    expect(quoted.length).toBeLessThan(200);
    expect(quoted[mark.indexOf('^')]).toBe('9');
  });

  test('brackets without end', () => {
    expect(() => parseScenario('['.repeat(3000), 'x.yaml')).toThrow(
      /^x\.yaml(:1:\d+: this is no YAML| is nested too deeply)/,
    );
  });

  test('aliases are followed, and one that leads into itself is no way to hang', () => {
    const text = 'bridges:\n  - parts: [&one { address: 0x50, chip: 24c02 }]\n  - parts: [*one]\n';
    expect(parseScenario(text, 'x.yaml').bridges[1]?.parts).toEqual([{ address: 0x50, chip: '24c02' }]);
    expect(() => parseScenario('bridges: &b [*b]', 'x.yaml')).toThrow(ScenarioError);
  });
});
