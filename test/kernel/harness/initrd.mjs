import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { moduleFiles } from './kernel.mjs';
import { must } from './process.mjs';

/** What it takes to reach the shared root file system and the port that the command prints to. */
const MODULES = ['virtio_pci', 'virtio_console', 'virtio_rng', '9pnet_virtio', '9p', 'overlay'];
const INIT = join(fileURLToPath(new URL('.', import.meta.url)), 'init.sh');

/** An initrd of busybox, a few modules and init.sh; made once for each set of these. */
export async function makeInitrd(cache, kernel) {
  const files = [];
  for (const name of MODULES) {
    for (const file of await moduleFiles(kernel, name)) if (!files.includes(file)) files.push(file);
  }
  const init = readFileSync(INIT);
  const busybox = readFileSync('/bin/busybox');
  const key = createHash('sha256')
    .update(init)
    .update(busybox)
    .update(`${kernel.release} ${files.join(' ')}`);
  const path = join(cache, `initrd-${key.digest('hex').slice(0, 16)}.gz`);
  if (existsSync(path)) return path;

  const archive = new Cpio();
  for (const name of ['bin', 'mod', 'proc', 'sys', 'dev', 'ctl', 'low', 'rw', 'new']) archive.directory(name);
  archive.file('init', init, 0o755);
  archive.file('bin/busybox', busybox, 0o755);
  for (const [index, file] of files.entries()) {
    const name = basename(file).replace(/\.ko.*$/, '.ko');
    archive.file(`mod/${String(index).padStart(2, '0')}-${name}`, await plainModule(file), 0o644);
  }
  writeFileSync(`${path}.new`, gzipSync(archive.end(), { level: 1 }));
  renameSync(`${path}.new`, path);
  return path;
}

async function plainModule(file) {
  if (file.endsWith('.xz')) return (await must('xz', ['-dc', file])).bytes;
  if (file.endsWith('.zst')) return (await must('zstd', ['-qdc', file])).bytes;
  return readFileSync(file);
}

/** The "newc" archive format, Documentation/driver-api/early-userspace/buffer-format.rst in the kernel. */
class Cpio {
  #parts = [];
  #inode = 1;

  directory(name) {
    this.#entry(name, 0o040755, Buffer.alloc(0));
  }

  file(name, data, mode) {
    this.#entry(name, 0o100000 | mode, data);
  }

  end() {
    this.#entry('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  #entry(name, mode, data) {
    // inode, mode, uid, gid, links, mtime, size, device, special device (two numbers each), name length, checksum
    const fields = [this.#inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`;
    this.#parts.push(padded(Buffer.from(header)), padded(data));
  }
}

function padded(data) {
  return Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
}
