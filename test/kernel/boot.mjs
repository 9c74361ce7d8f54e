// boot.mjs [--timeout SECONDS] [--out FOLDER] [--refresh] [--] COMMAND [ARGUMENT...]
// Runs one command inside the kernel that the proof uses, in this folder, and ends with the command's status.
// For looking around: `node test/kernel/boot.mjs -- bash -c 'modprobe hid-cp2112; dmesg | tail'`.
import { cpSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { STATUS_NO_BOOT, STATUS_TIME_LIMIT, boot, cacheFolder, prepare } from './harness/boot.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    timeout: { type: 'string', default: '300' },
    out: { type: 'string' },
    cache: { type: 'string' },
    refresh: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.timeout);
if (positionals.length === 0 || !(seconds > 0)) {
  process.stderr.write(
    'usage: boot.mjs [--timeout SECONDS] [--out FOLDER] [--cache FOLDER] [--refresh] -- COMMAND...\n',
  );
  process.exit(2);
}
try {
  const cache = cacheFolder(values.cache);
  const prepared = await prepare(cache, { refresh: values.refresh });
  const result = await boot(prepared, positionals, {
    cache,
    cwd: process.cwd(),
    timeoutMs: seconds * 1000,
    onOutput: (chunk) => process.stdout.write(chunk),
    collect: (out) => values.out !== undefined && cpSync(out, values.out, { recursive: true }),
  });
  if (result.status === STATUS_TIME_LIMIT) process.stderr.write(`boot.mjs: stopped after ${seconds} s\n`);
  if (result.status === STATUS_NO_BOOT || result.status === STATUS_TIME_LIMIT) {
    process.stderr.write(`${result.qemu}${result.console.split('\n').slice(-40).join('\n')}\n`);
  }
  process.exitCode = result.status;
} catch (error) {
  process.stderr.write(`boot.mjs: ${error.message}\n`);
  process.exitCode = STATUS_NO_BOOT;
}
