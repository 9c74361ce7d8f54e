jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Finding } from '../../../lib/doctor/finding.js';
import { checkNode } from '../../../lib/doctor/here.js';
import { jsonOn, nvmemOn } from '../cli/cli_run.js';
import { at24Entries, bridgeEntries, FakeMachine, FOLDER } from '../fake_machine.js';

const RULE = readFileSync(join(__dirname, '..', '..', '..', 'udev', '60-nvmem-cp2112.rules'), 'utf8');

let machine: FakeMachine;

beforeEach(() => {
  machine = new FakeMachine({ '/run/udev': FOLDER, '/proc/sys/kernel/osrelease': '6.12.1' });
});

afterEach(() => {
  machine.remove();
});

interface Examined {
  readonly status: number;
  readonly findings: Finding[];
  readonly error: { readonly code: string } | undefined;
}

async function doctor(args: string[] = [], on = machine.machine()): Promise<Examined> {
  const { status, document } = await jsonOn(on, ['doctor', ...args]);
  const { ok, findings, error } = document as { ok: boolean; findings: Finding[]; error?: { code: string } };
  expect(ok).toBe(findings.every((finding) => finding.state !== 'problem'));
  return { status, findings, error };
}

function find({ findings }: Examined, name: string): Finding {
  const finding = findings.find((one) => one.subject === name);
  if (!finding) throw new Error(`no finding ${name} among ${findings.map((one) => one.subject).join(', ')}`);
  return finding;
}

describe('the udev rule', () => {
  test('--print-udev prints the shipped file and nothing else', async () => {
    const { status, out, err } = await nvmemOn(machine.machine(), ['doctor', '--print-udev']);
    expect({ status, out, err }).toEqual({ status: 0, out: RULE, err: '' });
    expect((await jsonOn(machine.machine(), ['doctor', '--print-udev'])).document).toEqual({
      ok: true,
      udev: RULE,
    });
  });

  test('the package ships it', () => {
    const manifest = readFileSync(join(__dirname, '..', '..', '..', 'package.json'), 'utf8');
    expect((JSON.parse(manifest) as { files: string[] }).files).toContain('udev');
  });

  test('it covers both ways to the bridge itself', () => {
    const rules = RULE.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(rules.map((line) => /^SUBSYSTEM=="([\w-]+)"/.exec(line)?.[1])).toEqual(['usb', 'hidraw']);
    for (const line of rules)
      expect(line).toMatch(/idVendor\}=="10c4".*idProduct\}=="ea90".*TAG\+="uaccess"/);
  });

  test('not installed: a warning with the command', async () => {
    expect(find(await doctor(), 'udev rule')).toMatchObject({
      state: 'warning',
      remedy: expect.stringContaining('nvmem doctor --print-udev | sudo tee /etc/udev/rules.d/'),
    });
  });

  test.each(['/etc/udev/rules.d', '/usr/lib/udev/rules.d'])('found in %s', async (directory) => {
    machine.add({ [`${directory}/60-nvmem-cp2112.rules`]: RULE.trimEnd() });
    expect(find(await doctor(), 'udev rule')).toMatchObject({
      state: 'ok',
      sentence: `installed as ${directory}/60-nvmem-cp2112.rules`,
    });
  });

  test('another rule for the same chip will do; one in a comment will not', async () => {
    machine.add({ '/etc/udev/rules.d/10-old.rules': '# ATTR{idVendor}=="10c4", ATTR{idProduct}=="ea90"' });
    expect(find(await doctor(), 'udev rule').state).toBe('warning');
    machine.add({
      '/lib/udev/rules.d/70-x.rules': 'ATTRS{idVendor}=="10C4", ATTRS{idProduct}=="EA90", MODE="0666"',
    });
    expect(find(await doctor(), 'udev rule')).toMatchObject({
      state: 'ok',
      sentence: expect.stringContaining('/lib/udev/rules.d/70-x.rules'),
    });
  });

  test('root needs none, and without udev it would do nothing', async () => {
    expect(find(await doctor([], machine.machine({ uid: 0, name: 'root' })), 'udev rule').state).toBe('ok');
    const bare = new FakeMachine();
    expect(find(await doctor([], bare.machine()), 'udev rule').state).toBe('ok');
    bare.remove();
  });
});

describe("a bridge with an OEM's ids", () => {
  const OEM = { ids: ['1234', 'abcd'], product: 'CP2112 of ours' } as const;
  const URI = 'cp2112://1-1/0x50?chip=24c02';

  test('--print-udev has them, and refuses what are none', async () => {
    const { out } = await nvmemOn(machine.machine(), ['doctor', '--print-udev', '--id', '1234:ABCD']);
    expect(out).toBe(RULE.replaceAll('"10c4"', '"1234"').replaceAll('"ea90"', '"abcd"'));
    for (const args of [
      ['--print-udev', '--id', '1234'],
      ['--id', '1234:abcd'],
    ]) {
      const { status, document } = await jsonOn(machine.machine(), ['doctor', ...args]);
      expect({ status, document }).toMatchObject({ status: 2, document: { error: { code: 'ERR_USAGE' } } });
    }
  });

  test('it has a rule of its own, which stands beside that of the package', async () => {
    machine.add({ ...bridgeEntries(OEM), '/etc/udev/rules.d/60-nvmem-cp2112.rules': RULE });
    machine.denied.add('/dev/bus/usb/001/002');
    const remedy = expect.stringMatching(
      /^nvmem doctor --print-udev --id 1234:abcd \| sudo tee \/etc\/udev\/rules\.d\/60-nvmem-1234-abcd\.rules &&/,
    ) as string;
    for (const args of [[], [URI], ['hidraw:///dev/hidraw0/0x50?chip=24c02']]) {
      const examined = await doctor(args);
      expect(find(examined, 'udev rule 1234:abcd')).toMatchObject({ state: 'warning', remedy });
      if (args.length === 0) expect(find(examined, 'bridge 1-1 node').remedy).toEqual(remedy);
    }
    const own = RULE.replaceAll('"10c4"', '"1234"').replaceAll('"ea90"', '"abcd"');
    machine.add({ '/etc/udev/rules.d/60-nvmem-1234-abcd.rules': own });
    expect(find(await doctor([URI]), 'udev rule 1234:abcd').state).toBe('ok');
  });

  test('one that shows nothing is looked at where its ids are named', async () => {
    machine.add(bridgeEntries({ ...OEM, product: 'Power board' }));
    machine.denied.add('/dev/bus/usb/001/002');
    expect(find(await doctor([URI]), 'bridge')).toMatchObject({
      state: 'problem',
      remedy: expect.stringContaining('add id=1234:abcd') as string,
    });
    const examined = await doctor([`${URI}&id=1234:abcd`]);
    expect(find(examined, 'bridge 1-1').sentence).toContain('cp2112://1-1?id=1234:abcd is at 1-1');
    expect(find(examined, 'bridge 1-1 node').remedy).toContain('--print-udev --id 1234:abcd');
  });
});

describe('a bridge', () => {
  test('in order: no problem, exit status 0', async () => {
    machine.add(bridgeEntries());
    const examined = await doctor();
    expect(examined.status).toBe(0);
    expect(find(examined, 'bridge 1-1 node').state).toBe('ok');
    expect(find(examined, 'bridge 1-1 driver').sentence).toBe(
      'usbhid (cp2112) is bound; cp2112:// takes its place while it is open',
    );
  });

  test.each([
    ['the rule', '/run/udev', /^nvmem doctor --print-udev \| sudo tee/],
    ['no udev: the owner', '/run/nothing', /^sudo chown alice \/dev\/bus\/usb\/001\/002$/],
  ])('its node is denied: exit status 4, and %s', async (_what, run, remedy) => {
    const one = new FakeMachine({ ...bridgeEntries(), [run]: FOLDER });
    one.denied.add('/dev/bus/usb/001/002');
    const examined = await doctor([], one.machine());
    one.remove();
    expect(examined).toMatchObject({ status: 4, error: { code: 'EACCES' } });
    expect(find(examined, 'bridge 1-1 node')).toMatchObject({
      state: 'problem',
      sentence: '/dev/bus/usb/001/002 may not be read and written by alice',
      remedy: expect.stringMatching(remedy),
    });
  });

  test('its node is not in this container: exit status 3', async () => {
    machine.add({ ...bridgeEntries({ devnum: '7' }), '/.dockerenv': '' });
    machine.add({ '/sys/devices/usb1/1-1/devnum': '8' });
    const examined = await doctor();
    expect(examined).toMatchObject({ status: 3, error: { code: 'ENOENT' } });
    expect(find(examined, 'bridge 1-1 node').remedy).toMatch(/docker run -v \/dev\/bus\/usb/);
  });

  test('drivers of the kernel that have parts behind it, and how to take them off', async () => {
    machine.add({ ...bridgeEntries(), ...at24Entries() });
    expect(find(await doctor(), 'bridge 1-1 parts')).toMatchObject({
      state: 'warning',
      sentence: expect.stringContaining('0x50 (at24, 0-0050)'),
      remedy: 'echo 0-0050 | sudo tee /sys/bus/i2c/drivers/at24/unbind',
    });
  });

  test('a part that is declared and has no driver holds nothing', async () => {
    machine.add({ ...bridgeEntries(), '/sys/bus/i2c/devices/i2c-0/0-0051/name': '24c02' });
    expect(find(await doctor(), 'bridge 1-1 parts').state).toBe('ok');
  });

  test('who has it open', async () => {
    machine.add({
      ...bridgeEntries(),
      '/proc/812/comm': 'i2cdump',
      '/proc/812/fd/3': { link: '/dev/i2c-0' },
      '/proc/813/comm': 'other',
      '/proc/813/fd/0': { link: '/dev/null' },
      '/proc/814/comm': 'hidden', // no fd: another user's
    });
    expect(find(await doctor(), 'bridge 1-1 users')).toMatchObject({
      state: 'warning',
      sentence: expect.stringMatching(
        /^open in i2cdump \(process 812\); while \/dev\/i2c-0 is open, unplugging/,
      ),
      remedy: 'ps -p 812 -o pid,user,args',
    });
  });

  test('whose descriptors do not show may have it open all the same', async () => {
    machine.add({ ...bridgeEntries(), '/proc/814/comm': 'hidden' });
    expect(find(await doctor(), 'bridge 1-1 users').sentence).toMatch(/as far as this user can see/);
    const root = machine.machine({ uid: 0, name: 'root' });
    expect(find(await doctor([], root), 'bridge 1-1 users').sentence).toBe('no process has it open');
  });

  test('exported over USB/IP it cannot be used here', async () => {
    const entries = bridgeEntries();
    entries['/sys/devices/usb1/1-1/driver'] = { link: '/sys/bus/usb/drivers/usbip-host' };
    machine.add({ '/sys/bus/usb/drivers/usbip-host': FOLDER, ...entries });
    const examined = await doctor();
    expect(examined).toMatchObject({ status: 6, error: { code: 'EBUSY' } });
    expect(find(examined, 'bridge 1-1 driver').remedy).toBe('sudo usbip unbind -b 1-1');
  });

  test('autosuspend', async () => {
    machine.add({ ...bridgeEntries(), '/sys/devices/usb1/1-1/power/control': 'auto' });
    expect(find(await doctor(), 'bridge 1-1 power')).toMatchObject({
      state: 'warning',
      remedy: 'echo on | sudo tee /sys/bus/usb/devices/1-1/power/control',
    });
  });
});

describe('modules', () => {
  const lists = '/lib/modules/6.12.1/modules';

  test.each([
    ['loaded', { '/sys/module/i2c_dev': FOLDER }, /^loaded/],
    ['loaded, as its class shows', { '/sys/class/i2c-dev': FOLDER }, /^loaded/],
    ['built in', { [`${lists}.builtin`]: 'kernel/drivers/i2c/i2c-dev.ko' }, /^built in/],
    ['there', { [`${lists}.dep`]: 'kernel/drivers/i2c/i2c-dev.ko.xz: kernel/a.ko' }, /^not loaded/],
    ['missing', { [`${lists}.dep`]: 'kernel/a.ko: kernel/i2c-dev.ko' }, /^not among the modules .*6\.12\.1/],
    ['unknown', {}, /^not loaded/],
  ])('%s', async (_what, entries, says) => {
    machine.add(entries);
    expect(find(await doctor(), 'module i2c_dev')).toMatchObject({
      state: 'ok',
      sentence: expect.stringMatching(says),
    });
  });

  test.each([
    ['there', 'kernel/drivers/i2c/i2c-dev.ko:', /^sudo modprobe i2c-dev$/],
    ['missing', 'kernel/a.ko:', /^Install the modules/],
  ])('%s and needed by the URI: a problem', async (_what, dep, remedy) => {
    machine.add({ [`${lists}.dep`]: dep });
    const examined = await doctor(['i2c:///dev/i2c-1/0x50?chip=24c02']);
    expect(examined.status).toBe(3);
    expect(find(examined, 'module i2c_dev')).toMatchObject({
      state: 'problem',
      remedy: expect.stringMatching(remedy),
    });
  });
});

describe('a URI', () => {
  test('only what concerns it is looked at', async () => {
    const { findings, status } = await doctor(['mem://64']);
    expect(status).toBe(0);
    expect(findings.map(({ subject }) => subject)).toEqual(['Node.js', 'addon', 'open']);
  });

  test('a bridge that is not there: exit status 3, and nothing is opened', async () => {
    const examined = await doctor(['cp2112://NONE/0x50?chip=24c02']);
    expect(examined).toMatchObject({ status: 3, error: { code: 'ENOENT' } });
    expect(examined.findings.map(({ subject }) => subject)).not.toContain('open');
  });

  test('an authority that fits two bridges: exit status 2, with their places', async () => {
    machine.add({
      ...bridgeEntries({ place: '1-1' }),
      ...bridgeEntries({ place: '1-2', number: 1, devnum: '3' }),
    });
    const examined = await doctor(['cp2112:///0x50?chip=24c02']);
    expect(examined.status).toBe(2);
    expect(find(examined, 'bridge').sentence).toMatch(/several bridges .* 1-1 .* 1-2/);
  });

  test("an address that the kernel's driver has: exit status 6; with force=1 only a warning", async () => {
    machine.add({ ...bridgeEntries(), ...at24Entries(), '/sys/module/i2c_dev': FOLDER });
    const examined = await doctor(['i2c:///dev/i2c-0/0x50?chip=24c02']);
    expect(examined).toMatchObject({ status: 6, error: { code: 'EBUSY' } });
    expect(find(examined, 'parts')).toMatchObject({
      sentence: expect.stringContaining("the kernel's driver at24 has the part at 0x50 (0-0050)"),
      remedy: 'echo 0-0050 | sudo tee /sys/bus/i2c/drivers/at24/unbind',
    });
    const forced = await doctor(['i2c:///dev/i2c-0/0x50?chip=24c02&force=1']);
    expect(find(forced, 'parts').state).toBe('warning');
    const beside = await doctor(['i2c:///dev/i2c-0/0x51?chip=24c02']);
    expect(find(beside, 'parts').state).toBe('warning');
  });

  test("a bridge is not taken from the kernel's drivers to see whether it opens", async () => {
    machine.add({ ...bridgeEntries(), ...at24Entries() });
    const examined = await doctor(['cp2112:///0x52?chip=24c02']);
    expect(examined.status).toBe(0);
    expect(find(examined, 'open')).toMatchObject({
      state: 'warning',
      sentence: expect.stringContaining('not tried'),
      remedy: "nvmem info 'cp2112:///0x52?chip=24c02'",
    });
  });

  test("an adapter whose group may: join it, and no rule of ours for other people's adapters", async () => {
    machine.add({ '/dev/i2c-1': '', '/sys/module/i2c_dev': FOLDER });
    machine.denied.add('/dev/i2c-1');
    const uri = 'i2c:///dev/i2c-1/0x50?chip=24c02';
    expect(find(await doctor([uri]), 'node').remedy).toBe('sudo chown alice /dev/i2c-1');
    machine.give('/dev/i2c-1', 118, 0o660);
    expect(find(await doctor([uri]), 'node').remedy).toBe('sudo usermod -aG 118 alice, and log in again');
    machine.add({ '/etc/group': 'root:x:0:\ni2c:x:118:bob' });
    expect(find(await doctor([uri]), 'node').remedy).toBe('sudo usermod -aG i2c alice, and log in again');
  });

  test('a device of the kernel that is not there, or not for us', async () => {
    machine.add({ ...bridgeEntries(), ...at24Entries() });
    expect((await doctor(['sysfs://0-00500'])).status).toBe(3);
    machine.denied.add('/sys/bus/nvmem/devices/0-00501/nvmem');
    expect(await doctor(['sysfs://0-00501'])).toMatchObject({ status: 4, error: { code: 'EACCES' } });
  });

  test('a wrong one is a usage error', async () => {
    const { status, document } = await jsonOn(machine.machine(), ['doctor', 'mem://zero']);
    expect(status).toBe(2);
    expect(document).toMatchObject({ ok: false, error: { code: 'EINVAL' } });
  });
});

describe('for people', () => {
  test('names in a column, sentences wrapped, commands whole, one remedy said once', async () => {
    machine.add(bridgeEntries());
    machine.denied.add('/dev/bus/usb/001/002').add('/dev/hidraw0');
    const { status, out, err } = await nvmemOn(machine.machine(), ['doctor'], { tty: true, columns: 80 });
    expect(status).toBe(4);
    const lines = out.trimEnd().split('\n');
    const remedies = lines.filter((line) => line.includes('→'));
    expect(remedies.filter((line) => line.includes('--print-udev'))).toHaveLength(1);
    expect(remedies.filter((line) => line.endsWith('→ the same'))).toHaveLength(2);
    for (const line of lines) if (!line.includes('→')) expect(line.length).toBeLessThanOrEqual(80);
    expect(err).toBe('nvmem: 2 problems, 1 warning\n  What to do stands beside each.\n');
  });

  test('a machine without USB is sent to other machines, a container to its options', async () => {
    const usb = async (): Promise<Finding> => find(await doctor(), 'USB');
    expect((await usb()).remedy).toContain('nvmem list --usbip HOST');
    machine.add({ '/sys/bus/usb/devices': FOLDER, '/run/.containerenv': '' });
    expect((await usb()).remedy).toMatch(/^podman run -v \/dev\/bus\/usb/);
  });
});

test.each([
  ['20.17.0', 'ok'],
  ['20.18.1', 'ok'],
  ['22.0.0', 'ok'],
  ['20.16.9', 'problem'],
  ['18.20.0', 'problem'],
])('Node.js %s: %s', (version, status) => {
  expect(checkNode(version, '>=20.17').state).toBe(status);
});
