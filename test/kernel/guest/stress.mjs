import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { PROBE } from './basics.mjs';
import { bindAt24, readAll } from './i2c.mjs';
import { generator } from './random.mjs';
import { assertNoStuckTasks } from './tasks.mjs';
import { allFree, attach } from './usbip.mjs';
import { until } from './wait.mjs';

const CYCLES = 10;
const PROBES = 2; // each takes 5 s: the hub worker waits for a control transfer that nobody answers any more

export async function stressChecks(report, station, log, seed) {
  const next = generator(seed);
  const before = await inventoryWithoutDevice(station);

  const cycles = `${CYCLES} plug cycles under load, unplugged at seeded positions: nothing left behind`;
  await report.check(cycles, { after: [PROBE], limitMs: 120_000 }, async () => {
    const mark = log.mark();
    let bytes = 0;
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const fault = position(next, cycle);
      try {
        bytes += await oneCycle(station, fault);
        compare(await settledInventory(before), before);
      } catch (error) {
        throw new Error(`cycle ${cycle}, ${fault}: ${error.message}`, { cause: error });
      }
    }
    log.assertWell(mark);
    return `${bytes} good bytes read on the way`;
  });

  const probing = `${PROBES} unplugs while the kernel is still probing: nothing left behind`;
  await report.check(probing, { after: [PROBE, cycles], limitMs: 90_000 }, async () => {
    const mark = log.mark();
    for (let attempt = 0; attempt < PROBES; attempt++) {
      const fault = `unplug:control=${next(1, 16)}:${next(0, 2) ? 'before' : 'after'}`;
      try {
        await station.plug();
        await station.arm(fault);
        await attach(station.port);
        await until('unplug', 15_000, async () => !(await station.plugged()));
        await allFree();
        compare(await settledInventory(before), before);
      } catch (error) {
        throw new Error(`attempt ${attempt}, ${fault}: ${error.message}`, { cause: error });
      }
    }
    log.assertWell(mark);
  });
}

/** By turns a byte on the I2C wire and a report on the USB side, just before it takes effect or just after. */
function position(next, cycle) {
  if (cycle % 2 === 0) return `unplug:wire=${next(0, 6_000)}`;
  return `unplug:any=${next(1, 300)}:${next(0, 2) ? 'before' : 'after'}`;
}

/** Plug, load both parts, be unplugged. Gives how many good bytes came back. */
async function oneCycle(station, fault) {
  await station.plug();
  const adapter = await station.attach();
  const large = await bindAt24(adapter, '24c256', 0x52);
  const small = await bindAt24(adapter, '24c02', 0x50);
  await station.arm(fault);
  const [whole, ...others] = await Promise.all([
    readAll(large, 20_000),
    readAll(small, 20_000),
    readAll(small, 20_000),
  ]);
  if ([whole, ...others].some(({ status }) => status === 124)) throw new Error('dd did not end');
  if (whole.status === 0) throw new Error('dd ended well');
  if (!station.image.subarray(0, whole.bytes.length).equals(whole.bytes))
    throw new Error('dd gave wrong bytes');
  await allFree();
  return whole.bytes.length;
}

/** How many of everything a bridge brings into the kernel are there. */
function inventory() {
  const count = (folder, pattern) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => pattern.test(name)).length : 0;
  return {
    'I2C adapters': count('/sys/bus/i2c/devices', /^i2c-/),
    'I2C clients': count('/sys/bus/i2c/devices', /^\d+-/),
    'I2C device nodes': count('/dev', /^i2c-/),
    'nvmem devices': count('/sys/bus/nvmem/devices', /./),
    'GPIO chips': count('/sys/bus/gpio/devices', /^gpiochip/),
    'HID devices': count('/sys/bus/hid/devices', /./),
    'hidraw nodes': count('/dev', /^hidraw/),
    'USB devices': count('/sys/bus/usb/devices', /^\d+-\d+$/),
    'vhci threads': readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && /^vhci_[rt]x/.test(comm(pid)))
      .length,
  };
}

function comm(pid) {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
}

async function inventoryWithoutDevice(station) {
  await station.detach();
  await assertNoStuckTasks();
  return inventory();
}

/** What is there once the hub workers are through; that takes them a moment after the port is free. */
async function settledInventory(before) {
  await assertNoStuckTasks();
  await until('end of the tear-down', 10_000, () => different(inventory(), before).length === 0).catch(
    () => {},
  );
  return inventory();
}

function compare(after, before) {
  const names = different(after, before);
  if (names.length === 0) return;
  throw new Error(
    `left behind: ${names.map((name) => `${after[name]} ${name}, were ${before[name]}`).join('; ')}`,
  );
}

function different(after, before) {
  return Object.keys(before).filter((name) => after[name] !== before[name]);
}
