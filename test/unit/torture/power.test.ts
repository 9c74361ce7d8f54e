/** Who pulls the plug: what may be written, what it needs, and failures that are its own. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { Machine } from '../../../lib/machine/machine.js';
import { commandPower } from '../../../lib/torture/power/command.js';
import { manualPower } from '../../../lib/torture/power/manual.js';
import { parsePower, splitWords } from '../../../lib/torture/power/power.js';
import { runCommand } from '../../../lib/torture/power/run_command.js';
import { sysfsPower, type SysfsKind } from '../../../lib/torture/power/sysfs.js';

const HINT = { hint: 'do it by hand', timeoutMs: 20_000 };

test.each([
  ['bench', { kind: 'bench', host: '127.0.0.1', port: undefined }],
  ['bench:3241', { kind: 'bench', host: '127.0.0.1', port: 3241 }],
  ['bench:lab:3241', { kind: 'bench', host: 'lab', port: 3241 }],
  ['usb-authorized', { kind: 'usb-authorized' }],
  ['uhubctl', { kind: 'uhubctl', hub: undefined, port: undefined }],
  ['uhubctl:1-1.4,2', { kind: 'uhubctl', hub: '1-1.4', port: 2 }],
  ['usbip-detach:lab/1-1', { kind: 'usbip-detach', host: 'lab', port: 3240, busid: '1-1' }],
  ["command:relay --port '4 b' {off|on}", { kind: 'command', words: ['relay', '--port', '4 b', '{off|on}'] }],
])('%s', (text, spec) => {
  expect(parsePower(text)).toEqual(spec);
});

test.each([
  '',
  'usb',
  'bench:',
  'bench:0',
  'bench:x:y',
  'usb-authorized:1',
  'uhubctl:1',
  'usbip-detach',
  'command:',
  "command:a 'b",
  'Manual',
])('%j is refused, with what would be right', (text) => {
  expect(() => parsePower(text)).toThrow(
    expect.objectContaining({
      code: 'EINVAL',
      hint: expect.stringContaining('usb-authorized') as string,
    }) as Error,
  );
});

test('words are those of a shell, and nothing else of it', () => {
  expect(splitWords(`a "b 'c' \\"d" 'e "f' g\\ h $HOME;x ""`)).toEqual([
    'a',
    `b 'c' "d`,
    'e "f',
    'g h',
    '$HOME;x',
    '',
  ]);
  expect(splitWords('a "b')).toBeUndefined();
});

describe('a command', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nvmem-power-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test('says off and on where the user has put it, else at the end, and needs no shell', async () => {
    const file = join(folder, 'said');
    const script = join(folder, 'relay');
    writeFileSync(script, `#!/bin/sh\necho "$@" >> ${file}\n`, { mode: 0o755 });
    for (const words of [
      [script, 'port=1:{off|on}', '$x'],
      [script, '2'],
    ]) {
      const power = commandPower({ kind: 'command', words }, [0]);
      expect(await power.needs()).toMatchObject([{ state: 'ok' }]);
      const off = await power.plugs[0]?.off();
      const on = await power.plugs[0]?.on();
      expect(on?.began).toBeGreaterThanOrEqual(off?.at ?? Infinity);
    }
    expect(readFileSync(file, 'utf8')).toBe('port=1:off $x\nport=1:on $x\n2 off\n2 on\n');
    expect(await commandPower({ kind: 'command', words: ['no-such-relay'] }, [0]).needs()).toMatchObject([
      { state: 'problem', code: 'ENOENT' },
    ]);
  });

  test.each([
    ['fails', ['sh', '-c', 'echo no such port; exit 3'], /status 3: no such port/],
    ['is not there', ['no-such-relay', 'off'], /cannot run no-such-relay off/],
    ['ends by a signal', ['sh', '-c', 'kill -9 $$'], /SIGKILL/],
  ])('that %s is the fault of the power', async (_, words, message) => {
    await expect(runCommand(words, HINT)).rejects.toMatchObject({
      message: expect.stringMatching(message) as string,
      hint: HINT.hint,
      syscall: 'power',
    });
  });

  test('that hangs is ended', async () => {
    await expect(runCommand(['sleep', '600'], { ...HINT, timeoutMs: 30 })).rejects.toThrow(
      /not done after 30 ms/,
    );
  });
});

describe("the kernel's files", () => {
  let root: string;
  const USB = '/sys/devices/pci0/usb1/1-1';
  const HID = `${USB}/1-1:1.0/0003:10C4:EA90.0001`;
  const file = (path: string, text: string): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const link = (path: string, to: string): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    mkdirSync(join(root, to), { recursive: true });
    symlinkSync(join(root, to), join(root, path));
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'nvmem-power-'));
    for (const [name, text] of Object.entries({
      idVendor: '10c4',
      idProduct: 'ea90',
      serial: 'A1',
      busnum: '1',
      devnum: '4',
      product: 'CP2112',
      authorized: '1',
    }))
      file(`${USB}/${name}`, `${text}\n`);
    link('/sys/bus/usb/devices/1-1', USB);
    link(`${USB}/1-1:1.0/driver`, '/sys/bus/usb/drivers/usbhid');
    link('/sys/bus/usb/devices/1-1:1.0', `${USB}/1-1:1.0`);
    link(`${HID}/driver`, '/sys/bus/hid/drivers/cp2112');
    link('/sys/class/hidraw/hidraw0/device', HID);
    link('/sys/bus/i2c/devices/i2c-3', `${HID}/i2c-3`);
    link(`${HID}/i2c-3/3-0050/driver`, '/sys/bus/i2c/drivers/at24');
    link('/sys/bus/nvmem/devices/3-00500', `${HID}/i2c-3/3-0050/3-00500`);
    for (const folder of ['usb/drivers/usb', 'usb/drivers/usbhid', 'hid/drivers/cp2112', 'i2c/drivers/at24'])
      for (const name of ['bind', 'unbind']) file(`/sys/bus/${folder}/${name}`, '');
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  test.each<[SysfsKind, string, string, string, string, string]>([
    [
      'usb-authorized',
      'cp2112:///0x50?chip=24c02',
      '/sys/bus/usb/devices/1-1/authorized',
      '0',
      '/sys/bus/usb/devices/1-1/authorized',
      '1',
    ],
    [
      'usb-authorized',
      'i2c:///dev/i2c-3/0x50?chip=24c02',
      '/sys/bus/usb/devices/1-1/authorized',
      '0',
      '/sys/bus/usb/devices/1-1/authorized',
      '1',
    ],
    [
      'usb-unbind',
      'hidraw:///dev/hidraw0/0x50?chip=24c02',
      '/sys/bus/usb/drivers/usb/unbind',
      '1-1',
      '/sys/bus/usb/drivers/usb/bind',
      '1-1',
    ],
    [
      'driver-unbind',
      'sysfs://3-00500',
      '/sys/bus/i2c/drivers/at24/unbind',
      '3-0050',
      '/sys/bus/i2c/drivers/at24/bind',
      '3-0050',
    ],
    [
      'driver-unbind',
      'i2c:///dev/i2c-3/0x50?chip=24c02',
      '/sys/bus/hid/drivers/cp2112/unbind',
      '0003:10C4:EA90.0001',
      '/sys/bus/hid/drivers/cp2112/bind',
      '0003:10C4:EA90.0001',
    ],
    [
      'driver-unbind',
      'cp2112:///0x50?chip=24c02',
      '/sys/bus/usb/drivers/usbhid/unbind',
      '1-1:1.0',
      '/sys/bus/usb/drivers/usbhid/bind',
      '1-1:1.0',
    ],
  ])('%s of %s', async (kind, uri, offFile, off, onFile, on) => {
    const power = await sysfsPower(kind, [uri], new Machine(root));
    expect(power.plugs).toHaveLength(1);
    expect((await power.needs()).map(({ state }) => state)).toEqual(['ok', 'ok']);
    await power.plugs[0]?.off();
    expect(readFileSync(join(root, offFile), 'utf8')).toBe(off);
    await power.plugs[0]?.on();
    expect(readFileSync(join(root, onFile), 'utf8')).toBe(on);
  });

  test('subjects of one bridge have one plug; what has none is refused', async () => {
    const uris = ['cp2112:///0x50?chip=24c02', 'i2c:///dev/i2c-3/0x51?chip=24c02'];
    const { plugs } = await sysfsPower('usb-authorized', uris, new Machine(root));
    expect(plugs.map(({ subjects }) => subjects)).toEqual([[0, 1]]);
    await expect(
      sysfsPower('usb-authorized', ['usbip://127.0.0.1/1-1/0x50?chip=24c02'], new Machine(root)),
    ).rejects.toMatchObject({
      code: 'EOPNOTSUPP',
      hint: expect.stringContaining('bench:PORT') as string,
    });
    await expect(sysfsPower('driver-unbind', ['sysfs://9-00500'], new Machine(root))).rejects.toMatchObject({
      code: 'EOPNOTSUPP',
    });
  });
});

test('by hand: the person is told, and the subject says when it happened; without a person it is refused', async () => {
  const said: string[] = [];
  const { plugs } = manualPower([0], (what) => said.push(what));
  const off = plugs[0]?.off();
  plugs[0]?.noticed?.('on');
  plugs[0]?.noticed?.('off');
  expect((await off)?.where).toBe('by hand');
  expect(said).toEqual(['Pull the plug now.']);
  expect(() => manualPower([0], undefined)).toThrow(expect.objectContaining({ code: 'EOPNOTSUPP' }) as Error);
});
