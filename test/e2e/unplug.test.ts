/**
 * The promise of the project: unplugging in the middle of a read is an ordinary event. The addon against the virtual
 * bench over a socket, at seeded positions: bytes on the I2C wire, bytes delivered, and between any two reports.
 */
import { open, type NvmemError } from '../../lib/index.js';
import { native } from '../../lib/native/index.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { cli, imageOf, left, random, seedOfRun, threads } from './bench.js';

const SIZE = 8_192;
const IN_PROCESS = 200;
const BY_CLI = 8;
const seed = seedOfRun();
const image = imageOf(SIZE, seed);
const places = ['wire', 'host', 'in', 'out', 'any'] as const;

let bench: VirtualBench;

beforeAll(async () => {
  process.stdout.write(`unplug positions from NVMEM_SEED=${seed}\n`);
  bench = await VirtualBench.start({
    time: 'off',
    devices: [{ eeproms: [{ address: 0x52, chip: '24c64', image }] }],
  });
});

afterAll(async () => {
  await bench.close();
});

function uri(): string {
  return `usbip://127.0.0.1:${bench.port}/1-1/0x52?chip=24c64`;
}

/** A place to pull the cable, drawn from `next`; a whole read has 16 transfers of some 20 reports. */
function place(next: () => number) {
  const on = places[Math.floor(next() * places.length)] ?? 'any';
  const range = on === 'wire' || on === 'host' ? SIZE : on === 'any' ? 300 : 150;
  const phase = next() < 0.5 ? ('before' as const) : ('after' as const);
  const how = next() < 0.5 ? ('fin' as const) : ('rst' as const);
  return { kind: 'unplug' as const, on, n: 1 + Math.floor(next() * (range - 1)), phase, how };
}

test(`${IN_PROCESS} reads are unplugged: one ENODEV each, the good bytes are right, nothing is left`, async () => {
  const next = random(seed ^ 0x5eed);
  const device = bench.device();
  // One read first, so that what lives as long as the process (the grace-period thread) is there already.
  const whole = await open(uri());
  expect((await whole.read(0, SIZE)).equals(image)).toBe(true);
  await whole.close();
  const before = threads();
  const counts = native().counts();

  let unplugged = 0;
  let settled = 0;
  for (let round = 0; round < IN_PROCESS; round++) {
    const eeprom = await open(uri());
    const removed = new Promise<void>((resolve) => {
      eeprom.once('removed', () => {
        resolve();
      });
    });
    const spec = place(next);
    const fault = device.faults.add(spec);
    const outcome = await eeprom.read(0, SIZE).then(
      (data) => ({ data }),
      (error: unknown) => ({ error }),
    );
    settled++;
    const context = JSON.stringify({ seed, round, spec });
    if ('data' in outcome) {
      // The place lay behind the end of the read: then the read is whole.
      expect({ context, same: outcome.data.equals(image) }).toEqual({ context, same: true });
      fault.release();
      if (device.plugged) device.unplug();
    } else {
      unplugged++;
      const error = outcome.error as NvmemError;
      const good = error.bytesTransferred ?? -1;
      expect({ context, code: error.code, errno: error.errno }).toEqual({
        context,
        code: 'ENODEV',
        errno: -19,
      });
      expect(good).toBeGreaterThanOrEqual(0);
      expect(error.partial?.length ?? 0).toBe(good);
      expect({ context, same: image.subarray(0, good).equals(error.partial ?? Buffer.alloc(0)) }).toEqual({
        context,
        same: true,
      });
    }
    await removed;
    await expect(eeprom.read(0, 1)).rejects.toMatchObject({ code: 'ENODEV' });
    await eeprom.close();
    device.plug();
  }
  expect(settled).toBe(IN_PROCESS);
  expect(unplugged).toBeGreaterThan(IN_PROCESS / 2);
  expect(left(native().counts(), counts)).toEqual({});
  expect(threads()).toBe(before);
  process.stdout.write(`unplugged in the middle: ${unplugged} of ${IN_PROCESS}\n`);

  const again = await open(uri());
  expect((await again.read(0, SIZE)).equals(image)).toBe(true);
  await again.close();
}, 120_000);

test('many reads at once are unplugged: each settles once, all before the one "removed"', async () => {
  const device = bench.device();
  const eeprom = await open(uri());
  const events: string[] = [];
  eeprom.on('removed', () => events.push('removed'));
  device.faults.add({ kind: 'unplug', on: 'host', n: 3000 });
  const reads = Array.from({ length: 20 }, (_, i) =>
    eeprom.read(i * 200, 4000).then(
      () => events.push('read'),
      (error: unknown) => events.push((error as NvmemError).code),
    ),
  );
  await Promise.all(reads);
  await eeprom.close();
  expect(events.length).toBe(21);
  expect(events.at(-1)).toBe('removed');
  expect(events.filter((event) => event === 'ENODEV').length).toBeGreaterThan(10);
  device.plug();
});

test(`${BY_CLI} reads by the built command line: exit 3, ENODEV with the good byte count, and it ends by itself`, async () => {
  const next = random(seed ^ 0xc11);
  const device = bench.device();
  for (let round = 0; round < BY_CLI; round++) {
    // Not in the last report: with that one the read is whole.
    const n = 1 + Math.floor(next() * (SIZE - 61));
    device.faults.add({ kind: 'unplug', on: 'host', n, how: round % 2 === 0 ? 'fin' : 'rst' });
    const result = await cli(['read', uri(), '--json']);
    expect(result).toMatchObject({ status: 3, signal: null });
    const document = JSON.parse(result.stdout) as {
      ok: boolean;
      error: { code: string; bytesTransferred: number };
    };
    expect(document).toMatchObject({ ok: false, error: { code: 'ENODEV' } });
    // The report that carries byte n is delivered whole: up to 61 bytes.
    expect(document.error.bytesTransferred).toBeLessThan(n + 61);
    device.plug();
  }
}, 60_000);
