// The kernel proof: boots a real Linux kernel, lets its own drivers work with the virtual bench, and checks them.
//
//   node test/kernel/run.mjs [--part NAME]… [--out FOLDER] [--seed N] [--cli FILE] [--cache FOLDER] [--refresh] [--timeout SECONDS]
//
// Exit status: 0 all checks passed, 1 one failed, 77 this machine cannot run it (then nothing is proven; with
// NVMEM_KERNEL_REQUIRED=1 that is a failure). Kernel messages and logs of a failed run are left in FOLDER.
import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parts as allParts } from './guest/parts.mjs';
import { STATUS_NO_BOOT, STATUS_TIME_LIMIT, boot, cacheFolder, prepare } from './harness/boot.mjs';
import { NotRun } from './harness/process.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    cache: { type: 'string' },
    seed: { type: 'string' },
    cli: { type: 'string', default: join(root, 'dist/cli/main.js') },
    part: { type: 'string', multiple: true, default: Object.keys(allParts) },
    timeout: { type: 'string', default: '1500' },
    refresh: { type: 'boolean', default: false },
  },
});

/** By a guest's own clock, which is slower than ours; a part takes up to 60. */
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
  for (const part of values.part) {
    if (!Object.hasOwn(allParts, part)) {
      throw new Error(`there is no part ${part}: it has ${Object.keys(allParts).join(', ')}`);
    }
  }
  const seed = values.seed ?? String(Math.floor(Math.random() * 1_000_000));
  const cache = cacheFolder(values.cache);
  const started = performance.now();
  const prepared = await prepare(cache, { refresh: values.refresh });
  say(`kernel ${prepared.kernel.release} ready after ${seconds(started)} s`);
  const run = { prepared, cache, cli, seed, limit };

  // Each guest is one thread of the host.
  const waiting = [...values.part];
  const results = [];
  const worker = async () => {
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift())
      results.push(await runPart(part, run));
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), values.part.length) }, worker));
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  say(`${values.part.length} parts in ${seconds(started)} s`);
  say(`${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') === 0 ? 0 : 1;
}

function seconds(started) {
  return ((performance.now() - started) / 1000).toFixed(1);
}

/** Boots a guest for one part. What it prints is shown line by line, with the part's name in front. */
async function runPart(part, { prepared, cache, cli, seed, limit }) {
  const started = performance.now();
  const prefix = part.padEnd(Math.max(...values.part.map(({ length }) => length)));
  let printed = '';
  let shown = 0;
  const show = (end) => {
    const lines = printed.slice(shown, end).split('\n');
    shown = end;
    for (const line of lines) if (line !== '') say(`${prefix} ${line}`);
  };
  const script = join(root, 'test/kernel/guest/proof.mjs');
  const result = await boot(prepared, [process.execPath, script], {
    cache,
    cwd: root,
    timeoutMs: limit * 1000,
    env: {
      NVMEM_KERNEL_PART: part,
      NVMEM_KERNEL_CLI: cli,
      NVMEM_KERNEL_SEED: seed,
      NVMEM_KERNEL_SECONDS: GUEST_SECONDS,
    },
    onOutput: (chunk) => {
      printed += chunk;
      show(printed.lastIndexOf('\n') + 1);
    },
    collect: (out, ended) => {
      if (failure(ended, printed) !== undefined) keep(part, out, ended, printed, cache);
    },
  });
  show(printed.length);
  const wrong = failure(result, printed);
  say(
    `${prefix} boot to power off: ${seconds(started)} s${wrong === undefined ? '' : `; ${wrong} (--part ${part} --seed ${seed})`}`,
  );
  const [, passed = '0', failed = '0'] = SUMMARY.exec(printed) ?? [];
  // A guest that died after its last good check has failed all the same.
  return { passed: Number(passed), failed: wrong !== undefined && failed === '0' ? 1 : Number(failed) };
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

function keep(part, out, { dmesg, console: consoleText, qemu }, printed, cache) {
  const folder =
    values.out === undefined ? mkdtempSync(join(cache, `failed-${part}-`)) : resolve(values.out, part);
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
