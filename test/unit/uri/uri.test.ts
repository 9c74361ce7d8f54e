import { NvmemError } from '../../../lib/base/errors.js';
import { parseUri, sizeOf, type PartUri } from '../../../lib/uri/uri.js';

const base = { host: '127.0.0.1', port: 3240, busid: '1-1' };

test.each<[string, object]>([
  [
    'usbip://127.0.0.1/1-1/0x50?chip=24c02',
    { bus: base, part: { address: 0x50, size: 256, addressBytes: 1, pageSize: 8 } },
  ],
  [
    'usbip://127.0.0.1:3333/1-1/0x52?chip=24c256',
    { bus: { ...base, port: 3333 }, part: { address: 0x52, size: 32768, addressBytes: 2 } },
  ],
  ['usbip://[::1]:99/2-1.4/0x57?chip=24c64', { bus: { host: '::1', port: 99, busid: '2-1.4' } }],
  [
    'USBIP://bench.local/1-1/0X50?chip=AT24C256C-SSHL',
    { bus: { host: 'bench.local' }, part: { chip: { name: '24c256' } } },
  ],
  [
    'usbip://h/1-1/0x50?chip=24c256&wp=0&speed=400000',
    { part: { wp: { chip: undefined, line: 0 } }, bus: { clockHz: 400_000 } },
  ],
  ['usbip://h/1-1/0x50?chip=24aa025e48&size=256&page=16', { part: { size: 256, pageSize: 16 } }],
  ['usbip://h/1-1/0x50?chip=24c02&addressWidth=16', { part: { addressBytes: 2 } }],
  ['usbip://h/1-1/0x50?chip=24c16', { part: { size: 2048 } }],
  ['usbip://h/1-1/0x51?chip=24c1025', { part: { address: 0x51, chip: { blockShift: 2 } } }],
  ['usbip://h/1-1/0x50?chip=at24cs02', { part: { chip: { name: '24c02', part: 'AT24CS02' }, size: 256 } }],
  ['usbip://h/1-1/0x58?chip=at24cs02', { part: { chip: { name: '24cs02', readOnly: true }, size: 16 } }],
  ['usbip://h/1-1/0x52?chip=ee1004', { part: { chip: { paging: 'ee1004' }, size: 512 } }],
  ['usbip://h/1-1/0x57?chip=spd5118', { part: { chip: { paging: 'spd5118' }, size: 1024 } }],
  ['usbip://h/1-1/0x50?chip=AT24CM01', { part: { chip: { name: '24c1024' }, pageSize: 256 } }],
  ['usbip://h/1-1/0x58?chip=24mac402', { part: { chip: { offsetAdd: 0x9a, readOnly: true } } }],
  [
    'cp2112:///0x50?chip=24c256',
    { scheme: 'cp2112', bus: { uri: 'cp2112://', bridge: '' }, part: { address: 0x50, size: 32768 } },
  ],
  [
    'cp2112://0043FFF3/0x50?chip=24c256&speed=400000',
    { bus: { uri: 'cp2112://0043FFF3?speed=400000', bridge: '0043FFF3', clockHz: 400_000 } },
  ],
  [
    'cp2112://1-1.4/0x50?chip=24c02&wp=7',
    { bus: { bridge: '1-1.4' }, part: { wp: { chip: undefined, line: 7 } } },
  ],
  ['cp2112://a%20b/0x50?chip=24c02', { bus: { bridge: 'a b' } }],
  [
    'hidraw:///dev/hidraw0/0x50?chip=24c256',
    { scheme: 'hidraw', bus: { path: '/dev/hidraw0', force: false } },
  ],
  [
    'hidraw:///dev/by-id/bridge%201/0x50?chip=24c02&force=1',
    { bus: { path: '/dev/by-id/bridge 1', force: true } },
  ],
  [
    'i2c:///dev/i2c-1/0x51?chip=24c02',
    { scheme: 'i2c', bus: { uri: 'i2c:///dev/i2c-1', path: '/dev/i2c-1' }, part: { address: 0x51 } },
  ],
  [
    'cp2112:///0x50?chip=24c256&id=1234:ABCD',
    { bus: { uri: 'cp2112://?id=1234:ABCD', bridge: '', ids: { vid: 0x1234, pid: 0xabcd } } },
  ],
  ['usbip://h/1-1/0x50?chip=24c256&id=4d8:dd', { bus: { busid: '1-1', ids: { vid: 0x04d8, pid: 0x00dd } } }],
  [
    'i2c:///dev/i2c-1/0x50?chip=24c02&wp=gpiochip0:17',
    { bus: { force: false, clockHz: undefined }, part: { wp: { chip: 'gpiochip0', line: 17 } } },
  ],
  ['i2c:///dev/i2c-1/0x50?chip=24c02&wp=a:b:WP', { part: { wp: { chip: 'a:b', line: 'WP' } } }],
  ['usbip://h/1-1/0x50?chip=24c02&wp=!3', { part: { wp: { chip: undefined, line: 3, inverted: true } } }],
  ['usbip://h/1-1/0x50?chip=24c02&wp=%213', { part: { wp: { line: 3, inverted: true } } }],
  [
    'i2c:///dev/i2c-1/0x50?chip=24c02&wp=!gpiochip0:17',
    { part: { wp: { chip: 'gpiochip0', line: 17, inverted: true } } },
  ],
  ['cp2112:///0x50?chip=24c02&wp=2', { part: { wp: { inverted: false }, writeCycleMs: undefined } }],
  ['cp2112:///0x50?chip=24c02&twr=80', { part: { writeCycleMs: 80 } }],
  ['cp2112:///0x50?chip=24c02&twr=1000ms', { part: { writeCycleMs: 1000 } }],
  ['cp2112:///0x50?chip=24c02&speed=400k', { bus: { clockHz: 400_000 } }],
  ['cp2112:///0x50?chip=24c02&speed=100kHz', { bus: { clockHz: 100_000 } }],
  ['cp2112:///0x50?chip=24c02&speed=1M', { bus: { clockHz: 1_000_000 } }],
  ['cp2112:///0x50?chip=24c02&speed=0.4MHz', { bus: { clockHz: 400_000 } }],
  ['cp2112:///0x50?chip=24c256&size=16K', { part: { size: 16_384 } }],
  ['cp2112:///0x50?chip=24c512&size=64KiB', { part: { size: 65_536 } }],
  ['mem://32K', { size: 32_768 }],
  ['cp2112:///0x50?chip=24AA025E48', { part: { size: 256, pageSize: 16, chip: { readOnly: false } } }],
  ['cp2112:///0x50?chip=microchip,24aa025e48', { part: { size: 6, chip: { readOnly: true } } }],
  ['cp2112:///0x58?chip=M24512-D', { part: { size: 128, pageSize: 128, chip: { lockWord: 0x400 } } }],
  ['cp2112:///0x5c?chip=M24M02-D', { part: { size: 256, chip: { addresses: 4 } } }],
  ['cp2112:///0x58?chip=24c256', { part: { size: 32_768, chip: { readOnly: true, neverWritten: true } } }],
  ['cp2112:///0x58?chip=24c32&size=32', { part: { size: 32, chip: { readOnly: false } } }],
  ['sysfs://0-00521', { scheme: 'sysfs', name: '0-00521' }],
  ['sysfs://rtc%20nvram/', { name: 'rtc nvram' }],
  ['mem://32768', { scheme: 'mem', size: 32768 }],
  ['mem://1/', { size: 1 }],
  ['file:///dir/a%20b.bin', { scheme: 'file', path: '/dir/a b.bin' }],
])('%s', (uri, expected) => {
  expect(parseUri(uri)).toMatchObject({ uri, ...expected });
});

test.each<[string, string, RegExp]>([
  ['', 'EINVAL', /no scheme/],
  ['1-1/0x50', 'EINVAL', /no scheme/],
  ['http://h/1-1/0x50', 'EINVAL', /http:\/\/ is unknown/],
  ['constructor://x', 'EINVAL', /constructor:\/\/ is unknown/],
  ['cp2112://', 'EINVAL', /not cp2112:\/\/BRIDGE/],
  ['cp2112://1-1?chip=24c02', 'EINVAL', /not cp2112:\/\/BRIDGE/],
  ['cp2112:///1-1/0x50?chip=24c02', 'EINVAL', /not cp2112:\/\/BRIDGE/],
  ['cp2112://a%01/0x50?chip=24c02', 'EINVAL', /no serial number/],
  ['cp2112://h:1/0x50?chip=24c02', 'EINVAL', /has a port/],
  ['cp2112:///0x50?chip=24c02&force=1', 'EINVAL', /unknown parameter force/],
  ['cp2112:///0x50?chip=24c02&wp=:1', 'EINVAL', /no line of a gpiochip/],
  ['cp2112:///0x50?chip=24c02&wp=gpiochip0:', 'EINVAL', /no line of a gpiochip/],
  ['hidraw:///0x50?chip=24c02', 'EINVAL', /dev\/hidrawN/],
  ['hidraw://dev/hidraw0/0x50?chip=24c02', 'EINVAL', /dev\/hidrawN/],
  ['hidraw:///dev//hidraw0/0x50?chip=24c02', 'EINVAL', /dev\/hidrawN/],
  ['hidraw:///dev/hidraw%000/0x50?chip=24c02', 'EINVAL', /dev\/hidrawN/],
  ['hidraw:///dev/hidraw0?chip=24c02', 'EINVAL', /no seven-bit/],
  ['hidraw:///dev/hidraw0/0x50?chip=24c02&force=yes', 'EINVAL', /force=yes/],
  ['i2c:///dev/i2c-1/0x50', 'EINVAL', /which chip/],
  ['i2c:///dev/i2c-1/0x50?chip=24c02&speed=400000', 'EINVAL', /speed=/],
  ['i2c:///dev/i2c-1/0x50?chip=24c02&wp=0', 'EINVAL', /adapter of the kernel has none/],
  ['sysfs://', 'EINVAL', /name of a device/],
  ['sysfs://a/b', 'EINVAL', /name of a device/],
  ['sysfs://..', 'EINVAL', /name of a device/],
  ['sysfs://a%2fb', 'EINVAL', /name of a device/],
  ['sysfs://a?chip=24c02', 'EINVAL', /unknown parameter/],
  ['usbip:///1-1/0x50?chip=24c02', 'EINVAL', /no host/],
  ['usbip://h:0/1-1/0x50?chip=24c02', 'EINVAL', /port 0/],
  ['usbip://h:99999/1-1/0x50?chip=24c02', 'EINVAL', /malformed/],
  ['usbip://h:x/1-1/0x50?chip=24c02', 'EINVAL', /malformed/],
  ['usbip://u@h/1-1/0x50?chip=24c02', 'EINVAL', /user name/],
  ['usbip://h/1-1/0x50?chip=24c02#x', 'EINVAL', /fragment/],
  ['usbip://h', 'EINVAL', /BUSID/],
  ['usbip://h/1-1', 'EINVAL', /BUSID/],
  ['usbip://h/1-1/', 'EINVAL', /BUSID/],
  ['usbip://h/1-1/0x50/x?chip=24c02', 'EINVAL', /BUSID/],
  [`usbip://h/${'1'.repeat(32)}/0x50?chip=24c02`, 'EINVAL', /no bus id/],
  ['usbip://h/1%001/0x50?chip=24c02', 'EINVAL', /no bus id/],
  ['usbip://h/1-1/80?chip=24c02', 'EINVAL', /"80" is no seven-bit/],
  ['usbip://h/1-1/0x80?chip=24c02', 'EINVAL', /seven-bit/],
  ['usbip://h/1-1/0x07?chip=24c02', 'EINVAL', /seven-bit/],
  ['usbip://h/1-1/0x50', 'EINVAL', /which chip/],
  ['usbip://h/1-1/0x50?chip=', 'EINVAL', /which chip/],
  ['usbip://h/1-1/0x50?chip=24c257', 'EINVAL', /unknown chip "24c257"/],
  ['usbip://h/1-1/0x50?chip=24c02&wp=8', 'EINVAL', /wp=8/],
  ['usbip://h/1-1/0x50?chip=24c02&wp=-1', 'EINVAL', /wp=-1/],
  ['usbip://h/1-1/0x50?chip=24c02&id=1234', 'EINVAL', /id=1234 is no vendor and product/],
  ['cp2112:///0x50?chip=24c02&id=0:0', 'EINVAL', /id=0:0/],
  ['i2c:///dev/i2c-1/0x50?chip=24c02&id=1234:abcd', 'EINVAL', /id/],
  ['usbip://h/1-1/0x50?chip=24c02&speed=fast', 'EINVAL', /speed=fast/],
  ['usbip://h/1-1/0x50?chip=24c02&speed=0', 'EINVAL', /speed=0/],
  ['usbip://h/1-1/0x50?chip=24c02&size=0', 'EINVAL', /size=0/],
  ['usbip://h/1-1/0x50?chip=24c02&size=2049', 'EINVAL', /size=2049/],
  ['usbip://h/1-1/0x50?chip=24c02&page=24', 'EINVAL', /power of two/],
  ['usbip://h/1-1/0x50?chip=24c02&addressWidth=12', 'EINVAL', /8 or 16/],
  ['usbip://h/1-1/0x50?chip=24c02&colour=red', 'EINVAL', /unknown parameter colour/],
  ['usbip://h/1-1/0x50?chip=24c02&chip=24c04', 'EINVAL', /twice/],
  ['usbip://h/1-1/0x51?chip=24c04', 'EINVAL', /2 addresses/],
  ['usbip://h/1-1/0x52?chip=24c16', 'EINVAL', /8 addresses/],
  ['usbip://h/1-1/0x54?chip=24c1025', 'EINVAL', /2 addresses/],
  ['usbip://h/1-1/0x50?chip=24cs02', 'EINVAL', /second memory/],
  ['usbip://h/1-1/0x50?chip=ee1004&page=8', 'EINVAL', /it has page=/],
  ['usbip://h/1-1/0x50?chip=spd5118&addressWidth=16', 'EINVAL', /it has addressWidth=/],
  ['usbip://h/1-1/0x30?chip=ee1004', 'EINVAL', /no SPD address/],
  ['usbip://h/1-1/0x58?chip=AT24C256', 'EINVAL', /AT24C256 has no second memory/],
  ['usbip://h/1-1/0x5a?chip=M24256-BW', 'EINVAL', /no second memory/],
  ['usbip://h/1-1/0x58?chip=M24128-D&size=16384', 'EINVAL', /more than the 64 bytes/],
  ['usbip://h/1-1/0x58?chip=M24M01-D&size=64K', 'EINVAL', /more than the 256 bytes/],
  ['usbip://h/1-1/0x58?chip=M24C32-D&addressWidth=8', 'EINVAL', /not that of a 24c32d-wl/],
  ['usbip://h/1-1/0x59?chip=M24M01-D', 'EINVAL', /2 addresses/],
  ['usbip://h/1-1/0x59?chip=M24C16-A125', 'EINVAL', /8 addresses/],
  ['usbip://h/1-1/0x30?chip=24c02', 'EINVAL', /commands that protect them for ever/],
  ['usbip://h/1-1/0x36?chip=AT24C02', 'EINVAL', /commands that protect them for ever/],
  ['i2c:///dev/i2c-1/0x33?chip=24c256&force=1', 'EINVAL', /commands that protect them for ever/],
  ['usbip://h/1-1/0x50?chip=24c02&twr=0', 'EINVAL', /twr=0/],
  ['usbip://h/1-1/0x50?chip=24c02&twr=1001', 'EINVAL', /twr=1001/],
  ['usbip://h/1-1/0x50?chip=24c02&wp=!8', 'EINVAL', /wp=!8/],
  ['usbip://h/1-1/0x50?chip=24c02&wp=!', 'EINVAL', /wp=!/],
  ['i2c:///dev/i2c-1/0x50?chip=24c02&wp=!0', 'EINVAL', /adapter of the kernel has none/],
  ['usbip://h/1-1/0x50?chip=24c02&speed=2M', 'EINVAL', /speed=2M/],
  ['usbip://h/1-1/0x50?chip=24c02&speed=400m', 'EINVAL', /speed=400m/],
  ['usbip://h/1-1/0x50?chip=25LC256', 'EINVAL', /SPI memory/],
  ['usbip://h/1-1/0x50?chip=93C46', 'EINVAL', /Microwire/],
  ['usbip://h/1-1/0x50?chip=DS2431', 'EINVAL', /1-Wire/],
  ['usbip://h/1-1/0xA2?chip=24c02', 'EINVAL', /0x51 in seven bits/],
  ['mem://', 'EINVAL', /takes a size/],
  ['mem://0', 'EINVAL', /takes a size/],
  ['mem://lots', 'EINVAL', /takes a size/],
  ['mem://10/x', 'EINVAL', /takes a size/],
  ['mem://10?size=3', 'EINVAL', /unknown parameter/],
  ['file://host/x', 'EINVAL', /no host/],
  ['file:///', 'EINVAL', /no file/],
  ['file:///a%2Fb', 'EINVAL', /path is malformed/],
])('refuses %j with %s', (uri, code, message) => {
  const error = catching(() => parseUri(uri));
  expect(error).toBeInstanceOf(NvmemError);
  expect(error).toMatchObject({ code, syscall: 'open', message: expect.stringMatching(message) as string });
  expect((error as NvmemError).hint).toMatch(/\.$|\?/);
});

test('an unknown chip names those it may be', () => {
  const error = catching(() => parseUri('usbip://h/1-1/0x50?chip=24c257')) as NvmemError;
  expect(error.hint).toMatch(/24c256/);
});

test.each([
  ['usbip://h/1-1/0xA2?chip=24c02', 'usbip://h/1-1/0x51?chip=24c02'],
  ['cp2112:///0xa1?chip=24c02', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///0xb0?chip=24cs02', 'cp2112:///0x58?chip=24cs02'],
  ['cp2112:///A0h?chip=24c02', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///80?chip=24c02', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///50?chip=24c02', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///50h?chip=24c02', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///0x50?chip=24c02?wp=0', 'cp2112:///0x50?chip=24c02&wp=0'],
  ['cp2112:///0x50?chip=24c02,wp=0', 'cp2112:///0x50?chip=24c02&wp=0'],
  ['cp2112:///0x50?chip=atmel,24c02,wp=0', 'cp2112:///0x50?chip=atmel,24c02&wp=0'],
  ['cp2112:///0x50?chip=24c02;wp=0;speed=400k', 'cp2112:///0x50?chip=24c02&wp=0&speed=400k'],
  ['cp2112:///0x50&chip=24c02', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///0x50&chip=24c02&wp=1', 'cp2112:///0x50?chip=24c02&wp=1'],
  ['i2c:///dev/i2c-1/0x50&chip=24c02', 'i2c:///dev/i2c-1/0x50?chip=24c02'],
  ['i2c:///dev/i2c-1/0x50/?chip=24c02', 'i2c:///dev/i2c-1/0x50?chip=24c02'],
  ['cp2112:///0x50 chip=24c02', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///0x50?Chip=24c02&WP=0', 'cp2112:///0x50?chip=24c02&wp=0'],
  ['cp2112:///0x50?chip=24c02&ADDRESSWIDTH=8', 'cp2112:///0x50?chip=24c02&addressWidth=8'],
  ['cp2112:///0x50?chip=24c02&pagesize=16', 'cp2112:///0x50?chip=24c02&page=16'],
  ['cp2112:///0x50?chip=24c02 & wp=0', 'cp2112:///0x50?chip=24c02&wp=0'],
  ['cp2112:///0x50?chip = 24c02', 'cp2112:///0x50?chip=24c02'],
  ['hidraw:///dev/hidraw0/0xAE?chip=24c02,force=1', 'hidraw:///dev/hidraw0/0x57?chip=24c02&force=1'],
])('%j is answered with %j', (typed, meant) => {
  const error = catching(() => parseUri(typed));
  expect(error).toMatchObject({ code: 'EINVAL', hint: `Write ${meant}.` });
  expect(parseUri(meant)).toBeDefined();
});

test('the size is known before anything is opened, where it can be', () => {
  expect(sizeOf(parseUri('mem://7'))).toBe(7);
  expect(sizeOf(parseUri('usbip://h/1-1/0x50?chip=24c08'))).toBe(1024);
  expect(sizeOf(parseUri('file:///x'))).toBeUndefined();
});

test('speed= that is left out is left open', () => {
  expect((parseUri('usbip://h/1-1/0x50?chip=24c02') as PartUri).bus.clockHz).toBeUndefined();
});

function catching(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
