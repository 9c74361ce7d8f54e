import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, run } from '../harness/process.mjs';
import { until } from './wait.mjs';

const DEVICES = '/sys/bus/i2c/devices';

/** The numbers of all I2C adapters of hid-cp2112; others (a graphics card's) are none of our business. */
export function adapters() {
  return readdirSync(DEVICES)
    .filter((name) => /^i2c-\d+$/.test(name) && /CP2112/.test(readName(name)))
    .map((name) => Number(name.slice(4)));
}

function readName(device) {
  try {
    return readFileSync(join(DEVICES, device, 'name'), 'utf8');
  } catch {
    return ''; // unplugged meanwhile
  }
}

/** The adapter that appears, with its device node. */
export async function adapterComes() {
  const found = await until('I2C adapter of hid-cp2112', 15_000, () => {
    const [number] = adapters();
    return number !== undefined && existsSync(`/dev/i2c-${number}`) ? { number } : undefined;
  });
  return found.number;
}

export async function adapterGoes(number, limitMs = 15_000) {
  await until(
    `end of /dev/i2c-${number}`,
    limitMs,
    () => !existsSync(`/dev/i2c-${number}`) && adapters().length === 0,
  );
}

/** Binds the kernel's at24 to a part and gives its sysfs file. */
export async function bindAt24(adapter, type, address) {
  const device = `${adapter}-${address.toString(16).padStart(4, '0')}`;
  // in a child, for a write to sysfs blocks until the driver has probed
  await must('sh', ['-c', `echo ${type} 0x${address.toString(16)} > ${DEVICES}/i2c-${adapter}/new_device`]);
  const path = join(DEVICES, device, 'eeprom');
  if (!existsSync(path)) throw new Error(`at24 did not bind to ${device}: no file "eeprom"`);
  return path;
}

/**
 * What the kernel reads from a part; `dd` does it, so that a read that gets stuck does not stop the checks. In small
 * blocks: what an unplug cuts off is the block it falls into.
 */
export async function readAll(path, limitMs = 60_000) {
  return await run('dd', [`if=${path}`, 'bs=512', 'status=none'], { timeoutMs: limitMs });
}

/** The whole content, or a failure. */
export async function contentOf(path, limitMs) {
  const read = await readAll(path, limitMs);
  if (read.status !== 0) throw new Error(`dd of ${path} ended with status ${read.status}: ${read.stderr}`);
  return read.bytes;
}

/** Writes through the kernel. Gives dd's status: a part that drops writes acknowledges them like any other. */
export async function writeAt(path, offset, data, scratch) {
  const file = join(scratch, 'patch');
  writeFileSync(file, data);
  const args = [
    `if=${file}`,
    `of=${path}`,
    `bs=${data.length}`,
    `seek=${offset}`,
    'oflag=seek_bytes',
    'conv=notrunc',
  ];
  return await run('dd', [...args, 'status=none'], { timeoutMs: 20_000 });
}

/** The addresses that answer, as i2cdetect shows them; -r: by reading a byte, for the bridge has no Quick. */
export async function detect(adapter) {
  const { stdout } = await must('i2cdetect', ['-y', '-r', String(adapter)], { timeoutMs: 60_000 });
  const found = [];
  for (const row of stdout.split('\n').slice(1)) {
    for (const cell of row.split(':')[1]?.trim().split(/\s+/) ?? [])
      if (cell !== '--' && cell !== '') found.push(cell);
  }
  return found;
}

export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
