import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NotRun, run } from './process.mjs';

const APT = ['-q', '-o', 'DPkg::Lock::Timeout=120'];
const APT_ENV = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
const LISTS_GOOD_FOR_MS = 3_600_000;

/** What the host needs, and the programs the proof runs in the guest: it sees the host's file system. */
const NEEDED = [
  ['qemu-system-x86', 'qemu-system-x86_64'],
  ['busybox-static', 'busybox'],
  ['kmod', 'modprobe'],
  ['xz-utils', 'xz'],
  ['usbip', 'usbip'],
  ['i2c-tools', 'i2cdetect'],
  ['gpiod', 'gpioset'],
  ['iproute2', 'ip'],
  ['udev', 'udevadm'],
];

export async function hasProgram(name) {
  return (await run('sh', ['-c', `command -v ${name}`])).status === 0;
}

/** The initrd has no libraries, so only a static busybox will do. */
async function hasStaticBusybox() {
  return existsSync('/bin/busybox') && (await run('ldd', ['/bin/busybox'])).status !== 0;
}

export async function refreshLists(cache) {
  const stamp = join(cache, 'apt-updated');
  if (existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < LISTS_GOOD_FOR_MS) return;
  const update = await run('apt-get', [...APT, 'update'], { env: APT_ENV, timeoutMs: 300_000 });
  if (update.status !== 0) throw new NotRun(`apt-get update failed: ${lastLine(update.stderr)}`);
  writeFileSync(stamp, '');
}

/** Installs with apt what is missing here. */
export async function installMissing(cache, say) {
  const missing = [];
  for (const [name, program] of NEEDED) {
    const there = name === 'busybox-static' ? await hasStaticBusybox() : await hasProgram(program);
    if (!there) missing.push(name);
  }
  if (missing.length === 0) return;
  say(`installing ${missing.join(' ')}`);
  await refreshLists(cache);
  const install = await run('apt-get', [...APT, '-y', '--no-install-recommends', 'install', ...missing], {
    env: APT_ENV,
    timeoutMs: 900_000,
  });
  if (install.status !== 0)
    throw new NotRun(`cannot install ${missing.join(' ')}: ${lastLine(install.stderr)}`);
}

export function lastLine(text) {
  return text.trim().split('\n').at(-1) ?? '';
}
