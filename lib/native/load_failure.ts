/** Why the addon did not load, by its cause: what helps against one does nothing against another. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

export interface LoadFailure {
  /** One sentence. */
  readonly message: string;
  /** What to do, one sentence or more. */
  readonly hint: string;
}

/**
 * npm 12 and pnpm run a package's install script only after somebody has approved it, and skip it without failing;
 * `npm rebuild` skips it as well.
 */
const BUILD =
  'Build it: npm rebuild nvmem. npm 12 and later skip that until it is approved: npm install-scripts approve nvmem ' +
  '(npm install -g --allow-scripts=nvmem nvmem for a global one); pnpm: pnpm approve-builds. It needs g++ 12, make and python3.';

const EXTERNAL =
  'Keep nvmem out of the bundle, and node_modules beside it: esbuild --external:nvmem; externals: ["nvmem"] in webpack; ' +
  'external: ["nvmem"] in Rollup and Vite; ncc build -e nvmem.';

/** In the order in which they are tried: what dlopen(3) says, and what it means. */
const REASONS: readonly (readonly [RegExp, (match: RegExpExecArray) => LoadFailure])[] = [
  [
    /Too many open files/,
    () => ({
      message: 'this process has too many files open',
      hint: 'Close some, or raise the limit: ulimit -n.',
    }),
  ],
  [
    /version [`'"]?((?:GLIBC|GLIBCXX|CXXABI)_[0-9.]+)[`'"]? not found/,
    ([, version = '']) => ({
      message: `it was built on a newer system: this one has no ${version}`,
      hint: `Build it where it is used, or on the oldest system that has to run it. ${BUILD}`,
    }),
  ],
  [
    /ld-linux|ld-musl|Error relocating|libc\.musl|__\w+_chk: symbol not found/,
    () => ({
      message: 'it was built for another C library (glibc and musl, as in Alpine, do not mix)',
      hint: `Install the package inside the container or system that runs it. ${BUILD}`,
    }),
  ],
  [
    /([\w.+-]+\.so[.\d]*): cannot open shared object file: No such file/,
    ([, library = '']) => ({
      message: `the library ${library} is missing here`,
      hint: `Install the package of this system that has ${library}, or build the addon here. ${BUILD}`,
    }),
  ],
  [
    /failed to map segment|Operation not permitted/,
    () => ({
      message: 'the file system that it lies on is mounted noexec, or a security policy forbids to load it',
      hint: 'Install the package on a file system from which programs may run.',
    }),
  ],
  [
    /Permission denied/,
    () => ({
      message: 'this user may not read it',
      hint: 'Make the file readable: chmod a+r, and a+x for its folders.',
    }),
  ],
  [
    /cannot allocate memory|Cannot allocate memory|static TLS/,
    () => ({
      message: 'there is not enough memory to load it',
      hint: 'Make memory free, or load nvmem earlier in the program.',
    }),
  ],
  [
    /file too short|invalid ELF header|self-register|undefined symbol|symbol lookup/,
    () => ({ message: 'the file is damaged, or of another version', hint: BUILD }),
  ],
];

/** Machines by their number in an ELF header (elf(5)), and as Node calls them. */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  8: 'mips',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};

/**
 * @param file where the addon should be
 * @param cause what require() threw
 * @param home the folder that should be the package's; undefined: this code does not know where it is
 */
export function loadFailure(file: string, cause: unknown, home: string | undefined): LoadFailure {
  const said = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
  const { code } = (cause ?? {}) as { code?: unknown };
  if (code === 'MODULE_NOT_FOUND' || home === undefined) {
    return home !== undefined && nameOf(home) === 'nvmem'
      ? { message: 'it has not been built', hint: BUILD }
      : { message: 'this code lies in no nvmem package: it has been bundled', hint: EXTERNAL };
  }
  const built = machineOf(file);
  if (built !== undefined && built !== process.arch) {
    return {
      message: `it was built for another processor (${built}), and this is ${process.arch}`,
      hint: `Install the package on the machine that runs it. ${BUILD}`,
    };
  }
  for (const [pattern, make] of REASONS) {
    // The path may hold any words.
    const match = pattern.exec(said.replaceAll(file, ''));
    if (match !== null) return make(match);
  }
  return { message: said === '' ? 'nobody says why' : said.replace(/[.\s]+$/, ''), hint: BUILD };
}

/** Of the package in a folder; undefined: there is none. */
function nameOf(folder: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
}

/** What an ELF file was built for; undefined: it is none, or cannot be read. */
function machineOf(file: string): string | undefined {
  const head = Buffer.alloc(20);
  try {
    const fd = openSync(file, 'r');
    try {
      if (readSync(fd, head, 0, head.length, 0) < head.length) return undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
  if (head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const isBigEndian = head[5] === 2;
  const number = isBigEndian ? head.readUInt16BE(18) : head.readUInt16LE(18);
  return MACHINES[number] ?? `ELF machine ${String(number)}`;
}
