import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { must } from '../harness/process.mjs';
import { until } from './wait.mjs';

/** The gpiochip of hid-cp2112, by the label the driver gives it: `gpiodetect` prints "gpiochip0 [LABEL] (8 lines)". */
export async function cp2112Chip() {
  const { stdout } = await must('gpiodetect', []);
  const match = /^(gpiochip\d+) \[cp2112[^\]]*\] \(8 lines\)/m.exec(stdout);
  if (match === null) throw new Error(`no gpiochip of a CP2112 in:\n${stdout}`);
  return match[1];
}

/** hid-cp2112 registers its gpiochip after its adapter. */
export async function chipComes() {
  return await until('gpiochip of hid-cp2112', 15_000, () => cp2112Chip().catch(() => undefined));
}

export async function chipGoes(chip) {
  await until(`end of ${chip}`, 15_000, () => !existsSync(`/dev/${chip}`));
}

/** What gpioinfo says of a line: its user, or nothing where it is free. */
export async function userOf(chip, line) {
  const { stdout } = await must('gpioinfo', [chip]);
  const row = new RegExp(`^\\s*line +${line}:(.*)$`, 'm').exec(stdout)?.[1];
  if (row === undefined) throw new Error(`no line ${line} in:\n${stdout}`);
  const user = /\[used\]|consumer=/.test(row) ? /nvmem-wp|gpioset/.exec(row)?.[0] : undefined;
  return { user, output: /output/.test(row) };
}

/**
 * Holds a line at a level with gpioset for as long as `body` runs: a line is only ours while the program that asked
 * for it lives. The two generations of libgpiod spell it differently.
 */
export async function holding(chip, line, level, body) {
  const { stdout } = await must('gpioset', ['--version']);
  const one = /v1\./.test(stdout);
  const args = one ? ['--mode=signal', chip, `${line}=${level}`] : ['-c', chip, `${line}=${level}`];
  const holder = spawn('gpioset', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise((done) => holder.on('close', done));
  try {
    const first = await Promise.race([ended.then((status) => ({ status })), lineHeld(chip, line, level)]);
    if (first.status !== undefined) throw new Error(`gpioset ended with status ${first.status}`);
    return await body();
  } finally {
    holder.kill('SIGTERM');
    await ended;
  }
}

async function lineHeld(chip, line, level) {
  await until(`line ${line} held at ${level}`, 10_000, async () => {
    const { stdout } = await must('gpioinfo', [chip]).catch(() => ({ stdout: '' }));
    return new RegExp(`line +${line}:.*gpioset.*output|line +${line}:.*output.*gpioset`).test(stdout);
  });
  return {};
}
