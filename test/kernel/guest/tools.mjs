// list, scan and doctor, on what a real kernel shows of a bridge.
import { run } from '../harness/process.mjs';
import { adapterComes } from './i2c.mjs';

export async function toolChecks(report, station) {
  const nvmem = async (status, ...args) => {
    const result = await run(process.execPath, [station.cli, ...args, '--json'], { timeoutMs: 60_000 });
    if (result.status !== status) {
      throw new Error(
        `nvmem ${args.join(' ')} ended with ${result.status}: ${result.stdout}${result.stderr}`,
      );
    }
    return JSON.parse(result.stdout);
  };
  const expect = (holds, what, found) => {
    if (!holds) throw new Error(`${what}: ${JSON.stringify(found)}`);
  };

  await report.check(
    'nvmem list names the bridge, its adapter and its nodes',
    { limitMs: 60_000 },
    async () => {
      const adapter = await station.adapter();
      const { bridges, adapters } = await nvmem(0, 'list');
      const [bridge] = bridges;
      expect(bridges.length === 1 && /^cp2112:\/\/./.test(bridge.uri), 'one bridge', bridges);
      expect(
        bridge.interfaces[0].hidDriver === 'cp2112' && bridge.access === 'ok',
        'bound to cp2112',
        bridge,
      );
      expect(bridge.i2c.includes(`/dev/i2c-${adapter}`) && bridge.hidraw.length === 1, 'nodes', bridge);
      const found = adapters.find(({ number }) => number === adapter);
      expect(found?.usb?.path === bridge.path && found.access === 'ok', 'its adapter', adapters);
      return bridge.uri;
    },
  );

  await report.check('nvmem scan i2c:// leaves at24 its parts', { limitMs: 90_000 }, async () => {
    const adapter = await station.adapter();
    await station.at24(adapter, '24c02', 0x50);
    const { kernel, found } = await nvmem(0, 'scan', `i2c:///dev/i2c-${adapter}`);
    const held = kernel.map(({ address, driver }) => `${driver} ${address}`);
    expect(held.includes('at24 80'), 'at24 has 0x50', kernel);
    expect(
      found.every(({ address }) => !kernel.some((client) => client.address === address)),
      'a part that the kernel has is not asked',
      found,
    );
  });

  await report.check(
    'nvmem doctor finds no problem, and the parts of at24',
    { limitMs: 60_000 },
    async () => {
      const adapter = await station.adapter();
      await station.at24(adapter, '24c02', 0x50);
      const { findings } = await nvmem(0, 'doctor');
      const problems = findings.filter(({ state }) => state === 'problem');
      expect(problems.length === 0, 'no problem', problems);
      const parts = findings.find(({ subject }) => /^bridge .* parts$/.test(subject));
      expect(parts.state === 'warning' && /0x50 \(at24,/.test(parts.sentence), 'the part of at24', parts);
      const refused = await nvmem(6, 'doctor', `i2c:///dev/i2c-${adapter}/0x50?chip=24c02`);
      expect(refused.error.code === 'EBUSY', 'the address of at24', refused.error);
    },
  );

  await report.check(
    'nvmem scan cp2112:// tells both parts, and the adapter comes back',
    { limitMs: 90_000 },
    async () => {
      await station.adapter();
      const { found } = await nvmem(0, 'scan', 'cp2112://');
      const told = found.map(
        ({ address, proposals }) => `${address} ${proposals.map(({ chip }) => chip).join(' or ')}`,
      );
      expect(
        told.some((one) => one === '82 24c256') && told.some((one) => one.startsWith('80 24c02')),
        'both parts',
        told,
      );
      await adapterComes();
    },
  );
}
