/**
 * list, scan, info and doctor: the command line against the virtual bench. It runs inside the test, for what it says is looked at
 * and not its process; one case of each command runs the built one.
 */
import { VirtualBench, type DeviceSetup, type EepromEvent, type EepromSetup } from '../../lib/rig/index.js';
import { cli as built, imageOf, seedOfRun, type CliResult } from './bench.js';
import { thisMachine } from '../../lib/machine/machine.js';
import { nvmemOn } from '../unit/cli/cli_run.js';

const seed = seedOfRun();
let bench: VirtualBench;

afterEach(async () => {
  await bench.close();
});

async function start(eeproms: readonly EepromSetup[], more: DeviceSetup = {}): Promise<void> {
  bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms, ...more }, { busid: '1-2' }] });
}

async function cli(args: readonly string[]): Promise<Omit<CliResult, 'signal'>> {
  const { status, out, err } = await nvmemOn(thisMachine, args);
  return { status, stdout: out, stderr: err };
}

function uri(rest = '', busid = '1-1'): string {
  return `usbip://127.0.0.1:${String(bench.port)}/${busid}${rest}`;
}

async function json(
  args: readonly string[],
  status = 0,
  run: typeof cli = cli,
): Promise<Record<string, unknown>> {
  const result = await run([...args, '--json']);
  expect({ status: result.status, stderr: result.stderr }).toEqual({ status, stderr: '' });
  expect(result.stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

interface Scan {
  readonly found: readonly {
    readonly address: number;
    readonly note?: string;
    readonly proposals: readonly { readonly uri: string; readonly chip: string; readonly why: string }[];
  }[];
}

/**
 * A scan that is not allowed to touch what the parts hold: none of them stores anything, no data byte is followed by a STOP
 * (one before a repeated START is aborted, and is the very one that the part holds), and no report that writes reaches the bridge.
 */
async function scan(args: readonly string[] = [], status = 0): Promise<Scan> {
  const device = bench.device('1-1');
  const events: EepromEvent[] = [];
  const writes: number[] = [];
  const images = device.eeproms.map(({ image }) => Buffer.from(image));
  device.on('eeprom', (event) => {
    if (event.type !== 'abort' || event.reason !== 'no-stop' || event.length > 1) events.push(event);
  });
  device.on('report', ({ direction, data }) => {
    if (direction === 'out' && data[0] === 0x14) writes.push(data[1] ?? 0);
  });
  const document = await json(['scan', uri(), ...args], status);
  expect({ events, writes }).toEqual({ events: [], writes: [] });
  expect(device.eeproms.map(({ image }) => Buffer.from(image))).toEqual(images);
  return document as unknown as Scan;
}

const described = ({ found }: Scan): [number, ...string[]][] =>
  found.map(({ address, proposals }) => [address, ...proposals.map(({ chip }) => chip)]);

describe('scan', () => {
  test.each([
    ['24c00', 16],
    ['24c01', 128],
    ['24c02', 256],
    ['24c04', 512],
    ['24c08', 1024],
    ['24c16', 2048],
    ['24c32', 4096],
    ['24c64', 8192],
    ['24c128', 16_384],
    ['24c256', 32_768],
    ['24c512', 65_536],
  ])(`tells a %s by its contents (seed ${String(seed)})`, async (chip, size) => {
    await start([{ address: 0x50, chip, image: imageOf(size, seed) }]);
    expect(described(await scan())).toEqual([[0x50, chip]]);
  });

  test('several parts side by side, and a proposal opens as it stands', async () => {
    await start([
      { address: 0x50, chip: '24c02', image: imageOf(256, seed) },
      { address: 0x51, chip: '24cs01', image: imageOf(128, seed + 1) },
      { address: 0x52, chip: '24c256', image: imageOf(32_768, seed + 2) },
      { address: 0x54, chip: '24c08', image: imageOf(1024, seed + 3) },
    ]);
    const found = await scan();
    expect(described(found)).toEqual([
      [0x50, '24c02'],
      [0x51, '24c01'],
      [0x52, '24c256'],
      [0x54, '24c08'],
      [0x59],
    ]);
    expect(found.found.at(-1)?.note).toContain('second memory of the part at 0x51');
    const proposal = found.found[2]?.proposals[0]?.uri ?? '';
    expect(await json(['info', proposal])).toMatchObject({ ok: true, size: 32_768, chip: '24c256' });
  });

  test('two parts of 256 bytes at neighbouring addresses are not taken for one of 512', async () => {
    await start([
      { address: 0x50, chip: '24c02', image: imageOf(256, seed) },
      { address: 0x51, chip: '24c02', image: imageOf(256, seed + 1) },
    ]);
    expect(described(await scan())).toEqual([
      [0x50, '24c02'],
      [0x51, '24c02'],
    ]);
  });

  test.each([
    ['24c1024', 131_072, [0x50, 0x51]],
    ['24c2048', 262_144, [0x50, 0x51, 0x52, 0x53]],
  ])('a %s is one part: a read runs on from one address into the next', async (chip, size, addresses) => {
    for (const filled of [chip === '24c1024' ? 70_000 : size / 2]) {
      await start([{ address: 0x50, chip, image: imageOf(filled, seed) }]);
      const { found } = await scan();
      expect(found).toHaveLength(1);
      expect(found[0]?.proposals).toMatchObject([{ chip, addresses, parts: 1 }]);
      await bench.close();
    }
  });

  test('two parts of 64 KiB are two; four addresses apart they may be one', async () => {
    await start([
      { address: 0x50, chip: '24c512', image: imageOf(65_536, seed) },
      { address: 0x51, chip: '24c512', image: imageOf(65_536, seed + 1) },
    ]);
    expect(described(await scan())).toEqual([
      [0x50, '24c512'],
      [0x51, '24c512'],
    ]);
    await bench.close();
    await start([{ address: 0x50, chip: '24c1025', image: imageOf(131_072, seed) }]);
    expect((await scan()).found).toMatchObject([
      {
        proposals: [
          { chip: '24c1025', addresses: [0x50, 0x54], parts: 1 },
          { chip: '24c512', addresses: [0x50, 0x54], parts: 2 },
        ],
      },
    ]);
  });

  // A blank or half-filled part is one part, and not one at each of its addresses. The rest is test/unit/bus/group.test.ts.
  test('a 24c16 that is half filled, and one that is blank', async () => {
    await start([{ address: 0x50, chip: '24c16', image: imageOf(1024, seed) }]);
    const half = await scan();
    expect(half.found).toHaveLength(1);
    expect(half.found[0]?.proposals).toMatchObject([{ chip: '24c16', parts: 1, addresses: { length: 8 } }]);
    await bench.close();
    await start([{ address: 0x50, chip: '24c16' }]);
    const blank = await scan();
    expect(blank.found).toHaveLength(1);
    expect(blank.found[0]?.proposals).toMatchObject([
      { chip: '24c16', parts: 1 },
      { chip: '24c02', parts: 8 },
      { chip: '24c32', parts: 8 },
    ]);
    const { stdout } = await cli(['scan', uri()]);
    expect(stdout).toContain('  or  8 × 24c02, up to 0x57: ');
  });

  test('parts of their own are told apart beside blank ones', async () => {
    await start([
      { address: 0x50, chip: '24c08', image: imageOf(1024, seed) },
      { address: 0x54, chip: '24c08' },
    ]);
    const { found } = await scan();
    expect(found).toMatchObject([
      { address: 0x50, proposals: [{ chip: '24c08' }] },
      { address: 0x54, proposals: [{ chip: '24c08' }, { chip: '24c02', parts: 4 }, { chip: '24c32' }] },
    ]);
    await bench.close();
    await start([
      { address: 0x50, chip: '24c02', image: imageOf(200, seed) },
      { address: 0x51, chip: '24c02' },
      { address: 0x52, chip: '24c32' },
      { address: 0x53, chip: '24c01', image: imageOf(128, seed) },
    ]);
    expect(described(await scan())).toEqual([
      [0x50, '24c02'],
      [0x51, '24c02', '24c32'],
      [0x52, '24c02', '24c32'],
      [0x53, '24c01'],
    ]);
  });

  test('memory modules say what they are, and windows belong to their part', async () => {
    const ddr4 = Buffer.concat([Buffer.of(0x23, 0x11, 0x0c, 0x02), imageOf(252, seed)]);
    await start([
      { address: 0x50, chip: 'spd5118' },
      { address: 0x51, chip: 'ee1004', image: ddr4 },
      { address: 0x52, chip: '24cs02', image: imageOf(256, seed) },
      { address: 0x54, chip: 'M24C08-D', image: imageOf(1024, seed + 1) },
    ]);
    const { found } = await scan();
    expect(described({ found })).toEqual([
      [0x50, 'spd5118'],
      [0x51, 'ee1004'],
      [0x52, '24c02'],
      [0x54, '24c08'],
      [0x5a],
      [0x5c],
    ]);
    const { eeproms } = bench.device('1-1');
    expect(eeproms.map(({ writeCycles }) => writeCycles)).toEqual([0, 0, 0, 0]);
  });

  test.each(['24c02', '24c256'])('a blank %s does not tell, and both widths are proposed', async (chip) => {
    await start([{ address: 0x50, chip }]);
    expect(described(await scan())).toEqual([[0x50, '24c02', '24c32']]);
  });

  test('--all asks everywhere but where SPD parts take commands for ever', async () => {
    await start([{ address: 0x20, chip: '24c02', image: imageOf(256, seed) }]);
    expect(described(await scan())).toEqual([]);
    const all = await scan(['--all']);
    expect(described(all)).toEqual([[0x20]]);
    const { asked } = all as unknown as { asked: number[] };
    expect(asked).toEqual(
      Array.from({ length: 0x70 }, (_, i) => i + 8).filter((address) => address < 0x30 || address > 0x37),
    );
  });

  test('a bridge without a repeated START: no address of two bytes is sent to a part', async () => {
    await start([{ address: 0x50, chip: '24c256', image: imageOf(32_768, seed) }], { version: 1 });
    expect(described(await scan())).toEqual([[0x50, '24c32']]);
  });

  test('the map, for people', async () => {
    await start([{ address: 0x50, chip: '24c02', image: imageOf(256, seed) }]);
    const { stdout, stderr, status } = await built(['scan', uri()]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(
      '     0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f\n' +
        '50: 50 -- -- -- -- -- -- -- -- -- -- -- -- -- -- --\n',
    );
    expect(stdout).toContain(`\n0x50  ${uri('/0x50?chip=24c02')}\n`);
    const { stdout: empty } = await cli(['scan', uri('', '1-2')]);
    expect(empty).toContain('Nobody answers.');
  });

  test.each([
    ['a bus that is held low', { kind: 'stuck', hard: true }, 6, 'EBUSY'],
    ['the cable is pulled', { kind: 'unplug', on: 'out', n: 20 }, 3, 'ENODEV'],
  ] as const)('%s ends it', async (_what, fault, status, code) => {
    await start([{ address: 0x50, chip: '24c02', image: imageOf(256, seed) }]);
    bench.device('1-1').faults.add(fault);
    expect(await json(['scan', uri()], status)).toMatchObject({ ok: false, error: { code }, uri: uri() });
  });

  test.each([
    ['mem://64', 2],
    ['usbip://127.0.0.1:1/1-1/0x50?chip=24c02', 2],
    ['usbip://127.0.0.1:1/1-1', 3],
  ])('%s: exit status %i', async (bus, status) => {
    await start([]);
    expect(await json(['scan', bus], status)).toMatchObject({ ok: false });
  });
});

test('list --usbip', async () => {
  await start([]);
  const server = `127.0.0.1:${String(bench.port)}`;
  expect(await json(['list', '--usbip', server])).toMatchObject({
    ok: true,
    usbip: [
      { busid: '1-1', isCp2112: true, uri: uri() },
      { busid: '1-2', isCp2112: true, uri: uri('', '1-2') },
    ],
  });
  const { stdout } = await built(['list', '--usbip', server]);
  expect(stdout).toContain(`Exported by ${server}\n  ${uri()}  CP2112 (10c4:ea90)\n`);
  expect(await json(['list', '--usbip', '127.0.0.1:1'], 3)).toMatchObject({
    error: { code: 'ECONNREFUSED' },
  });
});

test('info says what the part, its write protect and its bridge are', async () => {
  await start([{ address: 0x50, chip: '24c02', wp: 3 }]);
  expect(await json(['info', uri('/0x50?chip=24c02&wp=3')])).toMatchObject({
    ok: true,
    size: 256,
    type: 'EEPROM',
    part: { chip: '24c02', address: 0x50, addressWidth: 8, page: 8, wp: 3, protecting: true },
    bridge: { part: '0x0c', version: '2', serial: '0043FFF3', clock_hz: '100000' },
  });
  const { stdout } = await built(['info', uri('/0x50?chip=24c02&wp=3')]);
  expect(stdout).toMatch(/^write protect {2}GPIO 3 of the bridge, protecting$/m);
  expect(stdout).toMatch(/^bridge {9}CP2112 \(part 0x0c\), version 2, serial number 0043FFF3$/m);
  expect(stdout).toMatch(/^clock {10}100000 Hz$/m);
});

describe('doctor', () => {
  const names = (document: Record<string, unknown>, state: string): string[] =>
    (document['findings'] as { subject: string; state: string }[])
      .filter((finding) => finding.state === state)
      .map(({ subject }) => subject);

  test('opens what it is asked about, and lets go of it', async () => {
    await start([{ address: 0x50, chip: '24c02', wp: 0 }]);
    const document = await json(['doctor', uri('/0x50?chip=24c02&wp=0')], 0, built);
    expect(document).toMatchObject({ ok: true });
    expect(names(document, 'ok')).toEqual(['Node.js', 'addon', 'server', 'open', 'write protect']);
    expect(bench.device('1-1').gpioLevels & 1).toBe(1);
  });

  test.each([
    ['nobody at that address', '/0x57?chip=24c02', 3, 'ENXIO', 'open'],
    ['no such bus id', '', 3, 'ENOENT', 'open'],
  ])('%s', async (_what, rest, status, code, name) => {
    await start([{ address: 0x50, chip: '24c02' }]);
    const target = rest === '' ? uri('/0x50?chip=24c02', '9-9') : uri(rest);
    const document = await json(['doctor', target], status);
    expect(document).toMatchObject({ ok: false, error: { code, hint: expect.any(String) } });
    expect(names(document, 'problem')).toEqual([name]);
  });

  test('no server', async () => {
    await start([]);
    const document = await json(['doctor', 'usbip://127.0.0.1:1/1-1/0x50?chip=24c02'], 3);
    expect(document).toMatchObject({ ok: false, error: { code: 'ECONNREFUSED' } });
    expect(names(document, 'problem')).toEqual(['server']);
  });
});
