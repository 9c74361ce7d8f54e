// npm run test:addon-sanitize: the addon under ASan with UBSan and under TSan, in Node with the sanitizer's runtime
// preloaded, while main thread and workers do everything at once against memories and an EEPROM on the virtual bench.
// Any report fails the run, and so does a control, wrong on purpose, that is not reported.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { addonSources, buildVariant, root } from '../../scripts/addon-variant.mjs';

const { VirtualBench } = createRequire(import.meta.url)(join(root, 'dist', 'rig', 'index.js'));
const ROUNDS = process.env.NVMEM_SANITIZE_ROUNDS ?? '15';
const LIMIT_MS = 240_000;

const runtime = (name) => {
  const file = spawnSync(process.env.CXX ?? 'g++', [`-print-file-name=${name}`], {
    encoding: 'utf8',
  }).stdout.trim();
  if (!existsSync(file)) throw new Error(`the compiler has no ${name}`);
  return file;
};

const kinds = {
  'address,undefined': {
    flags: ['-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined'],
    preload: ['libasan.so', 'libubsan.so'],
    // Leaks: process-wide state is leaked on purpose, and Node frees little at its end; test/addon/fixtures/gc.js counts.
    env: { ASAN_OPTIONS: 'detect_leaks=0:exitcode=66', UBSAN_OPTIONS: 'print_stacktrace=1' },
    control: 'useAfterFree',
  },
  thread: {
    flags: ['-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=thread', '-Wno-tsan'],
    preload: ['libtsan.so'],
    // Node itself is not instrumented, so that what it calls (memcpy, free) between its own threads looks unordered: that is
    // left out. Everything the addon does itself is looked at, and the control shows that it is.
    env: { TSAN_OPTIONS: 'exitcode=66:ignore_noninstrumented_modules=1' },
    control: 'race',
  },
};

const REPORT = /^(==\d+==ERROR|WARNING: ThreadSanitizer)|runtime error:/gm;

async function run({ preload, env }, args) {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env, LD_PRELOAD: preload.map(runtime).join(':') },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const [status, signal] = await new Promise((resolve) => child.on('close', (...ended) => resolve(ended)));
  return { status, signal, stdout, stderr, reports: (stderr.match(REPORT) ?? []).length };
}

let failed = false;
for (const [kind, options] of Object.entries(kinds)) {
  const name = `sanitize-${kind.replace(',', '-')}`;
  const addon = await buildVariant({ name, sources: addonSources(), flags: options.flags });
  const control = await buildVariant({
    name: `${name}-control`,
    sources: ['test/addon/control/control.cc'],
    flags: options.flags,
  });
  const caught = await run(options, ['-e', `require(${JSON.stringify(control)}).${options.control}()`]);
  // A bench for each, because a part that was written to counts its cycles.
  const bench = await VirtualBench.start({
    time: 'off',
    devices: [{ eeproms: [{ address: 0x52, chip: '24c32', wp: 0 }] }],
  });
  const stress = join(root, 'test', 'addon', 'fixtures', 'stress.js');
  const args = ['--expose-gc', stress, addon, ROUNDS, String(bench.port)];
  const { status, signal, stdout, stderr, reports } = await run(options, args);
  await bench.close();
  const left = stdout === '' ? undefined : JSON.parse(stdout).left;
  const clean = left !== undefined && Object.values(left).every((count) => count === 0);
  const good = status === 0 && signal === null && reports === 0 && clean;
  console.log(
    `${kind}: ${good ? 'clean' : 'FAILED'}, ${reports} reports, status ${status}, ${stdout.trim()}`,
  );
  console.log(`${kind}: control ${caught.reports > 0 ? 'caught' : 'NOT CAUGHT'}, status ${caught.status}`);
  if (!good) console.error(stderr.slice(0, 20_000));
  if (caught.reports === 0) console.error(caught.stderr.slice(0, 5_000));
  failed ||= !good || caught.reports === 0;
}
process.exitCode = failed ? 1 : 0;
