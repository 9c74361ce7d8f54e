import { parseEepromSpec, parseFault, SpecError, type EepromSpec, type FaultSpec } from '../../lib/rig/index';

describe('--eeprom', () => {
  test.each<[string, EepromSpec]>([
    ['0x50:24c02', { busid: '1-1', address: 0x50, chip: '24c02' }],
    ['80:24c02', { busid: '1-1', address: 0x50, chip: '24c02' }],
    ['0x50:24c02:wp=0', { busid: '1-1', address: 0x50, chip: '24c02', wp: 0 }],
    ['0x50:24c02:wp=!3', { busid: '1-1', address: 0x50, chip: '24c02', wp: 3, wpInverted: true }],
    ['0x50:24c02:wp=high', { busid: '1-1', address: 0x50, chip: '24c02', wp: true }],
    ['0x50:24c02:wp=low', { busid: '1-1', address: 0x50, chip: '24c02' }],
    ['2-1.3/0x52:24c256', { busid: '2-1.3', address: 0x52, chip: '24c256' }],
    [
      '0x52:24c256:image=a:b.bin:save=c:d:maker=st:page=32:twr=10:power-loss=tear',
      {
        busid: '1-1',
        address: 0x52,
        chip: '24c256',
        imageFile: 'a:b.bin',
        saveFile: 'c:d',
        maker: 'st',
        pageSize: 32,
        writeCycleMs: 10,
        powerLoss: 'tear',
      },
    ],
  ])('%s', (text, spec) => {
    expect(parseEepromSpec(text)).toEqual(spec);
  });

  test.each([
    ['', /7-bit/],
    ['0x50', /names no chip/],
    ['0x80:24c02', /7-bit/],
    ['x:24c02', /"x" is no 7-bit/],
    ['usb/0x50:24c02', /"usb" is no USB bus id/],
    ['0x50:24c02:wp=8', /wp is a whole number from 0 to 7/],
    ['0x50:24c02:wp=!8', /wp=! takes a GPIO/],
    ['0x50:24c02:wp=!high', /wp=! takes a GPIO/],
    ['0x50:24c02:wp=', /wp is a whole number/],
    ['0x50:24c02:wp=1:wp=2', /given twice/],
    ['0x50:24c02:color=red', /"color=red" is no option/],
    ['0x50:24c02:image=', /file name is empty/],
    ['0x50:24c02:maker=intel', /microchip or st/],
    ['0x50:24c02:twr=-1', /twr is a whole number from 0 to 10000/],
  ])('%s is refused', (text, message) => {
    expect(() => parseEepromSpec(text)).toThrow(SpecError);
    expect(() => parseEepromSpec(text)).toThrow(message);
  });
});

describe('--fault', () => {
  test.each<[string, FaultSpec]>([
    ['unplug', { kind: 'unplug', on: 'now' }],
    ['unplug:wire=1000', { kind: 'unplug', on: 'wire', n: 1000 }],
    ['unplug:host=0:rst', { kind: 'unplug', on: 'host', n: 0, how: 'rst' }],
    ['unplug:in=7:before:count=2', { kind: 'unplug', on: 'in', n: 7, phase: 'before', count: 2 }],
    ['unplug:wire:below=32768:seed=7', { kind: 'unplug', on: 'wire', below: 32768, seed: 7 }],
    ['nak:address=0x50:count=3', { kind: 'nak', address: 0x50, count: 3 }],
    ['nak-data:byte=2', { kind: 'nak-data', byte: 2 }],
    ['lose:report=0x16:skip=4', { kind: 'lose', report: 0x16, skip: 4 }],
    ['delay:ms=20', { kind: 'delay', ms: 20 }],
    ['empty:count=forever', { kind: 'empty', count: Infinity }],
    ['unsolicited:next', { kind: 'unsolicited', when: 'next' }],
    ['stall:out:report=0x15', { kind: 'stall', on: 'out', report: 0x15 }],
    ['stuck:hard', { kind: 'stuck', hard: true }],
    ['scl-low:ms=10', { kind: 'scl-low', ms: 10 }],
    ['arbitration', { kind: 'arbitration' }],
    ['garbage:seed=3', { kind: 'garbage', seed: 3 }],
    ['slow-write:ms=100:polls=9', { kind: 'slow-write', ms: 100, polls: 9 }],
    ['silent', { kind: 'silent' }],
    ['silent:in:ms=300:skip=4', { kind: 'silent', on: 'in', ms: 300, skip: 4 }],
    ['flip', { kind: 'flip' }],
    ['flip:stored:at=0x10:bit=3', { kind: 'flip', on: 'stored', at: 16, bit: 3 }],
    ['flip:below=9:seed=2', { kind: 'flip', below: 9, seed: 2 }],
    ['drop-page:keep=3:count=2', { kind: 'drop-page', keep: 3, count: 2 }],
    ['drop-page:no-cycle', { kind: 'drop-page', cycle: 'no-cycle' }],
    ['wrong-page:by=-1', { kind: 'wrong-page', by: -1 }],
    ['forget:address=0x50', { kind: 'forget', address: 0x50 }],
    ['wp-ignored', { kind: 'wp-ignored' }],
    ['wp-stuck:count=forever', { kind: 'wp-stuck', count: Infinity }],
    ['swap:part:with=0x51', { kind: 'swap', what: 'part', with: 0x51 }],
    ['slow-return:ms=900', { kind: 'slow-return', ms: 900 }],
    ['stale:data', { kind: 'stale', what: 'data' }],
  ])('%s', (text, spec) => {
    expect(parseFault(text)).toMatchObject(spec);
  });

  test.each([
    ['meteor', /no kind of fault/],
    ['unplug:maybe', /does not belong to unplug/],
    ['lose:report=x', /"x" is no number/],
    ['nak-data', /needs byte=N/],
    ['slow-write', /needs ms=N/],
    ['silent:count=2', /does not belong to silent/],
    ['drop-pgae', /"drop-pgae" is no kind of fault \(drop-page\?\)/],
    ['flip:stord', /"stord" does not belong to flip \(stored\?\)/],
    ['flip:bit=8', /bits 0 to 7/],
    ['flip:bit', /"bit" needs a number/],
    ['flip:stored=1', /"stored" takes no value/],
    ['flip:read:stored', /"stored" comes second/],
    ['wrong-page:by=0', /whole number of pages/],
    ['nak:count=0', /count of a fault is a whole number from 1/],
    ['unplug:wire', /needs a position/],
  ])('%s is refused', (text, message) => {
    expect(() => parseFault(text)).toThrow(SpecError);
    expect(() => parseFault(text)).toThrow(message);
  });
});
