/** The addon's layers (docs/architecture.md): each folder of native/ knows only those below it, and no file knows itself. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');

/**
 * From the bottom up; what stands in one line does not know each other. `bus` holds the faces of what drives a wire, which is
 * why i2c and cp2112 stand above it: it never knows them by name.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['util'],
  ['srcu', 'gpio', 'usb', 'usbip', 'hotplug'],
  ['bus', 'slot'],
  ['cp2112/transport'],
  ['cp2112', 'i2c'],
  ['at24', 'memory', 'pins', 'sysfs'],
  ['binding'],
];
const level = new Map(LAYERS.flatMap((names, at) => names.map((name) => [name, at] as const)));
const layerOf = (file: string): string => /^native\/(.*)\//.exec(file)?.[1] ?? '';

const files = readdirSync(join(ROOT, 'native'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(?:h|cc)$/.test(name) && !name.startsWith('libusb/'))
  .map((name) => `native/${name}`);
const includes = new Map(
  files.map((file) => {
    const found = readFileSync(join(ROOT, file), 'utf8').matchAll(/^#include "([^"]+)"/gm);
    return [file, [...found].map(([, name = '']) => name)];
  }),
);

/** Every file that `file` includes, itself or through others. */
function reached(file: string, all = new Set<string>()): Set<string> {
  for (const next of includes.get(file) ?? []) {
    if (!all.has(next)) reached(next, all.add(next));
  }
  return all;
}

test('every folder has its place among the layers, and every #include "" names a file from the root', () => {
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => !level.has(layerOf(file)))).toEqual([]);
  expect([...includes.values()].flat().filter((name) => !includes.has(name))).toEqual([]);
});

test('no arrow points up, or sideways', () => {
  const wrong = [...includes].flatMap(([from, all]) =>
    all
      .filter((to) => layerOf(to) !== layerOf(from))
      .filter((to) => (level.get(layerOf(to)) ?? Infinity) >= (level.get(layerOf(from)) ?? -1))
      .map((to) => `${from} -> ${to}`),
  );
  expect(wrong).toEqual([]);
});

test('no circle', () => {
  expect(files.filter((file) => reached(file).has(file))).toEqual([]);
});
