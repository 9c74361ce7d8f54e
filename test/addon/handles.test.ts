/** The addon's own door: numbers that cannot be handles are refused everywhere, and unknown ones are nobody's. */
import { join } from 'node:path';

type Raw = Record<string, (...args: unknown[]) => unknown>;
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the binary itself, without lib/native
const addon = require(join(__dirname, '..', '..', 'build', 'Release', 'nvmem.node')) as Raw;

/** Not by its class: jest has another TypeError. */
const WRONG = /^nvmem addon: wrong arguments$/;
const bytes = new Uint8Array(4);
const shared = new Uint8Array(new SharedArrayBuffer(4));
/** Every function that takes a handle, with its other arguments. */
const calls: Record<string, (handle: unknown) => unknown[]> = {
  closeBus: (bus) => [bus],
  gpioLine: (bus) => [bus, 'chip', 0],
  at24: (bus) => [bus, 0x50, 256, 1, 8, 5, 0, 0, false, -1, 0],
  kernelFile: (bus) => [bus, '/dev/null', 1, false],
  readNow: (slot) => [slot, 0, bytes],
  writeNow: (slot) => [slot, 0, bytes],
  submit: (slot) => [slot, 0, 0, 4, -1, false, false, false],
  cancel: (request) => [request, -125],
  hold: (slot) => [slot, 'label'],
  releaseHold: (hold) => [hold],
  unregister: (slot) => [slot, ''],
  share: (slot) => [slot, '{}'],
  takeTurn: (slot) => [slot],
  giveTurn: (turn) => [turn],
  bind: (slot) => [slot, [0, 4, -1], shared],
  alive: (slot) => [slot],
  stats: (slot) => [slot],
  forgetSlot: (slot) => [slot],
};

test('every function with a handle is tried here', () => {
  const others = ['start', 'openUsbip', 'openUsb', 'openI2c', 'openSysfs', 'openHidraw', 'memory', 'script'];
  const without = [...others, 'attach', 'counts'];
  expect(Object.keys(addon).sort()).toEqual([...Object.keys(calls), ...without].sort());
});

test.each(Object.keys(calls))('%s takes no number that is no handle', (name) => {
  for (const wrong of [-1, -9, NaN, 1.5, Infinity, -Infinity, 2 ** 53, '1', undefined]) {
    expect(() => addon[name]?.(...(calls[name]?.(wrong) ?? []))).toThrow(WRONG);
  }
});

test.each(['at24', 'kernelFile', 'gpioLine'])('%s: a bus that is not there any more is EBADF', (name) => {
  expect(addon[name]?.(...(calls[name]?.(2 ** 50) ?? []))).toBe(-9);
});

test.each([
  ['at24', [1, 0x50, 256, 1, 8, 5, 0, 0, false, -9, 0]],
  ['submit', [1, 9, 0, 4, -1, false, false, false]],
  ['submit', [1, 0, -1, 4, -1, false, false, false]],
  ['submit', [1, 0, 0, -4, -1, false, false, false]],
  ['submit', [1, 0, 0, NaN, -1, false, false, false]],
  ['readNow', [1, -1, bytes]],
])('%s takes no other number that makes no sense: %j', (name, args) => {
  expect(() => addon[name]?.(...args)).toThrow(WRONG);
});
