jest.mock('../../../lib/native/index.js', () => jest.requireActual<object>('../fake_native.js'));

import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';

import { SignalReceived } from '../../../lib/cli/io.js';
import { runCli } from '../../../lib/cli/program.js';
import { fake } from '../fake_native.js';

class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  constructor(readonly isTTY = false) {
    super();
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk);
    done();
  }
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
  get text(): string {
    return this.bytes.toString();
  }
}

interface Run {
  readonly status: number;
  readonly out: Sink;
  readonly err: string;
}

async function nvmem(
  args: string[],
  { tty = false, stdin = '', signal = new AbortController().signal } = {},
): Promise<Run> {
  const out = new Sink(tty);
  const err = new Sink(tty);
  const status = await runCli(args, {
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout: out,
    stderr: err,
    signal,
  });
  return { status, out, err: err.text };
}

/** The one JSON document of a run. */
async function json(
  args: string[],
  options = {},
): Promise<{ status: number; document: Record<string, unknown> }> {
  const { status, out, err } = await nvmem([...args, '--json'], options);
  expect(err).toBe('');
  expect(out.text.trim().split('\n')).toHaveLength(1);
  return { status, document: JSON.parse(out.text) as Record<string, unknown> };
}

let directory: string;
let image: string;
const at = (name: string): string => join(directory, name);
const content = Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 3) & 0xff));

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nvmem-cli-'));
  image = at('image.bin');
  writeFileSync(image, content);
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe('read', () => {
  test('into a pipe: the bytes and nothing else', async () => {
    const { status, out, err } = await nvmem(['read', `file://${image}`]);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out.bytes).toEqual(content);
  });

  test('on a terminal: a hex dump that counts from the offset', async () => {
    const { out } = await nvmem(['read', `file://${image}`, '--offset', '0x10', '--length', '3'], {
      tty: true,
    });
    expect(out.text).toBe(`00000010: 3033 36${' '.repeat(34)}036\n`);
  });

  test('into a file: whole, and nothing left beside it', async () => {
    const { status, out } = await nvmem(['read', `file://${image}`, '-o', at('dump')]);
    expect(status).toBe(0);
    expect(readFileSync(at('dump'))).toEqual(content);
    expect(readdirSync(directory).sort()).toEqual(['dump', 'image.bin']);
    expect(out.text).toMatch(/^read 100 bytes from file0 into .*dump in /);
  });

  test('as JSON', async () => {
    const sha256 = createHash('sha256').update(content).digest('hex');
    const { status, document } = await json(['read', `file://${image}`]);
    expect(status).toBe(0);
    expect(document).toEqual({
      ok: true,
      uri: `file://${image}`,
      device: 'file0',
      offset: 0,
      bytes: 100,
      sha256,
      ms: expect.any(Number),
      hex: content.toString('hex'),
    });
    const { document: filed } = await json(['read', `file://${image}`, '-o', at('dump')]);
    expect(filed).toMatchObject({ ok: true, bytes: 100, sha256, file: at('dump') });
  });

  test('beyond the end is a usage error', async () => {
    const { status, err } = await nvmem(['read', `file://${image}`, '--offset', '90', '--length', '11']);
    expect(status).toBe(2);
    expect(err).toMatch(/^nvmem: 11 bytes at 90 is beyond the end: the device has 100 bytes\n/);
  });

  test('where the file cannot be written nothing is read', async () => {
    const opens = fake.opens;
    const { status, document } = await json(['read', 'usbip://h/1-1/0x50?chip=24c02', '-o', at('none/dump')]);
    expect(status).toBe(1);
    expect(document).toMatchObject({ ok: false, error: { code: 'ENOENT' } });
    expect(fake.opens).toBe(opens);
  });
});

describe('write and verify', () => {
  test('a file, and the part of a device it is for', async () => {
    writeFileSync(at('new'), 'NEW');
    const { status, document } = await json(['write', `file://${image}`, at('new'), '--offset', '10']);
    expect(status).toBe(0);
    expect(document).toMatchObject({ ok: true, bytes: 3, offset: 10, verify: true, bytesSkipped: 0 });
    expect(readFileSync(image).subarray(9, 14)).toEqual(Buffer.of(27, 78, 69, 87, 39));
    expect((await nvmem(['verify', `file://${image}`, at('new'), '--offset', '10'])).status).toBe(0);
  });

  test('standard input', async () => {
    expect((await nvmem(['write', `file://${image}`, '-'], { stdin: 'abc' })).status).toBe(0);
    expect(readFileSync(image).subarray(0, 4).toString()).toBe('abc\t');
  });

  test('a difference is exit status 5 and says where', async () => {
    writeFileSync(at('other'), Buffer.concat([content.subarray(0, 50), Buffer.of(1, 2, 3)]));
    const { status, document } = await json(['verify', `file://${image}`, at('other')]);
    expect(status).toBe(5);
    expect(document).toMatchObject({
      ok: false,
      error: { code: 'EBADMSG', mismatchOffset: 50, mismatchCount: 3 },
    });
  });

  test.each([
    ['write', 'mem://64'],
    ['verify', 'mem://64'],
    ['write', 'usbip://h/1-1/0x50?chip=24c01&size=64'],
  ])('%s to %s: a file that does not fit is EFBIG before anything is opened', async (command, uri) => {
    const before = [fake.opens, fake.slots.length];
    const { status, document } = await json([command, uri, image]);
    expect(status).toBe(1);
    expect(document).toMatchObject({
      ok: false,
      error: { code: 'EFBIG', message: expect.stringMatching(/100 bytes.*64 bytes/) },
    });
    expect([fake.opens, fake.slots.length]).toEqual(before);
  });

  test('too much on standard input is seen as such', async () => {
    const { status } = await nvmem(['write', 'mem://4', '-'], { stdin: '12345' });
    expect(status).toBe(1);
  });

  test('a file that is missing is no missing device', async () => {
    const { status, document } = await json(['write', 'mem://64', at('none')]);
    expect(status).toBe(1);
    expect(document).toMatchObject({
      error: { code: 'ENOENT', message: expect.stringContaining('no such file') },
    });
  });
});

describe('erase', () => {
  test('all of it, or a stretch', async () => {
    const { status, document } = await json(['erase', `file://${image}`, '--offset', '10', '--length', '5']);
    expect(status).toBe(0);
    expect(document).toMatchObject({ ok: true, offset: 10, bytes: 5, verify: true });
    const now = readFileSync(image);
    expect(now.subarray(10, 15)).toEqual(Buffer.alloc(5, 0xff));
    expect(now.subarray(15)).toEqual(content.subarray(15));
    expect((await nvmem(['erase', `file://${image}`, '--yes'])).out.text).toMatch(
      /^erased 100 bytes at 0 of /,
    );
    expect(readFileSync(image).every((byte) => byte === 0xff)).toBe(true);
  });

  test.each([
    ['--offset', '100'],
    ['--length', '101'],
  ])('%s %s is beyond the end: nothing is erased', async (...options) => {
    const before = readFileSync(image);
    const { status, document } = await json(['erase', `file://${image}`, ...options]);
    expect(status).toBe(2);
    expect(document).toMatchObject({ ok: false, error: { code: 'EINVAL' } });
    expect(readFileSync(image)).toEqual(before);
  });
});

test('info says what it is', async () => {
  const { document } = await json(['info', 'mem://64']);
  expect(document).toEqual({ ok: true, uri: 'mem://64', device: 'mem0', type: 'Unknown', size: 64 });
  expect((await nvmem(['info', `file://${image}`])).out.text).toBe(
    `device  file0\ntype    Unknown\nsize    100 bytes\npath    ${image}\n`,
  );
});

describe('exit statuses', () => {
  test.each<[number, string, string[]]>([
    [0, '', ['--help']],
    [0, '', ['--version']],
    [0, '', ['read', '--help']],
    [2, 'ERR_USAGE', []],
    [2, 'ERR_USAGE', ['frobnicate']],
    [2, 'ERR_USAGE', ['read']],
    [2, 'ERR_USAGE', ['read', 'mem://1', '--offset', 'x']],
    [2, 'ERR_USAGE', ['read', 'mem://1', '--offset', '-1']],
    [2, 'ERR_USAGE', ['read', 'mem://1', '--nonsense']],
    [2, 'EINVAL', ['read', 'mem://zero']],
    [2, 'EINVAL', ['read', 'usbip://h/1-1/0x50?chip=24c257']],
    [3, 'ENOENT', ['read', 'cp2112:///0x50?chip=24c02']],
    [3, 'ECONNREFUSED', ['read', 'usbip://h/1-1/0x50?chip=24c02']],
    [3, 'ENOENT', ['read', 'file:///no/such/image']],
  ])('%i %s: nvmem %j', async (status, code, args) => {
    const plain = await nvmem(args);
    expect(plain.status).toBe(status);
    if (status === 0) {
      expect(plain.out.text).not.toBe('');
      return;
    }
    expect(plain.out.text).toBe('');
    expect(plain.err).not.toBe('');
    const { status: again, document } = await json(args);
    expect(again).toBe(status);
    expect(document).toMatchObject({
      ok: false,
      error: { code, message: expect.any(String), hint: expect.any(String) },
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends a command with %i, and nothing stays open', async (name, status) => {
    const controller = new AbortController();
    controller.abort(new SignalReceived(name));
    const run = await nvmem(['read', `file://${image}`, '-o', at('dump')], { signal: controller.signal });
    expect(run.status).toBe(status);
    expect(run.err).toMatch(/^nvmem: ABORT_ERR: the operation was aborted/);
    expect(existsSync(at('dump'))).toBe(false);
  });
});
