// This package's i2c:// devices on the kernel's own adapters: hid-cp2112 on the virtual bench, and i2c-stub, which
// carries SMBus only. What matters most comes in the middle: a device that stays open never keeps the kernel waiting.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { must } from '../harness/process.mjs';
import { difference, PROBE } from './basics.mjs';
import { bytes, generator } from './random.mjs';
import { silentForGood } from './silence.mjs';
import { assertNoStuckTasks, blockedHubWorker, suspects } from './tasks.mjs';
import { allFree } from './usbip.mjs';
import { until } from './wait.mjs';

const SAME = 'i2c:// on hid-cp2112: the same image, writes verified';
const UNPLUG = 'with an i2c:// device open for ever, an unplug leaves the kernel waiting for nothing';
const WITHIN_MS = 1000;

export async function i2cTransportChecks(report, station, log, seed) {
  const library = createRequire(join(dirname(station.cli), '..', 'index.js'))('./index.js');
  const run = { report, station, log, seed, library, next: generator(seed + 77) };
  await dataChecks(run);
  await unplugChecks(run);
  await stubChecks(run);
}

async function dataChecks(run) {
  const { report, station, log, seed, library } = run;
  await report.check(SAME, { after: [PROBE], limitMs: 60_000 }, async () => {
    await station.detach();
    await station.plug();
    const number = await station.attach();
    const mark = log.mark();
    const device = await library.open(uriOf(number));
    try {
      const before = await station.content(0x52);
      assertEqual(await device.read(0, device.size), before);
      const patch = bytes(seed + 5, 300); // over pages of 64, which this driver takes in two transfers
      await device.write(1234, patch);
      const after = await station.content(0x52);
      assertEqual(after.subarray(1234, 1534), patch);
      await device.write(1234, before.subarray(1234, 1534));
      assertEqual(await station.content(0x52), before);
      if (openNodes(number) > 0) throw new Error(`/dev/i2c-${number} is open between transfers`);
    } finally {
      await device.close();
    }
    await refused(library.open(uriOf(number, 0x55)), 'ENXIO', /no part answers at 0x55/);
    await refused(library.open('i2c:///dev/i2c-99/0x50?chip=24c02'), 'ENOENT', undefined, /CP2112/);
    log.assertQuiet(mark);
  });

  const silent = 'i2c:// on a bridge that has fallen silent: a time-out, not a part that is missing';
  await report.check(silent, { after: [SAME], limitMs: 90_000 }, async () => {
    const device = await library.open(uriOf(await station.adapter()));
    try {
      const times = await silentForGood(station, run.next, () =>
        device.read(0, device.size).then(
          () => 'no error',
          ({ code }) => code,
        ),
      );
      assertEqual(await device.read(0, 64), station.image.subarray(0, 64));
      return times;
    } finally {
      await device.close();
      await station.replug();
    }
  });

  await report.check('an address that at24 has is EBUSY, with what to do', { after: [SAME] }, async () => {
    const number = await station.adapter();
    await station.at24(number, '24c256', 0x52);
    const client = `${number}-0052`;
    await refused(library.open(uriOf(number)), 'EBUSY', /at24 has it/, new RegExp(`${client} > .*unbind`));
    // Also where it is not the first address of a part: this one would answer at 0x50 to 0x53.
    const blocks = uriOf(number, 0x50).replace('24c256', '24c08');
    await refused(library.open(blocks), 'EBUSY', /cannot use 0x52/);
    const forced = await library.open(`${uriOf(number)}&force=1`);
    assertEqual(await forced.read(0, 64), station.image.subarray(0, 64));
    await forced.close();
    // A driver that comes later is found at the next transfer.
    const unbind = () => must('sh', ['-c', `echo ${client} > /sys/bus/i2c/drivers/at24/unbind`]);
    await unbind();
    const device = await library.open(uriOf(number));
    await must('sh', ['-c', `echo ${client} > /sys/bus/i2c/drivers/at24/bind`]);
    await refused(device.read(0, 1), 'EBUSY', /a driver of the kernel has address 0x52/);
    await unbind();
    assertEqual(await device.read(0, 64), station.image.subarray(0, 64));
    await device.close();
  });

  await report.check(
    'a real i2c-bus object as a provider; adapters listed and scanned',
    { after: [SAME] },
    async () => {
      const number = await station.adapter();
      const [adapter] = (await library.list({ functions: true })).adapters.filter(
        (one) => one.number === number,
      );
      if (adapter?.usb?.vendorId !== '10c4' || !adapter.functions.includes('i2c')) {
        throw new Error(`listed as ${JSON.stringify(adapter)}`);
      }
      const scanned = await library.scanAddresses(number);
      const found = scanned
        .filter(({ state }) => state === 'answers')
        .map(({ address }) => address.toString(16));
      if (found.join(' ') !== '50 52') throw new Error(`the scan finds ${found.join(' ')}`);
      const i2c = createRequire(join(dirname(station.cli), '..', 'index.js'))('i2c-bus');
      for (const open of [(n) => i2c.openPromisified(n), async (n) => i2c.openSync(n)]) {
        const bus = await open(number);
        const provider = library.fromI2cBus(bus, { address: 0x52, chip: '24c256' });
        const device = await library.nvmem.register({ name: 'by-i2c-bus', id: 'none', provider });
        const before = await station.content(0x52);
        assertEqual(await device.read(0, 4096), before.subarray(0, 4096));
        const patch = bytes(seed + 6, 150);
        await device.write(2000, patch);
        assertEqual((await station.content(0x52)).subarray(2000, 2150), patch);
        await device.write(2000, before.subarray(2000, 2150));
        await library.nvmem.unregister(device);
        await (bus.closeSync ? bus.closeSync() : bus.close());
      }
    },
  );
}

async function unplugChecks({ report, station, log, library, next }) {
  await report.check(UNPLUG, { after: [PROBE, SAME], limitMs: 60_000 }, async () => {
    const mark = log.mark();
    const number = await station.adapter();
    const device = await library.open(uriOf(number));
    const removed = new Promise((done) => device.once('removed', () => done(performance.now())));
    const pulled = performance.now();
    await station.arm('unplug:now');
    await until(`end of /dev/i2c-${number}`, WITHIN_MS, () => !existsSync(`/dev/i2c-${number}`));
    await until('idle usb_hub_wq', WITHIN_MS, () => suspects().length === 0);
    const noticed = (await removed) - pulled;
    if (noticed > WITHIN_MS) throw new Error(`'removed' came after ${noticed.toFixed(0)} ms`);
    await refused(device.read(0, 1), 'ENODEV');
    await allFree();
    // The same number comes again, and the old handle stays what it is.
    await station.plug();
    if ((await station.attach()) !== number) throw new Error('the new adapter has another number');
    await refused(device.write(0, Buffer.of(1)), 'ENODEV');
    const again = await library.open(uriOf(number));
    assertEqual(await again.read(0, 512), station.image.subarray(0, 512));
    await again.close();
    log.assertWell(mark);
    return `'removed' after ${noticed.toFixed(0)} ms`;
  });

  const control = 'with a plain descriptor beside it the hub worker hangs until that is closed';
  await report.check(control, { after: [PROBE, UNPLUG], limitMs: 60_000 }, async () => {
    const number = await station.adapter();
    const device = await library.open(uriOf(number));
    const removed = new Promise((done) => device.once('removed', done));
    const holder = spawn('sh', ['-c', `exec 3<>/dev/i2c-${number}; echo open; read -r line`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const closed = new Promise((done) => holder.on('close', done));
    try {
      await new Promise((done) => holder.stdout.once('data', done));
      await station.arm('unplug:now');
      await removed; // ours does not wait
      const worker = await until('blocked hub worker', 10_000, blockedHubWorker);
      if (!/i2c_del_adapter/.test(worker.stack)) throw new Error(`it waits elsewhere:\n${worker.stack}`);
    } finally {
      holder.stdin.end();
      await closed;
    }
    await allFree();
    await assertNoStuckTasks();
    await station.plug();
  });

  await report.check(
    'unplugged in mid-read and mid-write through i2c://',
    { after: [PROBE, UNPLUG], limitMs: 60_000 },
    async () => {
      const mark = log.mark();
      const remarks = [];
      for (const what of ['read', 'write']) {
        const at = next(200, 3000);
        const device = await library.open(uriOf(await station.adapter()));
        const before = await station.content(0x52);
        const data = bytes(at, 4096);
        await station.arm(`unplug:wire=${at}`);
        const error = await (what === 'read' ? device.read(0, 8192) : device.write(0, data)).then(
          () => new Error(`the ${what} ended well`),
          (reason) => reason,
        );
        if (error.code !== 'ENODEV') throw error;
        if (what === 'read') assertEqual(error.partial, before.subarray(0, error.bytesTransferred));
        else assertHonest(error, data, before, await station.content(0x52));
        remarks.push(`${what} at byte ${at}: ${error.bytesTransferred} good`);
        await allFree();
        await assertNoStuckTasks();
        await station.plug();
        await station.attach();
      }
      const device = await library.open(uriOf(await station.adapter()));
      await device.write(0, station.image.subarray(0, 4096));
      assertEqual(await device.read(0, device.size), station.image);
      await device.close();
      log.assertWell(mark);
      return remarks.join(', ');
    },
  );
}

/** An adapter that carries SMBus only; the kernel's own model of a chip of 256 bytes at 0x50. */
async function stubChecks({ report, seed, library }) {
  await report.check(
    'an SMBus-only adapter (i2c-stub): 24c02 works, 24c256 is refused, rmmod with it open',
    {},
    async () => {
      await must('modprobe', ['i2c-stub', 'chip_addr=0x50']);
      const { adapters: all } = await library.list({ functions: true });
      const stub = all.find(({ name }) => /SMBus stub/.test(name));
      if (stub === undefined || stub.functions.includes('i2c')) throw new Error(JSON.stringify(all));
      const uri = `i2c://${stub.node}/0x50?chip=24c02`;
      // Before the other has the address: two cannot both be right about what is there.
      await refused(library.open(uri.replace('24c02', '24c256')), 'EOPNOTSUPP', /./, /SMBus commands only/);
      const device = await library.open(uri);
      const image = bytes(seed + 9, 256);
      await device.write(0, image);
      assertEqual(await device.read(0, 256), image);
      const { stdout } = await must('i2cget', ['-y', String(stub.number), '0x50', '0x11']);
      if (Number(stdout) !== image[0x11]) throw new Error(`i2cget says ${stdout}`);
      await refused(library.open(uri.replace('0x50', '0x51')), 'ENXIO');
      const scanned = await library.scanAddresses(stub.number);
      if (scanned.filter(({ state }) => state === 'answers').length !== 1)
        throw new Error(JSON.stringify(scanned));

      const i2c = createRequire(import.meta.resolve('i2c-bus'))('i2c-bus');
      const bus = await i2c.openPromisified(stub.number);
      const provider = library.fromI2cBus(bus, { address: 0x50, chip: '24c02' });
      const other = await library.nvmem.register({ name: 'stub', id: 'none', provider });
      assertEqual(await other.read(0, 256), image);
      await other.write(100, image.subarray(0, 20));
      assertEqual(await device.read(100, 20), image.subarray(0, 20));
      await library.nvmem.unregister(other);
      await bus.close();

      const removed = new Promise((done) => device.once('removed', done));
      await must('rmmod', ['i2c_stub'], { timeoutMs: 5000 });
      await removed;
      await refused(device.read(0, 1), 'ENODEV');
    },
  );
}

function uriOf(number, address = 0x52) {
  return `i2c:///dev/i2c-${number}/0x${address.toString(16)}?chip=24c256`;
}

function openNodes(number) {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === `/dev/i2c-${number}`;
    } catch {
      return false; // the descriptor of this very listing
    }
  }).length;
}

function assertEqual(got, wanted) {
  if (!Buffer.from(wanted).equals(got)) throw new Error(difference(Buffer.from(got), Buffer.from(wanted)));
}

async function refused(promise, code, message = /./, hint = /./) {
  const error = await promise.then(
    () => new Error(`it worked, and ${code} was expected`),
    (reason) => reason,
  );
  if (error.code !== code || !message.test(error.message) || !hint.test(error.hint)) {
    throw new Error(`${error.message} (hint: ${error.hint}) instead of ${code} ${message} ${hint}`);
  }
}

/** What a failed write says of each range is what the chip holds. */
function assertHonest(error, data, before, after) {
  for (const [ranges, wanted] of [
    [error.committed, data],
    [error.untouched, before],
  ]) {
    for (const { offset, length } of ranges) {
      assertEqual(after.subarray(offset, offset + length), wanted.subarray(offset, offset + length));
    }
  }
  const bytesSaid = [...error.committed, ...error.untouched, ...error.uncertain].reduce(
    (sum, one) => sum + one.length,
    0,
  );
  if (bytesSaid !== data.length) throw new Error(`${bytesSaid} of ${data.length} bytes are accounted for`);
}
