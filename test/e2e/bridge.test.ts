/** Bridges with an OEM's ids, and bridges that fall silent, over USB/IP against the virtual bench. */
import { open } from '../../lib/index.js';
import { VirtualBench } from '../../lib/rig/index.js';
import { imageOf, random, seedOfRun } from './bench.js';

const seed = seedOfRun();
const image = imageOf(4096, seed);
const part = { address: 0x50, chip: '24c32', image };

describe('ids of an OEM', () => {
  let bench: VirtualBench;
  beforeAll(async () => {
    const own = { vid: 0x1234, pid: 0xabcd, product: 'Power board', eeproms: [part] };
    bench = await VirtualBench.start({ time: 'off', devices: [own] });
  });
  afterAll(async () => {
    await bench.close();
  });
  const uri = (more: string): string => `usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c32${more}`;

  test.each(['', '&id=1234:abcd', '&id=0x1234:0xABCD'])('the bridge is opened, with "%s"', async (more) => {
    const device = await open(uri(more));
    expect(device.identity['vid']).toBe('1234');
    expect(device.identity['pid']).toBe('abcd');
    expect((await device.read(0, 4096)).equals(image)).toBe(true);
    await device.close();
  });

  test('other ids than those that are named are refused, and both are said', async () => {
    await expect(open(uri('&id=1234:abce'))).rejects.toMatchObject({
      code: 'EOPNOTSUPP',
      message: expect.stringMatching(/is 1234:abcd, not 1234:abce/) as string,
    });
  });
});

describe('silence', () => {
  test('for a while, at seeded places of reads and writes: it is waited for, and all is well afterwards', async () => {
    process.stdout.write(`silences from NVMEM_SEED=${seed}\n`);
    const next = random(seed);
    const bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms: [part] }] });
    const device = await open(`usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c32`);
    const bridge = bench.device('1-1');
    for (let round = 0; round < 6; round++) {
      const on = round % 2 === 0 ? ('all' as const) : ('in' as const);
      const skip = Math.floor(next() * 60);
      bridge.faults.add({ kind: 'silent', on, skip, ms: 120 + Math.floor(next() * 200) });
      const data = imageOf(200, round);
      await device.write(round * 200, data);
      expect((await device.read(round * 200, 200)).equals(data)).toBe(true);
      bridge.faults.clear();
      // What came late has come: nothing is read twice.
      const before = bridge.stats.reportsOut;
      await device.read(0, 16);
      expect(bridge.stats.reportsOut - before).toBeLessThan(8);
    }
    await device.close();
    await bench.close();
  });

  test('for good it is ETIMEDOUT: of the bridge, or of the server', async () => {
    const bench = await VirtualBench.start({ time: 'off', devices: [{ eeproms: [part] }] });
    const uri = `usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c32`;
    const device = await open(uri);
    const bridge = bench.device('1-1');
    bridge.faults.add({ kind: 'silent' });
    await expect(device.read(0, 10)).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringMatching(/the bridge did not take .*\(report 0x1\d\)/) as string,
    });
    bridge.faults.clear();
    bench.silent = true;
    await expect(device.read(0, 10)).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringMatching(/the server has stopped answering/) as string,
    });
    bench.silent = false;
    expect(await device.read(0, 10)).toHaveLength(10);
    await device.close();
    bridge.faults.add({ kind: 'silent' });
    await expect(open(uri, { openTimeoutMs: 700 })).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      hint: expect.stringContaining('nvmem doctor') as string,
    });
    await bench.close();
  });
});
