import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { must } from '../harness/process.mjs';
import { until } from './wait.mjs';

const UDEVD = '/lib/systemd/systemd-udevd';
const RULES = [
  'SUBSYSTEM=="usb", ATTR{idVendor}=="10c4", MODE="0666"',
  'KERNEL=="hidraw*", MODE="0666"',
  'KERNEL=="i2c-[0-9]*", MODE="0666"',
];

/** Runs `body` beside udevd, which opens the nodes of the bridge to everybody a moment after they are there. */
export async function withUdevd(body) {
  if (!existsSync(UDEVD)) throw new Error(`there is no ${UDEVD}`);
  mkdirSync('/run/udev/rules.d', { recursive: true });
  writeFileSync('/run/udev/rules.d/99-nvmem-proof.rules', `${RULES.join('\n')}\n`);
  const udevd = spawn(UDEVD, [], { stdio: 'ignore' });
  const ended = new Promise((done) => udevd.on('close', done));
  try {
    await until('udevd that listens', 15_000, () => existsSync('/run/udev/control'));
    const answer = await body();
    await must('udevadm', ['settle', '--timeout=10']);
    return answer;
  } finally {
    udevd.kill('SIGTERM');
    await ended;
  }
}
