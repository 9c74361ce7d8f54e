import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import type { NvmemError } from '../../../lib/index.js';
import { bridgesOf, findBridge } from '../../../lib/machine/bridges.js';
import { holdersOf, nameHolders } from '../../../lib/machine/holders.js';
import { kernelView } from '../../../lib/machine/kernel_view.js';
import { Machine } from '../../../lib/machine/machine.js';
import { UDEV_RULES_FILE, udevHint, udevRules } from '../../../lib/machine/udev.js';
import { reportDescriptor } from '../../../lib/rig/descriptors.js';
import { parseUri } from '../../../lib/uri/uri.js';
import { UsbTree } from '../usb_tree.js';

let tree: UsbTree;
beforeEach(() => {
  tree = new UsbTree();
});
afterEach(() => {
  tree.remove();
});

async function refusal(wanted: string): Promise<NvmemError> {
  return await findBridge(wanted, 'cp2112:///0x50', tree.machine).then(
    ({ path }) => {
      throw new Error(`it found ${path}`);
    },
    (error: unknown) => error as NvmemError,
  );
}

describe('bridges in sysfs', () => {
  test('what the kernel made of a bridge is listed, with its driver', async () => {
    tree.plug('1-1.10', { serial: '00417D26', product: 'CP2112 HID USB-to-SMBus Bridge', devnum: 23 });
    tree.plug('1-1.4', { serial: '0043FFF3', devnum: 4, kernel: { hidraw: 2, i2c: 11 } });
    tree.plug('1-2', { ids: ['046d', 'c31c'], product: 'USB Keyboard', devnum: 5 });
    mkdirSync(join(tree.sysfs, 'bus/usb/devices/usb1'));
    expect(await bridgesOf(tree.machine)).toEqual([
      {
        path: '1-1.4',
        serial: '0043FFF3',
        product: '',
        vid: '10c4',
        pid: 'ea90',
        busnum: 1,
        devnum: 4,
        node: '/dev/bus/usb/001/004',
        interfaces: [{ name: '1-1.4:1.0', driver: 'usbhid', hidDriver: 'cp2112' }],
        hidraw: ['/dev/hidraw2'],
        i2c: ['/dev/i2c-11'],
      },
      {
        path: '1-1.10',
        serial: '00417D26',
        product: 'CP2112 HID USB-to-SMBus Bridge',
        vid: '10c4',
        pid: 'ea90',
        busnum: 1,
        devnum: 23,
        node: '/dev/bus/usb/001/023',
        interfaces: [{ name: '1-1.10:1.0', driver: undefined, hidDriver: undefined }],
        hidraw: [],
        i2c: [],
      },
    ]);
  });

  test('a machine without USB has none', async () => {
    expect(await bridgesOf(new Machine(join(tree.root, 'nowhere')))).toEqual([]);
  });

  test('one bridge is found by its serial number, by its place and without a word', async () => {
    tree.plug('1-1.4', { serial: '0043FFF3', devnum: 4 });
    for (const wanted of ['', '1-1.4', '0043FFF3']) {
      expect((await findBridge(wanted, 'x', tree.machine)).devnum).toBe(4);
    }
  });

  test('ids programmed anew are no obstacle where the name is kept', async () => {
    tree.plug('1-3', { ids: ['1234', '5678'], product: 'My CP2112 board', devnum: 9 });
    expect((await findBridge('1-3', 'x', tree.machine)).vid).toBe('1234');
  });

  const OEM = { ids: ['1234', 'abcd'], product: 'Power board', serial: 'PB7' } as const;

  test('ids programmed anew: the report descriptor tells, also while a program has the bridge', async () => {
    tree.plug('1-2', {
      ids: ['046d', 'c31c'],
      product: 'Keyboard',
      devnum: 5,
      reports: Uint8Array.of(0x85, 0x10, 0xc0),
    });
    tree.plug('1-3', { ...OEM, devnum: 9, reports: reportDescriptor() });
    const [bridge, ...more] = await bridgesOf(tree.machine);
    expect(more).toEqual([]);
    expect(bridge).toMatchObject({ path: '1-3', vid: '1234', pid: 'abcd', hidraw: ['/dev/hidraw5'] });
    tree.claim('1-3');
    expect((await findBridge('PB7', 'x', tree.machine)).interfaces[0]?.driver).toBe('usbfs');
    // Another device in its place is another matter.
    tree.pull('1-3', 9);
    tree.plug('1-3', { ...OEM, devnum: 10 });
    expect(await bridgesOf(tree.machine)).toEqual([]);
  });

  test('… and nothing tells: then the ids are named, by hand and in the hint', async () => {
    tree.plug('1-3', { ...OEM, devnum: 9 });
    tree.plug('1-4', { serial: '0043FFF3', devnum: 4 });
    const error = await refusal('1-3');
    expect(error).toMatchObject({ code: 'ENOENT' });
    expect(error.hint).toContain('What is there is 1234:abcd (Power board)');
    expect(error.hint).toContain('add id=1234:abcd');
    const ids = { vid: 0x1234, pid: 0xabcd };
    for (const wanted of ['', '1-3', 'PB7']) {
      expect((await findBridge(wanted, 'x', tree.machine, ids)).devnum).toBe(9);
    }
    await expect(findBridge('', 'x', tree.machine, { vid: 0x1234, pid: 1 })).rejects.toMatchObject({
      code: 'ENOENT',
      message: 'ENOENT: no device 1234:0001 is plugged in',
    });
    expect(udevHint(ids)).toContain('ATTR{idVendor}=="1234", ATTR{idProduct}=="abcd"');
    expect(udevHint(ids)).toContain('nvmem doctor --print-udev --id 1234:abcd');
    const uri = 'cp2112://1-3/0x50?chip=24c02';
    expect(await kernelView(tree.machine, parseUri(uri))).toBeUndefined();
    expect(await kernelView(tree.machine, parseUri(`${uri}&id=1234:abcd`))).toEqual({
      bridgeDrivers: [],
      device: undefined,
      driver: undefined,
    });
  });

  test('several and no choice: all are named', async () => {
    tree.plug('1-1', { serial: '0001', devnum: 4 });
    tree.plug('1-2', { serial: '0001', devnum: 5 });
    tree.plug('1-3', { devnum: 6 });
    const error = await refusal('');
    expect(error.code).toBe('EINVAL');
    expect(error.message).toContain('1-1 (serial 0001), 1-2 (serial 0001), 1-3');
    expect(error.hint).toContain('cp2112://1-1/0x50');
    const same = await refusal('0001');
    expect(same.code).toBe('EINVAL');
    expect(same.message).toContain('1-1 (serial 0001), 1-2 (serial 0001)');
    expect(same.message).not.toContain('1-3');
    expect((await findBridge('1-2', 'x', tree.machine)).devnum).toBe(5);
  });

  test('none, or none of that name: ENOENT says which there are', async () => {
    expect(await refusal('')).toMatchObject({ code: 'ENOENT', message: 'ENOENT: no CP2112 is plugged in' });
    tree.plug('1-1', { serial: '0001', devnum: 4 });
    const error = await refusal('0002');
    expect(error.code).toBe('ENOENT');
    expect(error.message).toContain('0002');
    expect(error.message).toContain('1-1 (serial 0001)');
  });
});

describe('who has a node open', () => {
  test('programs are found by what they have open, this one included', async () => {
    const file = join(tree.root, 'node');
    writeFileSync(file, '');
    const other = spawn('sh', ['-c', `exec 3<"${file}"; echo open; read -r line`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => other.on('close', resolve));
    await new Promise((resolve) => other.stdout.once('data', resolve));
    const fd = openSync(file, 'r');
    try {
      const holders = await holdersOf([file]);
      expect(holders.map(({ pid }) => pid).sort()).toEqual([process.pid, other.pid].sort());
      expect(nameHolders(holders).split(', ').sort()).toEqual(
        [`sh (process ${String(other.pid)})`, 'this program'].sort(),
      );
    } finally {
      closeSync(fd);
      other.stdin.end();
      await ended;
    }
    expect(await holdersOf([file])).toEqual([]);
  });

  test('what may not be read, or has ended, is nobody', async () => {
    const proc = join(tree.root, 'proc');
    mkdirSync(join(proc, '77/fd'), { recursive: true });
    mkdirSync(join(proc, '78'));
    symlinkSync('/dev/i2c-3', join(proc, '77/fd/5'));
    symlinkSync('/dev/i2c-3', join(proc, '77/fd/6'));
    writeFileSync(join(proc, '77/comm'), 'i2cdump\n');
    expect(await holdersOf(['/dev/i2c-3', '/dev/i2c-4'], tree.machine)).toEqual([
      { pid: 77, command: 'i2cdump', node: '/dev/i2c-3' },
    ]);
    expect(await holdersOf(['/dev/i2c-4'], tree.machine)).toEqual([]);
    expect(await holdersOf([], tree.machine)).toEqual([]);
  });
});

describe('the udev rules', () => {
  test('are for both nodes of the bridge, and the hint has them all', () => {
    const rules = udevRules()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(rules.map((line) => /^SUBSYSTEM=="(\w+)"/.exec(line)?.[1])).toEqual(['usb', 'hidraw']);
    for (const rule of rules) {
      expect(rule).toMatch(/ATTRS?\{idVendor\}=="10c4", ATTRS?\{idProduct\}=="ea90"/);
      expect(udevHint()).toContain(rule);
    }
    // Before 73-seat-late.rules, which acts on the tag.
    expect(basename(UDEV_RULES_FILE)).toBe('60-nvmem-cp2112.rules');
  });

  test('are in the package', () => {
    const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
    expect(files).toContain('udev');
  });

  // systemd 254 and later.
  const canVerify = /^\s+verify\b/m.test(String(spawnSync('udevadm', ['--help']).stdout));
  (canVerify ? test : test.skip)('are what udev takes', () => {
    expect(execFileSync('udevadm', ['verify', UDEV_RULES_FILE], { encoding: 'utf8' })).toContain('Success');
  });
});
