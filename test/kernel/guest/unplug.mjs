import { spawn } from 'node:child_process';
import { difference, PROBE } from './basics.mjs';
import { adapterGoes, bindAt24, contentOf, detect, readAll } from './i2c.mjs';
import { assertNoStuckTasks, blockedHubWorker } from './tasks.mjs';
import { allFree } from './usbip.mjs';
import { until } from './wait.mjs';

const UNPLUG = 'an unplug in the middle of dd ends it with an error, and everything goes';
const REPLUG = 'plugged in again, everything works';

export async function unplugChecks(report, station, log) {
  await report.check(UNPLUG, { after: [PROBE], limitMs: 60_000 }, async () => {
    const mark = log.mark();
    const at = 12_345;
    const adapter = await station.adapter();
    const path = await station.at24(adapter, '24c256', 0x52);
    await station.arm(`unplug:wire=${at}`);
    const read = await readAll(path, 20_000);
    if (read.status === 0) throw new Error('dd ended well');
    if (read.status === 124) throw new Error('dd did not end');
    if (!station.image.subarray(0, read.bytes.length).equals(read.bytes) || read.bytes.length > at) {
      throw new Error(`dd gave ${read.bytes.length} bytes, not all of them the image's`);
    }
    await adapterGoes(adapter);
    await allFree();
    await assertNoStuckTasks();
    log.assertWell(mark);
    return `at byte ${at}: "${read.stderr.trim().split(': ').at(-1)}", ${read.bytes.length} good bytes`;
  });

  await report.check(REPLUG, { after: [PROBE, UNPLUG], limitMs: 90_000 }, async () => {
    const mark = log.mark();
    await station.plug();
    const adapter = await station.attach();
    log.assertQuiet(mark);
    const found = (await detect(adapter)).join(' ');
    if (found !== '50 52') throw new Error(`i2cdetect finds: ${found}`);
    const content = await contentOf(await bindAt24(adapter, '24c256', 0x52));
    if (!content.equals(station.image)) throw new Error(difference(content, station.image));
    return 'image identical';
  });

  // The check above is worth something only if it can see a thread that is stuck. An open /dev/i2c-N makes one:
  // i2c_del_adapter() waits in the hub's worker for the last reference (drivers/i2c/i2c-core-base.c).
  const name = 'a hub worker that is stuck would be noticed: an open /dev/i2c-N holds it until it is closed';
  await report.check(name, { after: [PROBE, REPLUG], limitMs: 60_000 }, async () => {
    const adapter = await station.adapter();
    const holder = spawn('sh', ['-c', `exec 3<>/dev/i2c-${adapter}; echo open; read -r line`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const closed = new Promise((done) => holder.on('close', done));
    try {
      await new Promise((done) => holder.stdout.once('data', done));
      await station.arm('unplug:now');
      const worker = await until('blocked hub worker', 10_000, blockedHubWorker);
      if (!/i2c_del_adapter/.test(worker.stack)) throw new Error(`it waits elsewhere:\n${worker.stack}`);
    } finally {
      holder.stdin.end();
      await closed;
    }
    await adapterGoes(adapter);
    await allFree();
    await assertNoStuckTasks();
    await station.plug();
  });
}
