// Builds the addon another way, into build/variants/NAME: for the benchmark that compiles the protection out, and for the
// sanitizers. With the headers that node-gyp used for the addon itself, so that one has to be built first.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);
const compiler = process.env.CXX ?? 'g++';
const cCompiler = process.env.CC ?? 'gcc';
const require = createRequire(import.meta.url);

function includes() {
  const config = readFileSync(join(root, 'build', 'config.gypi'), 'utf8');
  const nodedir = /"nodedir": "([^"]*)"/.exec(config)?.[1];
  if (!nodedir) throw new Error('build the addon first: npm run build:native');
  const napi = require('node-addon-api').include_dir;
  const folder = join(nodedir, 'include', 'node');
  return ['-I.', `-I${folder}`, `-I${napi}`, `-I${libusb}`];
}

// What binding.gyp gives every file.
const defines = [
  'NODE_GYP_MODULE_NAME=nvmem',
  'NAPI_VERSION=9',
  'NAPI_DISABLE_CPP_EXCEPTIONS',
  'NODE_ADDON_API_DISABLE_DEPRECATED',
  'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
  'BUILDING_NODE_EXTENSION',
].map((name) => `-D${name}`);
const always = ['-std=c++20', '-fPIC', '-pthread', '-fvisibility=hidden', '-fvisibility-inlines-hidden'];
export const release = ['-O3', '-fno-omit-frame-pointer', '-fno-rtti'];

/** Where the package "usb" has libusb's source, as in binding.gyp. */
const libusb = relative(root, join(dirname(require.resolve('usb/package.json')), 'libusb/libusb'));
const libusbFlags = ['-fPIC', '-pthread', '-fvisibility=hidden', '-w'].concat(
  ['native/libusb', libusb, join(libusb, 'os')].map((folder) => `-I${folder}`),
);

const filesOfNative = () =>
  readdirSync(join(root, 'native'), { recursive: true })
    .filter((file) => /\.(h|cc)$/.test(file))
    .map((file) => join('native', file));

/** What binding.gyp compiles of native/, relative to the root: sources that include those of a folder. */
export function addonUnits() {
  const folders = filesOfNative().filter((file) => file.endsWith('.cc'));
  const command = ['native/units.mjs', 'build/units', ...new Set(folders.map((file) => dirname(file)))];
  return execFileSync(process.execPath, command, { cwd: root, encoding: 'utf8' }).trim().split('\n');
}

/** Every source of the addon, libusb's among them, relative to the root. */
export const addonSources = () => {
  const names = readFileSync(join(root, 'native/libusb/sources.txt'), 'utf8').trim().split('\n');
  return [...addonUnits(), ...names.map((name) => join(libusb, name))];
};

/**
 * Compiles `sources` with `flags` and links them, with `objects` that are there already, into a file that require() loads.
 * Does nothing where that file is newer than all it is made of.
 */
export async function buildVariant({ name, sources, flags, objects = [], link = [] }) {
  const out = join(root, 'build', 'variants', name);
  const addon = join(out, 'nvmem.node');
  const inputs = [...filesOfNative(), ...sources].map((file) => join(root, file));
  const newest = Math.max(...[...inputs, ...objects].map((file) => statSync(file).mtimeMs));
  if (existsSync(addon) && statSync(addon).mtimeMs > newest) return addon;
  const queue = [...sources];
  const compiled = sources.map((file) => join(out, file.replaceAll('/', '-').replace(/\.cc?$/, '.o')));
  mkdirSync(out, { recursive: true });
  const common = [...always, ...defines, ...includes(), ...flags];
  await Promise.all(
    Array.from({ length: Math.min(cpus().length, 2) }, async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const object = compiled[sources.indexOf(file)];
        const command = file.endsWith('.c') ? [cCompiler, ...libusbFlags, ...flags] : [compiler, ...common];
        await run(command[0], [...command.slice(1), '-c', file, '-o', object], { cwd: root });
      }
    }),
  );
  const linked = ['-shared', '-pthread', '-Wl,-z,nodelete', ...flags, ...link, ...compiled, ...objects];
  await run(compiler, [...linked, '-o', addon], { cwd: root });
  return addon;
}
