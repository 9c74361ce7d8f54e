// A bridge with an OEM's vendor and product: hid-cp2112 does not know it, hid-generic has it, and we know it by what hid-generic
// has read.
import { readdirSync } from 'node:fs';
import { must } from '../harness/process.mjs';
import { difference, PROBE } from './basics.mjs';
import { adapters } from './i2c.mjs';
import { attach } from './usbip.mjs';
import { withUser } from './user.mjs';
import { until } from './wait.mjs';

const OWN = ['--id', '1234:abcd', '--product', 'Power board'];
const LARGE = 'cp2112:///0x52?chip=24c256';
const NAMED = `${LARGE}&id=1234:abcd`;

/** `driver` gives what is bound to the bridge's interface. */
export async function oemChecks(report, station, log, driver) {
  const name = "usb, hidraw: a bridge with an OEM's ids is known by its report descriptor, or named by them";
  await report.check(name, { after: [PROBE], limitMs: 120_000 }, async () => {
    await station.restart({ timed: false, own: OWN });
    try {
      const mark = log.mark();
      await attach(station.port);
      await until('hid-generic at the bridge', 15_000, () => hidraw() !== undefined);
      if (adapters().length > 0) throw new Error('hid-cp2112 has it, with an adapter');
      await listed(station);
      await read(station, driver);
      await taken(station, driver);
      log.assertQuiet(mark);
    } finally {
      await station.restart({ timed: false });
      await station.attach();
    }
  });
}

async function listed(station) {
  const { stdout } = await must(process.execPath, [station.cli, 'list', '--json'], { timeoutMs: 60_000 });
  const { bridges } = JSON.parse(stdout);
  const [{ path, vid, pid, hidraw: nodes } = {}] = bridges;
  const found = [bridges.length, path, vid, pid, ...(nodes ?? [])].join(' ');
  if (found !== `1 1-1 1234 abcd ${hidraw()}`) throw new Error(`nvmem list: ${stdout}`);
}

/** By every way to it; hid-generic has it again afterwards. */
async function read(station, driver) {
  for (const uri of [LARGE, NAMED, `hidraw://${hidraw()}/0x52?chip=24c256`]) {
    await withUser(station.cli, async (user) => {
      const { identity } = await user.ask('open', { uri });
      if (`${identity.vid}:${identity.pid}` !== '1234:abcd') throw new Error(JSON.stringify(identity));
      const { data } = await user.read(uri);
      if (!data.equals(station.image)) throw new Error(difference(data, station.image));
      await user.ask('close', { uri });
    });
    await until(`hid-generic at the bridge after ${uri}`, 10_000, () => driver() === 'usbhid' && hidraw());
  }
}

/** While a program has it, nothing in sysfs says what it is. */
async function taken(station, driver) {
  await withUser(station.cli, async (first) => {
    await first.ask('open', { uri: LARGE });
    if (driver() !== 'usbfs') throw new Error(`the interface is with ${driver()} while it is open`);
    await withUser(station.cli, async (second) => {
      await second.refused('ENOENT', 'open', { uri: LARGE });
      const there = await second.refused('ENOENT', 'open', { uri: LARGE.replace('///', '//1-1/') });
      expectText(there.hint, 'add id=1234:abcd');
      const busy = await second.refused('EBUSY', 'open', { uri: NAMED });
      expectText(busy.message, `node (process ${first.pid})`);
      await second.refused('ENOENT', 'open', { uri: NAMED.replace('abcd', 'abce') });
    });
    await first.ask('close', { uri: LARGE });
    await until('hid-generic at the bridge', 10_000, () => driver() === 'usbhid' && hidraw());
    await first.ask('become', { uid: 65534 });
    for (const uri of [LARGE, `hidraw://${hidraw()}/0x52?chip=24c256`]) {
      const denied = await first.refused('EACCES', 'open', { uri });
      expectText(denied.hint, 'ATTR{idVendor}=="1234", ATTR{idProduct}=="abcd"');
    }
  });
}

/** The node that the kernel's HID driver has made of it. */
function hidraw() {
  const hids = '/sys/bus/hid/devices';
  const [hid] = readdirSync(hids).filter((name) => /^0003:1234:ABCD\./.test(name));
  if (hid === undefined || !readdirSync(`${hids}/${hid}`).includes('hidraw')) return undefined;
  const [name] = readdirSync(`${hids}/${hid}/hidraw`);
  return name === undefined ? undefined : `/dev/${name}`;
}

function expectText(text, part) {
  if (!text.includes(part)) throw new Error(`"${text}" does not say "${part}"`);
}
