// The kernel proof: boots a real Linux kernel, lets its own drivers work with the virtual bench, and checks them.
//
//   node test/kernel/run.mjs [--out FOLDER] [--seed N] [--cli FILE] [--cache FOLDER] [--refresh] [--timeout SECONDS]
//
// Exit status: 0 all checks passed, 1 one failed, 77 this machine cannot run it (then nothing is proven; with
// NVMEM_KERNEL_REQUIRED=1 that is a failure). Kernel messages and logs of a failed run are left in FOLDER.
import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { STATUS_NO_BOOT, STATUS_TIME_LIMIT, boot, cacheFolder, prepare } from './harness/boot.mjs';
import { NotRun } from './harness/process.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    cache: { type: 'string' },
    seed: { type: 'string' },
    cli: { type: 'string', default: join(root, 'dist/cli/main.js') },
    timeout: { type: 'string', default: '900' },
    refresh: { type: 'boolean', default: false },
  },
});

/** By the guest's own clock, which is slower than ours; a run takes about 70. */
const GUEST_SECONDS = 180;

/** The guest's last line. */
const SUMMARY = /^checks in the guest, .*: (\d+) passed, (\d+) failed$/m;

function say(line) {
  process.stdout.write(`${line}\n`);
}

async function main() {
  const cli = resolve(values.cli);
  if (!existsSync(cli)) throw new Error(`there is no ${cli}: build the package first (npm run build)`);
  const limit = Number(values.timeout);
  if (!(limit > 0)) throw new Error(`--timeout ${values.timeout} is no number of seconds`);
  const seed = values.seed ?? String(Math.floor(Math.random() * 1_000_000));
  const cache = cacheFolder(values.cache);
  let started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
  const prepared = await prepare(cache, { refresh: values.refresh });
  say(`kernel ${prepared.kernel.release} ready after ${seconds()} s`);

  started = performance.now();
  let printed = '';
  const script = join(root, 'test/kernel/guest/proof.mjs');
  const result = await boot(prepared, [process.execPath, script], {
    cache,
    cwd: root,
    timeoutMs: limit * 1000,
    env: { NVMEM_KERNEL_CLI: cli, NVMEM_KERNEL_SEED: seed, NVMEM_KERNEL_SECONDS: GUEST_SECONDS },
    onOutput: (chunk) => {
      printed += chunk;
      process.stdout.write(chunk);
    },
    collect: (out, ended) => {
      if (failure(ended, printed) !== undefined) keep(out, ended, printed, cache);
    },
  });
  const wrong = failure(result, printed);
  say(`boot to power off: ${seconds()} s${wrong === undefined ? '' : `; ${wrong} (--seed ${seed})`}`);
  const [, passed = '0', failed = '0'] = SUMMARY.exec(printed) ?? [];
  // A guest that died after its last good check has failed all the same.
  const failures = wrong !== undefined && failed === '0' ? 1 : Number(failed);
  say(`${passed} passed, ${failures} failed`);
  return wrong === undefined ? 0 : 1;
}

/** Why a run is no proof, or nothing. */
function failure({ status, console }, printed) {
  if (status === STATUS_TIME_LIMIT) return 'the guest was stopped at its time limit';
  if (status === STATUS_NO_BOOT) return 'the guest did not boot, or it died';
  if (status !== 0) return `the checks ended with status ${status}`;
  const [, passed, failed] = SUMMARY.exec(printed) ?? [];
  if (passed === undefined || passed === '0' || failed !== '0') return 'no summary of checks came';
  if (/WARNING: |BUG: |Oops|Kernel panic/.test(console)) return 'the console shows a kernel in distress';
  return undefined;
}

function keep(out, { dmesg, console: consoleText, qemu }, printed, cache) {
  const folder = values.out === undefined ? mkdtempSync(join(cache, 'failed-')) : resolve(values.out);
  mkdirSync(folder, { recursive: true });
  cpSync(out, folder, { recursive: true });
  for (const [name, text] of Object.entries({ dmesg, console: consoleText, qemu, checks: printed })) {
    writeFileSync(join(folder, `${name}.txt`), text);
  }
  if (printed === '' || dmesg === '') say(consoleText.split('\n').slice(-30).join('\n'));
  say(`kernel messages and logs: ${folder}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof NotRun)) {
    process.stderr.write(`kernel proof: ${error.message}\n`);
    process.exitCode = 1;
  } else if (process.env['NVMEM_KERNEL_REQUIRED'] === '1') {
    process.stderr.write(`kernel proof: could not run, and NVMEM_KERNEL_REQUIRED=1: ${error.message}\n`);
    process.exitCode = 1;
  } else {
    say(`skipped, nothing is proven: ${error.message}`);
    process.exitCode = 77;
  }
}
