// The proof, inside the guest: the kernel's own drivers on the virtual bench, and this package's driver on the same.
import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must } from '../harness/process.mjs';
import { KernelLog } from './kernel_log.mjs';
import { bytes } from './random.mjs';
import { Report } from './report.mjs';
import { stressChecks } from './stress.mjs';
import { Station } from './station.mjs';
import { suspects } from './tasks.mjs';
import { timeChecks } from './times.mjs';
import { toolChecks } from './tools.mjs';
import { unplugChecks } from './unplug.mjs';
import { basicChecks } from './basics.mjs';

/** Seconds after which the kernel itself reports a blocked thread; its default is longer than the whole run. */
const HUNG_TASK_SECONDS = 15;
const MODULES = ['vhci-hcd', 'usbhid', 'hid-generic', 'hid-cp2112', 'i2c-dev', 'at24'];

const cli = process.env.NVMEM_KERNEL_CLI;
const seed = Number(process.env.NVMEM_KERNEL_SEED);
const out = process.env.NVMEM_KERNEL_OUT;
const scratch = mkdtempSync(join(tmpdir(), 'proof-'));
const report = new Report((name) => {
  appendFileSync(join(out, 'tasks.txt'), `${name}\n${JSON.stringify(suspects(), null, 2)}\n`);
});
// so that a run that takes too long still says which checks were done, and leaves the kernel's messages
const limit = Number(process.env.NVMEM_KERNEL_SECONDS);
setTimeout(() => {
  report.fail(`not done after ${limit} s`);
  process.exit(report.end());
}, limit * 1000).unref();
const log = new KernelLog();

await must('modprobe', ['-a', ...MODULES]);
writeFileSync('/proc/sys/kernel/hung_task_timeout_secs', String(HUNG_TASK_SECONDS));
console.log(
  `         ${readFileSync('/proc/version', 'utf8').split(' ').slice(0, 3).join(' ')}, node ${process.version}, seed ${seed}`,
);

const station = new Station({ cli, scratch, out, image: bytes(seed, 32768) });
try {
  await basicChecks(report, station, log, seed);
  await toolChecks(report, station);
  await unplugChecks(report, station, log);
  await stressChecks(report, station, log, seed);
  await timeChecks(report, station, log);
} catch (error) {
  report.fail(error.message);
} finally {
  await station.stop();
}
log.close();
// not left to end by itself: a program that the kernel does not let go would hold it
process.exit(report.end());
