/** Why the addon did not load: what dlopen(3) and require() say, and the advice that follows from it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadFailure } from '../../../lib/native/load_failure.js';

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nvmem-load-'));
  file = join(folder, 'nvmem.node');
  writeFileSync(join(folder, 'package.json'), '{"name":"nvmem"}');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const missing = Object.assign(new Error("Cannot find module 'nvmem.node'"), { code: 'MODULE_NOT_FOUND' });

test('it was never built: how to build it, also where install scripts wait for approval', () => {
  const { message, hint } = loadFailure(file, missing, folder);
  expect(message).toBe('it has not been built');
  expect(hint).toMatch(/npm rebuild nvmem.*approve/s);
});

test.each([
  ['no folder', undefined],
  ['the folder of another package', join(__dirname, 'nowhere')],
])('bundled code (%s) is told to leave nvmem out, and not to build', (_name, home) => {
  const { message, hint } = loadFailure(file, missing, home);
  expect(message).toContain('bundled');
  expect(hint).toMatch(/esbuild --external:nvmem/);
  expect(hint).not.toMatch(/rebuild/);
});

test.each([
  ['cannot open: Too many open files', /too many files/, /ulimit -n/],
  ["/lib/libc.so.6: version `GLIBC_2.38' not found (required by it)", /no GLIBC_2\.38/, /oldest system/],
  ['Error relocating nvmem.node: __memcpy_chk: symbol not found', /another C library/, /container/],
  [
    'libstdc++.so.6: cannot open shared object file: No such file or directory',
    /libstdc\+\+\.so\.6/,
    /has lib/,
  ],
  ['failed to map segment from shared object', /noexec/, /may run/],
  ['cannot open shared object file: Permission denied', /may not read/, /chmod/],
  ['cannot allocate memory in static TLS block', /not enough memory/, /earlier/],
  ['file too short', /damaged/, /npm rebuild/],
  ['something that nobody knows', /: something that nobody knows$/, /npm rebuild/],
])('%s', (said, message, hint) => {
  writeFileSync(file, '');
  const failure = loadFailure(file, new Error(`${file}: ${said}`), folder);
  expect(failure.message).toMatch(message);
  expect(failure.hint).toMatch(hint);
});

test('another processor shows in the file itself', () => {
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head[5] = 1;
  head.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
  writeFileSync(file, head);
  const { message } = loadFailure(file, new Error('invalid ELF header'), folder);
  expect(message).toContain(process.arch === 'arm64' ? '(x64)' : '(arm64)');
  head.writeUInt16LE(999, 18);
  writeFileSync(file, head);
  expect(loadFailure(file, new Error('x'), folder).message).toContain('ELF machine 999');
});
