import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { lastLine, refreshLists } from './packages.mjs';
import { NotRun, must, run } from './process.mjs';

/**
 * Debian's newest amd64 kernel, unpacked into the cache and not installed. Neither the cloud image, which has no
 * USB, nor the real-time one. Gives its folder, its release and its image.
 */
export async function fetchKernel(cache, { refresh = false, say = () => {} } = {}) {
  const link = join(cache, 'kernel');
  if (!refresh && existsSync(link)) return describe(join(cache, readlinkSync(link)));
  await refreshLists(cache);
  const names = (await must('apt-cache', ['pkgnames', 'linux-image-'])).stdout.split('\n');
  const images = names
    .filter((name) => /^linux-image-\d.*-amd64$/.test(name) && !/-(cloud|rt|dbg)-/.test(name))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  // apt remembers names that it can no longer fetch
  let reason = 'apt knows no linux-image-*-amd64';
  for (const image of images.slice(0, 3)) {
    const folder = join(cache, `kernel-${image.slice('linux-image-'.length)}`);
    try {
      if (refresh) rmSync(folder, { recursive: true, force: true });
      if (!existsSync(folder)) await unpack(cache, image, folder, say);
      rmSync(link, { force: true });
      symlinkSync(basename(folder), link);
      return describe(folder);
    } catch (error) {
      reason = error.message;
    }
  }
  throw new NotRun(`no kernel: ${lastLine(reason)}`);
}

/** Newer Debian releases split the modules and the image into packages of their own. */
async function unpack(cache, image, folder, say) {
  const depends = (await must('apt-cache', ['depends', '--no-recommends', '--no-suggests', image])).stdout;
  const parts = [...depends.matchAll(/^\s*Depends: (linux-(?:modules|binary|image)-\d\S*)$/gm)].map(
    (m) => m[1],
  );
  const packages = [image, ...parts];
  say(`downloading ${packages.join(' ')}`);
  const work = mkdtempSync(join(cache, 'unpack-'));
  try {
    const debs = join(work, 'deb');
    const tree = join(work, 'tree');
    mkdirSync(debs);
    mkdirSync(tree);
    await must('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', ...packages], {
      cwd: debs,
      timeoutMs: 600_000,
    });
    for (const deb of readdirSync(debs)) await must('dpkg-deb', ['-x', join(debs, deb), tree]);
    // one layout for all, wherever this release keeps /lib and /boot
    for (const name of ['lib', 'boot']) {
      if (!existsSync(join(tree, name)) && existsSync(join(tree, 'usr', name)))
        symlinkSync(`usr/${name}`, join(tree, name));
    }
    const { release } = describe(tree);
    await must('depmod', [
      '-b',
      existsSync(join(tree, 'usr/lib/modules')) ? join(tree, 'usr') : tree,
      release,
    ]);
    renameSync(tree, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function describe(folder) {
  const release = readdirSync(join(folder, 'lib/modules'))[0];
  if (release === undefined) throw new Error(`no modules in ${folder}`);
  const places = [
    join(folder, 'boot', `vmlinuz-${release}`),
    join(folder, 'lib/modules', release, 'vmlinuz'),
  ];
  const image = places.find((path) => existsSync(path));
  if (image === undefined) throw new Error(`no kernel image in ${folder}`);
  return { folder, release, image };
}

/** The files that `modprobe NAME` would load from this kernel, in their order; none for what is built in. */
export async function moduleFiles(kernel, name) {
  const shown = await run('modprobe', ['-d', kernel.folder, '-S', kernel.release, '--show-depends', name]);
  return [...shown.stdout.matchAll(/^insmod (\S+)/gm)].map((m) => m[1]);
}
