import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasProgram } from './packages.mjs';
import { NotRun, run } from './process.mjs';

/** No status came back: the guest did not boot, or it died. */
export const STATUS_NO_BOOT = 125;
export const STATUS_TIME_LIMIT = 124;

export function cacheFolder(given) {
  const folder = resolve(given ?? process.env['NVMEM_KERNEL_CACHE'] ?? join(tmpdir(), 'nvmem-kernel'));
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Why this machine cannot boot a guest, or nothing. */
export async function whyNot() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'it boots an x86-64 Linux over this file system';
  if (process.getuid() !== 0) return 'it needs root, to share the whole file system with the guest';
  if (!(await hasProgram('apt-get'))) return 'it needs apt, to fetch QEMU and a kernel';
  return undefined;
}

/**
 * Everything a boot needs: programs, kernel, initrd. Under a lock of its own, for several may start at once;
 * it ends with the process that holds it, so a killed run leaves nothing behind.
 */
export async function prepare(cache, { refresh = false } = {}) {
  const why = await whyNot();
  if (why !== undefined) throw new NotRun(why);
  const script = fileURLToPath(new URL('prepare.mjs', import.meta.url));
  const args = [
    '-w',
    '900',
    join(cache, 'lock'),
    process.execPath,
    script,
    cache,
    ...(refresh ? ['--refresh'] : []),
  ];
  const result = await run('flock', args, { timeoutMs: 1_800_000 });
  if (result.status === 77) throw new NotRun(result.stderr.trim());
  if (result.status !== 0) throw new Error(result.stderr.trim());
  return JSON.parse(result.stdout);
}

/**
 * Boots the kernel over this machine's own root file system, read-only under a tmpfs, and runs `command` in it as
 * root in the working folder `cwd`. What it prints goes to `onOutput`; files it leaves in $NVMEM_KERNEL_OUT are in
 * the folder `out` afterwards. Resolves with the command's status, the kernel's messages and QEMU's complaints.
 */
export async function boot(prepared, command, options) {
  const { cache, cwd, timeoutMs, env = {}, memoryMb = 2048, onOutput } = options;
  const { kernel, initrd } = prepared;
  const ctl = mkdtempSync(join(cache, 'run-'));
  try {
    const out = join(ctl, 'out');
    mkdirSync(out);
    writeFileSync(join(ctl, 'modules'), join(kernel.folder, 'lib/modules'));
    const variables = {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'] ?? '/root',
      LANG: 'C.UTF-8',
      NVMEM_KERNEL_OUT: '/run/ctl/out',
      ...env,
    };
    const exports = Object.entries(variables).map(
      ([name, value]) => `export ${name}=${quoted(String(value))}\n`,
    );
    writeFileSync(
      join(ctl, 'command'),
      `${exports.join('')}cd ${quoted(cwd)} || exit 125\n${command.map(quoted).join(' ')}\n`,
    );
    const args = qemuArguments(kernel, initrd, ctl, memoryMb);
    // `timeout` bounds the guest even where this process is killed. Standard input stays open: at its end QEMU
    // would take the port for unplugged, and the command would wait for ever to print.
    const limit = String(Math.ceil(timeoutMs / 1000));
    const qemu = spawn('timeout', ['-k', '5', limit, 'qemu-system-x86_64', ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stop = () => qemu.kill('SIGTERM');
    const stopAndGo = (signal) => {
      stop();
      rmSync(ctl, { recursive: true, force: true });
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, stopAndGo);
    process.on('exit', stop);
    let complaints = '';
    qemu.stdout.on('data', (chunk) => onOutput?.(chunk));
    qemu.stderr.on('data', (chunk) => (complaints += chunk));
    const ended = await new Promise((done) => {
      qemu.on('error', () => done(127));
      qemu.on('close', (code) => done(code ?? 128));
    });
    process.off('exit', stop);
    for (const signal of signals) process.off(signal, stopAndGo);

    const read = (name) => (existsSync(join(ctl, name)) ? readFileSync(join(ctl, name), 'utf8') : '');
    const status = read('status').trim();
    const lost = ended === 124 || ended === 137 ? STATUS_TIME_LIMIT : STATUS_NO_BOOT;
    const result = {
      status: status === '' ? lost : Number(status),
      dmesg: read('dmesg'),
      console: read('console').replaceAll('\r', ''),
      qemu: complaints,
    };
    await options.collect?.(out, result);
    return result;
  } finally {
    rmSync(ctl, { recursive: true, force: true });
  }
}

function qemuArguments(kernel, initrd, ctl, memoryMb) {
  // An oops ends the guest with its trace on the console: nothing after it would prove anything.
  const append =
    'console=ttyS0 quiet loglevel=4 oops=panic panic=-1 random.trust_cpu=on tsc=unstable mitigations=off';
  const share = (id, path, more) => [
    ...['-fsdev', `local,id=${id},path=${path},security_model=none${more}`],
    ...['-device', `virtio-9p-pci,fsdev=${id},mount_tag=${id}`],
  ];
  return [
    ...['-machine', 'q35', '-cpu', 'max', '-smp', '1', '-m', String(memoryMb)],
    // The guest's clock counts its instructions, a nanosecond each, and follows ours only while it is idle. So a busy
    // host does not make the kernel's 50 ms time limits strike, and measured times are those of a modest computer.
    ...['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=on'],
    ...['-nodefaults', '-display', 'none', '-no-reboot', '-nic', 'none', '-monitor', 'none'],
    ...['-kernel', kernel.image, '-initrd', initrd, '-append', append],
    ...['-serial', `file:${join(ctl, 'console')}`],
    ...['-chardev', 'stdio,id=command,signal=off', '-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=command,name=command', '-device', 'virtio-rng-pci'],
    ...share('root', '/', ',readonly=on,multidevs=remap'),
    ...share('ctl', ctl, ''),
  ];
}

function quoted(word) {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
